"""Each built-in frame library passes the suite that every extension must pass."""

from __future__ import annotations

from typing import Any

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
