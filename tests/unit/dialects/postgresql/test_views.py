"""What belongs to a PostgreSQL view, or to what a view takes the place of, is kept or refused by name."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest

from engine.dialects.base import Commit, Intent, Write, WriteMode
from engine.dialects.warehouse import Warehouse
from engine.errors import SaveError

if TYPE_CHECKING:
    from collections.abc import Iterator

_IDS = itertools.count()
ROWS = pa.table({"id": [1, 2, 3], "name": ["a", "b", "c"]})
GRANTS = """
SELECT grantee, is_grantable FROM information_schema.role_table_grants WHERE table_name = 'v' AND grantee <> %s
"""


@pytest.fixture
def warehouse(postgresql_url: str) -> Iterator[Warehouse]:
    """A database with a table to make views of."""
    with Warehouse(postgresql_url, wait_s=10) as opened:
        save(opened, ROWS, "source")
        yield opened


@pytest.fixture
def plain(postgresql_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of somebody else."""
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        yield connection


def save(warehouse: Warehouse, rows: pa.Table | str, table: str = "v", **options: Any) -> Commit:
    """Save rows as a table, or a query as a view."""
    mode = WriteMode.REPLACE if isinstance(rows, pa.Table) else WriteMode.VIEW
    value = rows.to_reader() if isinstance(rows, pa.Table) else warehouse.query_text(rows)
    intent = Intent(commit_id=f"views-{next(_IDS)}", **options)
    return warehouse.save(value, Write(warehouse.name(table), mode), intent)


def test_a_view_keeps_its_options(warehouse: Warehouse, plain: psycopg.Connection[Any]) -> None:
    """A view that checks the rights of who asks, and rows that enter by it, still does so under another query."""
    save(warehouse, "SELECT id, name FROM source")
    plain.execute("ALTER VIEW v SET (security_invoker = on, check_option = local)")
    plain.execute("GRANT SELECT ON v TO PUBLIC; CREATE VIEW w AS SELECT * FROM v")
    save(warehouse, "SELECT id, name, id + 1 AS more FROM source WHERE id < 3")
    assert plain.execute("SELECT reloptions FROM pg_class WHERE relname = 'v'").fetchone() == (
        ["security_invoker=on", "check_option=local"],
    )
    assert plain.execute(GRANTS, (plain.info.user,)).fetchall() == [("PUBLIC", "NO")]
    assert plain.execute("SELECT count(*) FROM w").fetchone() == (2,)


@pytest.mark.parametrize("before", ["view", "table"])
@pytest.mark.parametrize("after", ["view", "table"])
def test_another_kind_or_other_columns(
    warehouse: Warehouse, plain: psycopg.Connection[Any], before: str, after: str
) -> None:
    """A view or table in the place of another one has its grants and comments."""
    first: dict[str, Any] = {"view": "SELECT id, name FROM source", "table": ROWS}
    second: dict[str, Any] = {"view": "SELECT name FROM source", "table": ROWS.select(["name"])}
    save(warehouse, first[before])
    plain.execute("GRANT SELECT ON v TO PUBLIC; GRANT UPDATE (name) ON v TO PUBLIC; COMMENT ON COLUMN v.name IS 'Who'")
    assert save(warehouse, second[after]).changed
    assert plain.execute("SELECT * FROM v ORDER BY 1").fetchall() == [("a",), ("b",), ("c",)]
    assert plain.execute(GRANTS, (plain.info.user,)).fetchall() == [("PUBLIC", "NO")]
    assert plain.execute("SELECT col_description('v'::regclass, 1)").fetchone() == ("Who",)
    assert plain.execute("SELECT count(*) FROM pg_class WHERE relname LIKE '\\_e\\_%'").fetchone() == (0,)


@pytest.mark.parametrize(
    ("before", "made", "after", "named"),
    [
        ("view", "CREATE VIEW w AS SELECT * FROM v", "view", "dependent view w"),
        ("view", "CREATE VIEW w AS SELECT * FROM v", "table", "dependent view w"),
        ("view", "CREATE RULE r AS ON INSERT TO v DO INSTEAD NOTHING", "view", "rule r"),
        ("view", "ALTER VIEW v SET (security_invoker = on)", "table", "storage options"),
        ("table", "CREATE VIEW w AS SELECT * FROM v", "view", "dependent view w"),
        ("table", "CREATE INDEX i ON v (id)", "view", "index i"),
        ("table", "ALTER TABLE v ADD PRIMARY KEY (id)", "view", "constraint v_pkey"),
        ("table", "COMMENT ON COLUMN v.id IS 'The key'", "view", "comment on column id"),
    ],
)
def test_what_would_be_lost_is_refused(
    warehouse: Warehouse, plain: psycopg.Connection[Any], before: str, made: str, after: str, named: str
) -> None:
    """What the new one cannot have is named, and the old one stands."""
    first: dict[str, Any] = {"view": "SELECT id, name FROM source", "table": ROWS}
    second: dict[str, Any] = {"view": "SELECT name FROM source", "table": ROWS.select(["name"])}
    save(warehouse, first[before])
    plain.execute(made.encode())
    with pytest.raises(SaveError, match=named):
        save(warehouse, second[after])
    assert plain.execute("SELECT id FROM v ORDER BY id").fetchall() == [(1,), (2,), (3,)]


def test_a_materialized_view_is_refused(warehouse: Warehouse, plain: psycopg.Connection[Any]) -> None:
    """A materialized view is not the engine's to drop."""
    plain.execute("CREATE MATERIALIZED VIEW v AS SELECT * FROM source")
    with pytest.raises(SaveError, match="materialized view"):
        save(warehouse, ROWS, adopt=True)
    assert plain.execute("SELECT count(*) FROM v").fetchone() == (3,)


def test_a_view_does_not_queue_readers(
    warehouse: Warehouse, plain: psycopg.Connection[Any], postgresql_url: str
) -> None:
    """While a view waits to be replaced behind a long reader, new readers wait a fraction of a second at most."""
    save(warehouse, "SELECT id, name FROM source")
    waits: list[float] = []
    with psycopg.connect(postgresql_url) as long_reader, ThreadPoolExecutor(1) as pool:
        long_reader.execute("SELECT * FROM v").fetchall()
        saving = pool.submit(save, warehouse, "SELECT id, name FROM source WHERE id > 1")
        for _ in range(8):
            began = time.monotonic()
            plain.execute("SELECT * FROM v").fetchall()
            waits.append(time.monotonic() - began)
            time.sleep(0.05)
        assert not saving.done()
        long_reader.commit()
        assert saving.result().changed
    assert max(waits) < 1
