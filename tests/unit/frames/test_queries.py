"""Frames that stay in a database: DuckDB relations, ibis tables and SQLAlchemy selects."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import duckdb
import ibis
import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.errors import LoadError, SaveError
from engine.frames.duckdb import DuckDBRelations
from engine.frames.ibis import IbisTables
from engine.frames.sqlalchemy import SQLAlchemySelects

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLE = sa.table("t", sa.column("a"), sa.column("b"))


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory database."""
    with duckdb.connect() as connection:
        yield connection


def test_a_relation_streams_its_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """A relation gives its rows as a stream, and its columns without running."""
    relation = connection.sql('SELECT i AS x, i * 2 AS "od d." FROM range(3) AS r(i)')
    library = DuckDBRelations()
    assert list(library.column_names(relation)) == ["x", "od d."]
    assert library.row_count(relation) is None
    assert library.to_arrow(relation).read_all().to_pydict() == {"x": [0, 1, 2], "od d.": [0, 2, 4]}
    assert library.column(relation, "od d.").fetchall() == [(0,), (2,), (4,)]


def test_a_relation_that_fails_is_a_save_error(connection: duckdb.DuckDBPyConnection) -> None:
    """A relation whose table is gone is refused with DuckDB's own words."""
    connection.execute("CREATE TABLE t AS SELECT 1 AS x")
    relation = connection.sql("FROM t")
    connection.execute("DROP TABLE t")
    with pytest.raises(SaveError, match="DuckDB relation"):
        DuckDBRelations().to_arrow(relation).read_all()


@pytest.mark.parametrize(
    "query",
    [
        sa.select(_TABLE.c.a, _TABLE.c.b),
        sa.union_all(sa.select(_TABLE), sa.select(_TABLE)),
        sa.text("SELECT a, b FROM t").columns(sa.column("a"), sa.column("b")),
        sa.Table("t", sa.MetaData(), sa.Column("a"), sa.Column("b")),
    ],
    ids=lambda query: type(query).__name__,
)
def test_a_select_knows_its_columns_but_no_database(query: sa.Select[tuple[int]]) -> None:
    """A select names its columns and makes a select of one; its rows are in a database it does not know."""
    library = SQLAlchemySelects()
    assert library.column_names(query) == ("a", "b")
    assert str(library.column(query, "b")).startswith("SELECT")
    assert library.column_names(library.column(query, "b")) == ("b",)
    assert library.row_count(query) is None
    with pytest.raises(KeyError):
        library.column(query, "c")
    with pytest.raises(SaveError, match="which database"):
        library.to_arrow(query)
    with pytest.raises(LoadError, match="in memory"):
        library.from_arrow(pa.table({"x": [1]}).to_reader(), type(query))


def test_a_bare_text_hides_its_columns() -> None:
    """The columns of a text are unknown until it runs."""
    assert SQLAlchemySelects().column_names(sa.text("SELECT 1")) == ()
    with pytest.raises(KeyError):
        SQLAlchemySelects().column(sa.text("SELECT 1"), "x")


@pytest.fixture
def loaded() -> ibis.Table:
    """A table of a database."""
    schema = pa.schema([("n", pa.int64()), ("at", pa.timestamp("us", "UTC")), ("odd", pa.month_day_nano_interval())])
    made: ibis.Table = IbisTables().of_query(sa.text("SELECT * FROM t WHERE n > :n").bindparams(n=1), schema, "here")
    return made


def test_ibis_tables_are_columns_of_a_query(loaded: ibis.Table) -> None:
    """An unbound table knows its columns and types without a database; rows in memory cannot become one."""
    library = IbisTables()
    assert library.column_names(loaded) == ("n", "at", "odd")
    assert library.column_types(loaded) == ["int64", "timestamp('UTC', 6)", "unknown"]
    assert library.column_names(library.column(loaded, "at")) == ("at",)
    assert library.row_count(loaded) is None
    with pytest.raises(KeyError):
        library.column(loaded, "c")
    with pytest.raises(SaveError, match="which database"):
        library.to_arrow(loaded)
    with pytest.raises(LoadError, match="made only by reading"):
        library.from_arrow(pa.table({"x": [1]}).to_reader(), ibis.Table)


def test_ibis_expressions_belong_to_the_database_of_their_tables(loaded: ibis.Table) -> None:
    """An expression compiles for its own database, also after a pickle; one of no loaded tables compiles for any."""
    library = IbisTables()
    for table in (loaded, pickle.loads(pickle.dumps(loaded))):  # noqa: S301 - pickled here
        query = library.as_query(table.filter(table.n > 2), "postgresql", "here")
        assert query is not None
        assert query.compile().params == {"n": 1}
        assert library.as_query(table, "postgresql", "there") is None
    other = ibis.table({"n": "int64"}, name="other")
    assert 'FROM "other"' in str(library.as_query(other, "sqlite", "anywhere"))
    assert library.as_query(other.join(loaded, "n"), "duckdb", "there") is None


def test_what_ibis_cannot_compile_is_refused(loaded: ibis.Table) -> None:
    """An operation or a database that ibis has no SQL for is named."""
    library = IbisTables()
    with pytest.raises(SaveError, match=r"SQL of sqlite.*Quantile"):
        library.as_query(loaded.mutate(q=loaded.n.quantile(0.3).over()), "sqlite", "here")
    with pytest.raises(SaveError, match="nowhere"):
        library.as_query(loaded, "nowhere", "here")
