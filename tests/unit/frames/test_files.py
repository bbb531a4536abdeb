"""The readers and writers of a library's own take the path under the names they say."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from engine.frames import library_of_type

if TYPE_CHECKING:
    from pathlib import Path

    from engine.frames.base import FileFunction

_TYPES = (pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.Table)
_FUNCTIONS = [
    pytest.param(function, id=f"{type_.__name__}-{name}-{what}")
    for type_ in (*_TYPES, duckdb.DuckDBPyRelation)
    for library in [library_of_type(type_)]
    if library is not None
    for what, table in (("reader", library.readers), ("writer", library.writers))
    for name, function in table.get(type_, {}).items()
]


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
