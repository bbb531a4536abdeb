"""Scans: a table or query that a lazy frame reads whenever it is computed, and never another version of it.

Theory of operation. A scan knows what was loaded: the query, its schema, and the version of its rows where that is
known. Each reading opens the database over a connection of its own, because a lazy frame is computed on other threads
and perhaps while its rows are being saved to the very same database. The connection is closed with the last row, or
where the reader stops; polars lets go of a reader with its next call only (`settle`). All rows of a reading are of one
snapshot. Asking for the version after the snapshot was taken proves that the snapshot is of that version: versions only
go forward.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from engine.dialects.base import Query
    from engine.dialects.warehouse import Warehouse
    from engine.frames.base import FrameLibrary

PATIENCE_S = 2.0
"""How long to wait: what a stopped reader had asked for last takes some time to come (seconds)."""

_open: dict[int, FrameLibrary] = {}
"""The readings that have begun and not ended, and whose frames read."""


def settle() -> None:
    """Wait for readings that no frame will go on with to close their connections, which keep others from writing."""
    until = time.monotonic() + PATIENCE_S
    while _open and time.monotonic() < until:
        for library in set(_open.values()):
            library.settle()
        if _open:
            time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class TableScan:
    """A table or query as a `engine.frames.base.Source`.

    Attributes:
        warehouse: The database; it is not touched itself.
        query: What is read.
        library: Whose frames read it.
        what: The words for it in messages.
        schema: The columns and their types.
        recorded: The Arrow schema that a table was written with, or None.
        version: Asks a warehouse which version of the rows it has, or None where no version is known.
        loaded: The version that was loaded.
    """

    warehouse: Warehouse
    query: Query
    library: FrameLibrary
    what: str
    schema: pa.Schema
    recorded: pa.Schema | None
    version: Callable[[Warehouse], str | None] | None
    loaded: str | None

    def read(self, columns: Sequence[str] | None, rows: int | None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some columns, or of all, in batches; no more than ``rows`` of them, the first ones.

        Raises:
            LoadError: They cannot be read, or are not the same rows any more.
        """
        from engine.dialects import sql

        narrowed = sql.narrowed(self.query, self.schema.names, columns=columns, rows=rows)
        expected = [self.schema.field(name) for name in columns or self.schema.names]
        with self._reading() as warehouse:
            batches, _ = warehouse.read(narrowed, recorded=self.recorded)
            try:
                is_other = self.version is not None and self.version(warehouse) != self.loaded
                if is_other or list(batches.schema) != expected:
                    raise LoadError(
                        f"{self.what} has changed since it was loaded",
                        location=self.warehouse.url,
                        hint="a lazy frame reads when it is computed: run again, or load it as polars.DataFrame to keep"
                        " the rows of one moment",
                    )
                yield from batches
            finally:
                del batches  # gives back what it holds while its database is open

    @contextmanager
    def _reading(self) -> Iterator[Warehouse]:
        with self.warehouse.apart() as warehouse:
            _open[id(warehouse)] = self.library
            try:
                yield warehouse
            finally:
                del _open[id(warehouse)]
