"""Every reader and writer of a library's own works on the installed versions."""

from __future__ import annotations

import importlib.util
import inspect
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from engine.frames import library_of_type

if TYPE_CHECKING:
    from pathlib import Path

    from engine.frames.base import FileFunction

_TABLE = pa.table({"number": [1, 2], "text": ["a", "ä, b"], "fraction": [0.5, 1.5]})
_TYPES = (pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.Table)
_NEEDS = {"excel": "openpyxl", "spreadsheet": "fastexcel", "xml": "lxml", "html": "lxml", "spss": "pyreadstat"}
_ROUND_TRIPS = [
    (type_, name)
    for type_ in _TYPES
    for library in [library_of_type(type_)]
    if library is not None
    for name in library.readers.get(type_, {})
    if name in library.writers.get(type_, {})
]
_FUNCTIONS = [
    pytest.param(function, id=f"{type_.__name__}-{name}-{what}")
    for type_ in (*_TYPES, duckdb.DuckDBPyRelation)
    for library in [library_of_type(type_)]
    if library is not None
    for what, table in (("reader", library.readers), ("writer", library.writers))
    for name, function in table.get(type_, {}).items()
]


@pytest.mark.parametrize(("type_", "name"), _ROUND_TRIPS)
def test_files_come_back_equal(type_: type, name: str, tmp_path: Path) -> None:
    """A frame written by the library's own writer is read back equal by its own reader."""
    if importlib.util.find_spec(_NEEDS.get(name, "engine")) is None:
        pytest.skip(f"{_NEEDS[name]} is not installed")
    library = library_of_type(type_)
    assert library is not None
    path = str(tmp_path / f"file.{name}")
    reader, writer = library.readers[type_][name], library.writers[type_][name]
    options: dict[str, Any] = {"index": False} if type_ is pd.DataFrame and name in {"csv", "excel", "xml"} else {}
    if name == "stata":
        options = {"write_index": False, "version": 118}
    writer.function(library.from_arrow(_TABLE.to_reader(), type_), **{writer.path: path}, **options)
    back = reader.function(**{reader.path: path})
    assert isinstance(back, type_)
    assert library.to_arrow(back).read_all().to_pydict() == _TABLE.to_pydict()


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_paths_have_their_names(function: FileFunction) -> None:
    """The path is a parameter of the function, and no other name of the path is an option of it."""
    parameters = inspect.signature(function.function).parameters
    assert function.path in parameters
    assert not (set(function.aliases) - {function.path}) & parameters.keys()
    assert "path" in {function.path, *function.aliases}


def test_relations_write_files_themselves(tmp_path: Path) -> None:
    """A DuckDB relation writes its rows to a file without passing through Python."""
    library = library_of_type(duckdb.DuckDBPyRelation)
    assert library is not None
    with duckdb.connect() as connection:
        relation = connection.sql("SELECT 1 AS x")
        for name in ("csv", "parquet"):
            writer = library.writers[duckdb.DuckDBPyRelation][name]
            writer.function(relation, **{writer.path: str(tmp_path / name)})
            assert (tmp_path / name).stat().st_size > 0
