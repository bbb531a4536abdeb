"""Loading: the rows of Arrow batches into a table of SQLite, as whole records where that is exact, else one by one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.dialects import sql
from engine.dialects.sqlite.image import Template
from engine.dialects.sqlite.records import cells, keeps
from engine.dialects.sqlite.values import stored

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from engine.dialects.base import TableName

_PRIVATE, _ROWS = "_e_private", "_e_rows"
_VALUES = 1 << 19
"""How many values are made into records at once: few enough that they stay in a processor's cache."""
_BYTES = 1 << 26
"""How many bytes of them, at most."""


@contextmanager
def insertion(
    main: sqlite3.Connection, table: TableName, schema: pa.Schema, declared: Sequence[str]
) -> Iterator[Callable[[pa.RecordBatch], int]]:
    """Give a function that inserts a batch into a table of these columns and returns the number of rows.

    Where SQLite would change no value on the way in, a piece of a batch becomes a private database in memory, from
    which SQLite copies whole records; only this connection ever sees it. Other pieces, such as those with a row that
    fills more than a page, are inserted by ``executemany``.

    Raises:
        SaveError: SQLite would change a value; the message names column and row.
    """
    target, first = sql.quoted_table(table), 0
    insert = f"INSERT INTO {target} VALUES ({', '.join('?' * len(schema))})"
    template = _template(main, schema, declared)
    if template is not None:
        main.execute(f"ATTACH ':memory:' AS {_PRIVATE}")

    def into(batch: pa.RecordBatch) -> int:
        nonlocal first
        for piece in _pieces(batch):
            columns = stored(piece, first)
            first += piece.num_rows
            made = cells(columns, declared) if template is not None else None
            image = template.filled(made) if template is not None and made is not None else None
            if image is None:
                main.executemany(insert, zip(*(column.to_pylist() for column in columns), strict=True))
            else:
                main.deserialize(image, name=_PRIVATE)
                main.execute(f"INSERT INTO {target} SELECT * FROM {_PRIVATE}.{_ROWS}")
        return int(batch.num_rows)

    try:
        yield into
    finally:
        if template is not None:
            main.deserialize(template.pages, name=_PRIVATE)  # out of the transaction, so that it can be let go
            main.execute(f"DETACH {_PRIVATE}")


def _template(main: sqlite3.Connection, schema: pa.Schema, declared: Sequence[str]) -> Template | None:
    """Return an empty database with the table's columns, or None: records would not be what SQLite itself writes."""
    if not hasattr(main, "deserialize") or main.execute("PRAGMA main.encoding").fetchone() != ("UTF-8",):
        return None
    if not all(keeps(type_, field.type) for type_, field in zip(declared, schema, strict=True)):
        return None
    return Template.of(
        _ROWS, ", ".join(f"{sql.quoted(f.name)} {type_}" for f, type_ in zip(schema, declared, strict=True))
    )


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.num_rows <= 1 or (batch.num_rows * batch.num_columns <= _VALUES and batch.nbytes <= _BYTES):
        yield batch
        return
    half = batch.num_rows // 2
    yield from _pieces(batch.slice(0, half))
    yield from _pieces(batch.slice(half))
