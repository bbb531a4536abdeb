"""Values of every type, as each frame library says them: what the matrix of exactness is made of.

Where a library has a type of its own for a case, the case says so; in every other one the column is the Arrow column
in that library's own type, or the library has none.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FLAVOURS: Final = ("pandas numpy", "pandas nullable", "pandas Arrow", "polars", "Arrow")
"""The libraries, and of pandas its three kinds of types."""

_NAN = float("nan")
_UTC, _PARIS = "UTC", "Europe/Paris"


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of column.

    Attributes:
        name: What it shows.
        arrow: Its values.
        own: By flavour what makes the same values in that library's own type; None: the library has no such type.
        in_polars: polars has the type of ``arrow``.
    """

    name: str
    arrow: pa.Array
    own: Mapping[str, Callable[[], Any] | None] = field(default_factory=dict)
    in_polars: bool = True

    def maker(self, flavour: str) -> Callable[[], Any] | None:
        """Return what makes the column as a library has it, or None: it has no such type."""
        return self.own.get(flavour, _MAKE[flavour](self) if flavour in _MAKE else None)


_MAKE: dict[str, Callable[[Case], Callable[[], Any] | None]] = {
    "pandas Arrow": lambda case: lambda: pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([case.arrow]))),
    "polars": lambda case: (lambda: pl.Series("x", case.arrow)) if case.in_polars else None,
    "Arrow": lambda case: lambda: case.arrow,
}
"""What makes a column in the type that says the same as Arrow's, where the case does not say it otherwise."""


def frame_of(cases: Mapping[str, Case], flavour: str) -> Any:
    """Return a frame of a library with the columns of cases that it has, all as long, beside the numbers of their rows.

    Args:
        cases: By the name of the column.
        flavour: The library.
    """
    made = {name: make() for name, case in cases.items() if (make := case.maker(flavour)) is not None}
    rows = range(len(next(iter(cases.values())).arrow))
    if flavour == "Arrow":
        return pa.table({"row": pa.array(rows, pa.int64()), **made})
    if flavour == "polars":
        return pl.DataFrame({"row": pl.Series(rows, dtype=pl.Int64), **made})
    return pd.DataFrame({"row": pd.Series(rows, dtype="int64"), **made})


def _integers(name: str, bits: int, *, signed: bool) -> Case:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    word = f"{'' if signed else 'u'}int{bits}"
    nullable = f"{'' if signed else 'U'}Int{bits}"
    return Case(
        name,
        pa.array([low, None, high], getattr(pa, word)()),
        {
            "pandas numpy": lambda: pd.Series(np.array([low, 0, high], word)),
            "pandas nullable": lambda: pd.Series([low, None, high], dtype=nullable),
        },
    )


def _moments(name: str, unit: str, zone: str | None, *, in_polars: bool = True) -> Case:
    # 2026-10-25 00:30 and 01:30 UTC are both half past two in Paris; one moment is before 1970, one off the unit above
    steps = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[unit]
    base = 1_792_888_200 * steps
    numbers = [base, None, base + 3_600 * steps + (steps > 1), -1]
    return Case(
        name,
        pa.array(numbers, pa.timestamp(unit, zone)),
        {"pandas numpy": lambda: pd.Series(pa.array(numbers, pa.timestamp(unit, zone)).to_pandas())},
        in_polars=in_polars,
    )


def _durations(unit: str, *, in_polars: bool = True) -> Case:
    numbers = [1, None, -86_400_001, 2**32]
    made = pa.array(numbers, pa.duration(unit))
    return Case(f"duration, {unit}", made, {"pandas numpy": lambda: pd.Series(made.to_pandas())}, in_polars=in_polars)


def _decimal(digits: int, scale: int) -> Case:
    largest, least = Decimal((0, (9,) * digits, -scale)), Decimal((0, (1,), -scale))
    values = [largest, None, largest.copy_negate(), least]
    made = pa.array(values, pa.decimal128(digits, scale))
    own = {"pandas numpy": lambda: pd.Series(values, dtype=object)}
    return Case(f"decimal({digits}, {scale})", made, own)


_TEXTS = ["", None, "tab\t newline\n \\N \\. back\\slash 'q' \"d\"", "🛫 é ß 中文 \u200b", "\r\n", "NULL", " x "]
_DAYS = [dt.date(1, 1, 1), None, dt.date(1969, 12, 31), dt.date(9999, 12, 31)]
_TIMES = [dt.time(0), None, dt.time(23, 59, 59, 999_999)]
_UUIDS = [uuid.UUID(int=0).bytes, None, uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8").bytes]
_JSON = [json.dumps({"b": 1, "a": [1.0, None, "é"]}), None, "[]"]
_LEVELS = ["low", "middle", "high"]

CASES: tuple[Case, ...] = (
    *(_integers(f"int{bits}", bits, signed=True) for bits in (8, 16, 32, 64)),
    *(_integers(f"uint{bits}", bits, signed=False) for bits in (8, 16, 32, 64)),
    Case(
        "bool",
        pa.array([True, None, False]),
        {
            "pandas numpy": lambda: pd.Series([True, False]).repeat(2).iloc[:3].reset_index(drop=True),
            "pandas nullable": lambda: pd.Series([True, None, False], dtype="boolean"),
        },
    ),
    Case(
        "float16",
        pa.array([1.5, None, -2.0], pa.float16()),
        {"pandas numpy": lambda: pd.Series([1.5, _NAN, -2.0], dtype="float16")},
    ),
    Case(
        "float32",
        pa.array([0.1, None, float("-inf")], pa.float32()),
        {
            "pandas numpy": lambda: pd.Series([0.1, _NAN, float("-inf")], dtype="float32"),
            "pandas nullable": lambda: pd.Series([0.1, None, float("-inf")], dtype="Float32"),
        },
    ),
    Case(
        "float64",
        pa.array([0.1, None, float("inf"), 5e-324]),
        {
            "pandas numpy": lambda: pd.Series([0.1, _NAN, float("inf"), 5e-324]),
            "pandas nullable": lambda: pd.Series([0.1, None, float("inf"), 5e-324], dtype="Float64"),
        },
    ),
    Case("float64, zero with a sign", pa.array([0.0, -0.0])),
    Case("float64, NaN beside NULL", pa.array([0.1, None, _NAN])),
    *(_decimal(*form) for form in ((15, 2), (18, 6), (38, 0), (38, 9), (38, 38))),
    Case(
        "decimal256(50, 10)",
        pa.array([Decimal("9" * 40 + "." + "1" * 10), None], pa.decimal256(50, 10)),
        in_polars=False,
    ),
    Case(
        "text",
        pa.array(_TEXTS),
        {
            "pandas numpy": lambda: pd.Series(_TEXTS, dtype="str"),
            "pandas nullable": lambda: pd.Series(_TEXTS, dtype=pd.StringDtype("python")),
        },
    ),
    Case("text, large", pa.array(_TEXTS, pa.large_string())),
    Case("text, view", pa.array(_TEXTS, pa.string_view())),
    Case(
        "text with NUL",
        pa.array(["a", None, "b\0c"]),
        {"pandas numpy": lambda: pd.Series(["a", None, "b\0c"], dtype="str")},
    ),
    Case(
        "bytes",
        pa.array([b"", None, b"\x00\xff'\\"]),
        {"pandas numpy": lambda: pd.Series([b"", None, b"\x00\xff'\\"], dtype=object)},
    ),
    Case("bytes of fixed size", pa.array([b"abc", None, b"\0\0\0"], pa.binary(3))),
    Case("date", pa.array(_DAYS), {"pandas numpy": lambda: pd.Series(_DAYS, dtype=object)}),
    Case("date64", pa.array(_DAYS, pa.date64()), in_polars=False),
    Case("time, s", pa.array([0, None, 86_399], pa.time32("s"))),
    Case("time, ms", pa.array([0, None, 86_399_999], pa.time32("ms"))),
    Case("time, us", pa.array(_TIMES), {"pandas numpy": lambda: pd.Series(_TIMES, dtype=object)}),
    Case("time, ns", pa.array([0, None, 86_399_999_999_999], pa.time64("ns"))),
    *(_moments(f"timestamp, {unit}", unit, None, in_polars=unit != "s") for unit in ("s", "ms", "us", "ns")),
    *(_moments(f"timestamp, {unit}, UTC", unit, _UTC, in_polars=unit != "s") for unit in ("s", "ms", "us", "ns")),
    _moments("timestamp, us, Europe/Paris", "us", _PARIS),
    _moments("timestamp, us, +05:30", "us", "+05:30", in_polars=False),
    *(_durations(unit, in_polars=unit != "s") for unit in ("s", "ms", "us", "ns")),
    Case(
        "category",
        pa.array(["low", None, "high", "low"]).dictionary_encode(),
        {
            "pandas numpy": lambda: pd.Series(
                ["low", None, "high", "low"], dtype=pd.CategoricalDtype(["high", "low", "unused"])
            ),
            "polars": lambda: pl.Series(["low", None, "high", "low"], dtype=pl.Categorical),
        },
    ),
    Case(
        "category with order",
        pa.DictionaryArray.from_arrays(pa.array([0, None, 2], pa.int8()), pa.array(_LEVELS), ordered=True),
        {
            "pandas numpy": lambda: pd.Series(pd.Categorical(["low", None, "high"], _LEVELS, ordered=True)),
            "polars": lambda: pl.Series(["low", None, "high"], dtype=pl.Enum(_LEVELS)),
        },
    ),
    Case(
        "category of integers",
        pa.array([10, None, 20]).dictionary_encode(),
        {"pandas numpy": lambda: pd.Series(pd.Categorical([10, None, 20])), "polars": None},
    ),
    Case("list", pa.array([[1, None], None, []], pa.list_(pa.int64()))),
    Case("list of text", pa.array([["a", None, '{b},"'], None, []], pa.list_(pa.string()))),
    Case("list of lists", pa.array([[[1], None], None, [[]]], pa.list_(pa.list_(pa.int32())))),
    Case("list of fixed size", pa.array([[1.5, 2.5], None], pa.list_(pa.float64(), 2))),
    Case("struct", pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": None}])),
    Case("struct in a list", pa.array([[{"at": dt.datetime(2026, 1, 1), "d": Decimal("1.10")}], None])),  # noqa: DTZ001 - one without a zone
    Case("map", pa.array([[("k", 1), ("l", None)], None, []], pa.map_(pa.string(), pa.int64())), in_polars=False),
    Case("json", pa.ExtensionArray.from_storage(pa.json_(), pa.array(_JSON)), {"polars": None}),
    Case("uuid", pa.ExtensionArray.from_storage(pa.uuid(), pa.array(_UUIDS, pa.binary(16))), {"polars": None}),
    Case("all NULL, typed", pa.nulls(3, pa.int32()), {"pandas nullable": lambda: pd.Series([None] * 3, dtype="Int32")}),
    Case("all NULL, without a type", pa.nulls(3), {"pandas numpy": lambda: pd.Series([None] * 3, dtype=object)}),
    Case("no rows", pa.array([], pa.timestamp("ms")), {"pandas numpy": lambda: pd.Series([], dtype="datetime64[ms]")}),
)


def _named(*names: str) -> pa.Table:
    return pa.table([pa.array([i], pa.int16()) for i in range(len(names))], names=list(names))


TABLES: dict[str, pa.Table] = {
    "names with spaces, quotes and signs": _named(
        "a b", " a", 'q"q', "q'q", "%s", ":x", "a;b--", "a.b", "{x}", "$1", "?"
    ),
    "names in capitals and other scripts": _named("ABC", "Def", "Größe", "列", "🛫"),
    "names that are words of SQL": _named("select", "table", "order", "user", "end", "rowid"),
    "a name of the server's own columns": _named("ctid"),
    "names that differ in capitals only": _named("name", "Name"),
    "a name of 63 bytes": _named("n" * 63),
    "a name of 64 bytes": _named("n" * 64),
    "1,600 columns": _named(*(f"c{i}" for i in range(1_600))),
    "1,601 columns": _named(*(f"c{i}" for i in range(1_601))),
}
"""Tables whose columns are of one plain type: what counts is their number and their names."""


def table_as(table: pa.Table, flavour: str) -> Any:
    """Return a table as a frame; pandas's own types serve for all of pandas."""
    if flavour == "Arrow":
        return table
    return pl.DataFrame(table) if flavour == "polars" else table.to_pandas()
