"""What can stay in the database stays there; what leaves it passes in batches, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import duckdb  # noqa: TC002 - the annotations of nodes are resolved at run time
import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as postgresql_dialect
from sqlalchemy.dialects import sqlite as sqlite_dialect

from engine.ad_hoc_utils import create_temporary_module
from engine.dialects.sql import with_literals
from engine.dialects.warehouse import Warehouse
from engine.driver import Builder
from engine.io.materialization import from_, to
from engine.io.tables import QueryLoader, TableLoader, TableSaver, query_behind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 300_000


@pytest.fixture
def numbers(warehouse_url: str) -> str:
    """A warehouse with a table of numbers."""
    TableSaver("numbers", warehouse=warehouse_url).save_data(pl.DataFrame({"n": range(1_000)}))
    return warehouse_url


def materialize(url: str, load: Any, *functions: Callable[..., Any]) -> None:
    """Run nodes of which the first reads ``given`` and the last is kept as the table ``kept``."""
    with Builder().with_modules(create_temporary_module(*functions)).with_warehouse(url).build() as driver:
        driver.materialize(load, to.table(id="out", dependencies=[functions[-1].__name__], table="kept"))


def content_hash(url: str) -> str:
    """Return what made the content hash of the table ``kept``: the database, or the stream of its rows in Python."""
    with Warehouse(url) as warehouse:
        head = warehouse.heads([warehouse.name("kept")])[warehouse.name("kept")]
    assert head is not None
    return str(head.content_hash).partition("-")[0].partition(":")[0]


def test_selects_chain_into_one_statement(numbers: str, database: str) -> None:
    """Nodes on Selects are one statement of the database, which alone ever sees the rows."""

    def few(given: sa.Select) -> sa.Select:
        return given.where(given.selected_columns.n < 10)

    def doubled(few: sa.Select) -> sa.Select:
        rows = few.subquery()
        return sa.select((rows.c.n * 2).label("twice"))

    materialize(
        numbers,
        from_.query(target="given", sql="SELECT n FROM numbers WHERE n >= :low", params={"low": 5}),
        few,
        doubled,
    )
    found = TableLoader("kept", warehouse=numbers).load_data(pa.Table)[0]
    assert sorted(found["twice"].to_pylist()) == [10, 12, 14, 16, 18]
    assert content_hash(numbers) == database


def test_ibis_expressions_chain_into_one_statement(numbers: str, database: str) -> None:
    """Nodes on unbound ibis tables are one statement of the database, which reads a filtered table and no rows."""
    plans = []

    def few(given: ibis.Table) -> ibis.Table:
        return given.filter(given.n < 10)

    def doubled(few: ibis.Table, given: ibis.Table) -> ibis.Table:
        made = few.join(given.filter(given.n >= 5), "n").select(twice=few.n * 2)
        with Warehouse(numbers) as warehouse:
            query = query_behind(warehouse, made)
            assert query is not None
            plans.append(plan_of(warehouse, query))
        return made

    materialize(
        numbers, from_.table(target="given", table="numbers", where="n > :low", params={"low": 6}), few, doubled
    )
    found = TableLoader("kept", warehouse=numbers).load_data(pa.Table)[0]
    assert sorted(found["twice"].to_pylist()) == [14, 16, 18]
    assert content_hash(numbers) == database
    assert plans[0].upper().count("SCAN") + plans[0].upper().count("SEARCH") >= 2
    assert "CTE" not in plans[0].upper()


def plan_of(warehouse: Warehouse, query: Any) -> str:
    """Return how the database would run a query."""
    dialect, connection = warehouse.dialect, warehouse._connection()
    words = "EXPLAIN QUERY PLAN" if dialect.traits.name == "sqlite" else "EXPLAIN"
    names = {
        "postgresql": postgresql_dialect.dialect,
        "sqlite": sqlite_dialect.dialect,
        "duckdb": postgresql_dialect.dialect,
    }
    text = with_literals(query, names[dialect.traits.name]())
    return "\n".join(str(row[-1]) for row in dialect.run(connection, f"{words} {text}"))


def test_an_ibis_query_keeps_its_text_and_parameters(numbers: str, database: str) -> None:
    """A query is a table to ibis, with whatever its text and names hold, and is not run by being loaded."""
    text = (
        """SELECT n AS "odd.name", 'a:b' || :tail AS "q""x:y %s", n AS "N 2" FROM numbers WHERE n < 3 ORDER BY n DESC"""
    )
    found, _ = QueryLoader(text, {"tail": "%:c"}, warehouse=numbers).load_data(ibis.Table)
    assert found.columns == ("odd.name", 'q"x:y %s', "N 2")
    kept = found.filter(found['q"x:y %s'].like("a:b%:c")).mutate(colon=ibis.literal("x:y \\:z 1::2 %d"))
    TableSaver("kept", warehouse=numbers).save_data(kept)
    back = TableLoader("kept", warehouse=numbers).load_data(pa.Table)[0]
    assert back.to_pydict() == {
        "odd.name": [2, 1, 0],
        'q"x:y %s': ["a:b%:c"] * 3,
        "N 2": [2, 1, 0],
        "colon": ["x:y \\:z 1::2 %d"] * 3,
    }
    assert content_hash(numbers) == database
    failing = "SELECT CAST(CASE WHEN n = 999 THEN 'x' ELSE '1' END AS INTEGER) AS n FROM numbers"
    assert isinstance(QueryLoader(failing, warehouse=numbers).load_data(ibis.Table)[0], ibis.Table)


def test_an_ibis_expression_streams_into_another_database(numbers: str, tmp_path: Path) -> None:
    """The rows of an expression that is saved elsewhere pass in batches."""

    def few(given: ibis.Table) -> ibis.Table:
        return given.filter(given.n < 3).order_by("n")

    other = f"duckdb:///{tmp_path}/other.duckdb"
    materialize(other, from_.table(target="given", table="numbers", warehouse=numbers), few)
    assert TableLoader("kept", warehouse=other).load_data(pa.Table)[0].to_pydict() == {"n": [0, 1, 2]}
    assert content_hash(other).startswith("polars")


def test_an_ibis_expression_can_be_a_view(numbers: str) -> None:
    """A view has the expression's definition."""

    def few(given: ibis.Table) -> ibis.Table:
        return given.filter(given.n < 3)

    with Builder().with_modules(create_temporary_module(few)).with_warehouse(numbers).build() as driver:
        driver.materialize(
            from_.table(target="given", table="numbers", where="n > :low", params={"low": 0}),
            to.table(id="out", dependencies=["few"], table="kept", mode="view"),
        )
    assert TableLoader("kept", warehouse=numbers).load_data(pa.Table)[0]["n"].to_pylist() == [1, 2]


def test_rows_of_a_frame_pass_through_python(numbers: str) -> None:
    """A frame's rows are hashed while they pass, which tells this way from the other."""

    def same(given: pa.RecordBatchReader) -> pa.RecordBatchReader:
        return given

    materialize(numbers, from_.table(target="given", table="numbers"), same)
    assert content_hash(numbers).startswith("polars")


def test_relations_are_one_plan(tmp_path: Path) -> None:
    """A relation of a query filters where the table is scanned: its plan has no scan of Arrow or of Python objects."""
    url = f"duckdb:///{tmp_path}/w.duckdb"
    TableSaver("numbers", warehouse=url).save_data(pl.DataFrame({"n": range(1_000)}))
    plans = []

    def few(given: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return given.filter("n < 10")

    def doubled(few: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        made = few.project("n * 2 AS twice")
        plans.append(made.explain())
        return made

    materialize(url, from_.query(target="given", sql="SELECT n FROM numbers"), few, doubled)
    assert "ARROW" not in plans[0].upper()
    assert plans[0].replace("_", " ").upper().count("SEQ SCAN") >= 1
    assert "n<10" in plans[0].replace(" ", "")
    assert content_hash(url) == "duckdb"


def test_a_query_into_a_lazy_type_does_not_run(numbers: str) -> None:
    """Loading a query as a Select asks for its columns, not for its rows: one that fails for a row is loaded."""
    failing = "SELECT CAST(CASE WHEN n = 999 THEN 'x' ELSE '1' END AS INTEGER) AS n FROM numbers"
    assert isinstance(QueryLoader(failing, warehouse=numbers).load_data(sa.Select)[0], sa.Select)


@pytest.mark.parametrize("type_", [pa.RecordBatchReader, Iterator[pd.DataFrame]])
def test_streams_pass_in_order(warehouse_url: str, tmp_path: Path, type_: Any) -> None:
    """Rows go from DuckDB through a node to each database and back in batches, none of them the whole, in order."""
    source, sizes = f"duckdb:///{tmp_path}/source.duckdb", []
    TableSaver("numbers", warehouse=source).save_data(pl.DataFrame({"n": range(ROWS)}))

    def seen(given: Any) -> Any:
        def stream() -> Iterator[Any]:
            for part in given:
                sizes.append(len(part))
                yield part

        made = stream()
        return pa.RecordBatchReader.from_batches(given.schema, made) if hasattr(given, "schema") else made

    seen.__annotations__ = {"given": type_, "return": type_}
    materialize(warehouse_url, from_.table(target="given", table="numbers", warehouse=source), seen)
    assert (sum(sizes), max(sizes) < ROWS) == (ROWS, True)
    back, _ = TableLoader("kept", warehouse=warehouse_url).load_data(pa.Table)
    assert back["n"].to_pylist() == list(range(ROWS))
