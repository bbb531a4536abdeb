"""Hooks about tasks are called at every moment of a dynamic execution, where the task is."""

from __future__ import annotations

import os
from typing import Any

import pytest

from engine import lifecycle
from engine.driver import Builder
from engine.errors import ExecutorError
from engine.execution.executors import MultiProcessingExecutor, MultiThreadingExecutor
from tests.fixtures import branches


class Notes(
    lifecycle.TaskSubmissionHook,
    lifecycle.TaskReturnHook,
    lifecycle.TaskExecutionHook,
    lifecycle.TaskGroupingHook,
    lifecycle.NodeExecutionHook,
):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def run_before_task_submission(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("submit", facts))

    def run_after_task_return(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("return", facts))

    def run_before_task_execution(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("begin", facts))

    def run_after_task_execution(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("end", facts))

    def run_after_task_grouping(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("group", facts))

    def run_after_task_expansion(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("expand", facts))

    def run_before_node_execution(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("before", facts))

    def run_after_node_execution(self, **facts: Any) -> None:
        """Note it."""
        self.calls.append(("after", facts))

    def of(self, moment: str) -> list[dict[str, Any]]:
        """Return what it was told at a moment."""
        return [facts for name, facts in self.calls if name == moment]


class Stamp(lifecycle.TaskExecutionHook):
    """Writes where tasks end into a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def run_before_task_execution(self, **facts: Any) -> None:
        """Do nothing."""

    def run_after_task_execution(self, *, task_id: str, **facts: Any) -> None:
        """Write it."""
        del facts
        with open(self.path, "a", encoding="utf-8") as file:  # noqa: PTH123 - appended to by several processes
            file.write(f"{task_id} {os.getpid()}\n")


def driver_of(executor: Any, *hooks: Any) -> Any:
    """Build a driver of the block."""
    builder = Builder().enable_dynamic_execution(allow_experimental_mode=True).with_modules(branches)
    return builder.with_remote_executor(executor).with_adapters(*hooks).build()


def test_every_branch_is_a_task() -> None:
    """Every task is submitted, begins, ends and returns once; branches name the task that gave their item."""
    notes = Notes()
    driver_of(MultiThreadingExecutor(3), notes).execute(["total"], inputs={"count": 3})
    names = ["expand-number", "bias", "block-number", "collect-number", "total"]
    assert [facts["task_ids"] for facts in notes.of("group")] == [names]
    tasks = {*names} - {"block-number"} | {f"expand-number.{number}.block-number" for number in range(3)}
    for moment in ("submit", "begin", "end", "return"):
        assert sorted(facts["task_id"] for facts in notes.of(moment)) == sorted(tasks)
    assert [facts["parameters"] for facts in notes.of("expand")] == [{"0": 0, "1": 1, "2": 2}]
    spawned = {facts["task_id"]: facts["spawning_task_id"] for facts in notes.of("submit")}
    assert spawned["expand-number.1.block-number"] == "expand-number"
    assert spawned["total"] is None
    results = {facts["task_id"]: facts["result"] for facts in notes.of("return")}
    assert results["expand-number.2.block-number"]["worker"][0] == 14
    assert {facts["task_id"] for facts in notes.of("before")} == tasks


def test_a_failing_task_is_told_with_its_error() -> None:
    """The task of a failing branch ends and returns without success."""
    notes = Notes()
    with pytest.raises(KeyError) as caught:
        driver_of(MultiThreadingExecutor(1), notes).execute(["all_broken"], inputs={"count": 9})
    for moment in ("end", "return"):
        (failed,) = [facts for facts in notes.of(moment) if not facts["success"]]
        assert failed["error"] is caught.value
        assert failed["task_id"] == "expand-number.3.block-number"
    assert not [facts for facts in notes.of("submit") if facts["task_id"] == "collect-number"]


def test_hooks_about_execution_are_called_in_the_process_that_executes(tmp_path: Any) -> None:
    """A hook travels with the task."""
    path = tmp_path / "stamps"
    driver_of(MultiProcessingExecutor(2), Stamp(str(path))).execute(["total"], inputs={"count": 2})
    stamps = dict(line.split() for line in path.read_text().splitlines())
    assert stamps["expand-number.1.block-number"] != str(os.getpid())
    assert stamps["total"] == str(os.getpid())


def test_a_hook_that_does_not_travel_is_named() -> None:
    """An adapter that cannot be pickled is named when branches run in other processes."""

    class Local(lifecycle.TaskExecutionHook):
        def run_before_task_execution(self, **facts: Any) -> None:
            pass

        def run_after_task_execution(self, **facts: Any) -> None:
            pass

    with pytest.raises(ExecutorError, match="the adapter Local cannot be sent"):
        driver_of(MultiProcessingExecutor(1), Local()).execute(["total"], inputs={"count": 1})
