"""polars frames leave and enter without a changed value, or not at all."""

from __future__ import annotations

import datetime as dt
import decimal

import polars as pl
import pyarrow as pa
import pytest

from engine.errors import LoadError, SaveError
from engine.frames.base import BATCH_ROWS
from engine.frames.hashing import hashed
from engine.frames.layouts import without_views
from engine.frames.polars import Polars


def test_lazy_frames_are_computed_as_their_batches_are_taken() -> None:
    """Asking for the stream, the names or a column of a lazy frame computes nothing."""
    calls: list[int] = []

    def count(frame: pl.DataFrame) -> pl.DataFrame:
        calls.append(len(frame))
        return frame

    lazy = pl.LazyFrame({"x": [1, 2], "y": [3, 4]}).map_batches(count, schema={"x": pl.Int64, "y": pl.Int64})
    reader = Polars().to_arrow(lazy)
    assert Polars().column_names(lazy) == ("x", "y")
    assert Polars().row_count(lazy) is None
    column = Polars().column(lazy, "y")
    assert calls == []
    assert reader.read_all().to_pydict() == {"x": [1, 2], "y": [3, 4]}
    assert calls == [2]
    assert column.collect().to_dict(as_series=False) == {"y": [3, 4]}


def test_a_lazy_frame_can_be_read_twice() -> None:
    """A lazy frame made from a stream gives its rows as often as they are asked for."""
    lazy = Polars().from_arrow(pa.table({"x": [1, 2]}).to_reader(), pl.LazyFrame)
    assert lazy.collect().equals(lazy.collect())


def test_batches_are_of_the_size_that_databases_want() -> None:
    """A long frame leaves in batches of the agreed number of rows."""
    frame = pl.DataFrame({"x": pl.arange(0, BATCH_ROWS + 1, eager=True)})
    assert [batch.num_rows for batch in Polars().to_arrow(frame)] == [BATCH_ROWS, 1]


def test_an_empty_lazy_frame_keeps_its_columns() -> None:
    """A lazy frame that gives no rows still gives its columns."""
    table = Polars().to_arrow(pl.LazyFrame({"x": [1]}).filter(pl.col("x") > 1)).read_all()
    assert table.schema == pa.schema([("x", pa.int64())])
    assert table.num_rows == 0


@pytest.mark.parametrize("dtype", [pl.Object, pl.Int128, pl.List(pl.UInt128)])
def test_types_that_arrow_lacks_are_refused(dtype: pl.DataType) -> None:
    """A type without an Arrow counterpart is refused by column, eager and lazy."""
    frame = pl.DataFrame({"x": pl.Series([], dtype=dtype)})
    for shape in (frame, frame.lazy()):
        with pytest.raises(SaveError, match="'x'"):
            Polars().to_arrow(shape)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([decimal.Decimal("1" * 45)], pa.decimal256(50, 2)),
        pa.array([2**62], pa.timestamp("s")),
        pa.array([0], pa.timestamp("us", "+05:30")),
        pa.array([86_400_001], pa.date64()),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        pa.array([[(1, 2, 3)]], pa.list_(pa.month_day_nano_interval())),
        pa.array([[1]], pa.list_view(pa.int64())),
    ],
    ids=lambda column: str(column.type),
)
def test_values_that_polars_cannot_hold_are_refused(column: pa.Array) -> None:
    """What would lose digits, seconds or meaning is refused by column instead."""
    with pytest.raises(LoadError, match="'x'"):
        Polars().from_arrow(pa.table({"x": column}).to_reader(), pl.DataFrame)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pa.array([decimal.Decimal("1.50")], pa.decimal256(50, 2)), pl.Decimal(38, 2)),
        (pa.array([decimal.Decimal(100)], pa.decimal128(10, -2)), pl.Decimal(12, 0)),
        (pa.array([dt.date(2020, 1, 1)], pa.date64()), pl.Date),
        (pa.array([[1]], pa.list_(pa.timestamp("s"))), pl.List(pl.Datetime("ms"))),
    ],
)
def test_near_types_take_their_place_where_every_value_fits(column: pa.Array, dtype: pl.DataType) -> None:
    """A type that polars lacks enters under one that holds the same values."""
    frame = Polars().from_arrow(pa.table({"x": column}).to_reader(), pl.DataFrame)
    assert frame.schema["x"] == dtype
    assert frame["x"].to_arrow().to_pylist() == [
        int(v) if isinstance(v, decimal.Decimal) and v == int(v) else v for v in column.to_pylist()
    ]


def test_a_series_is_a_frame_of_one_column() -> None:
    """A named series passes as one column; one without a name is refused."""
    assert Polars().to_arrow(pl.Series("x", [1])).read_all().to_pydict() == {"x": [1]}
    with pytest.raises(SaveError, match="column 0"):
        Polars().to_arrow(pl.Series([1]))


def test_enumerations_come_back() -> None:
    """A closed set of words is the same set after a round trip."""
    frame = pl.DataFrame({"x": pl.Series(["b", None], dtype=pl.Enum(["a", "b"]))})
    back = Polars().from_arrow(Polars().to_arrow(frame), pl.DataFrame)
    assert back.equals(frame)
    assert back.schema == frame.schema


def test_texts_pass_as_views_and_are_recorded_without() -> None:
    """On the way into a table texts and bytes stay where they are; schema, rows and content hash are the same."""
    frame = pl.DataFrame(
        {
            "x": ["longer than twelve bytes", None, ""],
            "y": [b"\x00" * 20, b"", None],
            "z": [["a"], [], None],
            "c": pl.Series(["a", "b", None], dtype=pl.Categorical),
            "n": [1, 2, 3],
        }
    )
    kept = frame["x"].to_arrow(compat_level=pl.CompatLevel.newest()).buffers()
    for shape in (frame, frame.lazy()):
        common, views = Polars().to_arrow(shape), Polars().to_views(shape)
        assert views.schema.types[:2] == [pa.string_view(), pa.binary_view()]
        assert without_views(views.schema).equals(common.schema, check_metadata=True)
        (one, one_hash), (other, other_hash) = hashed(common), hashed(views)
        seen = other.read_all()
        assert seen.cast(common.schema).equals(one.read_all())
        assert seen["x"].chunk(0).buffers()[2].address == kept[2].address
        assert one_hash.digest() == other_hash.digest() is not None


def test_views_of_others_are_recorded_as_such() -> None:
    """A column of views that is one in its own library keeps its type."""
    schema = pa.schema([pa.field("x", pa.string_view())])
    assert without_views(schema) == schema


def test_texts_enter_as_views_of_the_same_values() -> None:
    """Texts and bytes of every length enter as they are: NULL, slices, several pieces, short and long tables."""
    texts = [
        None,
        "",
        "a",
        "twelve bytes",
        "thirteen byte",
        "zwölf Zeichen und mehr",
        "\N{GRINNING FACE}" * 4,
        "nul\0in",
    ]
    hidden = pa.py_buffer(b"\x02")  # the first of two values is NULL, and has bytes all the same
    for rows in (0, 3, len(texts), BATCH_ROWS + 5):
        words = (texts * (rows // len(texts) + 1))[:rows]
        for type_ in (pa.string(), pa.binary()):
            whole = pa.array([None, *words, "x"], pa.string()).cast(type_).slice(1, rows)
            pieces = pa.chunked_array([whole.slice(0, rows // 3), whole.slice(rows // 3)])
            frame = Polars().from_arrow(pa.table({"x": pieces}).to_reader(), pl.DataFrame)
            assert frame.schema == {"x": pl.String if type_ == pa.string() else pl.Binary}
            assert frame["x"].to_list() == whole.to_pylist()
            assert frame.equals(pl.from_arrow(pa.table({"x": pieces})))
    _, offsets, data = pa.array(["what no one may see", "y"]).buffers()
    masked = pa.Array.from_buffers(pa.string(), 2, [hidden, offsets, data])
    frame = Polars().from_arrow(pa.table({"x": masked}).to_reader(), pl.DataFrame)
    assert frame["x"].to_list() == [None, "y"]
    assert frame["x"].fill_null("").str.len_bytes().to_list() == [0, 1]
