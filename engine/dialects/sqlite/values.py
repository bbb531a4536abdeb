"""Values between Arrow and SQLite, which has five storage classes and keeps only the *declared* type of a column.

A column is declared so that its Arrow type can be read back (`engine.dialects.types`); dates and times are ISO text,
durations and booleans integers, decimals numbers of at most 15 digits, which a double holds exactly. What SQLite would
change without saying so (NaN to NULL, an integer beyond 64 bits to a float) is refused with column and row. Columns are
converted whole, by Arrow; no cell passes through Python code.
"""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.dialects.types import arrow_type, plain_type
from engine.errors import LoadError, SaveError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXACT_DIGITS = 15
"""Decimal digits that survive the way through a double: DBL_DIG of IEEE 754."""

LARGEST = 2**63 - 1

_WIDE = Context(prec=76)
_WHOLE = 10.0**EXACT_DIGITS
_INT64_DIGITS = 19
_SCALE = 18
"""The scale up to which a number of 15 digits and its power of ten make a decimal of 38."""


def storable(schema: pa.Schema) -> pa.Schema:
    """Return the schema with plain types: what is declared for the column, before it is encoded."""
    return pa.schema([pa.field(field.name, _storable(field.type)) for field in schema])


def _storable(type: pa.DataType) -> pa.DataType:
    if isinstance(type, pa.BaseExtensionType):
        return type if type.extension_name == "arrow.uuid" else _storable(type.storage_type)
    if pa.types.is_date64(type):
        return pa.date32()
    if pa.types.is_float16(type):
        return pa.float32()
    if pa.types.is_time(type) and type.unit != "ns":
        return pa.time64("us")
    if pa.types.is_timestamp(type) and type.tz is not None:
        return pa.timestamp("us", "UTC")
    return plain_type(type)


def stored(batch: pa.RecordBatch, first_row: int) -> list[pa.Array]:
    """Return the columns as SQLite holds them: integers, floats, texts and bytes.

    Raises:
        SaveError: SQLite would change a value; the message names column and row.
    """
    return [_stored(f, column, first_row) for f, column in zip(batch.schema, batch.columns, strict=True)]


def _stored(field: pa.Field, column: pa.Array, first_row: int) -> pa.Array:
    type = column.type
    if pa.types.is_floating(type):
        _refuse(
            field,
            pc.is_nan(column),
            first_row,
            "NaN, which SQLite turns into NULL",
            "write None where there is no value",
        )
    if pa.types.is_uint64(type):
        too_large = pc.greater(column, pa.scalar(LARGEST, pa.uint64()))
        _refuse(field, too_large, first_row, "a number beyond 2^63 - 1", "save the column as text")
    if pa.types.is_decimal(type):
        _check_digits(field, column, first_row)
        return column.cast(pa.string()).cast(pa.float64())  # by way of its digits, so rounded correctly
    if isinstance(type, pa.BaseExtensionType):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_duration(type) or pa.types.is_boolean(type):
        return column.cast(pa.int64())
    if pa.types.is_fixed_size_binary(type):
        return column.cast(pa.binary())
    return column.cast(pa.string()) if pa.types.is_temporal(type) else column


def _check_digits(field: pa.Field, column: pa.Array, first_row: int) -> None:
    if column.type.precision <= EXACT_DIGITS:
        return
    digits = pc.replace_substring_regex(column.cast(pa.string()), r"E.*$|[-.]", "")
    too_many = pc.greater(pc.utf8_length(pc.utf8_trim(digits, "0")), EXACT_DIGITS)
    what = f"a number of more than {EXACT_DIGITS} digits, which SQLite does not keep exactly"
    _refuse(field, too_many, first_row, what, "save the column as text")


def _refuse(field: pa.Field, bad: pa.Array, first_row: int, what: str, hint: str) -> None:
    if pc.any(bad).as_py():
        row = first_row + pc.index(bad, pa.scalar(value=True)).as_py()
        raise SaveError(f"column {field.name!r} holds {what}, in row {row}", hint=hint)


def column_type(name: str, declared: str, classes: str | None) -> pa.DataType:
    """Return the Arrow type of a column of a query.

    Args:
        name: The column.
        declared: Its declared type, empty for an expression.
        classes: Where nothing usable is declared: the storage classes that occur in it, joined by commas.

    Raises:
        LoadError: The column mixes classes that no Arrow type holds.
    """
    if found := arrow_type("sqlite", declared):
        return found
    occurring = set((classes or "").split(",")) - {"null", ""}
    single = {"integer": pa.int64(), "real": pa.float64(), "text": pa.string(), "blob": pa.binary()}
    if not occurring:
        return pa.null()
    if occurring <= {"integer", "real"}:
        return pa.float64() if "real" in occurring else pa.int64()
    if len(occurring) == 1:
        return single[occurring.pop()]
    raise LoadError(
        f"column {name!r} holds values of several types: {', '.join(sorted(occurring))}",
        hint=f"cast it in the query, for instance CAST({name} AS TEXT)",
    )


def stored_type(type: pa.DataType) -> pa.DataType:
    """Return what SQLite holds of a column of an Arrow type: integers, floats, texts, bytes or nothing."""
    if pa.types.is_integer(type) or pa.types.is_boolean(type) or pa.types.is_duration(type):
        return pa.int64()
    if pa.types.is_floating(type) or pa.types.is_decimal(type):
        return pa.float64()
    return pa.string() if pa.types.is_temporal(type) else type


def decoded_batch(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows as sqlite3 gives them as one batch.

    Raises:
        LoadError: A value is not what its column is declared to hold.
    """
    return typed_batch([*zip(*rows, strict=True)], schema)


def typed_batch(columns: Sequence[pa.Array | tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Return columns as SQLite holds them, as arrays of `stored_type` or as plain values, as one batch.

    Raises:
        LoadError: A value is not what its column is declared to hold.
    """
    arrays = [_typed(column, field) for column, field in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


def _typed(column: pa.Array | tuple[Any, ...], field: pa.Field) -> pa.Array:
    type = field.type
    try:
        stored = column if isinstance(column, pa.Array) else pa.array(column, stored_type(type))
        if pa.types.is_boolean(type):
            return _booleans(stored)
        if pa.types.is_time(type):
            return _times(stored, type)
        if pa.types.is_decimal(type):
            return _decimals(stored, type)
        return stored if stored.type == type else stored.cast(type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, ArithmeticError) as error:
        raise LoadError(
            f"column {field.name!r} holds something that is not {type}",
            hint=f"cast it in the query, for instance CAST({field.name} AS TEXT)",
        ) from error


def _booleans(numbers: pa.Array) -> pa.Array:
    if pc.any(pc.invert(pc.is_in(numbers, pa.array([0, 1, None], pa.int64())))).as_py():
        raise ValueError("a number is neither 0 nor 1")
    return numbers.cast(pa.bool_())


def _times(texts: pa.Array, type: pa.DataType) -> pa.Array:
    # Arrow parses no times of day, but moments
    return pc.binary_join_element_wise("1970-01-01", texts, " ").cast(pa.timestamp(type.unit)).cast(type)


def _decimals(stored: pa.Array, type: pa.DataType) -> pa.Array:
    """Read numbers of at most 15 digits as decimals: scaled up they are whole, where a double still counts exactly."""
    numbers = stored.to_numpy(zero_copy_only=False)  # NULL is NaN
    scaled = np.rint(numbers * 10.0**type.scale)
    missing = np.isnan(numbers)
    if type.scale <= _SCALE and not (np.abs(scaled[~missing]) >= _WHOLE).any():
        whole = pa.array(np.where(missing, 0, scaled).astype(np.int64), mask=missing).cast(pa.decimal128(_INT64_DIGITS))
        unit = pa.scalar(Decimal(1).scaleb(-type.scale), pa.decimal128(type.scale + 1, type.scale))
        return pc.multiply(whole, unit).cast(type)
    places = Decimal(1).scaleb(-type.scale)
    return pa.array([None if v is None else _WIDE.quantize(Decimal(str(v)), places) for v in stored.to_pylist()], type)


def parameter(value: Any) -> Any:  # noqa: PLR0911 - a table, one line per kind
    """Return a query's parameter as a column of SQLite would hold it."""
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            return value.isoformat(sep=" ", timespec="microseconds")
        return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds") + "Z"
    if isinstance(value, dt.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    return value
