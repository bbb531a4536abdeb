"""Parcels: tasks on their way to a process that does not share the driver's memory, and what comes back.

What all branches of a block share (functions, hooks, values from outside) is pickled once, and unpickled once per
worker process. Both directions are pickled here and not by the pool, so that what cannot be pickled is named, and an
exception that does not survive the journey does not break the pool.
"""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.errors import ExecutorError
from engine.execution.grouping import NodeGroupPurpose
from engine.execution.tasks import Outcome, Task
from engine.identifiers import new_id
from engine.io.session import Session, using

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.execution.task_plan import Group
    from engine.execution.tasks import Setting

_MODULES = (
    "functions and classes have to be importable there: at the top of a module, and neither lambdas nor made ad hoc"
)
_received: dict[str, tuple[Task, Place]] = {}
"""What this worker process unpickled last; branches of one block come in a row."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker needs to know of the driver's warehouses.

    Attributes:
        warehouse: The URL of loaders and savers that name none.
        tracks_sources: Loaders find out the token of what they read.
    """

    warehouse: str | None
    tracks_sources: bool


@dataclass(frozen=True, slots=True)
class Parcel:
    """One task, pickled; calling it runs it, where it arrives.

    Attributes:
        key: Names what is shared.
        shared: The task without the values of its own, and the place.
        own: The values of its own and its number.
        what: Names the nodes.
    """

    key: str
    shared: bytes
    own: bytes
    what: str

    def __call__(self) -> bytes:
        """Run the task and return its outcome, pickled."""
        try:
            task, place = self._unpacked()
            values, number = pickle.loads(self.own)  # noqa: S301 - pickled by the driver
        except Exception as error:  # noqa: BLE001 - whatever is missing here
            message = f"a worker process cannot unpickle {self.what}: {type(error).__name__}: {error}"
            return pickle.dumps(Outcome({}, [], ExecutorError(message, hint=_MODULES)))
        task = replace(task, values={**task.values, **values}, number=number)
        session = Session(place.warehouse)
        session.tracks_sources = place.tracks_sources
        with session, using(session):
            outcome = task()
        return _packed_outcome(task, outcome)

    def _unpacked(self) -> tuple[Task, Place]:
        received = _received.get(self.key)
        if received is None:
            received = pickle.loads(self.shared)  # noqa: S301 - pickled by the driver
            _received.clear()
            _received[self.key] = received
        return received


class Packer:
    """Makes parcels of the tasks of one group.

    Args:
        group: What the tasks run.
        setting: What they share.
        values: The values that all of them read.
        place: What the worker needs to know of warehouses.

    Raises:
        ExecutorError: Something does not pickle; the error names the node.
    """

    def __init__(self, group: Group, setting: Setting, values: Mapping[str, Any], place: Place) -> None:
        self._key = new_id()
        self._what = "node " + ", ".join(repr(node.name) for node in group.base.nodes)
        for node in group.base.nodes:
            _dumped(node, f"node {node.name!r}")
        for adapter in setting.hooks.adapters:
            _dumped(adapter, f"the adapter {type(adapter).__name__}")
        for name, value in values.items():
            _dumped(value, f"the value of node {name!r}, which {_readers(group, name)} reads,")
        self._shared = _dumped((Task(group, dict(values), setting), place), f"task {group.id!r}")

    def parcel(self, values: Mapping[str, Any], number: int | None) -> Parcel:
        """Return the parcel of one task.

        Args:
            values: The values that this task alone reads.
            number: Which branch of a block it is.

        Raises:
            ExecutorError: A value does not pickle.
        """
        names = " and ".join(map(repr, values))
        own = _dumped((dict(values), number), f"an item of node {names}")
        return Parcel(self._key, self._shared, own, self._what)


def opened(result: Any) -> Outcome:
    """Return the outcome out of what a task returned, from this process or another."""
    outcome: Outcome = pickle.loads(result) if isinstance(result, bytes) else result  # noqa: S301 - a worker's
    return outcome


def _readers(group: Group, name: str) -> str:
    return ", ".join(repr(node.name) for node in group.base.nodes if name in node.upstream)


def _dumped(thing: Any, what: str) -> bytes:
    try:
        return pickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise ExecutorError(
            f"{what} cannot be sent to another process: {type(error).__name__}: {error}",
            hint=f"{_MODULES}; or run the branches on threads: MultiThreadingExecutor",
        ) from error


def _packed_outcome(task: Task, outcome: Outcome) -> bytes:
    values, error = outcome.values, outcome.error
    if task.purpose is NodeGroupPurpose.EXPAND_UNORDERED and error is None:
        values = {name: list(items) for name, items in values.items()}  # a generator does not travel
    if error is not None:
        error.add_note("in a worker process:\n" + "".join(traceback.format_tb(error.__traceback__)))
        error = _that_travels(error)
        notes = [note._replace(error=error if note.error is not None else None) for note in outcome.notes]
        return pickle.dumps(Outcome({}, notes, error))
    try:
        return pickle.dumps(Outcome(values, outcome.notes, None), protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as fault:  # noqa: BLE001 - pickling runs code of the value's class
        name = _unpicklable(values)
        message = f"the value of node {name!r} cannot be sent back from a worker process: {fault}"
        return pickle.dumps(Outcome({}, [], ExecutorError(message, hint="let the branch give plain data or a frame")))


def _unpicklable(values: Mapping[str, Any]) -> str:
    def fails(value: Any) -> bool:
        try:
            pickle.dumps(value)
        except Exception:  # noqa: BLE001 - that is what is asked
            return True
        return False

    return next((name for name, value in values.items() if fails(value)), "")


def _that_travels(error: Exception) -> Exception:
    """Return the exception if it comes out of a pickle as it went in, else one that says what it was."""
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled here
        if type(copy) is type(error) and str(copy) == str(error):
            return error
    except Exception:  # noqa: BLE001, S110 - its class does not support it, which is what is asked
        pass
    stand_in = ExecutorError(
        f"{type(error).__qualname__}: {error}", hint="this exception does not pickle, so it came back as another"
    )
    for text in getattr(error, "__notes__", ()):
        stand_in.add_note(text)
    return stand_in
