"""Rows out of PostgreSQL in bulk: COPY -> ADBC -> Arrow.

What ADBC gives only as text is asked for in another form: a numeric of up to 18 digits as a scaled integer, which is
rebuilt as a decimal without parsing; longer ones as text, cast to decimal; everything else that Arrow does not know as
text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.dialects.types import arrow_type
from engine.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg

SCALED_DIGITS = 18
"""A numeric of up to so many digits fits a bigint when scaled."""

_SPELT = {
    "varchar": "text", "bpchar": "text", "bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint",
    "float4": "real", "float8": "double precision", "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone", "time": "time without time zone",
}  # fmt: skip
"""How `format_type` spells what a result's description calls by its short name."""

_NUMERIC = 1700
_NATIVE = frozenset(
    (
        16,
        17,
        20,
        21,
        23,
        25,
        700,
        701,
        1042,
        1043,
        1082,
        1083,
        1114,
        1184,
        1186,
        1000,
        1001,
        1005,
        1007,
        1016,
        1009,
        1014,
        1015,
        1021,
        1022,
        1115,
        1182,
        1183,
        1185,
    )
)
"""Type OIDs that ADBC gives as Arrow types of their own: the common scalar types, and arrays of them."""


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of a query is asked for, and made again from what comes back."""

    name: str
    expression: str
    type: pa.DataType | None = None
    rebuild: Callable[[pa.Array, pa.DataType], pa.Array] | None = None


def reading_plan(description: Sequence[psycopg.Column], scale_of: Callable[[str], int]) -> list[Column] | None:
    """Say how each column is to be read; None when the query can be run as it stands.

    Args:
        description: The query's columns, as the server describes them.
        scale_of: Gives the largest scale in an unconstrained numeric column, by its name in ``_e_rows``.
    """
    made = [_column(f"_{i}", column, scale_of) for i, column in enumerate(description)]
    return made if any(column.type is not None for column in made) else None


def _column(name: str, column: psycopg.Column, scale_of: Callable[[str], int]) -> Column:
    if column.type_code == _NUMERIC:
        scale = column.scale if column.precision is not None else scale_of(name)
        scale = scale or 0
        if column.precision is not None and column.precision <= SCALED_DIGITS and 0 <= scale <= column.precision:
            scaled = f"({name} * 1e{scale}::numeric)::int8"
            return Column(column.name, scaled, pa.decimal128(column.precision, scale), _from_scaled)
        digits = min(column.precision or 38, 38)
        return Column(column.name, f"{name}::text", pa.decimal128(max(digits, scale, 1), max(scale, 0)), _from_text)
    if column.type_code in _NATIVE:
        return Column(column.name, name)
    return Column(column.name, f"{name}::text", pa.string(), None)


def wrapped(query: str, columns: Sequence[Column]) -> str:
    """Return the query whose columns come back as planned; its own columns are renamed, so that any name will do."""
    names = ", ".join(f"_{i}" for i in range(len(columns)))
    picked = ", ".join(f"{column.expression} AS _{i}" for i, column in enumerate(columns))
    return f"SELECT {picked} FROM ({query}\n) AS _e_rows({names})"


def rebuilt_schema(schema: pa.Schema, columns: Sequence[Column] | None) -> pa.Schema:
    """Return the names and types that were asked for."""
    if columns is None:
        return pa.schema([pa.field(field.name, field.type) for field in schema])
    return pa.schema([pa.field(c.name, c.type or plain) for c, plain in zip(columns, schema.types, strict=True)])


def rebuilt(batch: pa.RecordBatch, columns: Sequence[Column] | None, schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch with the columns and types that were asked for."""
    arrays = batch.columns
    if columns is not None:
        arrays = [
            (array if column.rebuild is None else _rebuild(array, column.rebuild, column)).cast(field.type)
            for array, column, field in zip(arrays, columns, schema, strict=True)
        ]
    return pa.record_batch(arrays, schema=schema)


def _rebuild(array: pa.Array, rebuild: Callable[[pa.Array, Any], pa.Array], column: Column) -> pa.Array:
    try:
        return rebuild(array, column.type)
    except pa.ArrowInvalid as error:
        raise LoadError(
            f"column {column.name!r} cannot be read exactly as {column.type}: {error}",
            hint=f"cast it in the query, for instance {column.name}::double precision or ::text",
        ) from error


def _from_scaled(array: pa.Array, type: pa.DataType) -> pa.Array:
    """Read scaled integers as decimals: the bits of a decimal of up to 18 digits are those of that integer."""
    return array.view(pa.decimal64(type.precision, type.scale)).cast(type)


def _from_text(array: pa.Array, type: pa.DataType) -> pa.Array:
    return array.cast(pa.string()).cast(type)


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
