"""Columns that functions add to a frame on its way into a node."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pytest

from engine.errors import ModifierError
from engine.function_modifiers import check_output, config, extract_columns, load_from, tag
from engine.function_modifiers.base import MissingConfigParametersException, nodes_of
from engine.plugins import h_pandas, h_polars, h_polars_lazyframe

Built = Any


def frame() -> pd.DataFrame:
    """Give two columns and a third."""
    return pd.DataFrame({"a": [1, 2], "b": [3, 4], "z": [0, 0]}, index=[7, 8])


def ab(a: pd.Series, b: pd.Series) -> pd.Series:
    """Add."""
    return a + b


def total(ab: pd.Series) -> int:
    """Give no column."""
    return int(ab.sum())


def share(ab: pd.Series, total: int, scale: int = 1) -> pd.Series:
    """Divide."""
    return ab / total * scale


def test_columns_of_pandas(built: Built) -> None:
    """Passed and derived columns are nodes; those annotated as columns are appended, the row labels kept."""

    @h_pandas.with_columns(ab, total, share, columns_to_pass=["a", "b"])
    def f(frame: pd.DataFrame, n: int) -> pd.DataFrame:
        return frame.assign(n=n)

    driver = built(frame, f)
    names = {node.name for node in driver.list_available_variables()}
    assert names == {"frame", "n", "scale", "f", "f._append", "f.a", "f.b", "f.ab", "f.total", "f.share"}
    result = driver.execute(["f"], inputs={"n": 5})["f"]
    assert list(result.columns) == ["a", "b", "z", "ab", "share", "n"]
    assert result["share"].to_dict() == {7: 0.4, 8: 0.6}
    assert list(f(frame(), 1).columns) == ["a", "b", "z", "n"]


@pytest.mark.parametrize(
    ("plugin", "frame_type", "column_type"),
    [(h_polars, pl.DataFrame, pl.Series), (h_polars_lazyframe, pl.LazyFrame, pl.Expr)],
    ids=["eager", "lazy"],
)
def test_columns_of_polars(plugin: Any, frame_type: Any, column_type: Any, built: Built) -> None:
    """The same with polars; lazily, columns are expressions and nothing is computed."""

    def data() -> Any:
        return frame_type({"a": [1, 2], "b": [3, 4]})

    def both(a: Any, b: Any) -> Any:
        return a + b

    def scaled(both: Any, k: int) -> Any:
        return both * k

    def f(data: Any) -> Any:
        return data

    data.__annotations__["return"] = f.__annotations__["data"] = f.__annotations__["return"] = frame_type
    both.__annotations__ |= {"a": column_type, "b": column_type, "return": column_type}
    scaled.__annotations__ |= {"both": column_type, "return": column_type}
    plugin.with_columns(both, scaled, columns_to_pass=["a", "b"], select=["scaled"], namespace="ns")(f)
    result = built(data, f).execute(["f"], inputs={"k": 10})["f"]
    assert isinstance(result, frame_type)
    assert result.lazy().collect().to_dict(as_series=False) == {"a": [1, 2], "b": [3, 4], "scaled": [40, 60]}


def test_functions_take_the_frame_apart(built: Built) -> None:
    """With the frame itself passed, columns can be changed in place; it goes by the parameter's name or another."""

    def a(frame: pd.DataFrame) -> pd.Series:
        return frame["a"] * 10

    def double(a: pd.Series) -> pd.Series:
        return a * 2

    def a2(whole: pd.DataFrame) -> pd.Series:
        return whole["a"] + 1

    @h_pandas.with_columns(a, double, on_input="frame")
    def f(n: int, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(n=n)

    @h_pandas.with_columns(a2, pass_dataframe_as="whole")  # noqa: S106 - "pass" is a verb here
    def g(frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    values = built(frame, f, g).execute(["f", "g"], inputs={"n": 1})
    assert values["f"][["a", "double"]].to_dict("list") == {"a": [10, 20], "double": [20, 40]}
    assert values["g"]["a2"].to_list() == [2, 3]


def test_they_stack_and_join_with_other_modifiers(built: Built) -> None:
    """The farther one acts first; loaders fill the frame before, columns can be taken out behind."""

    def c(ab: pd.Series) -> pd.Series:
        return ab * 2

    @tag(owner="us")
    @extract_columns("ab", "c")
    @h_pandas.with_columns(ab, columns_to_pass=["a", "b"])
    @h_pandas.with_columns(c, columns_to_pass=["ab"], namespace="second")
    @load_from.literal(value=frame(), inject_="given")
    def f(given: pd.DataFrame) -> pd.DataFrame:
        return given

    assert built(f).execute(["c"])["c"].to_list() == [8, 12]


def test_the_configuration_reaches_inside(built: Built) -> None:
    """Inner variants see the configuration, and checks of inner columns add no column."""

    @config.when(mode="p")
    @check_output(range=(0, 100))
    def w__p(a: pd.Series) -> pd.Series:
        return a * 10

    @config.when(mode="q")
    def w__q(a: pd.Series) -> pd.Series:
        return a * 20

    def make() -> Any:
        @h_pandas.with_columns(w__p, w__q, columns_to_pass=["a"], config_required=["mode"])
        def f(frame: pd.DataFrame) -> pd.DataFrame:
            return frame

        return f

    result = built(frame, make(), mode="p").execute(["f"])["f"]
    assert list(result.columns) == ["a", "b", "z", "w"]
    assert built(frame, make(), mode="q").execute(["f"])["f"]["w"].to_list() == [20, 40]
    with pytest.raises(MissingConfigParametersException, match="'mode'"):
        nodes_of(make())


@pytest.mark.parametrize(
    ("modifier", "fault"),
    [
        (h_pandas.with_columns(columns_to_pass=["a"]), "names no function"),
        (h_pandas.with_columns(ab), "say one of columns_to_pass"),
        (h_pandas.with_columns(ab, columns_to_pass=["a"], on_input="frame"), "say one of columns_to_pass"),
        (h_pandas.with_columns(ab, on_input="fram"), "no parameter 'fram'; did you mean 'frame'"),
        (h_pandas.with_columns(ab, columns_to_pass=["a", "b", "ab"]), "'ab' is a column passed and a function"),
        (h_pandas.with_columns(ab, columns_to_pass=["a", "b"], select=["abb"]), "select= names 'abb'(.|\n)*'ab'"),
        (h_pandas.with_columns(ab, on_input="n"), "'n' must be a frame"),
        (h_polars.with_columns(ab, columns_to_pass=["a"]), r"annotated polars\..*DataFrame; it is annotated pandas"),
    ],
)
def test_misuse_is_told_before_anything_runs(modifier: Any, fault: str) -> None:
    """What cannot be names the function, its file and its line."""

    def f(frame: pd.DataFrame, n: int) -> pd.DataFrame:
        return frame.assign(n=n)

    with pytest.raises(ModifierError, match=rf"on function .*f \(.*test_with_columns.py:\d+\)(.|\n)*{fault}"):
        nodes_of(modifier(f))


def test_a_missing_column_is_named(built: Built) -> None:
    """A column that the frame does not have is an error when it runs."""

    @h_pandas.with_columns(ab, columns_to_pass=["a", "q"])
    def f(frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    with pytest.raises(ModifierError, match="no column 'q'"):
        built(frame, f).execute(["f"], inputs={"b": pd.Series([1, 2])})
