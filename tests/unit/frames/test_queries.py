"""Frames that stay in a database: DuckDB relations and SQLAlchemy selects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.errors import LoadError, SaveError
from engine.frames.duckdb import DuckDBRelations
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
