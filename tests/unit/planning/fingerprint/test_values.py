"""Equal values have equal hashes, in every process; values that differ in anything have different ones."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import os
import pathlib
import re
import socket
import sqlite3
import subprocess
import sys
import types
import typing
import uuid
import zoneinfo
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.fingerprint import fold, value_hash


class Point(NamedTuple):
    """A named tuple."""

    x: int
    y: int


class Color(enum.Enum):
    """An enumeration."""

    RED = 1
    BLUE = 2


class Word(enum.StrEnum):
    """An enumeration of texts."""

    RED = "red"


@dataclasses.dataclass
class Options:
    """A dataclass with a value that follows from the others."""

    low: int
    high: Any = None

    @functools.cached_property
    def width(self) -> int:
        """The width."""
        return self.low + 1


@dataclasses.dataclass(frozen=True, slots=True)
class Slots:
    """A dataclass without a dictionary."""

    low: int


UTC = dt.UTC
NOON = dt.datetime(2024, 3, 31, 12)  # noqa: DTZ001 - a naive one is meant
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})

DISTINCT: dict[str, list[Any]] = {
    "kinds of one": [
        1,
        1.0,
        True,
        "1",
        b"1",
        decimal.Decimal(1),
        fractions.Fraction(1),
        1 + 0j,
        Color.RED,
        np.int64(1),
    ],
    "kinds of nothing": [None, 0, 0.0, -0.0, False, "", b"", (), [], {}, set(), frozenset(), range(0), bytearray()],
    "floats": [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 5e-324],
    "texts": ["a", "A", "ä", "a\u0308", "a ", "\udc80", "ab"],
    "integers": [0, 1, -1, 127, 128, -128, -129, 255, 256, 2**64, -(2**64), 10**5000],
    "nestings": [[1, 2], [[1], 2], [1, [2]], [[1, 2]], (1, 2), [(1, 2)], {1, 2}, {1: 2}, [1, 2, []]],
    "cuts": [("ab", "c"), ("a", "bc"), ("abc",), "abc", ("a", "b", "c")],
    "dictionaries": [{"a": 1}, {"a": 2}, {"b": 1}, {1: "a"}, {"a": 1, "b": 1}, types.SimpleNamespace(a=1)],
    "ordered dictionaries": [
        collections.OrderedDict(a=1, b=2),
        collections.OrderedDict(b=2, a=1),
        {"a": 1, "b": 2},
        collections.Counter(a=1, b=2),
        collections.defaultdict(int, a=1, b=2),
        collections.defaultdict(list, a=1, b=2),
    ],
    "decimals": [
        decimal.Decimal(text) for text in ("1", "1.0", "-1", "NaN", "sNaN", "Infinity", "0", "-0", "1E+2", "100")
    ],
    "moments": [
        NOON,
        NOON.replace(tzinfo=UTC),
        NOON.replace(tzinfo=BERLIN),
        NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=2))),
        NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=2), "CEST")),
        NOON.replace(fold=1),
        NOON.date(),
        NOON.time(),
        pd.Timestamp(NOON),
        np.datetime64(NOON),
        NOON.isoformat(),
    ],
    "durations": [dt.timedelta(1), dt.timedelta(seconds=1), dt.timedelta(microseconds=1), pd.Timedelta(1, "D")],
    "paths": [pathlib.Path("a"), pathlib.PurePath("a"), "a", pathlib.Path("a/b")],
    "identifiers": [uuid.UUID(int=1), uuid.UUID(int=2), str(uuid.UUID(int=1))],
    "patterns": [re.compile("a"), re.compile("a", re.IGNORECASE), re.compile(b"a"), "a"],
    "objects": [Options(1), Options(2), Options(1, 2), Slots(1), {"low": 1, "high": None}, (1, None)],
    "tuples": [Point(1, 2), Point(2, 1), (1, 2)],
    "enumerations": [Color.RED, Color.BLUE, Word.RED, "red", 1],
    "ranges": [range(3), range(1, 3), range(0, 3, 2), slice(3), slice(None), [0, 1, 2]],
    "types": [int, float, list[int], list[str], list, int | None, int | str, typing.Any, typing.Literal[1]],
    "methods": ["a".join, "b".join, "a".split, len, abs],
    "arrays": [
        np.array([1, 2]),
        np.array([2, 1]),
        np.array([[1, 2]]),
        np.array([[1], [2]]),
        np.array([1, 2], dtype="i4"),
        np.array([1.0, 2.0]),
        np.array([1, 2], dtype=object),
        np.array(["1", "2"]),
        np.ma.array([1, 2], mask=[True, False]),
        [1, 2],
        np.array([], dtype="i8"),
        np.array([], dtype="f8"),
        np.array([(1, 2)], dtype=[("a", "i4"), ("b", "i4")]),
        np.array([(1, 2)], dtype=[("a", "i4"), ("c", "i4")]),
    ],
    "scalars": [np.int64(1), np.int32(1), np.float64(1), np.bool_(True), np.str_("1"), pd.NA, pd.NaT, None],  # noqa: FBT003 - a value
    "pandas frames": [
        FRAME,
        FRAME.rename(columns={"a": "c"}),
        FRAME[["b", "a"]],
        FRAME.iloc[::-1],
        FRAME.reset_index(drop=True).set_index("a"),
        FRAME.set_index("a", drop=False),
        FRAME.assign(a=[1, 3]),
        FRAME.astype({"a": "float64"}),
        FRAME.astype({"a": "Int64"}),
        FRAME.astype({"b": "category"}),
        FRAME.astype({"b": "object"}),
        FRAME.head(0),
        FRAME[[]],
        FRAME["a"],
        FRAME["a"].rename("c"),
        FRAME.index,
        FRAME.set_index(["a", "b"]).index,
        FRAME.assign(a=pd.to_datetime(["2024-01-01", "2024-01-02"])),
        FRAME.assign(a=pd.to_datetime(["2024-01-01", "2024-01-02"]).tz_localize("UTC")),
        FRAME.assign(a=pd.to_datetime(["2024-01-01", "2024-01-02"]).tz_localize("Europe/Berlin")),
    ],
    "polars frames": [
        pl.DataFrame({"a": [1, 2]}),
        pl.DataFrame({"a": [2, 1]}),
        pl.DataFrame({"b": [1, 2]}),
        pl.DataFrame({"a": [1, None]}),
        pl.DataFrame({"a": [1.0, 2.0]}),
        pl.DataFrame({"a": ["1", "2"]}),
        pl.DataFrame({"a": ["1", "2"]}, schema={"a": pl.Categorical}),
        pl.DataFrame({"a": ["1", "2"]}, schema={"a": pl.Enum(["1", "2"])}),
        pl.DataFrame({"a": ["1", "2"]}, schema={"a": pl.Enum(["2", "1"])}),
        pl.DataFrame({"a": [[1], [2]]}),
        pl.DataFrame({"a": [[1, 2], []]}),
        pl.DataFrame({"a": [{"x": 1}, {"x": 2}]}),
        pl.DataFrame(),
        pl.Series("a", [1, 2]),
        pl.Series("b", [1, 2]),
        pl.Int64,
        pl.Int32,
        pl.List(pl.Int64),
    ],
    "arrow": [
        pa.table({"a": [1, 2]}),
        pa.table({"a": [1, None]}),
        pa.table({"b": [1, 2]}),
        pa.table({"a": [1, 2]}).replace_schema_metadata({"k": "v"}),
        pa.table({"a": pa.array([1, 2], pa.int32())}),
        pa.table({"a": [True, False]}),
        pa.table({"a": [[1, 2], []]}),
        pa.table({"a": [[1], [2]]}),
        pa.table({"a": [[], [1, 2]]}),
        pa.table({"a": [{"x": 1}, None]}),
        pa.table({"a": [{"x": 1}, {"x": None}]}),
        pa.table({"a": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64()))}),
        pa.table({"a": pa.array(["x", "yz"])}),
        pa.table({"a": pa.array(["xy", "z"])}),
        pa.table({"a": pa.array(["xy", "z"], pa.large_string())}),
        pa.table({"a": pa.array(["xy", "z"], pa.string_view())}),
        pa.table({"a": pa.array(["xy", "z"]).dictionary_encode()}),
        pa.table({"a": pa.array([decimal.Decimal(1), None])}),
        pa.array([1, 2]),
        pa.scalar(1),
        pa.int64(),
        pa.field("a", pa.int64()),
    ],
}


@pytest.mark.parametrize("values", DISTINCT.values(), ids=DISTINCT)
def test_different_values_have_different_hashes(values: list[Any]) -> None:
    """No two of these, nor any two tuples with one of them, share a hash; and each has one."""
    hashes = [value_hash(value) for value in values] + [value_hash(("in", value)) for value in values]
    assert None not in hashes
    assert len(set(hashes)) == len(hashes)


EQUAL: dict[str, tuple[Any, Any]] = {
    "a dictionary in another order": ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}),
    "a set in another order": ({"a", "b", ("c", 1)}, {("c", 1), "b", "a"}),
    "not a number": (float("nan"), -float("nan")),
    "another memory layout": (np.array([[1, 2], [3, 4]]), np.asfortranarray([[1, 2], [3, 4]])),
    "another byte order": (np.array([1, 2], dtype="<i4"), np.array([1, 2], dtype=">i4")),
    "a slice of an array": (np.arange(3), np.arange(6)[:3]),
    "a frame in other blocks": (
        pd.DataFrame({"a": [1], "b": [2]}),
        pd.concat([pd.DataFrame({c: [v]}) for c, v in (("a", 1), ("b", 2))], axis=1),
    ),
    "other chunks": (pa.chunked_array([[1, 2], [3]]), pa.chunked_array([[1], [2, 3]])),
    "a slice of texts": (pa.array(["b", None, "cd"]), pa.array(["a", "b", None, "cd", "e"]).slice(1, 3)),
    "a slice of lists": (pa.array([[2], None, [3, 4]]), pa.array([[1], [2], None, [3, 4]]).slice(1)),
    "a slice of truths": (pa.array([True, False]), pa.array([False] * 9 + [True, False]).slice(9)),
    "what lies under a null": (
        pa.array([1, None]),
        pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([1, 7]).tobytes())]),
    ),
    "another order of categories seen": (
        pa.array(["x", "y"]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int32()), pa.array(["y", "x"])),
    ),
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL)
def test_equal_values_have_equal_hashes(one: Any, other: Any) -> None:
    """What makes no difference to the value makes none to its hash."""
    assert value_hash(one) == value_hash(other) is not None


class Plain:
    """An object whose code is not known here."""


def generator() -> Any:
    """Give a generator."""
    yield 1


@pytest.mark.parametrize(
    "value",
    [
        generator(),
        iter([1]),
        Plain(),
        Plain,
        lambda: 1,
        pl.LazyFrame({"a": [1]}),
        pa.table({"a": [1]}).to_reader(),
        memoryview(b"a"),
        types.ModuleType("unknown"),
        functools.reduce(lambda inner, _: [inner], range(200), []),
        {"deep": [Plain()]},
        ["x"] * 1_500_000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_known_exactly_has_no_hash(value: Any) -> None:
    """State out of sight, unknown code, too much or too deep a nesting give None, never a guess."""
    assert value_hash(value) is None


def test_connections_have_no_hash() -> None:
    """An object written in C is no plain object, even where it shows no state."""
    with socket.socket() as opened:
        assert value_hash(opened) is None
    connection = sqlite3.connect(":memory:")
    assert value_hash(connection) is None
    connection.close()


def test_values_that_hold_themselves() -> None:
    """A circle ends, and where it leads back to counts."""
    one: list[Any] = [1]
    one.append(one)
    other: list[Any] = [1]
    other.append([1, other])
    again: list[Any] = [1]
    again.append(again)
    assert value_hash(one) == value_hash(again) is not None
    assert value_hash(one) != value_hash(other)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(UTC)),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def typed(value: Any) -> str:
    """Say a value and all its types, the keys of dictionaries in order."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{typed(k)}: {typed(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}[{', '.join(map(typed, value))}]"
    return f"{type(value).__name__} {value!r}"


@given(plain, plain)
def test_hashes_are_equal_exactly_for_equal_values(one: Any, other: Any) -> None:
    """Of any two values, the hashes are equal if and only if values and types are."""
    assert (value_hash(one) == value_hash(other)) is (typed(one) == typed(other))


@given(st.lists(st.text() | st.integers() | st.tuples(st.integers(), st.text()), unique=True), st.randoms())
def test_order_of_building_does_not_count(items: list[Any], random: Any) -> None:
    """Sets and dictionaries built in another order have the same hash."""
    shuffled = list(items)
    random.shuffle(shuffled)
    assert value_hash(set(items)) == value_hash(set(shuffled))
    assert value_hash(dict.fromkeys(items)) == value_hash(dict.fromkeys(shuffled))


cells = st.none() | st.integers(0, 3) | st.just(2**40)


@given(st.lists(cells, max_size=6), st.lists(cells, max_size=6))
def test_columns_are_equal_exactly_for_equal_values(one: list[Any], other: list[Any]) -> None:
    """Columns of Arrow, polars and pandas have equal hashes if and only if they hold the same values."""
    for column in (
        lambda values: pa.array(values, pa.int64()),
        lambda values: pl.Series("a", values, pl.Int64),
        lambda values: pd.Series(values, dtype="Int64"),
        lambda values: pa.array([[value] for value in values], pa.list_(pa.int64())),
    ):
        assert (value_hash(column(one)) == value_hash(column(other))) is (one == other)


def test_hashes_do_not_depend_on_the_process() -> None:
    """Processes with other seeds for `hash` agree."""
    script = (
        "import datetime, pathlib, enum\n"
        "from engine.planning.fingerprint import value_hash\n"
        "print(value_hash({'a', 'b', ('c', frozenset({1, 2.0, None}))}))\n"
        "print(value_hash({'p': pathlib.Path('a'), 'd': {1: 2, 'x': {b'y'}}}))"
    )
    results = {
        subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "42")
    }
    assert len(results) == 1


def test_hashes_stay_as_they_are() -> None:
    """The hashes of one scheme are kept in databases: these must not move without a new scheme."""
    assert fold("a", 1, None, [True, {"b": 2.5}], b"x") == "d4e6f129642d41d30843715e09b529acf5df9d28"
    assert value_hash({"a": {1, (2, "b")}, "d": dt.date(2024, 1, 1)}) == "d2e07ca5774404fefc939713e751b1fd9d94c023"
