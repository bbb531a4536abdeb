"""Rows into and out of PostgreSQL in bulk: Arrow -> pgpq -> COPY, and COPY -> ADBC -> Arrow.

What pgpq has no encoder for is converted first, where that changes no value. What ADBC gives only as text is asked for
in another form: a numeric of up to 18 digits as a scaled integer, which is rebuilt as a decimal without parsing; longer
ones as text, cast to decimal; everything else that Arrow does not know as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pgpq
import pyarrow as pa
import pyarrow.compute as pc

from engine.dialects.sending import sending
from engine.dialects.sql import quoted
from engine.dialects.streams import rechunked
from engine.dialects.types import arrow_type, decoded, is_list, plain_type, sql_type
from engine.errors import LoadError, SaveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import psycopg

COPY_ROWS = 4_096
"""Rows encoded at a time: the encoder holds Python's lock meanwhile, and the thread that sends waits for it."""

COPY_BYTES = 4_000_000
"""What is encoded at a time at most, but for a single row."""

SCALED_DIGITS = 18
"""A numeric of up to so many digits fits a bigint when scaled."""

_SPELT = {
    "varchar": "text", "bpchar": "text", "bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint",
    "float4": "real", "float8": "double precision", "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone", "time": "time without time zone",
}  # fmt: skip
"""How `format_type` spells what a result's description calls by its short name."""

_OF_TEXT = frozenset({"json", "jsonb", "xml"})
"""Types whose binary form is a text, that of jsonb behind its version; they check what they are given."""

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


def encodable(schema: pa.Schema) -> pa.Schema:
    """Return the schema that pgpq has an encoder for, and in which every value of ``schema`` stays what it is."""
    return pa.schema([pa.field(field.name, _encodable(field.name, field.type)) for field in schema])


def _encodable(name: str, type: pa.DataType) -> pa.DataType:  # noqa: PLR0911 - a table, one line per kind
    if isinstance(type, pa.BaseExtensionType):
        type = type.storage_type
    type = plain_type(type)
    if pa.types.is_null(type):
        return pa.string()  # NULL is encoded alike for every type
    if pa.types.is_date64(type):
        return pa.date32()
    if pa.types.is_timestamp(type):
        return pa.timestamp("us", type.tz)
    if pa.types.is_time(type):
        return pa.time64("us")
    if pa.types.is_duration(type):
        return pa.duration("us")
    if is_list(type):
        return pa.list_(_encodable(name, type.value_type))
    if pa.types.is_decimal256(type):
        raise SaveError(f"column {name!r} of type {type} has more than 38 digits", hint="cast it to text")
    return type


def staging_types(schema: pa.Schema, types: Mapping[str, str]) -> dict[str, str]:
    """Return the SQL types of the columns that a stream is copied into.

    A column has the type it is to have where COPY's binary form of its values is that type's own; otherwise its
    natural one, and is to be cast.
    """
    made = {}
    for field in schema:
        wanted = types.get(field.name)
        if wanted is not None and _goes_into(field.type, wanted):
            made[field.name] = wanted
        else:
            made[field.name] = sql_type("postgresql", field.name, field.type)
    return made


def _goes_into(type_: pa.DataType, wanted: str) -> bool:
    """Say whether the binary form of values of an Arrow type is that of a SQL type."""
    if pa.types.is_null(type_) or (pa.types.is_decimal(type_) and wanted == "numeric"):
        return True
    is_text = sql_type("postgresql", "", type_) in ("text", "json")
    return (is_text and wanted in _OF_TEXT) or arrow_type("postgresql", wanted) == plain_type(type_)


def copy_in(cursor: psycopg.Cursor[Any], table: str, rows: pa.RecordBatchReader, types: Mapping[str, str]) -> int:
    """Load a stream into a new table, frozen, by one binary COPY; return how many rows it had.

    Args:
        cursor: In the transaction that made the table.
        table: As SQL writes it.
        rows: The rows.
        types: The columns' SQL types.
    """
    schema = encodable(rows.schema)
    columns = ", ".join(quoted(name) for name in schema.names)
    encoder = pgpq.ArrowToPostgresBinaryEncoder(schema)
    jsonb = [name for name in schema.names if types[name] == "jsonb"]
    count = 0
    statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT binary, FREEZE)".encode()
    with cursor.copy(statement) as copy, sending(copy.write) as send:
        send(encoder.write_header())
        for batch in rechunked(decoded(rows, schema), schema, COPY_ROWS):
            count += batch.num_rows
            for part in _of_bounded_size(batch):
                send(encoder.write_batch(_versioned(part, jsonb)))
        send(encoder.finish())
    return count


def _of_bounded_size(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch of large values into pieces."""
    rows = max(1, batch.num_rows * COPY_BYTES // max(batch.nbytes, 1))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _versioned(batch: pa.RecordBatch, jsonb: Sequence[str]) -> pa.RecordBatch:
    """Put the version of the binary form, 1, in front of each text that goes into a jsonb column."""
    for name in jsonb:
        texts = pc.binary_join_element_wise("\1", batch.column(name), "")
        batch = batch.set_column(batch.schema.get_field_index(name), name, texts)
    return batch


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
