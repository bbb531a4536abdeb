"""Whose value is this, asked without importing anybody."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Optional, Union

import duckdb
import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.frames import library_of, library_of_type
from engine.frames.arrow import Arrow
from engine.frames.duckdb import DuckDBRelations
from engine.frames.ibis import IbisTables
from engine.frames.pandas import Pandas
from engine.frames.polars import Polars
from engine.frames.sqlalchemy import SQLAlchemySelects
from engine.frames.streams import FrameStreams

if TYPE_CHECKING:
    from engine.frames.base import FrameLibrary


class MyFrame(pd.DataFrame):
    """A user's own kind of frame."""


@pytest.mark.parametrize(
    ("type_", "library"),
    [
        (pd.DataFrame, Pandas),
        (pd.Series, Pandas),
        (MyFrame, Pandas),
        (pl.DataFrame, Polars),
        (pl.LazyFrame, Polars),
        (pl.Series, Polars),
        (pa.Table, Arrow),
        (pa.RecordBatchReader, Arrow),
        (pa.RecordBatch, Arrow),
        (duckdb.DuckDBPyRelation, DuckDBRelations),
        (sa.Select, SQLAlchemySelects),
        (sa.Select[Any], SQLAlchemySelects),
        (sa.Table, SQLAlchemySelects),
        (ibis.Table, IbisTables),
        (Annotated[pd.DataFrame, "note"], Pandas),
        (pd.DataFrame | None, Pandas),
        (Optional[pl.DataFrame], Polars),  # noqa: UP045 - the older spelling is understood, too
        (Iterator[pd.DataFrame], FrameStreams),
        (Iterable[pl.DataFrame], FrameStreams),
        (Generator[pa.RecordBatch, None, None], FrameStreams),
    ],
)
def test_frame_types_have_a_library(type_: Any, library: type[FrameLibrary]) -> None:
    """Every type and annotation of a frame leads to its library, always the same instance."""
    assert isinstance(library_of_type(type_), library)
    assert library_of_type(type_) is library_of_type(type_)


@pytest.mark.parametrize(
    "type_",
    [
        int,
        dict[str, int],
        list[pd.DataFrame],
        pd.Timestamp,
        pa.Schema,
        sa.Engine,
        dt.date,
        Any,
        None,
        "text",
        Union[pd.DataFrame, pl.DataFrame],  # noqa: UP007 - the older spelling is understood, too
        Iterator[int],
        Iterator[Iterator[pd.DataFrame]],
        Iterator[sa.Table],
        type[pd.DataFrame],
    ],
)
def test_other_types_have_none(type_: Any) -> None:
    """A type that is no frame has no library, even if it comes from a frame library."""
    assert library_of_type(type_) is None


def test_values_have_their_type_s_library() -> None:
    """A frame, a column and an iterator have a library; other values have none."""
    assert isinstance(library_of(pd.DataFrame()), Pandas)
    assert isinstance(library_of(pl.LazyFrame()), Polars)
    assert isinstance(library_of(x for x in ()), FrameStreams)
    assert library_of([1]) is None
    assert library_of("text") is None


def test_importing_and_asking_imports_no_library() -> None:
    """Importing the packages, and asking about values of builtin types, loads no frame library."""
    code = (
        "import sys, engine.frames, engine.formats\n"
        "assert engine.frames.library_of([1]) is None\n"
        "heavy = {'pandas', 'polars', 'pyarrow', 'duckdb', 'sqlalchemy', 'numpy'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("word", "others"), [("pandas", {"duckdb", "sqlalchemy"}), ("polars", {"pandas", "duckdb", "sqlalchemy"})]
)
def test_one_library_does_not_load_another(word: str, others: set[str]) -> None:
    """The plug-in of one library imports that library and Arrow only."""
    code = f"import sys, engine.frames.{word}; print(sorted({others!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("annotation", "type_"),
    [
        (pa.Table | None, pa.Table),
        (Annotated[pa.RecordBatch, "note"], pa.RecordBatch),
        (Annotated[pl.LazyFrame | None, "note"], pl.LazyFrame),
        (pd.DataFrame | None, pd.DataFrame),
    ],
)
def test_annotations_make_frames_of_their_type(annotation: Any, type_: type) -> None:
    """An annotation with a note, or that allows None, makes the frame it names."""
    library = library_of_type(annotation)
    assert library is not None
    assert isinstance(library.from_arrow(pa.table({"x": [1]}).to_reader(), annotation), type_)
