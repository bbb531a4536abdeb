"""Result builders of frame libraries."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from engine.errors import SaveError
from engine.plugins import h_polars, h_polars_lazyframe
from engine.plugins.h_pyarrow import PyarrowTableResult


@pytest.mark.parametrize(
    "frame", [pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]}), pl.LazyFrame({"a": [1]}), pa.table({"a": [1]})]
)
def test_any_frame_becomes_an_arrow_table(frame: object) -> None:
    """One frame of whatever library is given as an Arrow table."""
    table = PyarrowTableResult().build_result(node=frame)
    assert isinstance(table, pa.Table)
    assert table.to_pydict() == {"a": [1]}
    assert PyarrowTableResult().output_type() is pa.Table


def test_an_arrow_table_is_made_of_one_frame() -> None:
    """Several nodes, or one that is no frame, are refused by name."""
    with pytest.raises(SaveError, match="first, second"):
        PyarrowTableResult().build_result(first=1, second=2)
    with pytest.raises(SaveError, match="'first' gives a int"):
        PyarrowTableResult().build_result(first=1)


def test_polars_results_are_where_hamilton_has_them() -> None:
    """The builder of polars frames can be had from the plug-in."""
    frame = h_polars.PolarsDataFrameResult().build_result(a=pl.Series([1, 2]), b=3)
    assert frame.to_dict(as_series=False) == {"a": [1, 2], "b": [3, 3]}


def test_polars_results_take_columns_of_any_library() -> None:
    """Series, arrays, lists and frames of other libraries become columns, never objects."""
    series, frame = pd.Series([1, None], dtype="Int64"), pd.DataFrame({"x": [1.5, 2.5]})
    build = h_polars.PolarsDataFrameResult().build_result
    joined = build(a=series, b=frame, c=pa.table({"y": [True, False]}), d=np.array([1, 2]), e=["u", "v"], f=3)
    assert joined.to_dict(as_series=False) == {
        "a": [1, None],
        "b.x": [1.5, 2.5],
        "c.y": [True, False],
        "d": [1, 2],
        "e": ["u", "v"],
        "f": [3, 3],
    }


def test_lazy_frames_stay_lazy() -> None:
    """Lazy frames are put side by side without being computed; values and series make a lazy frame as well."""
    build = h_polars_lazyframe.PolarsLazyFrameResult().build_result
    one, two = pl.LazyFrame({"a": [1, 2]}), pl.LazyFrame({"b": [3, 4]})
    assert build(x=one) is one
    assert build(x=one, y=two).collect().to_dict(as_series=False) == {"a": [1, 2], "b": [3, 4]}
    assert build(x=pl.Series([1, 2]), y=3).collect().to_dict(as_series=False) == {"x": [1, 2], "y": [3, 3]}
    assert h_polars_lazyframe.PolarsLazyFrameResult().output_type() is pl.LazyFrame
