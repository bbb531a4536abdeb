"""Each built-in frame library passes the suite that every extension must pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from engine.frames.arrow import Arrow
from engine.frames.duckdb import DuckDBRelations
from engine.frames.pandas import Pandas
from engine.frames.polars import Polars
from engine.testing.frame import FrameSuite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class TestPandas(FrameSuite):
    """pandas."""

    library = Pandas
    frame_type = pd.DataFrame


class TestPolars(FrameSuite):
    """polars, eager."""

    library = Polars
    frame_type = pl.DataFrame


class TestPolarsLazy(FrameSuite):
    """polars, lazy."""

    library = Polars
    frame_type = pl.LazyFrame


class Rows:
    """The rows of a table as a source."""

    def __init__(self, table: pa.Table) -> None:
        self.table, self.schema = table, table.schema

    def read(self, columns: Sequence[str] | None, rows: int | None) -> Iterator[pa.RecordBatch]:
        """Yield what is asked for."""
        part = self.table if columns is None else self.table.select(columns)
        yield from part.slice(0, rows).to_batches(max_chunksize=2)


class TestPolarsOfSource(FrameSuite):
    """polars, lazy, over rows that are read when they are needed."""

    library = Polars
    frame_type = pl.LazyFrame

    def make(self, table: pa.Table) -> Any:
        """Make a frame that reads the table."""
        return Polars().from_source(Rows(table))


class TestArrowTable(FrameSuite):
    """Arrow tables."""

    library = Arrow
    frame_type = pa.Table


class TestArrowBatch(FrameSuite):
    """Arrow record batches."""

    library = Arrow
    frame_type = pa.RecordBatch


class TestArrowStream(FrameSuite):
    """Arrow streams."""

    library = Arrow
    frame_type = pa.RecordBatchReader


class TestDuckDB(FrameSuite):
    """DuckDB relations over an in-memory database."""

    library = DuckDBRelations
    frame_type = duckdb.DuckDBPyRelation
    converts = frozenset({"timestamp_zone", "duration"})  # the zone is the session's; a duration becomes an interval

    @pytest.fixture(autouse=True)
    def connection(self) -> Any:
        """Open a database for one test."""
        with duckdb.connect() as self.database:
            self.database.execute("SET TimeZone = 'UTC'")
            yield

    def make(self, table: pa.Table) -> Any:
        """Make a relation over the table."""
        return self.database.from_arrow(table)
