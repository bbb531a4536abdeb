"""Reaching PostgreSQL: connections, what is said when there is none, and who holds a lock."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from engine.dialects.postgresql.faults import cause, refusal
from engine.dialects.secrets import masked_url
from engine.dialects.streams import Ahead
from engine.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    import sqlalchemy as sa

T = TypeVar("T")

CONNECT_S = 10
_BUFFER_BYTES = 1 << 20
"""What a socket of this machine may hold. Measured: a million rows are written in 1.17 s instead of 1.34 s; larger ones
give no more."""
_PORT = 5432
_THIS_MACHINE = {"127.0.0.1", "::1"}


@dataclass(slots=True)
class Link:
    """An open PostgreSQL database: the control connection, and connections for reading, one of which may be idle."""

    control: psycopg.Connection[Any]
    open: Callable[[], psycopg.Connection[Any]]
    idle: list[psycopg.Connection[Any]] = field(default_factory=list)
    lent: list[psycopg.Connection[Any]] = field(default_factory=list)
    streams: list[Ahead[Any]] = field(default_factory=list)

    def borrow(self) -> psycopg.Connection[Any]:
        """Return a connection for one stream."""
        self.lent.append(self.idle.pop() if self.idle else self.open())
        return self.lent[-1]

    def receive(self, rows: Generator[T], reader: psycopg.Connection[Any]) -> Ahead[T]:
        """Receive what a generator reads from a connection ahead of who asks for it."""

        def interrupt() -> None:
            with suppress(psycopg.Error):
                reader.cancel_safe()

        stream = Ahead(rows, interrupt)
        self.streams.append(stream)
        return stream

    def stop(self, stream: Ahead[Any]) -> None:
        """Have nobody use a connection any more from which `receive` received."""
        stream.stop()
        if stream in self.streams:
            self.streams.remove(stream)

    def give_back(self, reader: psycopg.Connection[Any], *, clean: bool) -> None:
        """Keep one idle connection whose transaction has ended; close any other."""
        if reader in self.lent:
            self.lent.remove(reader)
            if clean and not self.idle:
                self.idle.append(reader)
            else:
                reader.close()

    def close(self) -> None:
        """Close every connection."""
        for stream in list(self.streams):
            self.stop(stream)
        for connection in [*self.idle, *self.lent, self.control]:
            connection.close()
        self.idle.clear()
        self.lent.clear()


def connected(keywords: Mapping[str, Any], *, wait_s: float) -> psycopg.Connection[Any]:
    """Open one connection; libpq gets keywords, never a URL it could echo.

    A large table is read from its beginning: the server would begin where another reader is, or has given up.

    Args:
        keywords: What libpq is told.
        wait_s: How long a statement may wait for a lock (seconds).
    """
    made = psycopg.connect(**keywords, autocommit=True, prepare_threshold=None)
    settings = {"lock_timeout": f"{max(1, int(wait_s * 1000))}ms", "TimeZone": "UTC", "synchronize_seqscans": "off"}
    made.execute("; ".join(f"SET {name} = '{value}'" for name, value in settings.items()).encode())
    _widen(made)
    return made


def _widen(connection: psycopg.Connection[Any]) -> None:
    """Let more bytes be under way to a server of this machine.

    The usual buffer holds what a server takes in a millisecond, and one waits for the other. TCP sees to it itself.
    """
    with socket_of(connection) as plug:
        if is_local(plug):
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)


@contextmanager
def socket_of(connection: psycopg.Connection[Any]) -> Iterator[socket.socket]:
    """Give the socket of a connection, to be used while libpq does not use it."""
    plug = socket.socket(fileno=connection.fileno())
    try:
        yield plug
    finally:
        plug.detach()


def is_local(plug: socket.socket) -> bool:
    """Say whether a socket is one of this machine alone, and not of a network."""
    return plug.family == getattr(socket, "AF_UNIX", None)


def keywords_of(url: sa.URL) -> dict[str, Any]:
    """Return what libpq is told: keywords, never a URL."""
    given = {
        "host": url.host or None,
        "port": url.port,
        "user": url.username or None,
        "password": None if url.password is None else str(url.password) or None,
        "dbname": url.database or None,
    }
    defaults = {"connect_timeout": CONNECT_S, "application_name": "engine", "keepalives_idle": 30}
    options = {key: value for key, value in url.query.items() if isinstance(value, str)}
    fixed = {"client_encoding": "UTF8"}  # what statements are sent in, and texts are read in
    return {**defaults, **{key: value for key, value in given.items() if value is not None}, **options, **fixed}


def server_of(url: sa.URL) -> str:
    """Return ``postgres://host:port/database``, one text for all URLs that lead to one database.

    Source: libpq's defaults, https://www.postgresql.org/docs/current/libpq-connect.html and libpq-envars.html; the
    default host, a socket of this machine, is called localhost here.

    >>> import sqlalchemy as sa
    >>> server_of(sa.make_url("postgresql+psycopg://ann:secret@127.0.0.1/shop"))
    'postgres://localhost:5432/shop'
    """
    told, said = keywords_of(url), os.environ
    host = str(told.get("host") or said.get("PGHOST") or "localhost")
    host = host if host.startswith("/") else "localhost" if host.lower() in _THIS_MACHINE else host.lower()
    port = told.get("port") or said.get("PGPORT") or _PORT
    database = told.get("dbname") or said.get("PGDATABASE") or told.get("user") or said.get("PGUSER")
    return f"postgres://{host}:{port}/{database or getpass.getuser()}"


def cannot_connect(error: psycopg.Error, url: sa.URL) -> StorageError:
    """Say whether server, password, database or user is at fault."""
    text, location = str(error), masked_url(url)
    says, hint = refusal(text, url) or (f"cannot be used: {cause(text, url)}", "check the URL")
    return StorageError(f"the server at {location} {says}", location=location, hint=hint)


def lock_key(text: str) -> int:
    """Return the number of an advisory lock."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def holder_of(control: psycopg.Connection[Any], key: int) -> str:
    """Describe the session that holds an advisory lock."""
    row = control.execute(
        "SELECT a.pid, a.application_name, a.usename, a.client_addr, a.xact_start FROM pg_locks l"
        " JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted"
        " AND l.classid = ((%(key)s::bigint >> 32) & 4294967295)::oid"
        " AND l.objid = (%(key)s::bigint & 4294967295)::oid",
        {"key": key},
    ).fetchone()
    if row is None:
        return "a run that has just ended"
    pid, program, user, address, since = row
    holder = f"server process {pid} ({program or 'unknown program'}) of {user}"
    # of another user's session the server may keep these to itself
    return f"{holder} at {address or 'this machine'} since {since:%H:%M:%S}" if since else holder
