"""Branches: a block at work: its items, taken one at a time, what the branches gave, and what their nodes did."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.execution.steps import note
from engine.execution.tasks import Note, Task
from engine.metadata.records import NodeRunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.execution.executors.base import TaskExecutor
    from engine.execution.parcels import Packer
    from engine.execution.task_plan import Group
    from engine.execution.tasks import Setting


_GOOD = (NodeRunState.FRESH, NodeRunState.SUCCESS)
"""One branch that failed says that the node did; or else one that ran, that it ran; or else all were read."""


@dataclass(slots=True)
class Tally:
    """What one node did in all branches so far.

    Attributes:
        spent_s: Seconds, added up over the branches.
        rows: Rows of frames, added up; None if there was no frame.
    """

    state: NodeRunState = NodeRunState.FRESH
    started_at: datetime | None = None
    ended_at: datetime | None = None
    spent_s: float = 0.0
    rows: int | None = None
    error: BaseException | None = None

    def add(self, note: Note) -> None:
        """Add what the node did in one branch."""
        if note.started_at is not None and note.ended_at is not None:
            self.started_at = min(self.started_at or note.started_at, note.started_at)
            self.ended_at = max(self.ended_at or note.ended_at, note.ended_at)
            self.spent_s += (note.ended_at - note.started_at).total_seconds()
        if note.rows is not None:
            self.rows = (self.rows or 0) + note.rows
        if self._weight(note.state) > self._weight(self.state):
            self.state, self.error = note.state, note.error

    @staticmethod
    def _weight(state: NodeRunState) -> int:
        return _GOOD.index(state) if state in _GOOD else len(_GOOD)


class Branches:
    """One block at work.

    Args:
        group: The nodes of a branch.
        values: What they read from outside, the items among it.
        setting: What all tasks share.
        expanded: What became of the node that gives the items, if it ran.

    Attributes:
        packer: Makes parcels of the branches, once one was needed.
        results: What each branch gave.
        tallies: What the nodes of the branches did, where the run is recorded.
        expander: What the node that gives the items did; it ends with the last item.
    """

    def __init__(
        self, group: Group, values: dict[str, Any], setting: Setting, executor: TaskExecutor, expanded: Note | None
    ) -> None:
        assert group.block is not None  # noqa: S101 - that is what this class is for
        self.group, self.executor = group, executor
        self.packer: Packer | None = None
        self.results: list[Any] = []
        self.tallies: dict[str, Tally] = {}
        self.expander = None if expanded is None else Tally()
        if self.expander is not None and expanded is not None:
            self.expander.add(expanded)
        self.item_name = group.block.expander
        self._setting, self._given = setting, values.pop(self.item_name)
        self.outside = values
        self._in_flight = 0
        self._has_more = True
        try:
            self._items = iter(self._given)
        except TypeError as error:
            note(error, self.item_name)
            raise

    def list_items(self) -> dict[str, Any]:
        """Take all items at once, and return them by the number of their branch."""
        items = self._timed(lambda: list(self._items))
        self._items = iter(items)
        return {str(number): item for number, item in enumerate(items)}

    def next_task(self) -> Task | None:
        """Return the task of the next branch, or None where there are no more items.

        Raises:
            Exception: What the node that gives the items raised, with a note on it.
        """
        if not self._has_more:
            return None
        try:
            item = self._timed(self._items.__next__)
        except StopIteration:
            self._has_more = False
            return None
        self._in_flight += 1
        self.results.append(None)
        return Task(self.group, {**self.outside, self.item_name: item}, self._setting, len(self.results) - 1)

    def take(self, number: int, values: dict[str, Any]) -> None:
        """Take what a branch gave."""
        self._in_flight -= 1
        (self.results[number],) = values.values()

    def tally(self, notes: Iterable[Note]) -> None:
        """Take what the nodes of a branch did."""
        for taken in notes:
            self.tallies.setdefault(taken.node, Tally()).add(taken)

    def all_tallies(self) -> Iterator[tuple[str, Tally]]:
        """Give what each node of the block did, each after what it reads; without items nothing, which is a success."""
        if self.expander is not None:
            yield self.item_name, self.expander
        for node in self.group.base.nodes:
            if node.name in self.tallies or (self.is_over and self._setting.is_recording):
                yield node.name, self.tallies.get(node.name, Tally(NodeRunState.SUCCESS))

    @property
    def is_over(self) -> bool:
        """Whether every branch is back and there are no more items."""
        return not self._has_more and not self._in_flight

    def _timed(self, take: Callable[[], Any]) -> Any:
        """Take items, and count time and failure to the node that gives them."""
        started = time.perf_counter()
        try:
            return take()
        except StopIteration:
            raise
        except Exception as error:
            note(error, self.item_name)
            if self.expander is not None:
                self.expander.state, self.expander.error = NodeRunState.FAILED, error
            raise
        finally:
            if self.expander is not None:
                self.expander.spent_s += time.perf_counter() - started
                self.expander.ended_at = datetime.now(tz=UTC)

    def close(self) -> None:
        """End the generator of the items, if it is one."""
        close = getattr(self._given, "close", None)
        if self._has_more and callable(close) and self._items is self._given:
            close()
