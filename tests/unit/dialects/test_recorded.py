"""Rows of a table come back as the types they were written with, whoever reads them, or it is said why not."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from engine.errors import LoadError, SaveError
from engine.io.session import Session, using
from engine.io.tables import QueryLoader, TableLoader, TableSaver
from tests.fixtures.dataflows import run_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

COLORS = pa.array(["red", None, "blue"]).dictionary_encode()


@pytest.fixture(autouse=True)
def session(warehouse_url: str) -> Iterator[None]:
    """Work in one empty database."""
    with Session(warehouse_url) as opened, using(opened):
        yield


def save(rows: Any, mode: str = "replace", **options: Any) -> dict[str, Any]:
    """Save rows as the table ``t``."""
    return TableSaver("t", mode=mode, **options).save_data(rows)


def load(type_: Any = pa.Table, **options: Any) -> Any:
    """Load the table ``t``."""
    return TableLoader("t", **options).load_data(type_)[0]


def test_columns_and_rows_keep_their_types() -> None:
    """Some columns and rows of a table come back as their types, too; a query has the database's own."""
    save(pa.table({"id": pa.array([1, 2, 3], pa.int8()), "color": COLORS}))
    assert load(columns=["color"]).schema.types == [COLORS.type]
    assert load(where="id > 1").schema.types == [pa.int8(), COLORS.type]
    assert QueryLoader("SELECT color FROM t").load_data(pa.Table)[0].schema.types == [pa.string()]


def test_streams_keep_their_types() -> None:
    """What comes as a stream, frame by frame or lazily has the recorded types, in every frame."""
    save(pa.table({"at": pa.array([1, 2], pa.timestamp("s", "Europe/Paris"))}))
    assert load(pa.RecordBatchReader).schema.types == [pa.timestamp("s", "Europe/Paris")]
    assert load(pl.LazyFrame).collect_schema().dtypes() == [pl.Datetime("ms", "Europe/Paris")]
    from collections.abc import Iterator as Frames

    assert [str(frame["at"].dtype) for frame in load(Frames[pd.DataFrame])] == ["datetime64[s, Europe/Paris]"]


def test_the_library_that_reads_may_be_another() -> None:
    """A category of one library is one for the others, with its order and the values that do not occur."""
    levels = ["low", "middle", "high"]
    save(pl.DataFrame({"x": pl.Series(["low", None, "high"], dtype=pl.Enum(levels))}))
    found = load(pd.DataFrame)["x"]
    assert (list(found.cat.categories), found.cat.ordered) == (levels, True)
    table = load()
    assert table["x"].chunk(0).dictionary.to_pylist() == levels
    assert load(pl.DataFrame)["x"].to_list() == ["low", None, "high"]


def test_types_change_without_values() -> None:
    """The same values as another type are a new version; as the same type they are none."""
    frame = pd.DataFrame({"x": pd.Series([1, 2], dtype="int64")})
    assert save(frame)["commit"]["changed"]
    assert not save(frame)["commit"]["changed"]
    assert save(frame.astype("Int64"))["commit"]["changed"]
    assert str(load(pd.DataFrame)["x"].dtype) == "Int64"


def test_appends_of_one_type_keep_it() -> None:
    """A column keeps its type while every append has it; one of another type gives it up, and no value is harmed."""
    save(pa.table({"a": pa.array([1], pa.int8()), "b": pa.array([1], pa.int8())}), "append")
    save(pa.table({"b": pa.array([2], pa.int8()), "a": pa.array([2], pa.int8())}), "append")
    assert load().schema.types == [pa.int8(), pa.int8()]
    save(pa.table({"a": pa.array([3], pa.int8()), "b": pa.nulls(1)}), "append")
    assert load().schema.field("b").type == pa.int8()


def test_appended_categories_join() -> None:
    """Categories that an append adds are there beside the others."""
    save(pd.DataFrame({"x": pd.Series(["a", "b"], dtype="category")}), "append")
    save(pd.DataFrame({"x": pd.Series(["c"], dtype="category")}), "append")
    found = load(pd.DataFrame)["x"]
    assert sorted(found.cat.categories) == sorted(found) == ["a", "b", "c"]


def test_an_append_of_a_wider_type_is_read(warehouse_url: str) -> None:
    """After an append of wider numbers, where the table takes them, they are all there."""
    save(pa.table({"a": pa.array([1], pa.int8())}), "append")
    if warehouse_url.startswith("postgresql"):
        save(pa.table({"a": pa.array([300], pa.int16())}), "append")
        assert sorted(load()["a"].to_pylist()) == [1, 300]


def test_what_others_wrote_is_said(warehouse_url: str) -> None:
    """A value that somebody else wrote and the recorded type cannot hold is an error naming the column."""
    save(pa.table({"moment": pa.array([1], pa.time32("s"))}))
    run_sql(warehouse_url, "UPDATE t SET moment = '10:00:00.5'")
    with pytest.raises(LoadError, match="'moment' was written as time32"):
        load()


def test_an_altered_column_is_read_as_it_is(warehouse_url: str) -> None:
    """A column that somebody added comes in its own type, beside the recorded ones."""
    save(pa.table({"a": pa.array([1], pa.int8())}))
    run_sql(warehouse_url, "ALTER TABLE t ADD COLUMN more DATE")
    assert load().schema.types == [pa.int8(), pa.date32()]


def test_a_duration_that_would_not_come_back(database: str) -> None:
    """A duration that the database keeps, but Arrow could not read, is refused with column and row."""
    rows = pa.table({"d": pa.array([1, 2**40], pa.duration("s"))})
    if database == "sqlite":
        save(rows)
        assert load().equals(rows)
        return
    with pytest.raises(SaveError, match="'d' holds a duration of more than 292 years, in row 1"):
        save(rows)


def test_dates_of_python_objects_come_back() -> None:
    """A pandas column of Python objects is one again, of the same objects."""
    save(pd.DataFrame({"d": pd.Series([dt.date(2026, 1, 1), None], dtype=object)}))
    assert load(pd.DataFrame)["d"].tolist() == [dt.date(2026, 1, 1), None]
