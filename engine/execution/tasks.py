"""Tasks: what one worker runs of a dynamic execution, wherever it is, and what comes back.

A task runs its nodes by the same `NodeRunner` as everything else. It writes no record itself: what it would have noted
comes back with its values, and the driver's thread writes it down.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.execution.nodes import NodeRunner
from engine.execution.reads import metadata_of
from engine.execution.recorder import rows_of
from engine.io.session import own_lane

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from engine.execution.task_plan import Group
    from engine.execution.transfers import Moved
    from engine.lifecycle.base import LifecycleAdapterSet
    from engine.metadata.records import NodeRunState
    from engine.node import Node


@dataclass(frozen=True, slots=True)
class Setting:
    """What all tasks of a run share.

    Attributes:
        hooks: Who watches.
        run_id: The run.
        is_recording: What the nodes did is to be noted.
        names_tasks: Hooks are told which task a node belongs to.
        thread: The driver's thread; on any other, loaders have connections of their own.
    """

    hooks: LifecycleAdapterSet
    run_id: str
    is_recording: bool
    names_tasks: bool
    thread: int


class Note(NamedTuple):
    """What became of one node in one task.

    Attributes:
        metadata: What a loader said of what it read.
    """

    node: str
    state: NodeRunState
    started_at: datetime | None
    ended_at: datetime | None
    rows: int | None
    error: BaseException | None
    metadata: dict[str, Any] | None


class Outcome(NamedTuple):
    """What came of a task: its values, what is to be noted, and the error of one that failed."""

    values: dict[str, Any]
    notes: list[Note]
    error: Exception | None


class Notes:
    """Takes down what nodes do, in a recorder's stead."""

    def __init__(self, setting: Setting) -> None:
        self.run_id = setting.run_id
        self.is_recording = setting.is_recording
        self.taken: list[Note] = []
        self._metadata: dict[str, Any] | None = None

    def read(self, node: Node, value: Any) -> None:
        """Take down what a loader read; what became of its node follows."""
        del node
        self._metadata = metadata_of(value)

    def node(
        self,
        node: Node,
        state: NodeRunState,
        *,
        started_at: datetime | None,
        ended_at: datetime | None,
        value: Any,
        error: BaseException | None,
    ) -> None:
        """Take down what became of a node."""
        note = Note(node.name, state, started_at, ended_at, rows_of(value), error, self._metadata)
        self.taken.append(note)
        self._metadata = None


@dataclass(slots=True)
class Task:
    """One group of nodes with the values it reads; calling it runs it.

    Attributes:
        group: The nodes.
        values: What they read.
        setting: What all tasks of the run share.
        number: Which branch of a block it is.
        take: Gives what a loader gave that was begun before its turn, or None.
    """

    group: Group
    values: dict[str, Any]
    setting: Setting
    number: int | None = None
    take: Callable[[Node], Moved | None] | None = None

    @property
    def task_id(self) -> str:
        """The task's name: the group's, behind the branch's."""
        base = self.group.base
        return base.base_id if self.number is None else f"{base.spawning_task_base_id}.{self.number}.{base.base_id}"

    @property
    def purpose(self) -> Any:
        """What the task is for."""
        return self.group.base.purpose

    @property
    def nodes(self) -> list[Node]:
        """The nodes it runs."""
        return self.group.base.nodes

    def facts(self) -> dict[str, Any]:
        """Return what hooks are told of it."""
        base = self.group.base
        return {
            "run_id": self.setting.run_id,
            "task_id": self.task_id,
            "nodes": list(base.nodes),
            "spawning_task_id": None if self.number is None else base.spawning_task_base_id,
            "purpose": base.purpose,
        }

    def __call__(self) -> Outcome:
        """Run the nodes; what one raises is in the outcome."""
        if threading.get_ident() == self.setting.thread:
            return self._run()
        with own_lane():
            return self._run()

    def _run(self) -> Outcome:
        hooks, notes = self.setting.hooks, Notes(self.setting)
        before, after = hooks.of("pre_task_execute"), hooks.of("post_task_execute")
        task_id = self.task_id if self.setting.names_tasks else None
        runner = NodeRunner(self.values, hooks, notes, notes.read, task_id)
        if self.take is not None:
            runner.take = self.take
        facts = self.facts() if before or after else {}
        error: Exception | None = None
        try:
            for hook in before:
                hook(**facts, inputs=dict(self.values), overrides={})
            runner.run(self.group.stage)
        except Exception as raised:  # noqa: BLE001 - it is raised where the run is
            error = raised
        values = self._given() if error is None else {}
        for hook in after:
            hook(**facts, results=values if error is None else None, success=error is None, error=error)
        return Outcome(values, notes.taken, error)

    def _given(self) -> dict[str, Any]:
        values = self.values
        return {name: values[name] for name in self.group.gives}
