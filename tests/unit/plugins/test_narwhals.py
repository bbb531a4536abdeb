"""Nodes written with narwhals run on the frames of any library."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pytest

from engine.ad_hoc_utils import module_from_source
from engine.base import DictResult
from engine.driver import Builder
from engine.io.materialization import to

nw = pytest.importorskip("narwhals")
h_narwhals = pytest.importorskip("engine.plugins.h_narwhals")

FLOW = """
import narwhals as nw
import pandas as pd

def frame(given: object) -> nw.DataFrame:
    return nw.to_native(given)

def doubled(frame: nw.DataFrame) -> nw.Series:
    assert isinstance(frame, nw.DataFrame)
    return frame["v"] * 2

def total(doubled: nw.Series) -> int:
    assert isinstance(doubled, nw.Series)
    return int(doubled.sum())

def as_pandas(frame: nw.DataFrame) -> pd.DataFrame:
    return frame.to_pandas()

def rows(as_pandas: pd.DataFrame) -> int:
    assert isinstance(as_pandas, pd.DataFrame)
    return len(as_pandas)
"""


@pytest.mark.parametrize("library", [pd, pl])
def test_nodes_see_narwhals_and_give_native_values(library: Any, tmp_path: Any) -> None:
    """Frames and columns are narwhals' inside nodes and the library's own outside, in results and in files."""
    builder = h_narwhals.NarwhalsDataFrameResultBuilder(DictResult())
    modules = module_from_source(FLOW)
    driver = Builder().with_modules(modules).with_adapters(h_narwhals.NarwhalsAdapter(), builder).build()
    given = library.DataFrame({"v": [1, 2]})
    values = driver.execute(["frame", "doubled", "total", "rows"], inputs={"given": given})
    assert isinstance(values["frame"], library.DataFrame)
    assert isinstance(values["doubled"], library.Series)
    assert (values["total"], values["rows"]) == (6, 2)
    path = str(tmp_path / "f.csv")
    driver.materialize(to.csv(id="out", dependencies=["as_pandas"], path=path, index=False), inputs={"given": given})
    assert pd.read_csv(path)["v"].tolist() == [1, 2]
