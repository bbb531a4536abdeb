"""The content hash depends on the rows and on nothing else."""

from __future__ import annotations

import datetime as dt
import decimal
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.frames.hashing import ContentHasher, hashed, schema_hash

if TYPE_CHECKING:
    import random

_NAN = float("nan")
_SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("fraction", pa.float64()),
        ("text", pa.string()),
        ("when", pa.timestamp("us", "UTC")),
        ("amount", pa.decimal128(12, 2)),
        ("numbers", pa.list_(pa.float32())),
        ("point", pa.struct([("x", pa.int8()), ("y", pa.string())])),
        ("kind", pa.dictionary(pa.int8(), pa.string())),
    ]
)
_ROW = st.fixed_dictionaries(
    {
        "number": st.none() | st.integers(-3, 3),
        "fraction": st.none() | st.sampled_from([0.0, -0.0, 1.5, _NAN]),
        "text": st.none() | st.sampled_from(["", "a", "ab"]),
        "when": st.none() | st.integers(0, 2).map(lambda s: dt.datetime.fromtimestamp(s, dt.UTC)),
        "amount": st.none() | st.sampled_from([decimal.Decimal("1.50"), decimal.Decimal("-1.50")]),
        "numbers": st.none() | st.lists(st.none() | st.sampled_from([0.0, -0.0, 2.0]), max_size=3),
        "point": st.none()
        | st.fixed_dictionaries({"x": st.none() | st.integers(0, 1), "y": st.sampled_from(["", "y"])}),
        "kind": st.none() | st.sampled_from(["p", "q"]),
    }
)


def digest(table: pa.Table) -> str | None:
    """Return the content hash of a table."""
    reader, hasher = hashed(table.to_reader())
    for _ in reader:
        pass
    return hasher.digest()


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    """Make a table of rows."""
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


@settings(max_examples=80, deadline=None)
@given(st.lists(_ROW, max_size=12), st.randoms(use_true_random=False))
def test_order_and_chunks_do_not_count(rows: list[dict[str, Any]], chance: random.Random) -> None:
    """The same rows in another order, cut into other batches and slices, have the same hash."""
    shuffled = chance.sample(rows, len(rows))
    whole = table_of([*rows[:1], *shuffled, *rows[:1]]).slice(min(len(rows), 1), len(rows))
    cuts = sorted(chance.randint(0, len(rows)) for _ in range(3))
    parts = [whole.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    alone = [table_of([row]) for row in shuffled]
    assert digest(table_of(rows)) == digest(whole) == digest(pa.concat_tables(parts))
    if alone:
        assert digest(pa.concat_tables(alone)) == digest(whole)
    assert digest(whole) is not None


@settings(max_examples=80, deadline=None)
@given(st.lists(_ROW, min_size=1, max_size=8), st.data())
def test_one_changed_value_counts(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Another value in one cell, NULL and NaN and the sign of zero included, is another hash."""
    position = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(_SCHEMA.names))
    other = data.draw(_ROW)[name]
    before = table_of(rows)
    after = table_of([row | {name: other} if i == position else row for i, row in enumerate(rows)])
    is_equal = repr(before[name].to_pylist()) == repr(after[name].to_pylist())
    assert (digest(before) == digest(after)) == is_equal


@settings(max_examples=30, deadline=None)
@given(st.lists(_ROW, min_size=1, max_size=6))
def test_a_repeated_row_counts(rows: list[dict[str, Any]]) -> None:
    """A row that occurs once more, or twice more, is another hash."""
    digests = {digest(table_of(rows + rows[:1] * times)) for times in range(4)}
    assert len(digests) == 4


def test_values_do_not_wander_between_columns_and_rows() -> None:
    """Swapping two columns' values, or the values of one column between rows, is another hash."""
    digests = [
        digest(pa.table({"a": [1, 2], "b": [3, 4]})),
        digest(pa.table({"a": [3, 4], "b": [1, 2]})),
        digest(pa.table({"a": [1, 2], "b": [4, 3]})),
        digest(pa.table({"a": [1, None], "b": [None, 4]})),
        digest(pa.table({"a": [None, 1], "b": [None, 4]})),
        digest(pa.table({"a": [0, 3], "b": [0, 0]})),
        digest(pa.table({"a": [1, 2], "b": [0, 0]})),
    ]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"y": pa.array([1], pa.int64())}),
        pa.table({"x": pa.array([1], pa.int32())}),
        pa.table({"x": pa.array([1], pa.uint64())}),
        pa.table({"x": pa.array([1.0])}),
        pa.table({"x": pa.array([1], pa.timestamp("us"))}),
        pa.table({"x": pa.array([1], pa.timestamp("us", "UTC"))}),
        pa.table({"x": pa.array([1], pa.timestamp("us", "Europe/Paris"))}),
        pa.table({"x": pa.array([decimal.Decimal(1)], pa.decimal128(10, 0))}),
        pa.table({"x": pa.array(["1"])}),
        pa.table({"x": pa.array(["1"]).dictionary_encode()}),
        pa.table({"x": pa.array([[1]])}),
        pa.table([pa.array([1])], schema=pa.schema([pa.field("x", pa.int64(), nullable=False)])),
    ],
    ids=lambda table: str(table.schema).replace("\n", " "),
)
def test_the_schema_counts(other: pa.Table) -> None:
    """Another name, type, zone or nullability of a column is another hash, with rows and without."""
    one = pa.table({"x": pa.array([1], pa.int64())})
    assert digest(one) != digest(other)
    assert digest(one[:0]) != digest(other[:0])
    assert schema_hash(one.schema) != schema_hash(other.schema)


def test_layout_does_not_count() -> None:
    """One text in three layouts, one dictionary in two orders, and metadata make no difference."""
    texts = ["a", None, "longer than twelve bytes", ""]
    digests = {digest(pa.table({"x": pa.array(texts, t)})) for t in (pa.string(), pa.large_string(), pa.string_view())}
    digests.add(digest(pa.table({"x": pa.array(texts)}).replace_schema_metadata({"k": "v"})))
    assert len(digests) == 1
    ab = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), ["a", "b"])
    ba = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1]), ["b", "a"])
    assert digest(pa.table({"x": ab})) == digest(pa.table({"x": ba}))


def test_what_lies_under_a_null_does_not_count() -> None:
    """The memory behind a NULL is not part of the content."""
    mask = pa.array([False, True])
    hidden = [pa.StructArray.from_arrays([pa.array([1, i])], ["x"], mask=mask) for i in (2, 3)]
    lists = [pa.ListArray.from_arrays(pa.array([0, 1, 3]), pa.array([1, i, i]), mask=mask) for i in (2, 3)]
    assert digest(pa.table({"x": hidden[0]})) == digest(pa.table({"x": hidden[1]}))
    assert digest(pa.table({"x": lists[0]})) == digest(pa.table({"x": lists[1]}))


def test_nested_values_count() -> None:
    """Lists and structs that differ only inside, or only in how they are nested, have different hashes."""
    deep = pa.list_(pa.list_(pa.int64()))
    values = [
        [[[1], [2]]],
        [[[1, 2]]],
        [[[1], [], [2]]],
        [[[1], None, [2]]],
        [[[2], [1]]],
        [None],
        [[]],
        [[[]]],
        [[None]],
    ]
    digests = [digest(pa.table({"x": pa.array(value, deep)})) for value in values]
    assert len(set(digests)) == len(values)
    maps = [[("a", 1), ("b", 2)], [("a", 2), ("b", 1)], [("ab", 1), ("", 2)], None]
    kind = pa.map_(pa.string(), pa.int64())
    assert len({digest(pa.table({"x": pa.array([value], kind)})) for value in maps}) == len(maps)


def test_digest_names_its_algorithm_and_version() -> None:
    """The digest begins with the name and version of what made it."""
    assert (digest(pa.table({"x": [1]})) or "").startswith(f"polars{pl.__version__}:")


def test_no_digest_without_the_whole_stream() -> None:
    """A stream that has not been read to its end has no digest."""
    reader, hasher = hashed(pa.table({"x": [1, 2]}).to_reader(max_chunksize=1))
    assert hasher.digest() is None
    reader.read_next_batch()
    assert hasher.digest() is None
    reader.read_all()
    assert hasher.digest() is not None
    assert hasher.row_count == 2


def test_no_digest_for_what_cannot_be_hashed() -> None:
    """A type that polars does not take has no digest, and the rows still pass."""
    table = pa.table({"x": pa.array([[1], None], pa.list_view(pa.int64()))})
    reader, hasher = hashed(table.to_reader())
    assert reader.read_all().num_rows == 2
    assert hasher.digest() is None


def test_no_rows_and_no_columns_have_digests() -> None:
    """Zero rows have a hash, unlike that of one row; so have zero columns."""
    empty = ContentHasher(pa.schema([("x", pa.int64())]))
    assert empty.digest() is not None
    assert digest(pa.table({"x": pa.array([None], pa.int64())})) != empty.digest()
    assert digest(pa.table({})) is not None


def test_digest_is_the_same_in_another_process() -> None:
    """Another process, with another number of threads and another hash seed of Python, finds the same hash."""
    code = (
        "import pyarrow as pa; from engine.frames.hashing import hashed; "
        "t = pa.table({'x': ['a', None, 'b' * 20], 'y': [1.5, None, 2.5], 'z': [[1], None, []]}); "
        "r, h = hashed(t.to_reader()); "
        "r.read_all(); print(h.digest())"
    )
    found = {
        subprocess.run(  # noqa: S603 - this interpreter, the code above
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "POLARS_MAX_THREADS": threads},
        ).stdout.strip()
        for seed, threads in (("1", "1"), ("2", "4"))
    }
    here = digest(pa.table({"x": ["a", None, "b" * 20], "y": [1.5, None, 2.5], "z": [[1], None, []]}))
    assert found == {here}
