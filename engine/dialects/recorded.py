"""Recorded: rows come back from a table as the Arrow types they were written with.

Theory of operation. A database has fewer types than Arrow: a category is kept as text, seconds as microseconds, an
instant in Paris as the instant. The ledger row of a save holds the Arrow schema that was written, so a reader of the
whole table gets its types back, by conversions that change no value or fail. Where the rows were added by several
saves, a column has the type they all agree on, or none but the database's own.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from engine.dialects.json_values import from_json
from engine.dialects.types import is_list
from engine.errors import LoadError, SaveError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from engine.dialects.base import LedgerRow

_KEY = "arrow_schema"
_EXACT = "comes_back"
_FAMILIES: tuple[tuple[Callable[[Any], bool], ...], ...] = (
    (kinds.is_string, kinds.is_large_string, kinds.is_string_view),
    (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view, kinds.is_fixed_size_binary),
    (kinds.is_integer, lambda type_: kinds.is_decimal(type_) and type_.scale == 0),
    (kinds.is_decimal,),
    (kinds.is_date,),
    (kinds.is_time,),
    (lambda type_: kinds.is_timestamp(type_) and type_.tz is None,),
    (lambda type_: kinds.is_timestamp(type_) and type_.tz is not None,),
    (kinds.is_duration,),
)
"""Types between which a value passes unchanged, or Arrow says that it does not."""
_WIDE = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}
_INTERVAL = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])
_DAY_NS = 86_400_000_000_000
LONGEST_S = (2**63 - 1) // 10**9
"""Seconds of the longest duration that comes back from an interval, which Arrow counts in nanoseconds: 292 years."""


def recorded_schema(row: LedgerRow, *, keeps_layout: bool = True) -> pa.Schema | None:
    """Return the Arrow schema in which a table's rows come back, or None where the record holds none.

    Args:
        row: The ledger's head of the table.
        keeps_layout: Whoever reads can tell the layouts of texts and bytes apart; else they come in the plain one.
    """
    text = row.record.get(_KEY)
    if not text or not row.record.get(_EXACT):
        return None
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
    if keeps_layout:
        return schema
    return pa.schema([f.with_type(_WIDE.get(f.type, f.type)) for f in schema], schema.metadata)


def record_of(schema: pa.Schema, *, comes_back: bool, earlier: LedgerRow | None) -> dict[str, Any]:
    """Return what the ledger is to keep of a table's schema.

    Args:
        schema: The schema of the rows written now.
        comes_back: Their types are those of a frame; rows of a query have no types but the database's.
        earlier: The save whose rows stay in the table, if any do.
    """
    if earlier is not None:
        before = recorded_schema(earlier)
        comes_back = comes_back and before is not None
        schema = schema if before is None else _agreed(before, schema)
    return {_KEY: base64.b64encode(schema.serialize().to_pybytes()).decode("ascii"), _EXACT: comes_back}


def _agreed(before: pa.Schema, now: pa.Schema) -> pa.Schema:
    """Return the columns whose type both schemas give, in the order of the first."""
    fields = []
    for field in before:
        other = now.field(field.name) if field.name in now.names else field
        if kinds.is_null(other.type) or other.equals(field, check_metadata=True):
            fields.append(field)
        elif other.type == field.type:
            fields.append(field.remove_metadata())
    return pa.schema(fields)


def comes_back(stored: pa.DataType, written: pa.DataType, *, inside: bool = False) -> bool:
    """Say whether every value of a column that the database gives as ``stored`` can be given as ``written`` again.

    Args:
        stored: The Arrow type that the database reads its column as.
        written: The Arrow type that was saved.
        inside: The type is part of a nested one, whose parts can only be cast.
    """
    if stored == written:
        return True
    if isinstance(written, pa.BaseExtensionType):
        is_parsed = written.extension_name == "arrow.uuid" and kinds.is_string(stored)
        return not inside and (is_parsed or comes_back(stored, written.storage_type))
    if kinds.is_dictionary(written) or kinds.is_run_end_encoded(written):
        return not inside and comes_back(stored, written.value_type)
    if pa.types.is_nested(written):
        return _parts_come_back(stored, written) or (not inside and _may_be_json(stored))
    if kinds.is_interval(stored) and kinds.is_duration(written):
        return not inside
    widened = kinds.is_float32(stored) and kinds.is_float16(written)
    return widened or any(_is_any(stored, family) and _is_any(written, family) for family in _FAMILIES)


def _parts_come_back(stored: pa.DataType, written: pa.DataType) -> bool:
    parts, written_parts = _parts(stored), _parts(written)
    return (
        parts != []
        and [name for name, _ in parts] == [name for name, _ in written_parts]
        and all(comes_back(a, b, inside=True) for (_, a), (_, b) in zip(parts, written_parts, strict=True))
    )


def _may_be_json(stored: pa.DataType) -> bool:
    """Say whether a column is of texts, or of no values, by which a database without types would tell them."""
    return (
        bool(kinds.is_string(stored) or kinds.is_null(stored)) or getattr(stored, "extension_name", "") == "arrow.json"
    )


def _parts(type_: pa.DataType) -> list[tuple[str, pa.DataType]]:
    """Return the types inside a nested type, under names that tell a list, a struct and a map apart."""
    if is_list(type_):
        return [("[]", type_.value_type)]
    if kinds.is_map(type_):
        return [("{key}", type_.key_type), ("{item}", type_.item_type)]
    return [(field.name, field.type) for field in type_] if kinds.is_struct(type_) else []


def _is_any(type_: pa.DataType, family: tuple[Callable[[Any], bool], ...]) -> bool:
    return any(test(type_) for test in family)


def check_comes_back(stored: pa.Schema, written: pa.Schema, *, declared: Collection[str]) -> None:
    """Refuse columns whose values would come back as another type than they had, but for those of a declared type.

    Raises:
        SaveError: Naming the first such column.
    """
    for field in written:
        found = stored.field(field.name).type
        if field.name not in declared and not comes_back(found, field.type):
            raise SaveError(
                f"column {field.name!r} of type {field.type} would come back from the database as {found}",
                hint="convert the column in the dataflow, for instance to simpler columns or to text (JSON)",
            )


def checked_durations(rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Return the same stream, which refuses durations that a database keeps, but gives back too long for Arrow.

    Raises:
        SaveError: While the rows pass, naming column and row.
    """
    long_ones = [i for i, type_ in enumerate(rows.schema.types) if kinds.is_duration(type_) and type_.unit != "ns"]
    if not long_ones:
        return rows

    def passing() -> Iterator[pa.RecordBatch]:
        first_row = 0
        for batch in rows:
            for position in long_ones:
                _check_durations(batch.schema.field(position), batch.column(position), first_row)
            first_row += batch.num_rows
            yield batch

    return pa.RecordBatchReader.from_batches(rows.schema, passing())


def _check_durations(field: pa.Field, column: pa.Array, first_row: int) -> None:
    limit = LONGEST_S * {"s": 1, "ms": 10**3, "us": 10**6}[field.type.unit]
    too_long = pc.greater(pc.abs(column.cast(pa.int64())), limit)
    if pc.any(too_long).as_py():
        row = first_row + pc.index(too_long, pa.scalar(value=True)).as_py()
        raise SaveError(
            f"column {field.name!r} holds a duration of more than 292 years, in row {row}",
            hint="save it as a number of seconds",
        )


def restored(batches: pa.RecordBatchReader, recorded: pa.Schema) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema and rows of a table as they were written, as far as the table still is what was written.

    Raises:
        LoadError: While the rows pass: a value is not one of the recorded type, because somebody else wrote it.
    """
    written = {field.name: field for field in recorded}
    fields = [_field(field, written.get(field.name)) for field in batches.schema]
    schema = pa.schema(fields, recorded.metadata)

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [_column(column, field) for column, field in zip(batch.columns, fields, strict=True)]
            yield pa.record_batch(columns, schema=schema)

    return schema, rows()


def _field(stored: pa.Field, written: pa.Field | None) -> pa.Field:
    if written is None or kinds.is_null(written.type) or not comes_back(stored.type, written.type):
        return stored
    return pa.field(stored.name, written.type, metadata=written.metadata)


def _column(column: pa.Array, field: pa.Field) -> pa.Array:
    try:
        return column if column.type == field.type else _converted(column, field.type)
    except (pa.ArrowException, ValueError) as error:
        raise LoadError(
            f"column {field.name!r} was written as {field.type}, but now holds something else",
            hint="somebody else wrote to the table: rebuild it, or read it with from_.query",
        ) from error


def _converted(column: pa.Array, type_: pa.DataType) -> pa.Array:
    if column.type == type_:
        return column
    if isinstance(type_, pa.BaseExtensionType):
        if type_.extension_name == "arrow.uuid" and kinds.is_string(column.type):
            column = _uuids(column)
        return pa.ExtensionArray.from_storage(type_, _converted(column, type_.storage_type))
    if kinds.is_dictionary(type_):
        encoded = _converted(column, type_.value_type).dictionary_encode()
        indices = encoded.indices.cast(type_.index_type)
        return pa.DictionaryArray.from_arrays(indices, encoded.dictionary, ordered=type_.ordered)
    if kinds.is_run_end_encoded(type_):
        return pc.run_end_encode(_converted(column, type_.value_type), run_end_type=type_.run_end_type)
    return _cast(column, type_)


def _cast(column: pa.Array, type_: pa.DataType) -> pa.Array:
    if kinds.is_null(column.type):
        return pa.nulls(len(column), type_)
    if kinds.is_interval(column.type):
        return _durations(column).cast(type_)
    if kinds.is_nested(type_) and not kinds.is_nested(column.type):
        return from_json(column, type_)
    return column.cast(type_)


def _durations(column: pa.Array) -> pa.Array:
    """Read intervals of days and nanoseconds as durations; a month has no fixed length.

    Raises:
        ValueError: An interval has months.
    """
    raw = np.frombuffer(column.buffers()[1], _INTERVAL, count=column.offset + len(column))[column.offset :]
    is_valid = np.asarray(column.is_valid())
    if raw["months"][is_valid].any():
        raise ValueError("an interval of months")
    total = raw["days"].astype(np.int64) * _DAY_NS + raw["nanoseconds"]
    return pa.array(total, pa.int64(), mask=~is_valid).cast(pa.duration("ns"))


def _uuids(column: pa.Array) -> pa.Array:
    texts = pc.replace_substring(column.drop_null(), "-", "")
    raw = np.frombuffer(bytes.fromhex("".join(texts.to_pylist())), dtype="S16") if len(texts) else np.array([], "S16")
    found = pa.Array.from_buffers(pa.binary(16), len(texts), [None, pa.py_buffer(raw.tobytes())])
    places = pc.if_else(column.is_valid(), pc.subtract(pc.cumulative_sum(column.is_valid().cast(pa.int64())), 1), None)
    return found.take(places)
