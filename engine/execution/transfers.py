"""Transfers: loads that begin before their turn, and saves that go on while the next nodes run.

Theory of operation. The functions of a dataflow run one after another on the caller's thread, in the same order with
or without this. What only moves data can go on beside them: a load whose options are known begins ahead, and a save of
a frame that nothing else holds is left to finish. Each thread has connections of its own
(`engine.io.session.own_lane`). Saves to one place follow one another in the order they would have had, and nothing is
decided here: record and plan stay with the caller, who settles a save before anything that depends on it.

A transfer stays on the caller's thread where a difference could be noticed: adapters that do not say they may leave it
(`AdapterCommon.may_leave_thread`), values that still read from their source, frames that another node may change in
place, databases that are a single connection, and runs that somebody watches node by node.
"""

from __future__ import annotations

import contextvars
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.bindings import Source
from engine.execution.steps import fill, note
from engine.frames import library_of, library_of_type
from engine.io.data_adapters import DataLoader, FileTarget, TableSource, TableTarget
from engine.io.nodes import LoadData, SaveData, adapter_of
from engine.io.session import own_lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

    from engine.execution.steps import Step
    from engine.io.data_adapters import DataSaver
    from engine.io.session import Session
    from engine.node import Node

LOADS_AHEAD = 2
"""How many loads may be begun and not yet taken: each holds a frame in memory."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A transfer that is done.

    Attributes:
        value: What the loader or saver gave.
        started_at: When it began.
        ended_at: When it was done.
    """

    value: Any
    started_at: datetime
    ended_at: datetime


class Transfers:
    """The transfers of one run.

    Args:
        session: The open warehouses.
        values: The values at hand, by name.
        stops_at_failure: A save that fails keeps those begun after it from running.
        stays: Nothing leaves the caller's thread.
    """

    def __init__(
        self, session: Session, values: MutableMapping[str, Any], *, stops_at_failure: bool, stays: bool
    ) -> None:
        self._session = session
        self._values = values
        self._stops_at_failure = stops_at_failure
        self._stays = stays
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._loads: dict[str, Future[Moved]] = {}
        self._has_failed = False

    def close(self) -> None:
        """Wait for what is under way; what has not begun never does."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        self._pools.clear()

    # --- loads --------------------------------------------------------------------------------------------------------
    def begin_loads(self, loaders: Iterable[Node]) -> None:
        """Begin the first of these loads that may leave the caller's thread, as many as may be under way."""
        if self._stays:
            return
        for node in loaders:
            if len(self._loads) >= LOADS_AHEAD:
                return
            if node.name not in self._loads and self._may_begin(node):
                arguments = fill(node, self._values)
                self._loads[node.name] = self._submit("load", LOADS_AHEAD, _moved, node, arguments)

    def take(self, node: Node) -> Moved | None:
        """Return what a load that was begun gave, once it is there; None where it was not begun.

        Raises:
            Exception: What the loader raised.
        """
        begun = self._loads.pop(node.name, None)
        return begun.result() if begun is not None else None

    def _may_begin(self, node: Node) -> bool:
        if not isinstance(node.function, LoadData):
            return False
        library = library_of_type(node.function.type)
        loader = adapter_of(node, self._values)
        if library is None or not library.is_in_memory(node.function.type) or not isinstance(loader, DataLoader):
            return False
        source = loader.source()
        is_apart = not isinstance(source, TableSource) or self._session.warehouse(source.warehouse).has_many_connections
        return loader.may_leave_thread and is_apart

    # --- saves --------------------------------------------------------------------------------------------------------
    def place_of(self, step: Step, saver: DataSaver | None) -> str | None:
        """Return the name of the queue that a save may join, or None where it has to stay on the caller's thread.

        Args:
            step: The step of the saver.
            saver: What it saves by, where that is known.
        """
        if self._stays or saver is None or not saver.may_leave_thread or not self._is_given_away(step):
            return None
        target = saver.target()
        if isinstance(target, TableTarget):
            warehouse = self._session.warehouse(target.warehouse)
            return warehouse.namespace if warehouse.has_many_connections else None
        return "files" if isinstance(target, FileTarget) else None

    def _is_given_away(self, step: Step) -> bool:
        """Say whether the value of a save is a frame in memory that no node will see, let alone change, any more."""
        function = step.node.function
        assert isinstance(function, SaveData)  # noqa: S101 - nothing else has a saver
        data = step.node.bindings[function.data]
        if not isinstance(data, Source) or data.name not in step.releases:
            return False
        value = self._values[data.name]
        library = library_of(value)
        if library is None or not library.is_in_memory(type(value)):
            return False
        return not any(other is value for name, other in self._values.items() if name != data.name)

    def begin_save(self, step: Step, place: str) -> Future[Moved]:
        """Begin a save after those to the same place, and return what will hold what the saver gave."""
        arguments = fill(step.node, self._values)
        for name in step.releases:
            del self._values[name]
        return self._submit(place, 1, self._save, step.node, arguments)

    def _save(self, node: Node, arguments: dict[str, Any]) -> Moved:
        if self._has_failed and self._stops_at_failure:
            raise CancelledError
        try:
            return _moved(node, arguments)
        except BaseException:
            self._has_failed = True
            raise

    def _submit(
        self, pool: str, threads: int, move: Callable[..., Moved], node: Node, arguments: dict[str, Any]
    ) -> Future[Moved]:
        if pool not in self._pools:
            self._pools[pool] = ThreadPoolExecutor(threads, thread_name_prefix=f"engine-{pool}")
        return self._pools[pool].submit(contextvars.copy_context().run, move, node, arguments)


def done(value: Any, started_at: datetime) -> Future[Moved]:
    """Return what holds the result of a transfer that has been done on the caller's thread."""
    future: Future[Moved] = Future()
    future.set_result(Moved(value, started_at, datetime.now(tz=UTC)))
    return future


def _moved(node: Node, arguments: dict[str, Any]) -> Moved:
    assert node.function is not None, node.name  # noqa: S101 - loaders and savers have one
    started = datetime.now(tz=UTC)
    with own_lane():
        try:
            value = node.function(**arguments)
        except Exception as error:
            note(error, node.name)
            raise
    return Moved(value, started, datetime.now(tz=UTC))
