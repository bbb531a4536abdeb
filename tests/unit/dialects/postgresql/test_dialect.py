"""What only PostgreSQL promises: readers with old snapshots, properties that are kept, locks between processes."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.dialects.base import Intent, Write, WriteMode
from engine.dialects.warehouse import Warehouse
from engine.errors import ConcurrentWriteError, LoadError, SaveError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.dialects.base import Commit

_IDS = itertools.count(1)
SMALL = pa.table({"id": [1, 2, 3]})


@pytest.fixture
def warehouse(postgresql_url: str) -> Iterator[Warehouse]:
    """An empty database, open."""
    with Warehouse(postgresql_url, wait_s=10) as opened:
        yield opened


@pytest.fixture
def plain(postgresql_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of somebody else's."""
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        yield connection


def save(warehouse: Warehouse, rows: Any, table: str = "t", mode: str = "replace", **options: Any) -> Commit:
    """Save rows."""
    keys = tuple(options.pop("keys", ()))
    stream = rows.to_reader() if isinstance(rows, pa.Table) else rows
    write = Write(warehouse.name(table), WriteMode(mode), keys)
    return warehouse.save(stream, write, Intent(commit_id=f"pg-{next(_IDS)}", **options))


def oid(plain: psycopg.Connection[Any], table: str = "public.t") -> int:
    """Return what tells one physical table from another."""
    row = plain.execute("SELECT to_regclass(%s)::oid::int", (table,)).fetchone()
    assert row is not None
    return int(row[0])


def test_a_comment_is_kept(warehouse: Warehouse, plain: psycopg.Connection[Any]) -> None:
    """What a person wrote about a table stays in front of the stamp, through replaces in place and swaps."""
    save(warehouse, SMALL)
    plain.execute("COMMENT ON TABLE t IS 'The things'")
    assert save(warehouse, SMALL).changed
    commit = save(warehouse, pa.table({"other": [1]}))
    row = plain.execute("SELECT obj_description('t'::regclass)").fetchone()
    assert row == (f"The things\n[engine commit {commit.row.commit_id}]",)


@pytest.mark.parametrize("mode", ["replace", "append", "upsert", "delete_insert"])
def test_two_savers_take_turns(postgresql_url: str, mode: str) -> None:
    """Several connections saving one new table at once all commit in turn, and no row is lost or doubled."""
    count, keys = 4, ["id"] if mode in ("upsert", "delete_insert") else []

    def one(_: int) -> list[int]:
        with Warehouse(postgresql_url, wait_s=30) as warehouse:
            seqs = []
            for _ in range(3):
                done = save(warehouse, SMALL, "new.t", mode, keys=keys, skip_unchanged=False)
                seqs.append(done.row.seq)
            return seqs

    with ThreadPoolExecutor(count) as pool:
        seqs = [seq for found in pool.map(one, range(count)) for seq in found]
    assert sorted(seqs) == list(range(1, 3 * count + 1))
    with psycopg.connect(postgresql_url) as connection:
        rows = 3 * 3 * count if mode == "append" else 3
        assert connection.execute("SELECT count(*) FROM new.t").fetchone() == (rows,)


def test_the_holder_of_a_lock_is_named(warehouse: Warehouse, postgresql_url: str) -> None:
    """A save that waits too long says who holds the table."""
    with Warehouse(postgresql_url, wait_s=0.2) as impatient:

        def stream() -> Iterator[pa.RecordBatch]:
            with pytest.raises(ConcurrentWriteError, match="server process") as caught:
                save(impatient, SMALL)
            assert str(warehouse._open.control.info.backend_pid) in caught.value.holder
            yield from SMALL.to_batches()

        save(warehouse, pa.RecordBatchReader.from_batches(SMALL.schema, stream()))


def test_numerics_are_exact(warehouse: Warehouse, plain: psycopg.Connection[Any]) -> None:
    """Numerics of any precision come back as decimals with every digit, NULL and sign."""
    plain.execute(
        "CREATE TABLE n (a numeric(18,4), b numeric(38,9), c numeric, d numeric(5), e numeric[], u uuid, j jsonb)"
    )
    plain.execute(
        "INSERT INTO n VALUES (-12345678901234.5678, 12345678901234567890123456789.123456789, 1.50, -7, '{1.5}',"
        " '00000000-0000-0000-0000-000000000001', '{\"a\": 1}'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
        " (0.0001, -0.000000001, -123.4567, 99999, '{}', NULL, '[]')"
    )
    found = warehouse.read(warehouse.query_table(warehouse.name("n")))[0].read_all()
    assert found.schema.types[:4] == [
        pa.decimal128(18, 4), pa.decimal128(38, 9), pa.decimal128(38, 4), pa.decimal128(5, 0)
    ]  # fmt: skip
    assert found["a"].to_pylist() == [Decimal("-12345678901234.5678"), None, Decimal("0.0001")]
    assert found["b"].to_pylist() == [Decimal("12345678901234567890123456789.123456789"), None, Decimal("-0.000000001")]
    assert found["c"].to_pylist() == [Decimal("1.5"), None, Decimal("-123.4567")]
    assert found["j"].to_pylist() == ['{"a": 1}', None, "[]"]
    plain.execute("INSERT INTO n (a) VALUES ('NaN')")
    with pytest.raises(LoadError):
        warehouse.read(warehouse.query_table(warehouse.name("n")))[0].read_all()


def test_what_pgpq_lacks_is_converted_or_refused(warehouse: Warehouse) -> None:
    """Nanoseconds that are zero, dictionaries, lists and durations are kept; what would change is refused by name."""
    ns = pa.array([dt.datetime(2026, 1, 1)], pa.timestamp("ns"))  # noqa: DTZ001 - naive on purpose
    kept = {
        "ns": ns,
        "l": pa.array([[1, None]]),
        "d": pa.array([dt.timedelta(days=1)], pa.duration("ns")),
        "u": [2**64 - 1],
    }
    save(warehouse, pa.table({**kept, "u": pa.array([2**64 - 1], pa.uint64())}))
    found = warehouse.read(warehouse.query_table(warehouse.name("t")))[0].read_all()
    assert found["ns"].to_pylist() == [dt.datetime(2026, 1, 1)]  # noqa: DTZ001
    assert found["u"].to_pylist() == [Decimal(2**64 - 1)]
    for name, bad in {
        "nano": pa.array([1], pa.timestamp("ns")),
        "struct": pa.array([{"a": 1}]),
        "nul": pa.array(["a\0b"]),
        "wide": pa.array([Decimal(1)], pa.decimal256(50, 0)),
    }.items():
        with pytest.raises(SaveError, match=name):
            save(warehouse, pa.table({name: bad}), "bad")


def test_long_names_are_refused(warehouse: Warehouse) -> None:
    """A name beyond 63 bytes is refused, never cut; one of exactly 63 works."""
    with pytest.raises(SaveError, match="63 bytes"):
        save(warehouse, pa.table({"ä" * 32: [1]}))
    save(warehouse, pa.table({"x" * 63: [1]}), "y" * 63)


def test_a_lost_commit_is_looked_up(warehouse: Warehouse, plain: psycopg.Connection[Any]) -> None:
    """When the connection breaks in a save, the ledger decides what happened, and the warehouse opens again."""
    save(warehouse, SMALL)

    def stream() -> Iterator[pa.RecordBatch]:
        yield from SMALL.to_batches()
        pid = warehouse._open.control.info.backend_pid
        plain.execute("SELECT pg_terminate_backend(%s)", (pid,))
        time.sleep(0.1)

    with pytest.raises(SaveError):
        save(warehouse, pa.RecordBatchReader.from_batches(SMALL.schema, stream()), mode="append")
    warehouse.close()
    assert save(warehouse, SMALL, mode="append").row.seq == 2


CANARY = "C4n@ry/%3A"


def provoke(warehouse: Warehouse, fault: str) -> None:
    """Make the database, or the way to it, fail."""
    if fault in ("sql", "copy"):
        text = {"sql": f"SELECT '{CANARY}' FROM nope", "copy": f"SELECT '{CANARY}'::int"}[fault]
        warehouse.read(warehouse.query_text(text))[0].read_all()
    warehouse.tables([warehouse.name("t")])


@pytest.mark.parametrize("fault", ["password", "host", "port", "database", "sql", "copy"])
def test_no_message_holds_a_password(postgresql_server: str, fault: str) -> None:
    """Whatever goes wrong, the password is in no message, name or representation, and the fault is named."""
    url = sa.make_url(postgresql_server).set(password=CANARY)
    changed = {
        "host": url.set(query={}, host="nowhere.invalid"),
        "port": url.set(query={}, host="127.0.0.1", port=1),
        "database": url.set(database="nope_db"),
    }.get(fault, url)
    text = changed.render_as_string(hide_password=False)
    with Warehouse(text) as warehouse:
        said = [repr(warehouse), warehouse.url, warehouse.namespace]
        if fault != "password":  # the server of the tests trusts every password
            with pytest.raises(StorageError) as caught:
                provoke(warehouse, fault)
            error = caught.value
            said += [str(error), error.message, error.hint, repr(error), error.location]
            assert fault in ("sql", "copy") or error.__cause__ is None
            says = {"host": "no machine has this name", "port": "nothing listens", "database": "has no database"}
            assert says.get(fault, "") in str(error)
        for spelling in (CANARY, "C4n%40ry", "C4n@ry"):
            assert not any(spelling in text for text in said)


def test_a_password_in_the_query_is_refused() -> None:
    """A password in the query string, where every tool prints it, is refused without repeating it."""
    with pytest.raises(ValueError, match="query string") as caught:
        Warehouse("postgresql://u@h/db?password=hunter22")
    assert "hunter22" not in str(caught.value)


def test_a_stream_ends_with_its_warehouse(warehouse: Warehouse) -> None:
    """Closing the database in the middle of a stream is an error of the stream, not a shorter table, and no hang."""
    rows = warehouse.read(warehouse.query_text("SELECT i, repeat('x', 200) FROM generate_series(1, 600000) i"))[0]
    rows.read_next_batch()
    warehouse.close()
    with pytest.raises(LoadError, match="closed"):
        rows.read_all()


def test_a_stream_dropped_early_is_over_at_once(warehouse: Warehouse) -> None:
    """Dropping a stream whose next rows take long interrupts the server instead of waiting for them."""
    text = "CASE WHEN i > 200000 THEN pg_sleep(30)::text ELSE repeat('x', 200) END"
    slow = f"SELECT i, {text} AS t FROM generate_series(1, 200001) i"
    rows = warehouse.read(warehouse.query_text(slow))[0]
    rows.read_next_batch()
    began = time.monotonic()
    rows.close()
    del rows
    assert time.monotonic() - began < 15
    assert warehouse.read(warehouse.query_text("SELECT 1 AS one"))[0].read_all().to_pylist() == [{"one": 1}]
