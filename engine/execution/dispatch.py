"""Dispatch: hands the tasks of one stage to executors and puts what comes back together; the driver's thread runs it.

Theory of operation. A group is ready when the groups it waits for are over. A ready group that runs once is one task. A
ready block is a task per item: an item is taken from its generator when an executor takes a task, so no more items are
alive than there are tasks in flight. Branches end in any order; what they give is kept by number.

Nothing is asked in a loop: every future puts itself into a queue when it is finished, and where no task can be handed
over, the thread sleeps on that queue. The first task that fails ends the stage: what has not begun is cancelled, what
has begun is waited for, and its exception is raised.
"""

from __future__ import annotations

import heapq
from concurrent.futures import BrokenExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import ExecutorError
from engine.execution.branches import Branches
from engine.execution.parcels import Packer, opened
from engine.execution.tasks import Outcome, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

    from engine.execution.executors.base import ExecutionManager, TaskExecutor, TaskFuture
    from engine.execution.parcels import Place
    from engine.execution.task_plan import TaskPlan
    from engine.execution.tasks import Note, Setting
    from engine.execution.transfers import Moved
    from engine.node import Node


class Reporter(Protocol):
    """Who writes down what tasks did."""

    def report(self, notes: Iterable[Note]) -> None:
        """Take what nodes did that run once."""

    def report_reads(self, notes: Iterable[Note]) -> None:
        """Take what loaders in a branch read."""

    def report_branches(self, branches: Branches) -> None:
        """Take what the nodes of a block did, and the node that gave its items."""


class Dispatch:
    """Runs the tasks of one stage.

    Args:
        plan: The tasks.
        values: The values at hand; what is made is put there, what nobody needs any more is taken away.
        setting: What all tasks share.
        manager: Says which executor runs a task.
        place: What another process needs to know of the driver's warehouses.
        reporter: Who writes down what tasks did.
        take: Gives what a loader gave that was begun before its turn, or None.
    """

    def __init__(
        self,
        plan: TaskPlan,
        values: MutableMapping[str, Any],
        setting: Setting,
        manager: ExecutionManager,
        place: Place,
        reporter: Reporter,
        take: Callable[[Node], Moved | None],
    ) -> None:
        self._plan, self._values, self._setting = plan, values, setting
        self._manager, self._place, self._reporter = manager, place, reporter
        self._begun = take
        self._waits = list(plan.waits)
        self._releases = dict(plan.releases)
        self._ready: dict[TaskExecutor, list[tuple[int, Task]]] = {}
        self._blocks: list[tuple[int, Branches]] = []
        self._expanded: dict[str, Note] = {}
        self._finished: SimpleQueue[tuple[TaskFuture, int, Task, Branches | None]] = SimpleQueue()
        self._in_flight: set[TaskFuture] = set()
        hooks = setting.hooks
        self._before, self._after = hooks.of("pre_task_submission"), hooks.of("post_task_return")
        self._on_items = hooks.of("post_task_expand")

    def run(self) -> None:
        """Run all tasks.

        Raises:
            Exception: What a node raised, unchanged.
            ExecutorError: An executor lost a task, or something does not go to another process.
        """
        try:
            for index, count in enumerate(self._plan.waits):
                if not count:
                    self._begin(index)
            while self._hand_over():
                self._take(*self._finished.get())
        except BaseException:
            self._cancel()
            raise
        finally:
            for _, branches in self._blocks:
                self._reporter.report_branches(branches)
                branches.close()

    # --- handing over -------------------------------------------------------------------------------------------------
    def _begin(self, index: int) -> None:
        """Make the task of a group that has all it reads, or begin its block."""
        group = self._plan.groups[index]
        values = {name: self._values[name] for name in group.reads if name in self._values}
        task = Task(group, values, self._setting, take=self._begun)
        executor = self._manager.get_executor_for_task(task)
        if group.block is None:
            heapq.heappush(self._ready.setdefault(executor, []), (index, task))
            return
        items = group.block.expander
        branches = Branches(group, values, self._setting, executor, self._expanded.pop(items, None))
        self._blocks.append((index, branches))
        if items in self._plan.taken:
            del self._values[items]  # what can be read only once is read now
        if self._on_items:
            parameters = branches.list_items()
            for hook in self._on_items:
                hook(run_id=self._setting.run_id, task_id=group.base.spawning_task_base_id, parameters=parameters)

    def _hand_over(self) -> bool:
        """Hand tasks over until no executor takes another or something is finished; say whether any are in flight."""
        while self._finished.empty() and self._submit_next():
            pass
        return bool(self._in_flight)

    def _submit_next(self) -> bool:
        """Hand one task over, or end a block; say whether there was anything to do."""
        for entry in self._blocks:
            index, branches = entry
            if not branches.is_over and self._is_free(branches.executor):
                task = branches.next_task()
                if task is not None:
                    self._submit(index, task, branches.executor, branches)
                    return True
            if branches.is_over:
                self._gather(index, branches)
                return True
        for executor, ready in self._ready.items():
            if ready and self._is_free(executor):
                index, task = heapq.heappop(ready)
                self._submit(index, task, executor, None)
                return True
        return False

    def _is_free(self, executor: TaskExecutor) -> bool:
        # With nothing of its own in flight this thread would wait for ever on an executor that others keep busy.
        return executor.can_submit_task() or not self._in_flight

    def _submit(self, index: int, task: Task, executor: TaskExecutor, branches: Branches | None) -> None:
        if self._before:
            facts = task.facts()
            for hook in self._before:
                hook(**facts, inputs=dict(task.values), overrides={})
        future = executor.submit_task(task if executor.shares_memory else self._packed(task, branches))
        self._in_flight.add(future)
        future.add_done_callback(lambda over: self._finished.put((over, index, task, branches)))

    def _packed(self, task: Task, branches: Branches | None) -> Callable[[], bytes]:
        if branches is None:
            return Packer(task.group, self._setting, task.values, self._place).parcel({}, None)
        if branches.packer is None:
            branches.packer = Packer(task.group, self._setting, branches.outside, self._place)
        return branches.packer.parcel({branches.item_name: task.values[branches.item_name]}, task.number)

    # --- taking back --------------------------------------------------------------------------------------------------
    def _take(self, future: TaskFuture, index: int, task: Task, branches: Branches | None) -> None:
        self._in_flight.discard(future)
        outcome = _outcome(future, task)
        self._report(outcome, branches)
        if outcome.error is None:
            if branches is None:
                self._values.update(outcome.values)
                self._end(index)
            else:
                branches.take(task.number or 0, outcome.values)
        self._tell(task, outcome)
        if outcome.error is not None:
            if task.number is not None:
                outcome.error.add_note(f"in branch {task.number} of {task.group.id!r}")
            raise outcome.error

    def _report(self, outcome: Outcome, branches: Branches | None) -> None:
        if not outcome.notes:
            return
        if branches is None:
            # What gives items has run when the last of them is taken.
            self._expanded |= {note.node: note for note in outcome.notes if note.node in self._plan.taken}
            self._reporter.report(note for note in outcome.notes if note.node not in self._expanded)
        else:
            self._reporter.report_reads(outcome.notes)
            branches.tally(outcome.notes)

    def _tell(self, task: Task, outcome: Outcome) -> None:
        if self._after:
            facts, error = task.facts(), outcome.error
            result = None if error else {n: v for n, v in outcome.values.items() if n not in self._plan.taken}
            for hook in self._after:
                hook(**facts, result=result, success=error is None, error=error)

    def _gather(self, index: int, branches: Branches) -> None:
        self._blocks = [entry for entry in self._blocks if entry[1] is not branches]
        (collected,) = branches.group.gives
        self._values[collected] = branches.results
        self._reporter.report_branches(branches)
        self._end(index)

    def _end(self, index: int) -> None:
        """Let go of what a group was the last to read, and begin the groups that waited for it alone."""
        for name in self._plan.groups[index].reads:
            if name in self._releases:
                self._releases[name] -= 1
                if not self._releases[name]:
                    self._values.pop(name, None)
        for reader in self._plan.readers[index]:
            self._waits[reader] -= 1
            if not self._waits[reader]:
                self._begin(reader)

    def _cancel(self) -> None:
        """Cancel what has not begun and wait for what has: nothing of a run goes on behind its caller's back."""
        for future in self._in_flight:
            future.cancel()
        while self._in_flight:
            future, _, task, branches = self._finished.get()
            self._in_flight.discard(future)
            try:
                outcome = _outcome(future, task)
            except BaseException:  # noqa: BLE001, S112 - of a run that has failed; it was cancelled, or failed as well
                continue
            self._report(outcome, branches)


def _outcome(future: TaskFuture, task: Task) -> Outcome:
    try:
        return opened(future.result())
    except BrokenExecutor as error:
        raise ExecutorError(
            f"the workers of task {task.task_id!r} died: {error}",
            hint="they may have run out of memory; a script that starts processes begins its work under "
            "if __name__ == '__main__':",
        ) from error
