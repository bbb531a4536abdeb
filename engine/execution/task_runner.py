"""Task runner: runs a stage as tasks on executors instead of node by node; everything else is as ever."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from engine.execution.dispatch import Dispatch
from engine.execution.grouping import GroupByRepeatableBlocks
from engine.execution.nodes import NodeRunner
from engine.execution.parcels import Place
from engine.execution.task_plan import plan_tasks
from engine.execution.tasks import Setting
from engine.io.session import session_at_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

    from engine.execution.branches import Branches
    from engine.execution.executors.base import ExecutionManager
    from engine.execution.grouping import GroupingStrategy
    from engine.execution.recorder import Recorder
    from engine.execution.scheduler import Stage
    from engine.execution.task_plan import TaskPlan
    from engine.execution.tasks import Note
    from engine.lifecycle.base import LifecycleAdapterSet
    from engine.node import Node


@dataclass(frozen=True, slots=True)
class Tasking:
    """How a driver makes tasks and where they run.

    Attributes:
        manager: Says which executor runs a task.
        grouping: Says which nodes are a task.
        names_tasks: Hooks are told the names of tasks.
    """

    manager: ExecutionManager
    grouping: GroupingStrategy = field(default_factory=GroupByRepeatableBlocks)
    names_tasks: bool = True
    _plans: WeakKeyDictionary[Stage, TaskPlan] = field(default_factory=WeakKeyDictionary, repr=False)

    def plan(self, stage: Stage, blocks: Iterable[Any]) -> TaskPlan:
        """Return the tasks of a stage, worked out once.

        Raises:
            ConfigurationError: The grouping does not work.
        """
        if stage not in self._plans:
            self._plans[stage] = plan_tasks(stage, blocks, self.grouping)
        return self._plans[stage]


class TaskRunner(NodeRunner):
    """Runs the nodes of one run as tasks.

    Args:
        tasking: How tasks are made and where they run.
    """

    def __init__(
        self,
        values: MutableMapping[str, Any],
        hooks: LifecycleAdapterSet,
        recorder: Recorder,
        on_read: Callable[[Node, Any], None],
        *,
        tasking: Tasking,
    ) -> None:
        super().__init__(values, hooks, recorder, on_read)
        self._records = recorder
        self._hooks, self._tasking = hooks, tasking
        self._nodes: dict[str, Node] = {}

    def __enter__(self) -> Self:
        self._tasking.manager.init()
        return self

    def __exit__(self, *_: object) -> None:
        self._tasking.manager.finalize()

    def run(self, stage: Stage) -> None:
        """Run a stage.

        Raises:
            Exception: What a node raised first, unchanged, with a note on the node; what else was to run is cancelled.
        """
        if not stage.nodes:
            return
        plan = self._tasking.plan(stage, self.blocks)
        for hook in self._hooks.of("post_task_group"):
            hook(run_id=self._records.run_id, task_ids=[group.id for group in plan.groups])
        self._nodes = {node.name: node for node in stage.nodes}
        setting = Setting(
            self._hooks,
            self._records.run_id,
            self._records.is_recording,
            names_tasks=self._tasking.names_tasks,
            thread=threading.get_ident(),
        )
        session = session_at_work()
        place = Place(session.default_url, session.tracks_sources) if session else Place(None, tracks_sources=False)
        Dispatch(plan, self.values, setting, self._tasking.manager, place, self, self.take).run()

    # --- what tasks did -----------------------------------------------------------------------------------------------
    def report(self, notes: Iterable[Note]) -> None:
        """Write down what nodes did that run once."""
        for note in notes:
            self._read(note)
            self._records.node(
                self._nodes[note.node],
                note.state,
                started_at=note.started_at,
                ended_at=note.ended_at,
                rows=note.rows,
                error=note.error,
            )

    def report_reads(self, notes: Iterable[Note]) -> None:
        """Write down what loaders in a branch read."""
        for note in notes:
            self._read(note)

    def report_branches(self, branches: Branches) -> None:
        """Write down what the nodes of a block did, in one node run each.

        Begin is the first begin of all branches, end the last end; the duration is the time spent, added up.
        """
        for name, tally in branches.all_tallies():
            self._records.node(
                self._nodes[name],
                tally.state,
                started_at=tally.started_at,
                ended_at=tally.ended_at,
                duration_s=tally.spent_s,
                rows=tally.rows,
                error=tally.error,
            )

    def _read(self, note: Note) -> None:
        if note.metadata is not None:
            self._on_read(self._nodes[note.node], (None, note.metadata))
