"""Rows made into SQLite's own bytes are the rows that SQLite itself would have written."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dialects.sqlite.image import LARGEST_CELL, Template
from engine.dialects.sqlite.records import cells

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTHS = [0, 1, -1, 2, 127, 128, -128, -129, 2**15 - 1, 2**15, 2**23 - 1, 2**23, -(2**23) - 1, 2**31 - 1, 2**31]
WIDTHS += [-(2**31) - 1, 2**47 - 1, 2**47, -(2**47) - 1, 2**63 - 1, -(2**63)]
INTEGERS = st.one_of(st.none(), st.sampled_from(WIDTHS), st.integers(-(2**63), 2**63 - 1))
FLOATS = st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-(2**60), 2**60).map(float))
LENGTHS = st.sampled_from([0, 1, 57, 58, 8_185, 8_186, 20_000])
TEXTS = st.one_of(
    st.none(), st.text("aé😀\0", max_size=80), st.builds(lambda n, c: c * n, LENGTHS, st.sampled_from("aé😀"))
)
BYTES = st.one_of(st.none(), st.binary(max_size=80), st.builds(bytes, LENGTHS))
KINDS: list[tuple[str, pa.DataType, st.SearchStrategy[Any]]] = [
    ("BIGINT", pa.int64(), INTEGERS),
    ("BOOLEAN", pa.int64(), INTEGERS),
    ("DOUBLE", pa.float64(), FLOATS),
    ("DECIMAL(15,2)", pa.float64(), FLOATS),
    ("TEXT", pa.string(), TEXTS),
    ("BLOB", pa.binary(), BYTES),
]


def copied(columns: Sequence[pa.Array], declared: Sequence[str]) -> list[tuple[Any, ...]] | None:
    """Return the rows as a database with other pages holds them, whose every page was checked."""
    definition = ", ".join(f"c{i} {type}" for i, type in enumerate(declared))
    made = cells(columns, declared)
    image = None if made is None else Template.of("r", definition).filled(made)
    if image is None:
        return None
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"CREATE TABLE t ({definition})")
        connection.execute("ATTACH ':memory:' AS private")
        connection.deserialize(image, name="private")
        assert connection.execute("PRAGMA private.integrity_check").fetchall() == [("ok",)]
        connection.execute("INSERT INTO t SELECT * FROM private.r")
        assert connection.execute("PRAGMA main.integrity_check").fetchall() == [("ok",)]
        return typed(connection, len(columns))


def inserted(columns: Sequence[pa.Array], declared: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the rows as SQLite keeps them when it is given one after the other."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"CREATE TABLE t ({', '.join(f'c{i} {type}' for i, type in enumerate(declared))})")
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO t VALUES ({marks})", zip(*(c.to_pylist() for c in columns), strict=True))
        return typed(connection, len(columns))


def typed(connection: sqlite3.Connection, columns: int) -> list[tuple[Any, ...]]:
    """Return all values with their storage classes."""
    names = ", ".join(f"c{i}, typeof(c{i})" for i in range(columns))
    return connection.execute(f"SELECT {names} FROM t ORDER BY rowid").fetchall()


@settings(deadline=None)
@given(st.data())
def test_records_are_those_of_sqlite(data: st.DataObject) -> None:
    """Any rows of any columns have the values and the classes that they have when SQLite is given them."""
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    rows = data.draw(st.lists(st.tuples(*(values for *_, values in kinds)), min_size=1, max_size=20))
    columns = [pa.array(values, type) for values, (_, type, _) in zip(zip(*rows, strict=True), kinds, strict=True)]
    declared = [name for name, *_ in kinds]
    found = copied(columns, declared)
    if found is not None:
        assert found == inserted(columns, declared)
    else:
        assert max(sum(len(v) * 4 for v in row if isinstance(v, (str, bytes))) for row in rows) > LARGEST_CELL


@pytest.mark.parametrize("rows", [1, 2, 449, 30_000])
@pytest.mark.parametrize("width", [0, 100, 5_000])
def test_pages(rows: int, width: int) -> None:
    """Rows of one page, of several and of very many come back in order."""
    rows = min(rows, 3_000_000 // (width + 1))
    columns = [pa.array(range(rows), pa.int64()), pa.array(["x" * (i % (width + 1)) for i in range(rows)])]
    assert copied(columns, ["BIGINT", "TEXT"]) == inserted(columns, ["BIGINT", "TEXT"])


@pytest.mark.parametrize(("length", "fits"), [(LARGEST_CELL - 12, True), (LARGEST_CELL, False)])
def test_a_row_has_to_fit_into_a_page(length: int, fits: bool) -> None:
    """A row that fills a page is written; a larger one is left to SQLite."""
    column = pa.array(["a", "b" * length, "c"])
    found = copied([column], ["TEXT"])
    assert found == (inserted([column], ["TEXT"]) if fits else None)


def test_slices_and_garbage_under_nulls() -> None:
    """A slice is its own rows only, and what lies under a NULL does not count."""
    numbers = pa.array([1, 2, 3, 4, 5]).slice(2, 2)
    garbage = pa.Array.from_buffers(
        pa.string(), 2, [pa.py_buffer(b"\x02"), pa.array([0, 3, 5], pa.int32()).buffers()[1], pa.py_buffer(b"xyzab")]
    )
    assert copied([numbers, garbage], ["BIGINT", "TEXT"]) == [
        (3, "integer", None, "null"),
        (4, "integer", "ab", "text"),
    ]


def test_the_sign_of_zero_is_kept() -> None:
    """A float stays a float, so that its zero has a sign, which SQLite loses when it is given one."""
    found = copied([pa.array([-0.0])], ["DOUBLE"])
    assert found is not None
    assert math.copysign(1, found[0][0]) == -1
