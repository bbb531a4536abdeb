"""The hooks about tasks pass on what the low-level ones are told, nodes as views."""

from __future__ import annotations

from typing import Any

from engine import lifecycle
from engine.graph_types import HamiltonNode
from engine.lifecycle.base import LifecycleAdapterSet
from engine.node import Node


def node(number: int) -> int:
    """A node."""
    return number


class Tasks(
    lifecycle.TaskSubmissionHook, lifecycle.TaskReturnHook, lifecycle.TaskExecutionHook, lifecycle.TaskGroupingHook
):
    """Notes every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def run_before_task_submission(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("submission", facts))

    def run_after_task_return(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("return", facts))

    def run_before_task_execution(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("before", facts))

    def run_after_task_execution(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("after", facts))

    def run_after_task_grouping(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("grouping", facts))

    def run_after_task_expansion(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("expansion", facts))


def test_tasks_are_told_with_views_of_their_nodes() -> None:
    """Every hook about tasks is called with its facts by name."""
    tasks = Tasks()
    hooks = LifecycleAdapterSet(tasks)
    task: dict[str, Any] = {"run_id": "r", "task_id": "t", "spawning_task_id": None, "purpose": None}
    nodes = [Node.from_function(node)]
    given: dict[str, Any] = {**task, "inputs": {"number": 1}, "overrides": {}}
    outcome: dict[str, Any] = {**task, "success": True, "error": None}
    hooks.call_all_lifecycle_hooks_sync("post_task_group", run_id="r", task_ids=["t"])
    hooks.call_all_lifecycle_hooks_sync("post_task_expand", run_id="r", task_id="t", parameters={"t.0": 1})
    hooks.call_all_lifecycle_hooks_sync("pre_task_submission", nodes=nodes, **given)
    hooks.call_all_lifecycle_hooks_sync("pre_task_execute", nodes=nodes, **given)
    hooks.call_all_lifecycle_hooks_sync("post_task_execute", nodes=nodes, results={"node": 1}, **outcome)
    hooks.call_all_lifecycle_hooks_sync("post_task_return", nodes=nodes, result={"node": 1}, **outcome)
    assert [name for name, _ in tasks.calls] == ["grouping", "expansion", "submission", "before", "after", "return"]
    for _, facts in tasks.calls[2:]:
        (view,) = facts["nodes"]
        assert isinstance(view, HamiltonNode)
    assert tasks.calls[2][1] == {**given, "nodes": tasks.calls[2][1]["nodes"]}
    assert tasks.calls[5][1]["result"] == {"node": 1}
