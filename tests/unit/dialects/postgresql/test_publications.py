"""What subscribers of a PostgreSQL publication are sent by a save: the rows of the table, under its name."""

from __future__ import annotations

import itertools
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest

from engine.dialects.base import Commit, Intent, Write, WriteMode
from engine.dialects.definitions import TableDefinition
from engine.dialects.postgresql import replace
from engine.dialects.warehouse import Warehouse
from engine.errors import SaveError
from tests.fixtures.databases import end_server, new_server

if TYPE_CHECKING:
    from collections.abc import Iterator

_IDS = itertools.count()
ROWS = pa.table({"id": [1, 2, 3], "name": ["a", "b", "c"]})
OTHER = pa.table({"id": [3, 4], "name": ["d", "e"]})
PUBLICATIONS = ("FOR ALL TABLES", "FOR TABLES IN SCHEMA public")


@pytest.fixture(scope="module")
def publisher() -> Iterator[psycopg.Connection[Any]]:
    """A server of its own whose log can be decoded, with a slot in it; none of the tests' usual settings."""
    server = new_server()
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET wal_level = logical")
            row = connection.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchone()
        assert row is not None
        folder = str(server.pgdata)
        restart = [f"{row[0]}/pg_ctl", "restart", "-w", "-m", "fast", "-D", folder, "-l", f"{folder}/restart.log"]
        subprocess.run(restart, check=True, capture_output=True, cwd="/", user=server.pgdata.owner())  # noqa: S603 - its own
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            yield connection
    finally:
        end_server(server)


@pytest.fixture(params=PUBLICATIONS)
def published(publisher: psycopg.Connection[Any], request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    """A database without tables, all of whose tables to come are published; every table counts as large."""
    publisher.execute(f"CREATE PUBLICATION p {request.param}".encode())
    publisher.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replace, "IN_PLACE_ROWS", 0)
        yield publisher
    publisher.execute("SELECT pg_drop_replication_slot('s')")
    publisher.execute("DROP PUBLICATION p; DROP SCHEMA IF EXISTS _engine CASCADE")
    publisher.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def save(plain: psycopg.Connection[Any], rows: pa.Table, *, adopt: bool = False, **asked: Any) -> Commit:
    """Save rows as table ``t``."""
    info = plain.info
    with Warehouse(f"postgresql://{info.user}@/{info.dbname}?host={info.host}", wait_s=10) as warehouse:
        write = Write(warehouse.name("t"), WriteMode.REPLACE, definition=TableDefinition.of(**asked))
        return warehouse.save(rows.to_reader(), write, Intent(commit_id=f"published-{next(_IDS)}", adopt=adopt))


def sent(plain: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """Return what a subscriber is sent since it last asked: the table's name, and insert, update, delete or truncate.

    Source: PostgreSQL's documentation, logical replication message formats.
    """
    ask = "SELECT data FROM pg_logical_slot_get_binary_changes('s', NULL, NULL, 'proto_version', '1', %s, 'p')"
    names: dict[bytes, str] = {}
    changes = []
    for (data,) in plain.execute(ask, ("publication_names",)).fetchall():
        kind, number = data[:1], data[1:5]
        if kind == b"R":
            schema, name = data[5:].split(b"\0")[:2]
            names[number] = f"{schema.decode()}.{name.decode()}"
        elif kind in b"IUD":
            changes.append((names[number], kind.decode()))
        elif kind == b"T":
            changes.append(("truncated", kind.decode()))
    return [change for change in changes if not change[0].startswith(("_engine.", "public._engine"))]


@pytest.mark.parametrize("asked", [{}, {"types": {"name": "varchar(9)"}}, {"not_null": ("id",)}], ids=str)
def test_subscribers_are_sent_rows_of_the_table(published: psycopg.Connection[Any], asked: dict[str, Any]) -> None:
    """A first save and a replace send the rows under the table's name, and nothing under any other."""
    save(published, ROWS, primary_key=("id",), **asked)
    assert sent(published) == [("public.t", "I")] * 3
    save(published, OTHER, primary_key=("id",), **asked)
    assert sent(published) == [("public.t", "D")] * 3 + [("public.t", "I")] * 2
    assert published.execute("SELECT relpersistence FROM pg_class WHERE relname = 't'").fetchone() == ("p",)
    assert published.execute("SELECT array_agg(id ORDER BY id) FROM t").fetchone() == ([3, 4],)


def test_other_columns_would_be_sent_to_nobody(published: psycopg.Connection[Any]) -> None:
    """A replace with other columns needs a new table, which the subscribers do not have: it is refused and says so."""
    save(published, ROWS, primary_key=("id",))
    with pytest.raises(SaveError, match="publication"):
        save(published, OTHER.append_column("more", pa.array([1, 2])))
    assert published.execute("SELECT count(*) FROM t").fetchone() == (3,)


def test_rows_without_identity_cannot_be_deleted_elsewhere(published: psycopg.Connection[Any]) -> None:
    """Where a published table has no key, subscribers could not tell which rows go: the error says what to do."""
    save(published, ROWS)
    with pytest.raises(SaveError, match="replica identity") as caught:
        save(published, OTHER)
    assert "REPLICA IDENTITY" in str(caught.value.hint)


def test_a_table_in_the_place_of_a_view_is_refused(published: psycopg.Connection[Any]) -> None:
    """What was staged unlogged does not become a table: it would be sent to nobody and not outlive a crash."""
    published.execute("CREATE VIEW t AS SELECT 1 AS id, 'x' AS name")
    with pytest.raises(SaveError, match="publication"):
        save(published, ROWS, adopt=True)
    assert published.execute("SELECT id FROM t").fetchone() == (1,)
