"""Opening DuckDB: the connections of one process to one file, and what is said when it does not open."""

from __future__ import annotations

import re
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.dialects.secrets import masked_url
from engine.errors import ConcurrentWriteError, StorageError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    import sqlalchemy as sa


HOLDER = re.compile(r"Conflicting lock is held in (.+?) \(PID (\d+)\)")


WRITERS: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()


class Turn:
    """One writer at a time per database of this process; readers wait for nobody.

    Two transactions that write one table, or both make the ledger or a schema, would conflict. Others would not, but
    gain nothing by being open together: DuckDB spreads the rows of one save over all its threads.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()


@dataclass(slots=True, weakref_slot=True)
class Link:
    """An open DuckDB database."""

    main: duckdb.DuckDBPyConnection
    turn: Turn
    mark: str
    saver: duckdb.DuckDBPyConnection | None = None
    cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = field(default_factory=weakref.WeakSet)
    streams: dict[int, pa.RecordBatchReader] = field(default_factory=dict)
    """Open results: each keeps the file open until it is closed."""
    current: duckdb.DuckDBPyConnection | None = None
    """The connection of the open transaction."""

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own to the same database."""
        made = self.main.cursor()
        self.cursors.add(made)
        return made

    @property
    def active(self) -> duckdb.DuckDBPyConnection:
        """The connection on which statements run now."""
        if self.current is not None:
            return self.current
        if self.saver is None:
            self.saver = self.cursor()
        return self.saver


def path_of(url: sa.URL) -> Path | None:
    """Return the file of a URL, or None for a database in memory."""
    if url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database)).expanduser().resolve()


def options_of(url: sa.URL) -> dict[str, Any]:
    """Return the settings in a URL's query string."""
    return {key: value for key, value in url.query.items() if isinstance(value, str)}


def cannot_open(error: duckdb.Error, url: sa.URL) -> StorageError:
    """Say why the file does not open."""
    text, location = str(error), masked_url(url)
    if holder := HOLDER.search(text):
        program, pid = holder.groups()
        return ConcurrentWriteError(
            f"{location} is in use by another process: {program} (PID {pid})",
            location=location,
            holder=f"PID {pid}",
            hint="wait for it to end; a DuckDB file can be open for writing in one process only",
        )
    if "not a valid DuckDB database" in text:
        return StorageError(
            f"{location} exists, but is not a DuckDB database", location=location, hint="name another file"
        )
    if re.search(r"\bWAL\b|\.wal\b", text):
        return StorageError(
            f"{location} cannot be opened, its write-ahead log is damaged: {text}",
            location=location,
            hint="copy both files away, then remove the .wal file: the last commits before the crash may be lost",
        )
    return StorageError(f"{location} cannot be opened: {text}", location=location, hint="check path and permissions")
