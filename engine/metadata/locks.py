"""Locks: the kernel's or the server's word on whether a run is alive.

Theory of operation. A run holds a lock from its start to its end; a run is dead if and only if its lock is free. The
lock belongs to the process (``flock`` beside a SQLite file) or to its session (an advisory lock of PostgreSQL), so it
is freed at once by whatever ends the process, and no clock and no row has to be believed. Beside its own lock a run
shares one with all other runs, which an upgrade of the schema takes alone: the tables never move under a run.

A forked child gets the parent's open files; it lets go of them at once, lest the run look alive for as long as the
child.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.errors import MetadataError
from engine.metadata.database import lock_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from engine.metadata.database import Database

_HELD: set[int] = set()
"""File descriptors that mean that this process is alive."""


def hold_run(database: Database, run_id: str) -> contextlib.AbstractContextManager[None]:
    """Hold the lock that says that this run is alive.

    Raises:
        MetadataError: Another process holds it, or the schema is being upgraded.
    """
    return (
        _hold_file(database.path, run_id, database.patience_s) if database.path else _hold_on_server(database, run_id)
    )


def alive(database: Database, run_ids: Collection[str]) -> set[str]:
    """Return those of the runs whose process is alive."""
    if not run_ids:
        return set()
    if database.path:
        path = database.path
        return {run_id for run_id in run_ids if _is_held(_run_file(path, run_id))}
    held = _keys_on_server(database)
    return {run_id for run_id in run_ids if lock_key("run", run_id) in held}


@contextlib.contextmanager
def hold_file(path: Path, *, shared: bool, patience_s: float) -> Iterator[None]:
    """Hold the lock of a file, alone or with others.

    Raises:
        MetadataError: It is not free in time.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    _HELD.add(descriptor)
    try:
        _wait_for(descriptor, path, shared=shared, until=time.monotonic() + patience_s)
        yield
    finally:
        _HELD.discard(descriptor)
        os.close(descriptor)


def _wait_for(descriptor: int, path: Path, *, shared: bool, until: float) -> None:
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    while True:
        try:
            fcntl.flock(descriptor, operation)
        except BlockingIOError:
            if time.monotonic() > until:
                raise MetadataError(
                    f"the metadata is in use: {path} is locked by another process",
                    hint="wait until the runs and upgrades in progress have ended",
                ) from None
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def _hold_file(path: Path, run_id: str, patience_s: float) -> Iterator[None]:
    own = _run_file(path, run_id)
    own.parent.mkdir(parents=True, exist_ok=True)
    with (
        hold_file(upgrade_file(path), shared=True, patience_s=patience_s),
        hold_file(own, shared=False, patience_s=patience_s),
    ):
        try:
            yield
        finally:
            own.unlink(missing_ok=True)


@contextlib.contextmanager
def _hold_on_server(database: Database, run_id: str) -> Iterator[None]:
    upgrade, own = lock_key("upgrade"), lock_key("run", run_id)
    statement = sa.text("SELECT pg_advisory_lock_shared(:upgrade), pg_advisory_lock(:own)")
    with contextlib.closing(database.session()) as connection:
        with database.errors():
            connection.execute(statement, {"upgrade": upgrade, "own": own})
        driver: Any = connection.connection.driver_connection
        descriptor = driver.fileno()
        _HELD.add(descriptor)
        try:
            yield
        finally:
            _HELD.discard(descriptor)


def upgrade_file(path: Path) -> Path:
    """Return the file whose lock an upgrade of the SQLite file at ``path`` takes alone."""
    return path.with_name(f"{path.name}.lock")


def _run_file(path: Path, run_id: str) -> Path:
    return path.parent / "runs" / f"{run_id}.lock"


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        path.unlink(missing_ok=True)  # left behind by a process that was killed
        return False
    finally:
        os.close(descriptor)


def _keys_on_server(database: Database) -> set[int]:
    statement = sa.text(
        "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
        " AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with database.read() as connection:
        return set(connection.scalars(statement))


def _let_go() -> None:
    """Drop the parent's locks in a forked child; the numbers stay taken, so that nobody closes what is not his."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in _HELD:
        with contextlib.suppress(OSError):
            os.dup2(nothing, descriptor, inheritable=False)
    _HELD.clear()
    os.close(nothing)


os.register_at_fork(after_in_child=_let_go)
