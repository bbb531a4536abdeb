"""Rows into PostgreSQL in bulk: Arrow -> pgpq -> COPY.

What pgpq has no encoder for is converted first, where that changes no value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pgpq
import pyarrow as pa
import pyarrow.compute as pc

from engine.dialects.postgresql.sending import sending
from engine.dialects.sql import quoted
from engine.dialects.streams import rechunked
from engine.dialects.types import arrow_type, decoded, is_list, plain_type, sql_type
from engine.errors import SaveError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg

COPY_ROWS = 4_096
"""Rows encoded at a time: the encoder holds Python's lock meanwhile, and the thread that sends waits for it."""

COPY_BYTES = 4_000_000
"""What is encoded at a time at most, but for a single row."""

_OF_TEXT = frozenset({"json", "jsonb", "xml"})
"""Types whose binary form is a text, that of jsonb behind its version; they check what they are given."""


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
