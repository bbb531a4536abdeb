"""Columns, fields and items as nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.errors import ModifierError
from engine.function_modifiers import (
    config,
    dataloader,
    extract_columns,
    extract_fields,
    pipe_output,
    step,
    tag,
    unpack_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Make = "Callable[..., Any]"


class Row(TypedDict):
    """What a function returns."""

    a: int
    b: str


def pandas_frame() -> pd.DataFrame:
    """Two columns."""
    return pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=[7, 8])


def polars_frame() -> pl.DataFrame:
    """Two columns."""
    return pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def polars_lazy() -> pl.LazyFrame:
    """Two columns."""
    return polars_frame().lazy()


def arrow_table() -> pa.Table:
    """Two columns."""
    return pa.table({"a": [1, 2], "b": ["x", "y"]})


def relation() -> duckdb.DuckDBPyRelation:
    """Two columns."""
    return duckdb.sql("SELECT * FROM (VALUES (1, 'x'), (2, 'y')) t(a, b)")


def select() -> sa.Select[Any]:
    """Two columns."""
    return sa.select(sa.literal(1).label("a"), sa.literal("x").label("b"))


@pytest.mark.parametrize(
    ("frame", "type_"),
    [
        (pandas_frame, pd.Series),
        (polars_frame, pl.Series),
        (polars_lazy, pl.Expr),
        (arrow_table, pa.ChunkedArray),
        (relation, duckdb.DuckDBPyRelation),
        (select, sa.Select),
    ],
)
def test_columns_of_every_library(frame: Any, type_: type, made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """A column is a node of the library's column type, and its value is of that type."""

    def f() -> Any:
        return frame()

    f.__annotations__["return"] = frame.__annotations__["return"]
    f.__globals__.update(globals())
    nodes = made(extract_columns("a", ("b", "letters"))(f))
    assert list(nodes) == ["f", "a", "b"]
    assert issubclass(getattr(nodes["a"].type, "__origin__", nodes["a"].type), type_)
    assert nodes["b"].doc == "letters"
    assert nodes["f"].refined
    assert isinstance(run(nodes, "a"), type_)


def test_the_values_of_columns(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """A column holds what the frame holds, a pandas column with the row labels."""
    nodes = made(extract_columns("a", "b")(_copy(pandas_frame)))
    pd.testing.assert_series_equal(run(nodes, "a"), pandas_frame()["a"])
    assert run(made(extract_columns("b")(_copy(polars_frame))), "b").to_list() == ["x", "y"]


def _copy(function: Any) -> Any:
    def copied() -> Any:
        return function()

    copied.__annotations__["return"] = function.__annotations__["return"]
    return copied


@pytest.mark.parametrize("frame", [pandas_frame, polars_frame, polars_lazy, arrow_table, relation, select])
def test_a_missing_column_is_named_with_near_ones(
    frame: Any, made: Callable[..., Any], run: Callable[..., Any]
) -> None:
    """A column that the frame does not have is an error that names function, column and columns there are."""
    nodes = made(extract_columns("aa")(_copy(frame)))
    with pytest.raises(ModifierError, match=r"'copied' has no column 'aa'(.|\n)*'a'"):
        run(nodes, "aa")


def test_a_missing_column_can_be_filled(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """With ``fill_with`` a missing column holds that value in every row; a column that is there stays."""
    nodes = made(extract_columns("a", "z", fill_with=0)(_copy(pandas_frame)))
    assert run(nodes, "z").to_dict() == {7: 0, 8: 0}
    assert run(nodes, "a").to_list() == [1, 2]
    assert run(made(extract_columns("z", fill_with=0.5)(_copy(polars_frame))), "z").to_list() == [0.5, 0.5]
    assert run(made(extract_columns("z", fill_with="-")(_copy(arrow_table))), "z").to_pylist() == ["-", "-"]
    with pytest.raises(ModifierError, match="fill_with"):
        run(made(extract_columns("z", fill_with=0)(_copy(polars_lazy))), "z")


def test_what_is_no_frame_at_run_time_is_named(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """A function that breaks its promise of a frame is named."""

    @extract_columns("a")
    def f() -> pd.DataFrame:
        return None  # type: ignore[return-value]  # what is tested

    with pytest.raises(ModifierError, match=r"'f' gave a value of type NoneType"):
        run(made(f), "a")


def test_annotations_around_a_frame_are_seen_through(made: Callable[..., Any]) -> None:
    """An annotated or optional frame has columns as well."""

    @extract_columns("a")
    def f() -> Annotated[pd.DataFrame, "words"]:
        return pandas_frame()

    @extract_columns("b")
    def g() -> pl.DataFrame | None:
        return None

    assert made(f)["a"].type is pd.Series
    assert made(g)["b"].type is pl.Series


@pytest.mark.parametrize("annotation", [int, dict[str, int], pd.Series, pl.Series])
def test_only_frames_have_columns(annotation: Any, made: Callable[..., Any]) -> None:
    """Columns of something else are refused when the nodes are made."""

    def f() -> Any:
        return 1

    f.__annotations__["return"] = annotation
    with pytest.raises(ModifierError, match=r"is annotated (.|\n)*pd\.DataFrame"):
        made(extract_columns("a")(f))


def test_misused_columns_are_told_when_decorating() -> None:
    """No column, a list of columns, or a number is an error at once."""
    for given, message in (((), "no column"), ((["a", "b"],), r"put a \* in front"), ((1,), "1 is no column")):
        with pytest.raises(ModifierError, match=message):
            extract_columns(*given)(_copy(pandas_frame))


def test_fields_with_types(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """A dictionary's fields are nodes of the types given."""

    @extract_fields({"a": int, "b": str | None})
    def f() -> dict[str, Any]:
        """Both."""
        return {"a": 1, "b": "x"}

    nodes = made(f)
    assert [(n.name, n.type, n.doc) for n in nodes.values()][1:] == [("a", int, "Both."), ("b", str | None, "Both.")]
    assert run(nodes, "b") == "x"


@pytest.mark.parametrize("modifier", [extract_fields("a", "b"), extract_fields(["a", "b"])], ids=["names", "list"])
def test_fields_whose_types_the_annotation_says(modifier: Any, made: Callable[..., Any]) -> None:
    """Names alone suffice where the annotation says what the dictionary holds."""

    def f() -> dict[str, float]:
        return {}

    assert {n.name: n.type for n in made(modifier(f)).values() if not n.refined} == {"a": float, "b": float}


def test_fields_of_a_typed_dictionary(made: Callable[..., Any]) -> None:
    """A typed dictionary gives all its fields, or those named."""

    def every() -> Row:
        return {"a": 1, "b": "x"}

    def some() -> Row:
        return {"a": 1, "b": "x"}

    assert {n.name: n.type for n in made(extract_fields()(every)).values()} == {"every": Row, "a": int, "b": str}
    assert {n.name: n.type for n in made(extract_fields("b")(some)).values()} == {"some": Row, "b": str}


def test_a_missing_field(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """A field that is not there is an error that names near ones, or filled."""

    def f() -> dict[str, int]:
        return {"weight": 1}

    with pytest.raises(ModifierError, match=r"'f' has no field 'wieght'(.|\n)*'weight'"):
        run(made(extract_fields("wieght")(f)), "wieght")
    del f.__dict__["__engine_modifiers__"]
    assert run(made(extract_fields("wieght", fill_with=0)(f)), "wieght") == 0


@pytest.mark.parametrize(
    ("modifier", "annotation", "message"),
    [
        (extract_fields("a"), dict, "types are not known"),
        (extract_fields(), dict[str, int], "types are not known"),
        (extract_fields({"a": int}), list, "annotated list"),
        (extract_fields("c"), Row, "no field 'c'"),
        (extract_fields({"a": str}), Row, "types of 'a' are not those"),
    ],
)
def test_fields_that_cannot_be(modifier: Any, annotation: Any, message: str, made: Callable[..., Any]) -> None:
    """Fields of unknown type, of something else than a dictionary, or not in it are refused."""

    def f() -> Any:
        return {}

    f.__annotations__["return"] = annotation
    with pytest.raises(ModifierError, match=message):
        made(modifier(f))


def test_misused_fields_are_told_when_decorating() -> None:
    """What is no name, no type, or nothing at all is an error at once."""

    def f() -> dict[str, int]:
        return {}

    for given, message in (({"a": "int"}, "'int', which is no type"), ({1: int}, "1 is no name"), ({}, "no field")):
        with pytest.raises(ModifierError, match=message):
            extract_fields(given)(f)


def test_items_of_a_tuple(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """The first items of a tuple are nodes of their types; there may be fewer names than items."""

    @unpack_fields("a", "b")
    def f() -> tuple[int, str, float]:
        return 1, "x", 0.5

    @unpack_fields("c", "d", "e")
    def g() -> tuple[int, ...]:
        return 1, 2

    nodes = made(f, g)
    assert {n.name: n.type for n in nodes.values() if not n.refined} == {
        "a": int,
        "b": str,
        "c": int,
        "d": int,
        "e": int,
    }
    assert run(nodes, "b") == "x"
    assert run(nodes, "d") == 2
    with pytest.raises(ModifierError, match=r"'g' gave 2 items.*position 2"):
        run(nodes, "e")


@pytest.mark.parametrize("annotation", [tuple, list[int], tuple[int, int], int])
def test_items_that_cannot_be(annotation: Any, made: Callable[..., Any]) -> None:
    """A bare tuple, something else, or more names than items is refused."""

    def f() -> Any:
        return 1, 2

    f.__annotations__["return"] = annotation
    with pytest.raises(ModifierError, match=r"annotated|names 3 fields"):
        made(unpack_fields("a", "b", "c")(f))


def test_parts_keep_what_is_said_about_the_whole(made: Callable[..., Any]) -> None:
    """Tags of the configuration go to the parts; that the whole was loaded does not."""

    @tag(owner="us")
    @extract_columns("a")
    @dataloader()
    @config.when(x=1)
    def f__x() -> tuple[pd.DataFrame, dict[str, Any]]:
        return pandas_frame(), {}

    nodes = made(f__x, x=1)
    assert list(nodes) == ["f.loader", "f", "a"]
    assert nodes["a"].tags == {"module": __name__, "hamilton.config": "x", "owner": "us"}
    assert nodes["a"].type is pd.Series
    assert nodes["f"].tags["hamilton.data_loader"] is True


def test_parts_of_anything(made: Callable[..., Any]) -> None:
    """Behind a step that may give anything, parts are taken by what the modifier says of them."""

    def _same(x: Any) -> Any:
        return x

    @extract_fields({"a": int})
    @pipe_output(step(_same))
    def f() -> dict[str, int]:
        return {"a": 1}

    @unpack_fields("b", "c")
    @pipe_output(step(_same))
    def g() -> tuple[int, str]:
        return 1, "x"

    assert made(f)["a"].type is int
    assert {name: made(g)[name].type for name in ("b", "c")} == {"b": Any, "c": Any}
