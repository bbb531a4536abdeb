"""A lazy polars frame over a table reads when it is computed: what it needs, and only the version that was loaded."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import sqlalchemy as sa

from engine.ad_hoc_utils import create_temporary_module
from engine.dialects.warehouse import Warehouse
from engine.driver import Builder
from engine.errors import LoadError
from engine.io.materialization import from_, to
from engine.io.tables import QueryLoader, TableLoader, TableSaver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

ROWS = 300_000


@pytest.fixture
def numbers(warehouse_url: str) -> str:
    """A warehouse with a table of numbers and words."""
    frame = pl.DataFrame({"n": range(ROWS), "odd.name": ["x", "y", "z"] * (ROWS // 3)})
    TableSaver("numbers", warehouse=warehouse_url).save_data(frame)
    return warehouse_url


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[pa.RecordBatch]:
    """The batches that have been read from any warehouse."""
    seen: list[pa.RecordBatch] = []
    stream = Warehouse._stream

    def noting(self: Warehouse, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in stream(self, batches):
            seen.append(batch)
            yield batch

    monkeypatch.setattr(Warehouse, "_stream", noting)
    return seen


def load(url: str, table: str = "numbers") -> pl.LazyFrame:
    """Load a table as a lazy frame."""
    frame: pl.LazyFrame = TableLoader(table, warehouse=url).load_data(pl.LazyFrame)[0]
    return frame


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """Give a connection that is not the engine's."""
    with Warehouse(url) as warehouse:
        connection = warehouse._connection()
        with warehouse.dialect.transaction(connection, write=True):
            yield lambda text: warehouse.dialect.run(connection, text)


def test_rows_are_read_when_they_are_asked_for(numbers: str, read: list[pa.RecordBatch]) -> None:
    """Loading reads nothing; computing reads all rows, in order, as often as it is done."""
    frame = load(numbers)
    assert read == []
    for _ in range(2):
        assert frame.collect()["n"].to_list() == list(range(ROWS))
    assert sum(batch.num_rows for batch in read) == 2 * ROWS


def test_only_what_is_needed_is_read(numbers: str, read: list[pa.RecordBatch]) -> None:
    """The columns and the number of rows that a frame needs are what the database is asked for."""
    found = load(numbers).select("odd.name").head(5).collect()
    assert found.to_dict(as_series=False) == {"odd.name": ["x", "y", "z", "x", "y"]}
    assert [(batch.schema.names, batch.num_rows) for batch in read] == [(["odd.name"], 5)]


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
def test_rows_are_counted_before_they_are_filtered(numbers: str, engine: Any) -> None:
    """The first rows of a filter, and a filter of the first rows, are what polars says of a frame in memory."""
    frame, big = load(numbers), pl.col("n") > 3
    assert frame.head(6).filter(big).collect(engine=engine)["n"].to_list() == [4, 5]
    assert frame.filter(big).head(2).collect(engine=engine)["n"].to_list() == [4, 5]
    assert frame.filter(n=-1).collect(engine=engine).is_empty()
    assert frame.select(pl.len()).collect(engine=engine).item() == ROWS
    assert frame.join(frame.head(2), on="n").collect(engine=engine).height == 2


def test_a_query_keeps_its_order(numbers: str, read: list[pa.RecordBatch]) -> None:
    """A query's rows come in its order, with its parameters, also where a column of them is asked for."""
    loader = QueryLoader(
        "SELECT n, -n AS m FROM numbers WHERE n < :most ORDER BY n DESC", {"most": 1_000}, warehouse=numbers
    )
    frame = loader.load_data(pl.LazyFrame)[0]
    assert frame.select("m").head(3).collect()["m"].to_list() == [-999, -998, -997]
    assert read[0].schema.names == ["m"]


def test_reading_stops_where_polars_does(numbers: str) -> None:
    """A frame that needs no more rows keeps nobody from writing to the table."""
    frame = load(numbers)
    assert frame.filter(pl.col("n") > 3).head(2).collect()["n"].to_list() == [4, 5]
    query = QueryLoader("SELECT 1 AS n", warehouse=numbers).load_data(sa.Select)[0]
    TableSaver("numbers", warehouse=numbers).save_data(query)
    assert load(numbers).collect()["n"].to_list() == [1]


def test_another_version_is_refused(numbers: str) -> None:
    """A frame whose table was written meanwhile raises instead of giving rows that were not loaded."""
    frame = load(numbers)
    TableSaver("numbers", warehouse=numbers).save_data(frame.with_columns(n=-pl.col("n")))
    with pytest.raises(LoadError, match="numbers has changed since it was loaded"):
        frame.collect()
    assert load(numbers).select(pl.col("n").min()).collect().item() == 1 - ROWS


def test_a_foreign_table_that_changes_is_refused_where_it_is_recorded(numbers: str, tmp_path: Path) -> None:
    """A recorded run saves the rows whose checksum it recorded, and no others."""
    with connected(numbers) as run:
        run("CREATE TABLE foreign_rows AS SELECT n FROM numbers WHERE n < 10")
    is_changed = False

    def doubled(given: pl.LazyFrame) -> pl.LazyFrame:
        if is_changed:
            with connected(numbers) as run:
                run("UPDATE foreign_rows SET n = 100 WHERE n = 1")
        return given.select(pl.col("n") * 2)

    builder = Builder().with_modules(create_temporary_module(doubled)).with_warehouse(numbers)
    requests = (
        from_.table(target="given", table="foreign_rows"),
        to.table(id="out", dependencies=["doubled"], table="kept"),
    )
    with builder.with_metadata(f"sqlite:///{tmp_path}/metadata.db").build() as driver:
        driver.materialize(*requests)
        is_changed = True
        with pytest.raises(LoadError, match="foreign_rows has changed since it was loaded"):
            driver.materialize(*requests)
    assert load(numbers, "kept").collect()["n"].sort().to_list() == list(range(0, 20, 2))


def test_what_fails_while_rows_are_read_keeps_its_words(numbers: str) -> None:
    """A value that cannot be read raises the engine's own error, out of polars and out of a save."""
    text = "SELECT CAST(CASE WHEN n = 999 THEN '{}' ELSE '1' END AS {}) AS n FROM numbers"
    if numbers.startswith("sqlite"):
        with connected(numbers) as run:
            run("CREATE TABLE bad (n BIGINT)")
            run("INSERT INTO bad VALUES (1), ('x')")
        frame = load(numbers, "bad")
    else:
        frame = QueryLoader(text.format("x", "INTEGER"), warehouse=numbers).load_data(pl.LazyFrame)[0]
    with pytest.raises(LoadError):
        frame.collect()
    with pytest.raises(LoadError):
        TableSaver("kept", warehouse=numbers).save_data(frame)
    with Warehouse(numbers) as warehouse:
        assert warehouse.tables([warehouse.name("kept")])[warehouse.name("kept")] is None


def test_types_come_back(warehouse_url: str) -> None:
    """A lazy frame has the types that were written, whatever the database keeps, also where there are no rows."""
    frame = pl.DataFrame(
        {
            "word": pl.Series(["b", None], dtype=pl.Enum(["b", "a"])),
            "small": pl.Series([1, None], dtype=pl.UInt8),
            "at": pl.Series([0, 1], dtype=pl.Datetime("ms", "Europe/Paris")),
        }
    )
    for rows in (frame, frame.clear()):
        TableSaver("typed", warehouse=warehouse_url).save_data(rows)
        back = load(warehouse_url, "typed")
        assert back.collect_schema() == frame.schema
        assert back.collect().equals(rows)


def test_a_database_in_memory_is_read_at_once() -> None:
    """A database that has one connection only gives its rows when the frame is loaded."""

    def doubled(given: pl.LazyFrame) -> pl.LazyFrame:
        return given.select(pl.col("n") * 2)

    with Builder().with_modules(create_temporary_module(doubled)).with_warehouse("duckdb://").build() as driver:
        driver.materialize(
            to.table(id="out", dependencies=["doubled"], table="kept"), inputs={"given": pl.LazyFrame({"n": [1]})}
        )
        _, values = driver.materialize(
            from_.table(target="given", table="kept"),
            to.table(id="out", dependencies=["doubled"], table="kept"),
            additional_vars=["doubled"],
        )
        assert values["doubled"].collect()["n"].to_list() == [4]
