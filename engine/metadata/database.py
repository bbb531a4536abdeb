"""Database: one metadata database, its transactions, and its errors in the engine's words.

Every transaction is short and is either a reader's (one snapshot) or a writer's. Writers take turns from their
first statement on (``BEGIN IMMEDIATE`` on SQLite, an advisory lock on PostgreSQL), so none of them can deadlock, or
find at its end that it has to start again.

This file does not know the schema.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import sqlite3
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from engine.dialects.postgresql.faults import cause, refusal
from engine.dialects.secrets import masked_url, parse_url
from engine.errors import MetadataError, RequestError
from engine.metadata.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

WAL_SINCE = (3, 51, 3)
"""The first SQLite whose write-ahead log survives a reset while others write. Source: https://sqlite.org/wal.html#walresetbug"""

_NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "glusterfs", "lustre", "afs")

_CONNECT = {
    "application_name": "materialization-engine",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "prepare_threshold": None,
}
"""psycopg's options: a server that went away is noticed within a minute; nothing is prepared, for poolers' sake."""

_SETTINGS = {
    "search_path": SCHEMA,
    "timezone": "UTC",
    "statement_timeout": "120s",
    "idle_in_transaction_session_timeout": "120s",
}
"""Set in every transaction rather than once per session, so that a transaction pooler may stand in between."""

_OPEN: weakref.WeakSet[sa.Engine] = weakref.WeakSet()


def lock_key(*parts: str) -> int:
    """Return the 64-bit number of an advisory lock."""
    return int.from_bytes(hashlib.blake2b("\0".join(("engine", *parts)).encode(), digest_size=8).digest(), signed=True)


def journal_mode(version: tuple[int, ...], path: Path, mounts: str = "/proc/self/mounts") -> str:
    """Return the journal mode that is safe for a file with this SQLite: ``wal`` or ``delete``.

    >>> journal_mode((3, 40, 1), Path("metadata.db"))
    'delete'
    """
    return "wal" if version >= WAL_SINCE and not _is_on_network(path, mounts) else "delete"


def _is_on_network(path: Path, mounts: str) -> bool:
    try:
        lines = Path(mounts).read_text(encoding="utf-8").splitlines()
    except OSError:
        return True  # not known, so not trusted
    found = [(len(fields[1]), fields[2]) for fields in map(str.split, lines) if path.is_relative_to(fields[1])]
    return max(found, default=(0, "nfs"))[1].startswith(_NETWORK_FILE_SYSTEMS)


class Database:
    """One metadata database.

    Args:
        url: ``sqlite:///…`` or ``postgresql://…``.
        read_only: Never write, and never create the file.
        migrating: Foreign keys are not enforced, so that a table can be made anew with its rows.

    Attributes:
        url: The URL, with the password if it has one.
        dialect: ``sqlite`` or ``postgresql``.
        shown: The URL without password.
        path: The file, on SQLite.
        patience_s: How long a writer waits for its turn.

    Raises:
        RequestError: The URL cannot be read, shows its password in the query string, or is not one of the two.
    """

    patience_s: ClassVar[float] = 30.0

    def __init__(self, url: str, *, read_only: bool = False, migrating: bool = False) -> None:
        self._url = _parsed(url)
        self.path: Path | None = None
        if self._url.get_backend_name() == "sqlite":
            self.path = Path(self._url.database or "").absolute()
            self._url = self._url.set(database=str(self.path))
        self.shown = masked_url(self._url.set(drivername=self._url.get_backend_name()))
        self.dialect = self._url.get_backend_name()
        self.url = self._url.render_as_string(hide_password=False)
        self.read_only = read_only
        self._migrating = migrating
        self._engine = self._sqlite(self.path) if self.path else self._postgresql()
        _OPEN.add(self._engine)

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._engine.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Run the block in a read transaction that sees one snapshot."""
        with self.errors(), self._engine.connect() as connection, connection.begin():
            if self.dialect == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                connection.execute(_setting(self.patience_s))
            yield connection

    @contextlib.contextmanager
    def write(self, turn: str = "write") -> Iterator[sa.Connection]:
        """Run the block in a write transaction, when it is this writer's turn.

        Args:
            turn: The lock that writers take turns with (PostgreSQL; a SQLite file has one only).
        """
        if self.read_only:
            raise MetadataError(f"the metadata at {self.shown} was opened for looking only")
        engine = self._engine.execution_options(is_writer=True)
        with self.errors(), engine.connect() as connection, connection.begin():
            if self.dialect == "postgresql":
                connection.execute(_setting(self.patience_s, lock_key(turn)))
            yield connection

    def session(self) -> sa.Connection:
        """Open a connection outside any transaction, for locks that a session holds; the caller closes it."""
        with self.errors():
            return self._postgresql(poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the errors of drivers inside the block into `MetadataError`, without any password."""
        try:
            yield
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, self._engine.dialect.loaded_dbapi.Error, OSError) as error:
            fault = self._translated(error)
        else:
            return
        try:
            raise fault from None
        finally:
            fault.__context__ = None  # the driver's own error carries the connection and its password

    def _sqlite(self, path: Path) -> sa.Engine:
        mode = "ro" if self.read_only else "rwc"

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode={mode}",
                uri=True,
                timeout=self.patience_s,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute(f"PRAGMA foreign_keys = {'OFF' if self._migrating else 'ON'}")
            connection.execute("PRAGMA synchronous = FULL")
            return connection

        # A connection lives for one transaction, so none is open when the process forks.
        engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            is_writer = connection.get_execution_options().get("is_writer", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

        return engine

    def _postgresql(self, **options: Any) -> sa.Engine:
        pool = {} if options else {"pool_size": 1, "max_overflow": 1, "pool_pre_ping": True, "pool_recycle": 1800}
        return sa.create_engine(self._url, connect_args=_CONNECT, hide_parameters=True, **pool, **options)

    def _translated(self, error: Exception) -> MetadataError:
        raised = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
        is_of_file = isinstance(raised, OSError) and raised.filename
        text = f"{raised.strerror}: {raised.filename}" if is_of_file else str(raised)  # type: ignore[attr-defined]
        if self.dialect == "postgresql" and (found := refusal(text, self._url)):
            says, hint = found
            return MetadataError(f"the metadata server at {self.shown} {says}", hint=hint)
        text = cause(text, self._url)
        for sign, says, hint in _SIGNS:
            if match := re.search(sign, text):
                return MetadataError(f"the metadata at {self.shown} {match.expand(says)}", hint=hint)
        return MetadataError(f"the metadata at {self.shown} cannot be used: {type(raised).__name__}: {text}")


_SIGNS = (
    ("lock timeout", "is in use", "wait until the runs and upgrades in progress have ended"),
    (
        "permission denied for (.+)",
        r"may not be used by this user, who has no permission for \1",
        "grant the user CREATE on the database, or use another URL",
    ),
    ("statement timeout", "does not answer in time", "check that the server is not overloaded"),
    ("timed out", "is in use by too many threads of this process", "let one of them end first"),
    (
        "server closed the connection|terminating connection|connection is (?:lost|closed)",
        "is gone: its server ended the connection",
        "see that the server is up, and try again",
    ),
    (
        "Permission denied: (.*)",
        r"cannot be opened: this user may not write to \1",
        "use another place for the metadata",
    ),
    (
        "(?:Not a directory|File exists): (.*)",
        r"cannot be opened: \1 is a part of the path and no folder",
        "use another place for the metadata",
    ),
    ("unable to open database file", "cannot be opened", "check that the folder exists and may be written to"),
    ("readonly database", "may not be written to", "make the file and its folder writable"),
    ("Read-only file system", "may not be written to", "use another place for the metadata"),
    ("file is not a database", "is not a metadata database", "check the URL: the file is something else"),
    ("malformed", "is damaged", "restore one of the backups that stand beside it"),
    ("database is locked", "is busy", "another process holds a long transaction on it; end it and try again"),
    ("disk is full|No space left", "has no room", "free some space and try again"),
)
"""What a driver's message contains (a regular expression) → what is wrong, and what to do."""


@functools.cache
def _setting(patience_s: float, key: int | None = None) -> sa.Select[Any]:
    """Return the statement that a transaction on a server begins with, and that waits for the writers' lock."""
    settings = _SETTINGS | {"lock_timeout": f"{int(patience_s * 1000)}ms"}
    parts = [sa.func.set_config(name, value, sa.true()) for name, value in settings.items()]
    lock = [] if key is None else [sa.func.pg_advisory_xact_lock(sa.literal(key, sa.BigInteger))]
    return sa.select(*parts, *lock)


def _parsed(text: str) -> sa.URL:
    url = parse_url(text)
    backend = url.get_backend_name()
    if backend == "sqlite" and (url.database or ":memory:") != ":memory:":
        return url
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise RequestError(
        f"metadata cannot live in {masked_url(url)}",
        hint="use a SQLite file (sqlite:///path/to/metadata.db) or a PostgreSQL database",
    )


def _forget_connections() -> None:
    """Leave the parent's connections alone in a forked child."""
    for engine in _OPEN:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)
