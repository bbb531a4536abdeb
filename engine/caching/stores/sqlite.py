"""SQLite: what a cache knows, in one file that several processes use at once.

The file can always be made anew from nothing, so it is never in the way: where it cannot be read it counts as empty,
and where it is no database any more it is replaced.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.caching.stores.base import Entry, MetadataStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LOG = logging.getLogger("engine.caching")
_FILE = "metadata.db"
_WAIT_S = 10.0
_RUNS_KEPT = 1000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
  cache_key TEXT PRIMARY KEY, data_version TEXT NOT NULL, node_name TEXT NOT NULL, code_version TEXT NOT NULL,
  run_id TEXT NOT NULL, format TEXT, token TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS run (number INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS run_entry (
  number INTEGER NOT NULL REFERENCES run, cache_key TEXT NOT NULL, data_version TEXT NOT NULL, node_name TEXT NOT NULL,
  code_version TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS run_entry_number ON run_entry (number);
"""
_COLUMNS = ("cache_key", "data_version", "node_name", "code_version", "run_id", "format", "token")
_SHOWN = _COLUMNS[:4]


class SQLiteMetadataStore(MetadataStore):
    """Entries in a SQLite file.

    Args:
        path: The folder of the file.
        connection_kwargs: Arguments of `sqlite3.connect`.
    """

    def __init__(self, path: str | Path, connection_kwargs: Mapping[str, Any] | None = None) -> None:
        self._folder = Path(path)
        self._options = dict(connection_kwargs or {})
        self._guard = threading.RLock()
        self._open: tuple[int, sqlite3.Connection] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self._folder, "connection_kwargs": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # made anew where it arrives

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection; a process that was forked opens its own."""
        if self._open is None or self._open[0] != os.getpid():
            self._folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self._folder / _FILE,
                **{"timeout": _WAIT_S, "check_same_thread": False, "isolation_level": None, **self._options},
            )
            self._open = (os.getpid(), connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
        return self._open[1]

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            if self._open is not None and self._open[0] == os.getpid():
                self._open[1].close()
            self._open = None

    def __del__(self) -> None:
        self.close()

    # --- what is known ------------------------------------------------------------------------------------------------
    def entry(self, cache_key: str) -> Entry | None:
        """Return what is known under a key."""
        rows = self._ask(f"SELECT {', '.join(_COLUMNS)} FROM entry WHERE cache_key = ?", cache_key)  # noqa: S608 - our names
        return Entry(**dict(zip(_COLUMNS, rows[0], strict=True))) if rows else None

    def put(self, entry: Entry) -> None:
        """Note an entry."""
        values = [getattr(entry, name) for name in _COLUMNS]
        self._ask(f"INSERT OR REPLACE INTO entry VALUES ({', '.join('?' * len(values))})", *values)  # noqa: S608 - our marks

    def put_run(self, run_id: str, entries: Iterable[Entry]) -> None:
        """Note which entries a run made or used, and forget runs that are long past."""
        rows = [[getattr(entry, name) for name in _SHOWN] for entry in entries]

        def write(connection: sqlite3.Connection) -> list[Any]:
            connection.execute("BEGIN IMMEDIATE")
            try:
                number = connection.execute("INSERT INTO run (run_id) VALUES (?)", [run_id]).lastrowid
                connection.executemany("INSERT INTO run_entry VALUES (?, ?, ?, ?, ?)", [[number, *row] for row in rows])
                connection.execute("DELETE FROM run_entry WHERE number <= ?", [(number or 0) - _RUNS_KEPT])
                connection.execute("DELETE FROM run WHERE number <= ?", [(number or 0) - _RUNS_KEPT])
                connection.execute("COMMIT")
            except sqlite3.Error:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            return []

        self._do(write)

    def delete(self, cache_key: str) -> None:
        """Forget a key."""
        self._ask("DELETE FROM entry WHERE cache_key = ?", cache_key)

    def delete_all(self) -> None:
        """Forget everything."""
        for table in ("run_entry", "run", "entry"):
            self._ask(f"DELETE FROM {table}")  # noqa: S608 - our names

    def get_run_ids(self) -> list[str]:
        """Return the ids of the runs, the first one first."""
        return [row[0] for row in self._ask("SELECT run_id FROM run ORDER BY number")]

    def get_run(self, run_id: str) -> list[dict[str, str]]:
        """Return key, data version, node and code version of what a run made or used."""
        rows = self._ask(
            f"SELECT {', '.join(_SHOWN)} FROM run_entry JOIN run USING (number) WHERE run_id = ?",  # noqa: S608 - our names
            run_id,
        )
        return [dict(zip(_SHOWN, row, strict=True)) for row in rows]

    @property
    def size(self) -> int:
        """How many keys are known."""
        return sum(row[0] for row in self._ask("SELECT count(*) FROM entry"))

    # --- the file -----------------------------------------------------------------------------------------------------
    def _ask(self, statement: str, *values: Any) -> Sequence[Any]:
        return self._do(lambda connection: connection.execute(statement, values).fetchall())

    def _do(self, work: Any) -> Sequence[Any]:
        """Do something with the connection; what goes wrong is a line in the log, and an empty answer."""
        with self._guard:
            try:
                found: Sequence[Any] = work(self.connection)
            except sqlite3.OperationalError as error:
                _LOG.warning("the cache in %s cannot be used now: %s", self._folder, error)
            except (sqlite3.DatabaseError, OSError) as error:
                _LOG.warning("the cache in %s cannot be read, so it starts empty: %s", self._folder, error)
                self._replace()
            else:
                return found
        return []

    def _replace(self) -> None:
        """Put the file away, unless it has become whole again because another process did."""
        self.close()
        with contextlib.suppress(OSError, sqlite3.Error):
            if not self._is_whole():
                for suffix in ("", "-wal", "-shm"):
                    (self._folder / f"{_FILE}{suffix}").unlink(missing_ok=True)

    def _is_whole(self) -> bool:
        with contextlib.closing(sqlite3.connect(self._folder / _FILE, timeout=_WAIT_S)) as probe:
            try:
                return bool(probe.execute("PRAGMA quick_check").fetchone() == ("ok",))
            except sqlite3.DatabaseError:
                return False
