"""What belongs to a table of DuckDB or SQLite is there after its rows were replaced, and still does its work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from engine.dialects.base import Intent, Write, WriteMode
from engine.dialects.warehouse import Warehouse
from engine.errors import SaveError, StorageError
from engine.identifiers import new_id
from tests.fixtures.dataflows import run_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = pa.table({"id": [1, 2, 3], "name": ["a", "b", "c"], "amount": [1.0, 2.0, 3.0]})
MADE = (
    """CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL DEFAULT 'nobody',
       amount DOUBLE CHECK (amount >= 0), UNIQUE (name))""",
    "CREATE INDEX by_amount ON things (amount)",
    "CREATE VIEW watching AS SELECT id, name FROM things",
)
REFUSED = (
    "INSERT INTO things VALUES (1, 'x', 1.0)",
    "INSERT INTO things VALUES (9, NULL, 1.0)",
    "INSERT INTO things VALUES (9, 'x', -1.0)",
    "INSERT INTO things VALUES (9, 'a', 1.0)",
)
"""What breaks the primary key, NOT NULL, the check and the unique constraint."""


@pytest.fixture
def warehouse(database: str, warehouse_url: str) -> Iterator[Warehouse]:
    """A database with a table that has all that a table can have, adopted by the engine."""
    if database == "postgresql":
        pytest.skip("it has a test of its own, for many more properties")
    run_sql(warehouse_url, *MADE)
    if database == "duckdb":
        run_sql(warehouse_url, "COMMENT ON TABLE things IS 'All things'", "COMMENT ON COLUMN things.id IS 'The key'")
    with Warehouse(warehouse_url, wait_s=5) as opened:
        save(opened, ROWS, adopt=True)
        yield opened


def save(warehouse: Warehouse, rows: Any, **options: Any) -> None:
    """Replace the table's rows."""
    stream = rows.to_reader() if isinstance(rows, pa.Table) else rows
    warehouse.save(stream, Write(warehouse.name("things"), WriteMode.REPLACE), Intent(commit_id=new_id(), **options))


def read(warehouse: Warehouse, sql: str) -> list[Any]:
    """Run a query."""
    return [tuple(row.values()) for row in warehouse.read(warehouse.query_text(sql))[0].read_all().to_pylist()]


def check(warehouse: Warehouse, url: str, rows: list[tuple[int, str]]) -> None:
    """Check that the view sees these rows and that every constraint still refuses."""
    assert read(warehouse, "SELECT id, name FROM watching ORDER BY id") == rows
    warehouse.close()
    for statement in REFUSED:
        with pytest.raises(Exception, match=r"(?i)constraint|duplicate"):
            run_sql(url, statement)
    run_sql(url, "INSERT INTO things (id, amount) VALUES (99, 0.0)", "DELETE FROM things WHERE name = 'nobody'")


def test_new_rows(warehouse: Warehouse, warehouse_url: str) -> None:
    """Rows of which some have the keys of the old ones replace them; keys, checks, defaults, indexes and views stay."""
    save(warehouse, pa.table({"id": [1, 3, 4], "name": ["a", "b", "d"], "amount": [5.0, 6.0, 7.0]}))
    check(warehouse, warehouse_url, [(1, "a"), (3, "b"), (4, "d")])


def test_columns_in_another_order(warehouse: Warehouse, warehouse_url: str) -> None:
    """Rows are matched with the columns by name."""
    save(warehouse, ROWS.select(["amount", "name", "id"]).slice(0, 1))
    check(warehouse, warehouse_url, [(1, "a")])


def test_rows_of_a_query(warehouse: Warehouse, warehouse_url: str) -> None:
    """A query of the same database, of the very table too, replaces rows like a frame."""
    save(warehouse, warehouse.query_text("SELECT id, lower(name) AS name, amount FROM things WHERE id < 3"))
    check(warehouse, warehouse_url, [(1, "a"), (2, "b")])


def test_rows_that_break_a_constraint(warehouse: Warehouse, warehouse_url: str) -> None:
    """Rows that the table's constraints forbid are refused, and the old rows stand with all that belongs to them."""
    for bad in ({"id": [1, 1]}, {"name": ["a", None]}, {"amount": [1.0, -1.0]}, {"name": ["a", "a"]}):
        rows = {"id": [1, 2], "name": ["a", "b"], "amount": [1.0, 2.0]} | bad
        with pytest.raises(StorageError, match=r"(?i)constraint|duplicate"):
            save(warehouse, pa.table(rows))
    check(warehouse, warehouse_url, [(1, "a"), (2, "b"), (3, "c")])


def test_other_columns_are_refused(warehouse: Warehouse, warehouse_url: str) -> None:
    """Columns that the constraints do not fit are refused, naming what would be lost, and nothing changes."""
    with pytest.raises(SaveError, match=r"(?i)primary key"):
        save(warehouse, pa.table({"id": [1], "other": ["x"]}))
    check(warehouse, warehouse_url, [(1, "a"), (2, "b"), (3, "c")])


def test_comments(warehouse: Warehouse, database: str) -> None:
    """Comments of table and columns are as they were, where a database has them."""
    if database != "duckdb":
        pytest.skip("SQLite has no comments")
    save(warehouse, ROWS.slice(1))
    comments = "SELECT comment FROM duckdb_columns() WHERE table_name = 'things' AND comment IS NOT NULL"
    assert read(warehouse, comments) == [("The key",)]
    ((comment,),) = read(warehouse, "SELECT comment FROM duckdb_tables() WHERE table_name = 'things'")
    assert comment.startswith("All things\n")
