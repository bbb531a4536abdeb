"""Rows out of PostgreSQL in bulk: a binary COPY on a connection of its own, received by one thread, decoded by another.

A type that has no decoder is asked for as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.dialects.postgresql import decoding
from engine.dialects.postgresql.receiving import received
from engine.dialects.streams import started
from engine.dialects.types import arrow_type
from engine.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import psycopg

    from engine.dialects.postgresql.link import Link

PIECE_ROWS = 32_768
"""How many rows are received before they are decoded, at most."""

_NUMERIC, _DIGITS = 1700, 38
"""The type whose values are decimals, and how many digits a decimal has."""

_SPELT = {
    "varchar": "text", "bpchar": "text", "bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint",
    "float4": "real", "float8": "double precision", "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone", "time": "time without time zone",
}  # fmt: skip
"""How `format_type` spells what a result's description calls by its short name."""


@dataclass(frozen=True, slots=True)
class _Column:
    """How one column of a query is asked for and read."""

    name: str
    expression: str
    decoder: decoding.Decoder


def described(connection: psycopg.Connection[Any], text: str) -> list[psycopg.Column]:
    """Return the columns of a query, as the server describes them."""
    cursor = connection.execute(f"SELECT * FROM ({text}\n) AS _e_rows LIMIT 0".encode())
    return list(cursor.description or ())


def first_row(connection: psycopg.Connection[Any], text: str) -> tuple[Any, ...]:
    """Return the first row of a query."""
    return tuple(connection.execute(text.encode()).fetchone() or ())


def streamed(
    link: Link,
    text: str,
    token_of: Callable[[psycopg.Connection[Any], Sequence[psycopg.Column]], str] | None,
    *,
    batch_rows: int,
) -> tuple[pa.RecordBatchReader, str | None]:
    """Run a query on a connection of its own and stream its rows; all that is asked about it is of one snapshot.

    Args:
        link: The database.
        text: The query.
        token_of: Gives the token of the rows, asking the connection; or None.
        batch_rows: The rows of a batch, at most.
    """
    reader = link.borrow()
    try:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        description = described(reader, text)  # here, where it locks the tables: their types stay what they are
        token = None if token_of is None else token_of(reader, description)
        names = [f"_{number}" for number in range(len(description))]
        rows = f"FROM ({text}\n) AS _e_rows({', '.join(names)})"

        def scale_of(name: str) -> int:
            return int(first_row(reader, f"SELECT coalesce(max(scale({name})), 0) {rows}")[0])

        columns = [_column(name, column, scale_of) for name, column in zip(names, description, strict=True)]
    except BaseException:
        link.give_back(reader, clean=False)
        raise
    picked = [column.expression for column in columns]
    statement = text if picked == names else f"SELECT {', '.join(picked)} {rows}"
    stream = started(_batches(link, reader, statement, columns, min(batch_rows, PIECE_ROWS)))
    return pa.RecordBatchReader.from_batches(_schema(columns), stream), token


def _column(name: str, column: psycopg.Column, scale_of: Callable[[str], int]) -> _Column:
    if column.type_code == _NUMERIC:
        precision, scale = column.precision, column.scale or 0
        if precision is None:
            precision, scale = _DIGITS, scale_of(name)
        digits = max(precision - min(scale, 0), scale, 1)
        if scale > _DIGITS:
            raise LoadError(
                f"column {column.name!r} has {scale} digits after the point, and a decimal {_DIGITS} in all",
                hint=f"round it or cast it in the query, for instance {column.name}::text",
            )
        return _Column(column.name, name, decoding.numeric(min(digits, _DIGITS), max(scale, 0)))
    decoder = decoding.DECODERS.get(column.type_code)
    return _Column(column.name, f"{name}::text" if decoder is None else name, decoder or decoding.TEXT)


def _schema(columns: Sequence[_Column]) -> pa.Schema:
    return pa.schema([pa.field(column.name, column.decoder.type) for column in columns])


def _batches(
    link: Link, reader: psycopg.Connection[Any], statement: str, columns: Sequence[_Column], rows: int
) -> Iterator[pa.RecordBatch | None]:
    schema, decoders = _schema(columns), [column.decoder for column in columns]
    clean, stream = False, None
    try:
        yield None
        stream = link.receive(received(reader, statement, rows), reader)
        for piece in stream:
            yield decoding.decoded_rows(piece, schema, decoders)
        reader.execute("COMMIT")
        clean = True
    finally:
        if stream is not None:
            link.stop(stream)
        link.give_back(reader, clean=clean)


def arrow_schema(description: Sequence[psycopg.Column]) -> pa.Schema:
    """Return the Arrow schema of a query's columns as nearly as its description says; for comparing and recording."""
    fields = []
    for column in description:
        base = column.type_display.partition("(")[0]
        spelt = _SPELT.get(base, base)
        if base == "numeric" and column.precision is not None:
            spelt = f"numeric({column.precision},{column.scale})"
        fields.append(pa.field(column.name, arrow_type("postgresql", spelt) or pa.string()))
    return pa.schema(fields)
