"""Spool: the rows of a query, copied by SQLite into a private file without a name, and read from its pages.

Theory of operation. A cursor makes a Python object of every value; copying rows from table to table costs SQLite a
fraction of that. So a query's rows go into a table without declared types, which changes no value, in a file of its
own, whose name is removed as soon as it is open: nothing is left of it whatever happens. Then the database itself is
let go, before the first row is handed out, and no lock waits for whoever reads. Where the pages do not hold what was
expected (`engine.dialects.sqlite.pages`), the same rows are asked for over a cursor.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.dialects.sqlite.image import PAGE
from engine.dialects.sqlite.pages import rows_of
from engine.dialects.sqlite.values import decoded_batch, stored_type, typed_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.dialects.sqlite.pages import Rows

_SPOOL = "_e_spool"


class Spool:
    """The rows of one query.

    Args:
        on: A connection to the database, which is not needed any more afterwards.
        query: What is copied.
        parameters: Its parameters.
        columns: How many columns it has.

    Attributes:
        rows: A connection to the copy, whose table `r` has the columns `c0`, `c1` and so on.
    """

    def __init__(self, on: sqlite3.Connection, query: str, parameters: Mapping[str, Any], columns: int) -> None:
        self._descriptor, name = tempfile.mkstemp(prefix="engine-")
        try:
            self.rows = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
            on.execute(f"ATTACH ? AS {_SPOOL}", (name,))
        finally:
            Path(name).unlink()
        try:
            self._fill(on, query, parameters, columns)
        except BaseException:
            self.close()
            raise
        finally:
            on.execute(f"DETACH {_SPOOL}")

    def _fill(self, on: sqlite3.Connection, query: str, parameters: Mapping[str, Any], columns: int) -> None:
        for pragma in (f"page_size = {PAGE}", "auto_vacuum = NONE", "journal_mode = OFF", "synchronous = OFF"):
            on.execute(f"PRAGMA {_SPOOL}.{pragma}")
        names = ", ".join(f"c{i}" for i in range(columns))
        on.execute(f"CREATE TABLE {_SPOOL}.r ({names})")
        on.execute(f"INSERT INTO {_SPOOL}.r ({names}) {query}", parameters)  # names: every row is made anew, so whole

    def close(self) -> None:
        """Let the file go, which ends it."""
        self.rows.close()
        os.close(self._descriptor)

    def classes(self, columns: Sequence[int]) -> dict[int, str | None]:
        """Return the storage classes that occur in some columns, joined by commas."""
        if not columns:
            return {}
        asked = ", ".join(f"group_concat(DISTINCT typeof(c{i}))" for i in columns)
        return dict(zip(columns, self.rows.execute(f"SELECT {asked} FROM r").fetchone(), strict=True))

    def batches(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows as batches of a schema.

        Raises:
            LoadError: A value is not what its column is declared to hold.
        """
        (root,) = self.rows.execute("SELECT rootpage FROM sqlite_master").fetchone()
        (encoding,) = self.rows.execute("PRAGMA encoding").fetchone()
        types, first = [stored_type(field.type) for field in schema], 1
        for rows in rows_of(self._descriptor, root):
            end = first + len(rows.starts)
            columns = _columns(rows, types) if encoding == "UTF-8" else None
            if columns is None:
                asked = self.rows.execute("SELECT * FROM r WHERE rowid >= ? AND rowid < ?", (first, end))
                batch = decoded_batch(asked.fetchall(), schema)
            else:
                batch = typed_batch(columns, schema)
            yield from (batch.slice(at, batch_rows) for at in range(0, batch.num_rows, batch_rows))
            first = end


def _columns(rows: Rows, types: Sequence[pa.DataType]) -> list[pa.Array] | None:
    try:
        return rows.columns(types)
    except pa.ArrowInvalid:  # a text that is not UTF-8: SQLite says so in its own words
        return None
