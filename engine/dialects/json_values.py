"""JSON: nested values in columns that are declared ``json`` or ``jsonb``, exactly or not at all.

Theory of operation. A list is an array, a struct is an object, and so is a map, whose keys are texts. Integers, floats,
truth values and texts are what JSON has for them; decimals are texts, dates, times and moments (in UTC) those of ISO
8601, durations their count, bytes base64; the zero with a sign, which ``jsonb`` does not have, is the text ``-0.0``.
NULL is ``null``, and a row that is NULL is NULL. The recorded Arrow schema says how to read all that. Every value is
read back before it is written; one that does not come back as it was (NaN, a key that occurs twice, keys of a map that
``jsonb`` would reorder) is refused.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import functools
import json
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as kinds

from engine.dialects.types import is_list
from engine.errors import SaveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_SPELLINGS = frozenset({"json", "jsonb"})
_AS_TEXT = (kinds.is_date, kinds.is_time, kinds.is_timestamp, kinds.is_decimal)
_TEXTS = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
_AS_THEY_ARE = (kinds.is_boolean, kinds.is_integer, kinds.is_floating, kinds.is_null, *_TEXTS)
_EPOCH = dt.date(1970, 1, 1).toordinal()
_PER_S = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_BYTES = (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view, kinds.is_fixed_size_binary)


def holds_as_json(type_: pa.DataType, sql_type: str) -> bool:
    """Say whether a column of a SQL type keeps values of an Arrow type as JSON.

    >>> holds_as_json(pa.list_(pa.int64()), "jsonb"), holds_as_json(pa.string(), "jsonb")
    (True, False)
    """
    return bool(kinds.is_nested(type_)) and sql_type.lower() in _SPELLINGS


def as_json(batches: pa.RecordBatchReader, types: Mapping[str, str], table: str) -> pa.RecordBatchReader:
    """Return the stream with nested columns as JSON texts, where their SQL type is declared so.

    Args:
        batches: The rows.
        types: By column, its SQL type.
        table: Where they go, for messages.

    Raises:
        SaveError: While the rows pass: a value would not come back; the message names column and row.
    """
    encoded = {f.name for f in batches.schema if holds_as_json(f.type, types.get(f.name, ""))}
    if not encoded:
        return batches
    fields = [pa.field(f.name, pa.string()) if f.name in encoded else f for f in batches.schema]
    schema = pa.schema(fields, batches.schema.metadata)

    def stream() -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in batches:
            columns = [
                _texts(column, name, types[name], first, table) if name in encoded else column
                for name, column in zip(schema.names, batch.columns, strict=True)
            ]
            yield pa.record_batch(columns, schema=schema)
            first += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, stream())


def from_json(texts: pa.Array, type_: pa.DataType, *, is_sorted: bool = False) -> pa.Array:
    """Return values of a nested type out of their JSON texts.

    Args:
        texts: The texts.
        type_: The type of the values.
        is_sorted: Read them as ``jsonb`` would give them back: the keys of an object by length, then by their bytes.

    Raises:
        ValueError: A text is no JSON, or not that of such a value.
    """
    decode, hook = _decoder(type_), _as_jsonb if is_sorted else None
    try:
        values = [None if t is None else decode(json.loads(t, object_pairs_hook=hook)) for t in texts.to_pylist()]
        return pa.array(values, _rebuilt(type_, _decoded_leaf)).cast(_rebuilt(type_, _in_utc)).cast(type_)
    except (pa.ArrowException, ArithmeticError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"this is not the JSON of a {type_}: {error}") from error


def _texts(column: pa.Array, name: str, sql_type: str, first: int, table: str) -> pa.Array:
    try:
        return _checked(column, sql_type)
    except ValueError as error:
        row, reason = _first_fault(column, sql_type) or (0, error)
        where = f"column {name!r} of {table}: row {first + row} (counted from 0)"
        raise SaveError(
            f"{where} does not come back from {sql_type}: {reason}",
            location=table,
            hint="change the value in the dataflow, or keep its parts in columns of their own",
        ) from error


def _first_fault(column: pa.Array, sql_type: str) -> tuple[int, ValueError] | None:
    for row in range(len(column)):
        try:
            _checked(column.slice(row, 1), sql_type)
        except ValueError as error:
            return row, error
    return None


def _checked(column: pa.Array, sql_type: str) -> pa.Array:
    """Return the texts of a column, which have been read back.

    Raises:
        ValueError: Something came back as something else, or has no JSON at all.
    """
    encode, carried = _encoder(column.type), _rebuilt(column.type, _encoded_leaf)
    values = column.cast(_rebuilt(column.type, _in_utc)).cast(carried).to_pylist()
    texts = [None if value is None else _dumped(encode(value)) for value in values]
    made = pa.array(texts, pa.string())
    if not from_json(made, column.type, is_sorted=sql_type.lower() == "jsonb").equals(column):
        raise ValueError(
            "jsonb gives the keys of a map in another order" if "jsonb" in sql_type.lower() else "it changes"
        )
    return made


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _as_jsonb(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Source: PostgreSQL's compareJsonbStringValue, by which the keys of an object are sorted.
    return dict(sorted(pairs, key=lambda pair: (len(pair[0].encode()), pair[0].encode())))


def _rebuilt(type_: pa.DataType, leaf: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return a nested type with other types in its leaves; all lists become plain ones."""
    if is_list(type_):
        return pa.list_(_rebuilt(type_.value_type, leaf))
    if kinds.is_map(type_):
        return pa.map_(_rebuilt(type_.key_type, leaf), _rebuilt(type_.item_type, leaf))
    if kinds.is_struct(type_):
        return pa.struct([pa.field(field.name, _rebuilt(field.type, leaf)) for field in type_])
    return leaf(type_)


def _in_utc(leaf: pa.DataType) -> pa.DataType:
    return pa.timestamp(leaf.unit, "UTC") if kinds.is_timestamp(leaf) and leaf.tz is not None else leaf


def _encoded_leaf(leaf: pa.DataType) -> pa.DataType:
    """Return the type under which Arrow gives a leaf as Python writes it into JSON.

    Raises:
        ValueError: There is none.
    """
    if _is(leaf, _AS_TEXT):
        return pa.string()
    if _is(leaf, _BYTES):
        return pa.binary()
    if kinds.is_duration(leaf):
        return pa.int64()
    if not _is(leaf, _AS_THEY_ARE):
        raise ValueError(f"{leaf} has no JSON")
    return leaf


def _decoded_leaf(leaf: pa.DataType) -> pa.DataType:
    """Return the type in which a leaf is made of what `_decoder` gives.

    Texts are parsed here and not by Arrow, for which the NULL of a struct has parts that are empty texts.
    """
    if kinds.is_temporal(leaf):
        return pa.int32() if leaf.bit_width == pa.int32().bit_width else pa.int64()
    return leaf if kinds.is_decimal(leaf) else _encoded_leaf(leaf)


def _is(type_: pa.DataType, tests: Iterable[Callable[[Any], bool]]) -> bool:
    return any(test(type_) for test in tests)


def _encoder(type_: pa.DataType) -> Callable[[Any], Any]:
    """Return what makes a value of JSON of one that Arrow gives."""
    if is_list(type_):
        item = _encoder(type_.value_type)
        return _unless_null(lambda values: [item(value) for value in values])
    if kinds.is_map(type_):
        key, value = _encoder(type_.key_type), _encoder(type_.item_type)
        return _unless_null(lambda pairs: {_key_text(key(k)): value(v) for k, v in pairs})
    if kinds.is_struct(type_):
        fields = {field.name: _encoder(field.type) for field in type_}
        return _unless_null(lambda values: {name: field(values[name]) for name, field in fields.items()})
    if _is(type_, _BYTES):
        return _unless_null(lambda value: base64.b64encode(value).decode("ascii"))
    if kinds.is_timestamp(type_):
        return _unless_null(lambda text: text.replace(" ", "T"))
    return _float if kinds.is_floating(type_) else _same


def _decoder(type_: pa.DataType) -> Callable[[Any], Any]:
    """Return what makes a value for Arrow of one of JSON."""
    if is_list(type_):
        item = _decoder(type_.value_type)
        return _unless_null(lambda values: [item(value) for value in values])
    if kinds.is_map(type_):
        key, value = _decoder(type_.key_type), _decoder(type_.item_type)
        read = _same if _is(type_.key_type, (*_TEXTS, *_AS_TEXT, *_BYTES)) else json.loads
        return _unless_null(lambda found: [(key(read(k)), value(v)) for k, v in found.items()])
    if kinds.is_struct(type_):
        fields = {field.name: _decoder(field.type) for field in type_}
        return _unless_null(lambda found: {name: field(found[name]) for name, field in fields.items()})
    for tests, function in _DECODERS:
        if _is(type_, tests):
            return _unless_null(function)
    if kinds.is_time(type_) or kinds.is_timestamp(type_):
        return _unless_null(functools.partial(_count, unit=type_.unit))
    return _same


def _days(text: str) -> int:
    """Return the number of days since 1970."""
    return dt.date.fromisoformat(text).toordinal() - _EPOCH


_DECODERS: tuple[tuple[tuple[Callable[[Any], bool], ...], Callable[[Any], Any]], ...] = (
    (_BYTES, functools.partial(base64.b64decode, validate=True)),
    ((kinds.is_decimal,), decimal.Decimal),
    ((kinds.is_floating,), float),
    ((kinds.is_date32,), _days),
    ((kinds.is_date64,), lambda text: _days(text) * 86_400_000),
)


def _count(text: str, unit: str) -> int:
    """Return the number of units since midnight, or since 1970 where the text begins with a day."""
    day, _, clock = text.removesuffix("Z").rpartition("T")
    hours, minutes, seconds = clock.split(":")
    whole, _, part = seconds.partition(".")
    total = (_days(day) * 24 if day else 0) + int(hours)
    total = ((total * 60 + int(minutes)) * 60 + int(whole)) * _PER_S["ns"] + int(part.ljust(9, "0"))
    count, rest = divmod(total, _PER_S["ns"] // _PER_S[unit])
    if rest:
        raise ValueError(f"{text} is not a number of {unit}")
    return count


def _unless_null(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else function(value)


def _same(value: Any) -> Any:
    return value


def _key_text(key: Any) -> str:
    return key if isinstance(key, str) else _dumped(key)


def _float(value: Any) -> Any:
    if value is not None and not math.isfinite(value):
        raise ValueError(f"JSON has no {value}")
    return "-0.0" if value == 0 and math.copysign(1, value) < 0 else value
