"""Objects: columns of Python objects, in which anything may hide; each must hold one kind of value."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from engine.errors import SaveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    # the order counts: a bool is an int, a datetime is a date
    ((bool, np.bool_), "bool"),
    ((int, np.integer), "int"),
    ((float, np.floating), "float"),
    (decimal.Decimal, "Decimal"),
    (str, "str"),
    ((bytes, bytearray), "bytes"),
    (dt.datetime, "datetime"),
    (dt.date, "date"),
    (dt.time, "time"),
    ((dt.timedelta, np.timedelta64), "timedelta"),
    (np.datetime64, "datetime"),
    (uuid.UUID, "UUID"),
    ((list, tuple, np.ndarray), "list"),
    (dict, "dict"),
)
_MISSING = (type(None), type(pd.NA), type(pd.NaT))
_GO_TOGETHER = ({"int", "float"}, {"int", "Decimal"})
"""Kinds that Arrow puts into one type exactly, or refuses."""


def check_objects(name: str, values: np.ndarray[Any, Any]) -> pa.DataType | None:
    """Check that a column of objects holds one kind of value; return the Arrow type where inferring it would lose some.

    None, ``pandas.NA``, ``NaT`` and a float NaN mean that the value is missing.

    Raises:
        SaveError: The column holds two kinds, or one that no table holds; the message names the first such row.
    """
    kinds = {type_: _kind(type_) for type_ in set(map(type, values)) if type_ not in _MISSING}
    found = {kind for kind in kinds.values() if kind}
    if "float" in found and len(found) > 1 and all(_is_nan(v) for v in values if kinds.get(type(v)) == "float"):
        found.discard("float")
    unknown = [type_ for type_, kind in kinds.items() if kind is None]
    if unknown:
        row = next(i for i, value in enumerate(values) if kinds.get(type(value), "") is None)
        raise _refusal(name, row, f"is a {type(values[row]).__qualname__}, which no table holds")
    if len(found) > 1 and found not in _GO_TOGETHER:
        present = [(i, kinds[type(v)]) for i, v in enumerate(values) if kinds.get(type(v)) in found and not _is_nan(v)]
        first = present[0][1]
        row, other = next((i, kind) for i, kind in present if kind != first)
        raise _refusal(name, row, f"is a {other} where earlier rows are {first}")
    for kind in found & _CHECKS.keys():
        present = [(i, value) for i, value in enumerate(values) if kinds.get(type(value)) == kind]
        return _CHECKS[kind](name, present)
    return None


def first_bad_row(convert: Callable[[int], object], rows: int) -> int | None:
    """Return the first row without which the rows before it convert, or None: no single row is at fault.

    Args:
        convert: Converts the first so many rows, or raises.
        rows: How many there are; converting all of them fails.
    """
    good, bad = 0, rows
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            convert(middle)
        except Exception:  # noqa: BLE001 - whatever fails, fails at or before this row
            bad = middle
        else:
            good = middle
    return bad - 1 if bad else None


def _kind(type_: type) -> str | None:
    return next((kind for types, kind in _KINDS if issubclass(type_, types)), None)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _refusal(name: str, row: int, what: str) -> SaveError:
    return SaveError(
        f"column {name!r}: row {row} (counted from 0) {what}",
        hint="convert the column to one type, such as frame[column].astype(str)",
    )


def _check_decimals(name: str, present: Iterable[tuple[int, Any]]) -> None:
    for row, value in present:
        if not value.is_finite():
            raise _refusal(name, row, f"is {value}, which no decimal column holds")


def _check_datetimes(name: str, present: list[tuple[int, Any]]) -> pa.DataType | None:
    moments = [(row, value) for row, value in present if isinstance(value, dt.datetime)]
    aware = {value.tzinfo is not None for _, value in moments}
    if len(aware) > 1:
        first = moments[0][1].tzinfo is not None
        row = next(row for row, value in moments if (value.tzinfo is not None) != first)
        raise _refusal(name, row, f"has {'no' if first else 'a'} time zone, unlike the rows before it")
    zones = {str(value.tzinfo) for _, value in moments}
    unit = "ns" if any(getattr(value, "nanosecond", 0) for _, value in moments) else "us"
    if True in aware and len(zones) > 1:
        return pa.timestamp(unit, "UTC")
    return (
        pa.timestamp(unit, *zones) if unit == "ns" and True in aware else pa.timestamp("ns") if unit == "ns" else None
    )


def _check_times(name: str, present: Iterable[tuple[int, Any]]) -> None:
    for row, value in present:
        if value.tzinfo is not None:
            raise _refusal(name, row, f"is {value}, a time with a zone, which no table holds")


def _check_durations(_name: str, present: Iterable[tuple[int, Any]]) -> pa.DataType | None:
    return pa.duration("ns") if any(getattr(value, "nanoseconds", 0) for _, value in present) else None


_CHECKS: dict[str, Callable[[str, list[tuple[int, Any]]], pa.DataType | None]] = {
    "Decimal": _check_decimals,
    "datetime": _check_datetimes,
    "time": _check_times,
    "timedelta": _check_durations,
}
