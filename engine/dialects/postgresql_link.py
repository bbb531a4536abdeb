"""Reaching PostgreSQL: connections, what is said when there is none, and who holds a lock."""

from __future__ import annotations

import getpass
import hashlib
import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc

from engine.dialects.postgresql_faults import cause, refusal
from engine.dialects.secrets import masked_url
from engine.dialects.streams import Ahead
from engine.errors import StorageError

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa
    import sqlalchemy as sa


CONNECT_S = 10
_PORT = 5432
_THIS_MACHINE = {"127.0.0.1", "::1"}


@dataclass(slots=True)
class Link:
    """An open PostgreSQL database: the control connection, and idle connections for reading."""

    control: psycopg.Connection[Any]
    conninfo: str
    idle: deque[Any] = field(default_factory=deque)
    lent: list[Any] = field(default_factory=list)
    streams: list[Ahead] = field(default_factory=list)

    def borrow(self) -> Any:
        """Return a connection for one stream."""
        made = self.idle.pop() if self.idle else adbc.connect(self.conninfo, autocommit=True)
        self.lent.append(made)
        return made

    def receive(self, batches: pa.RecordBatchReader, cursor: Any) -> Ahead:
        """Receive a stream ahead of who asks for it."""

        def interrupt() -> None:
            with suppress(adbc_driver_manager.Error):
                cursor.adbc_cancel()

        self.streams.append(Ahead(batches, interrupt))
        return self.streams[-1]

    def stop(self, stream: Ahead) -> None:
        """Have nobody use a connection any more from which `receive` received."""
        stream.stop()
        if stream in self.streams:
            self.streams.remove(stream)

    def give_back(self, reader: Any, *, clean: bool) -> None:
        """Keep one idle connection whose transaction has ended; close any other."""
        if reader in self.lent:
            self.lent.remove(reader)
            if clean and not self.idle:
                self.idle.append(reader)
            else:
                reader.close()


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
    return {**defaults, **{key: value for key, value in given.items() if value is not None}, **options}


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
