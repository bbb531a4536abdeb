"""pandas frames leave and enter without a changed value, or not at all."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from engine.errors import LoadError, SaveError
from engine.frames.base import BATCH_ROWS
from engine.frames.categories import with_categories
from engine.frames.pandas import Pandas

_NAN = float("nan")
_PARIS, _TOKYO = ZoneInfo("Europe/Paris"), ZoneInfo("Asia/Tokyo")
_DECIMAL = decimal.Decimal


def arrow_of(frame: Any) -> pa.Table:
    """Return the frame's rows."""
    return Pandas().to_arrow(frame).read_all()


def objects(*values: Any) -> pd.DataFrame:
    """Make a frame of one column of Python objects."""
    return pd.DataFrame({"x": pd.Series(list(values), dtype=object)})


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pa.array([1, 2]), "int64"),
        (pa.array([1, None]), "Int64"),
        (pa.array([1, None], pa.uint8()), "UInt8"),
        (pa.array([True, False]), "bool"),
        (pa.array([True, None]), "boolean"),
        (pa.array([1.5, None]), "float64"),
        (pa.array([1.5, _NAN, None]), "double[pyarrow]"),
        (pa.array(["a", None]), "str"),
        (pa.array([1, None], pa.timestamp("s")), "datetime64[s]"),
        (pa.array([1, None], pa.timestamp("us", "Europe/Paris")), "datetime64[us, Europe/Paris]"),
        (pa.array([1, None], pa.duration("ms")), "timedelta64[ms]"),
        (pa.array(["a", None]).dictionary_encode(), "category"),
        (pa.array([dt.date(2020, 1, 1)]), "date32[day][pyarrow]"),
        (pa.array([_DECIMAL("1.5")]), "decimal128(2, 1)[pyarrow]"),
    ],
)
def test_columns_take_the_narrowest_exact_type(column: pa.Array, dtype: str) -> None:
    """What numpy holds exactly is numpy; the rest takes a pandas type that is exact."""
    frame = Pandas().from_arrow(pa.table({"x": column}).to_reader(), pd.DataFrame)
    assert str(frame["x"].dtype) == dtype


def test_frames_can_be_changed_in_place() -> None:
    """A loaded frame is the user's own: assigning to a cell works, and changes no other frame."""
    table = pa.table({"i": [1, 2], "f": [1.0, 2.0], "b": [True, False], "t": pa.array([1, 2], pa.timestamp("s"))})
    first, second = (Pandas().from_arrow(table.to_reader(), pd.DataFrame) for _ in range(2))
    first.loc[0, "i"], first.loc[0, "f"], first.loc[0, "b"] = 9, 9.0, False
    first.loc[0, "t"] = pd.Timestamp("2020-01-01")
    assert first.loc[0].tolist() == [9, 9.0, False, pd.Timestamp("2020-01-01")]
    assert second.loc[0].tolist() == [1, 1.0, True, pd.Timestamp(1, unit="s")]
    assert table["i"].to_pylist() == [1, 2]


def test_a_long_frame_is_the_same_as_a_short_one() -> None:
    """However many rows and batches there are, columns have the same types and order, and may be changed in place."""
    short = pa.table(
        {
            "whole": pa.array([1, 2, 3]),
            "missing": pa.array([1, None, 3]),
            "float": pa.array([1.5, None, -0.0]),
            "nan": pa.array([1.5, None, _NAN]),
            "text": pa.array(["a", None, "ä"]),
            "instant": pa.array([1, None, 3], pa.timestamp("us", "Europe/Paris")),
            "kind": pa.array(["b", None, "a"]).dictionary_encode(),
            "exact": pa.array([_DECIMAL("1.5"), None, _DECIMAL("2.5")]),
            "bytes": pa.array([b"a", None, b"\0"]),
        }
    )
    part = pa.concat_tables([short] * 10_000).combine_chunks()
    few = Pandas().from_arrow(part.to_reader(), pd.DataFrame)
    many = Pandas().from_arrow(pa.concat_tables([part] * 5).to_reader(), pd.DataFrame)
    assert len(few) < BATCH_ROWS < len(many)
    pd.testing.assert_frame_equal(many, pd.concat([few] * 5, ignore_index=True))
    many.loc[len(many) - 1, ["whole", "text"]] = [7, "b"]
    assert many["whole"].sum() == 6 * 50_000 + 4


def test_a_column_that_a_long_frame_cannot_hold_is_named() -> None:
    """A value that is none of a column's ordered categories is refused, however many rows there are."""
    ranks = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["low", "high"]), ordered=True)
    field = with_categories(pa.field("rank", ranks.type), pa.array(["low"]))
    rows = pa.table([ranks.take(pa.array([0, 1] * BATCH_ROWS))], schema=pa.schema([field]))
    with pytest.raises(LoadError, match="column 'rank' holds a value that is none of its categories"):
        Pandas().from_arrow(rows.to_reader(), pd.DataFrame)


def test_numpy_nan_is_null_and_arrow_nan_is_nan() -> None:
    """NaN in a numpy column means missing; in an Arrow column it is a number."""
    frame = pd.DataFrame({"n": [1.0, _NAN], "a": pd.array([1.0, None], dtype=pd.ArrowDtype(pa.float64()))})
    frame["nan"] = pd.arrays.ArrowExtensionArray(pa.array([_NAN, None]))
    table = arrow_of(frame)
    assert table["n"].to_pylist() == table["a"].to_pylist() == [1.0, None]
    assert repr(table["nan"].to_pylist()) == "[nan, None]"


@pytest.mark.parametrize(
    ("columns", "label"),
    [([1, "x"], "1"), ([("a", "b"), "x"], "'a', 'b'"), (["x", "x"], "'x'"), (["", "x"], "''"), (["a\0", "x"], "a")],
)
def test_labels_that_are_no_names_are_refused(columns: list[Any], label: str) -> None:
    """Numbers, tuples, blanks and duplicates among the labels are refused by name, with a way out."""
    frame = pd.DataFrame([[1, 2]])
    frame.columns = pd.Index(columns, tupleize_cols=False)
    with pytest.raises(SaveError, match=label) as caught:
        arrow_of(frame)
    assert caught.value.hint


def test_levels_of_labels_are_refused() -> None:
    """Columns of several levels are refused."""
    with pytest.raises(SaveError, match="tuple"):
        arrow_of(pd.DataFrame({("a", "b"): [1]}))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": [1]}).set_index("x", drop=False).rename_axis("key"),
        pd.DataFrame({"x": [1]}, index=pd.RangeIndex(1, name="key")),
        pd.DataFrame({"x": [1, 2]}).groupby("x").agg(n=("x", "size")).rename_axis("key"),
    ],
)
def test_a_named_index_is_never_dropped(frame: pd.DataFrame) -> None:
    """An index with a name is data: it is refused, and the hint says how to keep it."""
    with pytest.raises(SaveError, match="key") as caught:
        arrow_of(frame)
    assert "reset_index" in caught.value.hint


@pytest.mark.parametrize("index", [["a", "b"], pd.date_range("2020-01-01", periods=2), [(1, 2), (3, 4)]])
def test_labels_of_rows_that_hold_data_are_never_dropped(index: Any) -> None:
    """Row labels that are no integers are data even without a name."""
    frame = pd.DataFrame({"x": [1, 2]}, index=index)
    with pytest.raises(SaveError, match="index"):
        arrow_of(frame)
    assert arrow_of(frame.reset_index(drop=True)).num_rows == 2


def test_row_numbers_are_no_data() -> None:
    """The integers left over from filtering, sorting and joining frames are dropped."""
    frame = pd.DataFrame({"x": [3, 1, 2]})
    for kept in (frame[frame.x > 1], frame.sort_values("x"), pd.concat([frame, frame]), frame[:0]):
        assert arrow_of(kept).column_names == ["x"]
        assert arrow_of(kept)["x"].to_pylist() == kept["x"].tolist()


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ((1, "a"), 1),
        ((None, "a", b"b"), 2),
        ((True, 1), 1),
        ((dt.date(2020, 1, 1), None, dt.datetime(2020, 1, 1, 3)), 2),  # noqa: DTZ001 - without a zone
        ((dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)), 1),  # noqa: DTZ001 - as above
        ((_DECIMAL("1.5"), _DECIMAL("NaN")), 1),
        ((_DECIMAL("Infinity"),), 0),
        ((_DECIMAL("1.5"), 0.1), 1),
        ((dt.time(1), dt.time(1, tzinfo=dt.UTC)), 1),
        (("a", "b", "\ud800"), 2),
        ((1, 2, 2**64), 2),
        ((1.5, 2**53 + 1), 1),
        (("a", {1}), 1),
        ((1j,), 0),
        ((pd.Period("2020"),), 0),
        (([1], ["a"]), 1),
        (({"a": 1}, {"a": "b"}), 1),
    ],
)
def test_mixed_objects_are_refused_by_row(values: tuple[Any, ...], row: int) -> None:
    """A column of objects of more than one kind is refused, naming the column and the first bad row."""
    with pytest.raises(SaveError, match=rf"column 'x'.*row {row} "):
        arrow_of(objects(*values))


@pytest.mark.parametrize(
    "values",
    [
        (1, None, 2.5),
        ("a", None, _NAN, pd.NA),
        (np.int64(3), 4),
        (_DECIMAL("1.5"), 1),
        (b"a", None),
        (dt.date(2020, 1, 1), pd.NaT),
        (dt.time(1),),
        (dt.timedelta(1), pd.Timedelta(1)),
        (uuid.UUID(int=1),),
        ([1, 2], np.array([3])),
        ({"a": 1}, {"b": 2}),
        (None, None),
    ],
)
def test_objects_of_one_kind_pass(values: tuple[Any, ...]) -> None:
    """A column of objects of one kind, with missing values of any sort, passes."""
    assert arrow_of(objects(*values)).num_rows == len(values)


def test_moments_keep_their_instant() -> None:
    """Objects with nanoseconds keep them, and moments in several zones become instants."""
    stamp = pd.Timestamp("2020-01-01 00:00:00.000000001")
    assert arrow_of(objects(stamp, None))["x"].cast(pa.int64()).to_pylist() == [stamp.value, None]
    paris = pd.Timestamp(stamp, tz=_PARIS)
    assert arrow_of(objects(paris))["x"].type == pa.timestamp("ns", "Europe/Paris")
    assert arrow_of(objects(paris))["x"].cast(pa.int64()).to_pylist() == [paris.value]
    moments = [dt.datetime(2020, 1, 1, tzinfo=_PARIS), dt.datetime(2020, 1, 1, tzinfo=_TOKYO)]
    assert arrow_of(objects(*moments))["x"].type == pa.timestamp("us", "UTC")
    assert arrow_of(objects(*moments))["x"].to_pylist() == moments
    assert arrow_of(objects(pd.Timedelta(1)))["x"].cast(pa.int64()).to_pylist() == [1]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.period_range("2020", periods=2)),
        pd.Series(pd.arrays.SparseArray([1, 0])),
        pd.Series(pd.interval_range(0, 2)),
        pd.cut(pd.Series([1, 2]), 2),
        pd.Series([1j]),
        pd.Series(np.array([1], dtype=np.longdouble)),
        pd.Series(pd.Categorical(["a", 1])),
    ],
    ids=lambda column: str(column.dtype),
)
def test_types_that_no_table_holds_are_refused(column: pd.Series) -> None:
    """Periods, intervals, sparse, complex and long numbers are refused by column."""
    with pytest.raises(SaveError, match="'x'"):
        arrow_of(pd.DataFrame({"x": column}))


def test_categories_keep_their_values() -> None:
    """A categorical column becomes a dictionary and comes back whole: unused categories, missing values, no rows."""
    column = pd.DataFrame({"x": pd.Categorical(["b", None], categories=["c", "a", "b"], ordered=True)})
    table = arrow_of(column)
    assert table["x"].to_pylist() == ["b", None]
    assert table["x"].type.ordered
    for frame in (column, column.iloc[:0]):
        back = Pandas().from_arrow(arrow_of(frame).to_reader(), pd.DataFrame)
        pd.testing.assert_frame_equal(back, frame)


def test_frames_without_rows_or_columns_pass() -> None:
    """A frame without rows keeps its types; one without columns is a table without columns."""
    empty = pd.DataFrame({"i": pd.Series(dtype="Int64"), "s": pd.Series(dtype="str"), "o": pd.Series(dtype=object)})
    assert [str(t) for t in arrow_of(empty).schema.types] == ["int64", "large_string", "null"]
    assert arrow_of(pd.DataFrame()).shape == (0, 0)
    assert Pandas().from_arrow(pa.table({}).to_reader(), pd.DataFrame).shape == (0, 0)


def test_a_series_is_a_frame_of_one_column() -> None:
    """A named series passes as one column; one without a name is refused."""
    assert arrow_of(pd.Series([1], name="x")).to_pydict() == {"x": [1]}
    assert Pandas().column_names(pd.Series([1], name="x")) == ["x"]
    with pytest.raises(SaveError, match="column 0"):
        arrow_of(pd.Series([1]))


def test_two_columns_of_one_name_are_not_loaded() -> None:
    """A stream with two columns of one name is refused, not renamed."""
    with pytest.raises(LoadError, match="'x'"):
        Pandas().from_arrow(pa.table([[1], [2]], names=["x", "x"]).to_reader(), pd.DataFrame)


def test_the_frame_is_not_changed_by_leaving() -> None:
    """Reading a frame's rows leaves it as it was."""
    frame = pd.DataFrame({"x": [1, 2], "o": ["a", None]}, index=[5, 6])
    copy = frame.copy(deep=True)
    arrow_of(frame)
    pd.testing.assert_frame_equal(frame, copy)
