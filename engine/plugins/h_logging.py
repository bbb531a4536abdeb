"""logging: what runs, in the log. Names and outcomes only: the values of nodes and inputs are never logged."""

from __future__ import annotations

import contextvars
import logging
from typing import TYPE_CHECKING, Any

from engine.lifecycle.api import GraphExecutionHook, NodeExecutionHook
from engine.lifecycle.tasks import TaskExecutionHook, TaskGroupingHook, TaskReturnHook, TaskSubmissionHook

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

_WHERE: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("engine_logging_where", default=())
"""What runs in this thread or asyncio task: the run, or a task and its node."""


class ContextLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts what runs before each message."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Return the message with what runs before it."""
        return " - ".join((*_WHERE.get(), str(msg))), kwargs


def get_logger(name: str | None = None) -> ContextLogger:
    """Return a logger for use in nodes: its messages say which node they come from.

    Args:
        name: As of ``logging.getLogger``; None means this plug-in's own.
    """
    return ContextLogger(logging.getLogger(name or __name__), {})


class LoggingAdapter(
    GraphExecutionHook, NodeExecutionHook, TaskGroupingHook, TaskSubmissionHook, TaskExecutionHook, TaskReturnHook
):
    """Logs runs, tasks and nodes: beginnings of nodes at DEBUG, ends at INFO, failures with their traceback at ERROR.

    Args:
        logger: A logger or its name.
    """

    def __init__(self, logger: str | logging.Logger | None = None) -> None:
        plain = logger if isinstance(logger, logging.Logger) else logging.getLogger(logger or __name__)
        self.logger = ContextLogger(plain, {})

    def run_before_graph_execution(
        self, *, inputs: dict[str, Any], overrides: dict[str, Any], run_id: str, **future_kwargs: Any
    ) -> None:
        """Log that a run begins, and the names of what is given."""
        del future_kwargs
        _WHERE.set((f"Graph run {run_id!r}",))
        self.logger.info("Starting graph execution")
        if inputs:
            self.logger.info("Using inputs %s", _names(inputs))
        if overrides:
            self.logger.info("Using overrides %s", _names(overrides))

    def run_after_graph_execution(self, *, success: bool, run_id: str, **future_kwargs: Any) -> None:
        """Log how the run ended."""
        del future_kwargs
        _WHERE.set((f"Graph run {run_id!r}",))
        if success:
            self.logger.info("Finished graph execution [OK]")
        else:
            self.logger.error("Graph execution failed due to errors")
        _WHERE.set(())

    def run_before_node_execution(
        self, *, node_name: str, node_kwargs: dict[str, Any], task_id: str | None, **future_kwargs: Any
    ) -> None:
        """Log that a node begins, and the names of what it takes."""
        del future_kwargs
        _WHERE.set((*_task(task_id), f"Node {node_name!r}"))
        reads = f"with dependencies {_names(node_kwargs)}" if node_kwargs else "without dependencies"
        self.logger.debug("Starting execution %s", reads)

    def run_after_node_execution(
        self, *, node_name: str, error: Exception | None, success: bool, task_id: str | None, **future_kwargs: Any
    ) -> None:
        """Log how the node ended."""
        del future_kwargs
        _WHERE.set((*_task(task_id), f"Node {node_name!r}"))
        if success:
            self.logger.info("Finished execution [OK]")
        else:
            self.logger.error("Encountered error", exc_info=error)
        _WHERE.set(_task(task_id))

    def run_after_task_grouping(self, *, task_ids: list[str], **future_kwargs: Any) -> None:
        """Log into how many tasks the nodes were grouped."""
        del future_kwargs
        self.logger.info("Dynamic DAG detected; %d tasks: %s", len(task_ids), _names(task_ids))

    def run_after_task_expansion(self, *, task_id: str, parameters: dict[str, Any], **future_kwargs: Any) -> None:
        """Log how many branches there are."""
        del future_kwargs
        self.logger.info("Task %r expands to %d branches", task_id, len(parameters))

    def run_before_task_submission(self, *, task_id: str, **future_kwargs: Any) -> None:
        """Log that a task goes to its executor."""
        del future_kwargs
        self.logger.debug("Submitting task %r", task_id)

    def run_before_task_execution(self, *, task_id: str, nodes: list[Any], **future_kwargs: Any) -> None:
        """Log that a task begins, and the names of its nodes."""
        del future_kwargs
        _WHERE.set(_task(task_id))
        self.logger.debug("Starting execution of nodes %s", _names(node.name for node in nodes))

    def run_after_task_execution(
        self, *, task_id: str, success: bool, error: Exception | None, **future_kwargs: Any
    ) -> None:
        """Log how the task ended."""
        del future_kwargs
        _WHERE.set(_task(task_id))
        if success:
            self.logger.info("Finished execution [OK]")
        else:
            self.logger.error("Encountered error", exc_info=error)

    def run_after_task_return(self, *, task_id: str, success: bool, **future_kwargs: Any) -> None:
        """Log that a task came back."""
        del future_kwargs
        outcome = "OK" if success else "FAILED"
        self.logger.debug("Task %r came back [%s]", task_id, outcome)


class AsyncLoggingAdapter(LoggingAdapter):
    """Apache Hamilton's name of the same for the async driver, which calls plain hooks too."""


def _task(task_id: str | None) -> tuple[str, ...]:
    return () if task_id is None else (f"Task {task_id!r}",)


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
