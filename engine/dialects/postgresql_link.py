"""Reaching PostgreSQL: connections, what is said when there is none, and who holds a lock."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import adbc_driver_postgresql.dbapi as adbc

from engine.dialects.secrets import masked_url, scrub, secrets_of
from engine.errors import StorageError

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as sa


CONNECT_S = 10


@dataclass(slots=True)
class Link:
    """An open PostgreSQL database: the control connection, and idle connections for reading."""

    control: psycopg.Connection[Any]
    conninfo: str
    idle: deque[Any] = field(default_factory=deque)
    lent: list[Any] = field(default_factory=list)

    def borrow(self) -> Any:
        """Return a connection for one stream."""
        made = self.idle.pop() if self.idle else adbc.connect(self.conninfo, autocommit=True)
        self.lent.append(made)
        return made

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


SAYS: list[tuple[str, str, str]] = [
    # what libpq says, what it means, what to do
    ("password authentication failed", "refuses the password of this user", "check user and password"),
    (
        "no password supplied",
        "asks for a password",
        "put the password into the URL: scheme://user:password@host/database",
    ),
    (
        "does not exist",
        "has no such database or user",
        "check the database's name and the user's in the URL, or create it",
    ),
    ("Connection refused", "cannot be reached: nothing listens there", "start the server, or check host and port"),
    (
        "No such file or directory",
        "cannot be reached: there is no such socket",
        "start the server, or check host and port",
    ),
    ("resolve host", "cannot be reached: the host's name is unknown", "check the host's name"),
    ("could not translate host name", "cannot be reached: the host's name is unknown", "check the host's name"),
    ("timeout", "cannot be reached: it does not answer", "check host, port and firewall"),
    ("too many", "has no connection left", "close other connections, or raise max_connections"),
]


def cannot_connect(error: psycopg.Error, url: sa.URL) -> StorageError:
    """Say whether server, password, database or user is at fault."""
    text, location = scrub(str(error), secrets_of(url)), masked_url(url)
    last = text.strip().rpartition("FATAL: ")[2].strip()
    for words, meaning, hint in SAYS:
        if words in text:
            return StorageError(f"the server at {location} {meaning} ({last})", location=location, hint=hint)
    return StorageError(f"the server at {location} cannot be used: {last}", location=location, hint="check the URL")


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
    at = address or "this machine"
    return f"server process {pid} ({program or 'unknown program'}) of {user} at {at} since {since:%H:%M:%S}"
