"""Session: the open warehouses of a driver, and what the run says to the saver that is at work.

Loaders and savers are dataclasses of options; what they need beyond those while they work (an open connection, the
commit that a save is to become) they find here, in context variables, so that a saver used by hand inside a function or
a script is the same saver.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from engine.dialects.base import Intent
from engine.errors import RequestError
from engine.frames import library_of
from engine.identifiers import new_id
from engine.io.places import Place, Places
from engine.io.scans import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from engine.dialects.base import Commit
    from engine.dialects.warehouse import Warehouse


class Session:
    """Warehouses by URL, each opened once however its URL is spelled.

    Args:
        default_url: The warehouse of loaders and savers that name none.

    Attributes:
        places: Knows where tables and files live.
        tracks_sources: Loaders find out the token of what they read, because the run is recorded.
        stays_open: A value handed out still reads from a warehouse, so leaving the context lets go of none.
    """

    def __init__(self, default_url: str | None = None) -> None:
        self.default_url = default_url
        self.places = Places(default_url)
        self.tracks_sources = False
        self.stays_open = False
        self._warehouses: dict[tuple[str, int], Warehouse] = {}
        self._guard = threading.Lock()
        self._turn = threading.RLock()
        self._users = 0

    def warehouse(self, url: str | None = None) -> Warehouse:
        """Return the warehouse at ``url``, or the default one; each lane has its own connection to it.

        Raises:
            RequestError: No URL is given and there is no default.
        """
        url = url or self.default_url
        if url is None:
            raise RequestError(
                "a table is to be read or written, but no warehouse is known",
                hint="give the driver one, Builder().with_warehouse('duckdb:///warehouse.duckdb'), or pass warehouse=",
            )
        key = (url, _LANE.get())
        with self._guard:
            if key not in self._warehouses:
                from engine.dialects.warehouse import Warehouse

                made = Warehouse(url)
                known = (w for (_, lane), w in self._warehouses.items() if lane == key[1] and w.access == made.access)
                self._warehouses[key] = next(known, made)
            return self._warehouses[key]

    def views(self, urls: Iterable[str | None]) -> dict[Place, frozenset[Place]]:
        """Return what each view of these databases reads."""
        views: dict[Place, frozenset[Place]] = {}
        for warehouse in map(self.warehouse, urls):
            for view, read in warehouse.views().items():
                views[Place(warehouse.namespace, view)] = frozenset(Place(warehouse.namespace, name) for name in read)
        return views

    def opened(self) -> list[Warehouse]:
        """Return the warehouses in use so far on this lane."""
        with self._guard:
            return list(dict.fromkeys(w for (_, lane), w in self._warehouses.items() if lane == _LANE.get()))

    def close(self) -> None:
        """Let go of every warehouse; the next use opens it again."""
        self.stays_open = False
        settle()
        for warehouse in self._warehouses.values():
            warehouse.close()

    def __enter__(self) -> Self:
        with self._guard:
            self._users += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._users -= 1
            is_last = self._users == 0
        if is_last and not self.stays_open:
            self.close()


def reads_on(value: Any) -> bool:
    """Say whether a value still reads from a warehouse: a query that has not run, or a stream."""
    library = library_of(value)
    return isinstance(value, Generator) or (library is not None and library.is_open(value))


@dataclass(slots=True)
class Saving:
    """One save of a run: what it is to become, and what it became.

    Attributes:
        intent: What the run declared.
        warehouse: Set by the saver: where it saves.
        commit: Set by the saver once the table is committed or found unchanged.
    """

    intent: Intent
    warehouse: Warehouse | None = None
    commit: Commit | None = None


_SESSION: ContextVar[Session | None] = ContextVar("engine_session", default=None)
_SAVING: ContextVar[Saving | None] = ContextVar("engine_saving", default=None)
_LANE: ContextVar[int] = ContextVar("engine_lane", default=0)


@contextlib.contextmanager
def using(session: Session) -> Iterator[Session]:
    """Make ``session`` the one that loaders and savers in this block work with."""
    token = _SESSION.set(session)
    try:
        yield session
    finally:
        _SESSION.reset(token)


@contextlib.contextmanager
def saving(intent: Intent) -> Iterator[Saving]:
    """Make the saver that works in this block commit under ``intent``."""
    current = Saving(intent)
    token = _SAVING.set(current)
    try:
        yield current
    finally:
        _SAVING.reset(token)


@contextlib.contextmanager
def own_lane() -> Iterator[None]:
    """Give loaders and savers of this block the connections of this thread, which no other thread uses."""
    token = _LANE.set(threading.get_ident())
    try:
        yield
    finally:
        _LANE.reset(token)


def session_at_work() -> Session | None:
    """Return the session of the run at work, or None outside of one."""
    return _SESSION.get()


@contextlib.contextmanager
def in_turn(is_apart: Callable[[Session], bool]) -> Iterator[None]:
    """Let whatever works in this block have the connections of the caller's thread to itself, if it needs those.

    Args:
        is_apart: Says whether it may work on connections of its own thread, beside all others.
    """
    session = _SESSION.get()
    if session is None or (_LANE.get() and is_apart(session)):
        yield
        return
    with session._turn:  # noqa: SLF001 - of this file
        token = _LANE.set(0)
        try:
            yield
        finally:
            _LANE.reset(token)


@contextlib.contextmanager
def current_session() -> Iterator[Session]:
    """Give the session of the run at work, or one of its own to a loader or saver used by hand."""
    session = _SESSION.get()
    if session is not None:
        yield session
        return
    with Session() as own:
        yield own


def current_saving() -> Saving:
    """Return the save at work, or a new one for a saver used by hand."""
    return _SAVING.get() or Saving(Intent(commit_id=new_id()))
