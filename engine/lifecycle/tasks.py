"""The hook classes about the tasks of a dynamic execution that users subclass.

A task is a group of nodes that one worker runs. Submission and return are seen where the driver runs; execution is seen
where the task runs, which may be another process.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

from engine.graph_types import HamiltonNode
from engine.lifecycle.contracts import (
    BasePostTaskExecute,
    BasePostTaskExpand,
    BasePostTaskGroup,
    BasePostTaskReturn,
    BasePreTaskExecute,
    BasePreTaskSubmission,
)

if TYPE_CHECKING:
    from engine.node import Node


class TaskSubmissionHook(BasePreTaskSubmission):
    """Called before a task goes to its executor."""

    def pre_task_submission(self, *, nodes: list[Node], **facts: Any) -> None:
        """Show views of the nodes."""
        self.run_before_task_submission(nodes=_views(nodes), **facts)

    @abc.abstractmethod
    def run_before_task_submission(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[HamiltonNode],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        spawning_task_id: str | None,
        purpose: Any,
        **future_kwargs: Any,
    ) -> None:
        """Called with what the task is to run; ``spawning_task_id`` names the task whose item it works on."""


class TaskReturnHook(BasePostTaskReturn):
    """Called when a task came back from its executor."""

    def post_task_return(self, *, nodes: list[Node], **facts: Any) -> None:
        """Show views of the nodes."""
        self.run_after_task_return(nodes=_views(nodes), **facts)

    @abc.abstractmethod
    def run_after_task_return(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[HamiltonNode],
        result: Any,
        success: bool,
        error: Exception | None,
        spawning_task_id: str | None,
        purpose: Any,
        **future_kwargs: Any,
    ) -> None:
        """Called with the values of the task, or with what it raised."""


class TaskExecutionHook(BasePreTaskExecute, BasePostTaskExecute):
    """Called before and after a task runs, where it runs."""

    def pre_task_execute(self, *, nodes: list[Node], **facts: Any) -> None:
        """Show views of the nodes."""
        self.run_before_task_execution(nodes=_views(nodes), **facts)

    def post_task_execute(self, *, nodes: list[Node], **facts: Any) -> None:
        """Show views of the nodes."""
        self.run_after_task_execution(nodes=_views(nodes), **facts)

    @abc.abstractmethod
    def run_before_task_execution(
        self,
        *,
        task_id: str,
        run_id: str,
        nodes: list[HamiltonNode],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        spawning_task_id: str | None,
        purpose: Any,
        **future_kwargs: Any,
    ) -> None:
        """Called with what the task is to run."""

    @abc.abstractmethod
    def run_after_task_execution(
        self,
        *,
        task_id: str,
        run_id: str,
        nodes: list[HamiltonNode],
        results: dict[str, Any] | None,
        success: bool,
        error: Exception | None,
        spawning_task_id: str | None,
        purpose: Any,
        **future_kwargs: Any,
    ) -> None:
        """Called with the values of the task, or with what it raised."""


class TaskGroupingHook(BasePostTaskGroup, BasePostTaskExpand):
    """Called when nodes were grouped into tasks, and when a task turned out to be many."""

    def post_task_group(self, *, run_id: str, task_ids: list[str]) -> None:
        """Pass it on."""
        self.run_after_task_grouping(run_id=run_id, task_ids=task_ids)

    def post_task_expand(self, *, run_id: str, task_id: str, parameters: dict[str, Any]) -> None:
        """Pass it on."""
        self.run_after_task_expansion(run_id=run_id, task_id=task_id, parameters=parameters)

    @abc.abstractmethod
    def run_after_task_grouping(self, *, run_id: str, task_ids: list[str], **future_kwargs: Any) -> None:
        """Called with the names of the tasks."""

    @abc.abstractmethod
    def run_after_task_expansion(
        self, *, run_id: str, task_id: str, parameters: dict[str, Any], **future_kwargs: Any
    ) -> None:
        """Called with the item of each branch, by the branch's name."""


def _views(nodes: list[Node]) -> list[HamiltonNode]:
    return [HamiltonNode.from_node(node) for node in nodes]
