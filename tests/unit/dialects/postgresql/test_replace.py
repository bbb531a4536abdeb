"""How PostgreSQL replaces a table: what is kept, what readers see meanwhile, and who is named as being in the way."""

from __future__ import annotations

import itertools
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest

from engine.dialects.base import Commit, Intent, Write, WriteMode
from engine.dialects.definitions import TableDefinition
from engine.dialects.postgresql import replace
from engine.dialects.postgresql.link import lock_key
from engine.dialects.warehouse import Warehouse
from engine.errors import ConcurrentWriteError, SaveError, SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_IDS = itertools.count()
ROWS = pa.table({"id": [1, 2, 3], "name": ["a", "b", "c"]})
OTHER = pa.table({"id": [4, 5], "name": ["d", "e"]})
WIDER = OTHER.append_column("more", pa.array([1, 2]))


@pytest.fixture
def warehouse(postgresql_url: str) -> Iterator[Warehouse]:
    """An empty PostgreSQL database, open."""
    with Warehouse(postgresql_url, wait_s=10) as opened:
        yield opened


@pytest.fixture
def plain(postgresql_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of somebody else."""
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(params=["in place", "swap"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a table is replaced that leaves the choice: small ones in place, large ones by a new table."""
    monkeypatch.setattr(replace, "IN_PLACE_ROWS", 0 if request.param == "swap" else 1_000_000)
    return str(request.param)


@pytest.fixture
def swap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table counts as large."""
    monkeypatch.setattr(replace, "IN_PLACE_ROWS", 0)


def save(warehouse: Warehouse, rows: Any, table: str = "t", mode: str = "replace", **asked: Any) -> Commit:
    """Save rows."""
    write = Write(warehouse.name(table), WriteMode(mode), tuple(asked.pop("keys", ())), TableDefinition.of(**asked))
    stream = rows.to_reader() if isinstance(rows, pa.Table) else rows
    return warehouse.save(stream, write, Intent(commit_id=f"replace-{next(_IDS)}"))


def oid(plain: psycopg.Connection[Any], table: str = "public.t") -> int:
    """Return what tells one physical table from another."""
    row = plain.execute("SELECT to_regclass(%s)::oid::int", (table,)).fetchone()
    assert row is not None
    return int(row[0])


def pg_dump(plain: psycopg.Connection[Any], *arguments: str) -> str:
    """Run the server's own pg_dump."""
    row = plain.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchone()
    assert row is not None
    command = [f"{row[0]}/pg_dump", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - the server's own


def dumped(plain: psycopg.Connection[Any], url: str) -> list[str]:
    """Return all that pg_dump says of the database, rows and stamps left out, in no order."""
    text = pg_dump(plain, "--schema-only", "--exclude-schema=_engine", url)
    text = re.sub(r"\n?\[engine commit .*?\]", "", text)
    return sorted(line for line in text.splitlines() if line and not line.startswith(("--", "\\")))


TRIGGER = """
CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g()
"""
SERIAL = """
CREATE SEQUENCE q AS bigint OWNED BY t.id; ALTER TABLE t ALTER id SET DEFAULT nextval('q');
SELECT nextval('q'), nextval('q')
"""
REBUILT = {
    "an index": ("CREATE INDEX i ON t (id)", "index i"),
    "odd indexes": (
        """CREATE UNIQUE INDEX "I (x)" ON t (lower(name) DESC, id) INCLUDE (name) WHERE id > 0;
        CREATE INDEX ON t USING hash (name); COMMENT ON INDEX "I (x)" IS 'it''s odd'""", "index",
    ),
    "a primary key": ("ALTER TABLE t ADD PRIMARY KEY (id)", "index t_pkey"),
    "a named key": (
        """ALTER TABLE t ADD CONSTRAINT "the Key" PRIMARY KEY (id) INCLUDE (name) DEFERRABLE INITIALLY DEFERRED;
        COMMENT ON CONSTRAINT "the Key" ON t IS 'why'""", "the Key",
    ),
    "unique": ("ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (name, id)", "t_name_id_key"),
    "a check": ("ALTER TABLE t ADD CONSTRAINT c CHECK (name <> 'x USING y' AND id > 0) NOT VALID", "constraint c"),
    "not null": ("ALTER TABLE t ALTER name SET NOT NULL", "NOT NULL of name"),
    "exclusion": ("ALTER TABLE t ADD CONSTRAINT e EXCLUDE USING btree (id WITH =)", "constraint e"),
    "grants": ("GRANT SELECT, INSERT ON t TO PUBLIC; GRANT SELECT (id) ON t TO PUBLIC", "grants"),
    "a default": ("ALTER TABLE t ALTER name SET DEFAULT 'it''s %s'", "default of name"),
    "comments": ("COMMENT ON COLUMN t.name IS 'it''s %s'; COMMENT ON TABLE t IS 'things'", "comment on column name"),
    "a sequence": (SERIAL, "sequence q"),
}  # fmt: skip
STAYING = {
    "a view": ("CREATE VIEW v AS SELECT * FROM t", "dependent view v"),
    "a materialized view": ("CREATE MATERIALIZED VIEW v AS SELECT id FROM t", "dependent view v"),
    "a foreign key into it": (
        "ALTER TABLE t ADD UNIQUE (id); CREATE TABLE o (id BIGINT REFERENCES t (id))", "foreign key o_id_fkey of o",
    ),
    "a foreign key out of it": (
        """CREATE TABLE o (id BIGINT PRIMARY KEY); INSERT INTO o VALUES (1), (2), (3), (4), (5);
        ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES o""", "constraint t_id_fkey",
    ),
    "row security": ("ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (id > 0)", "row security"),
    "a publication": ("CREATE PUBLICATION p FOR TABLE t WITH (publish = 'insert')", "publication"),
    "storage options": ("ALTER TABLE t SET (fillfactor = 50)", "storage options"),
    "options of large values": ("ALTER TABLE t SET (toast.autovacuum_enabled = false)", "storage options"),
    "an access method": (
        """CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler;
        ALTER TABLE t SET ACCESS METHOD other""", "storage options",
    ),
    "column settings": ("ALTER TABLE t ALTER name SET STATISTICS 7", "settings of name"),
    "a collation": ('ALTER TABLE t ALTER name TYPE text COLLATE "C"', "settings of name"),
    "compression": ("ALTER TABLE t ALTER name SET COMPRESSION pglz", "settings of name"),
    "an extension": ("CREATE EXTENSION vector; ALTER EXTENSION vector ADD TABLE t", "extension vector"),
}  # fmt: skip


@pytest.mark.parametrize(("made", "named"), [*REBUILT.values(), *STAYING.values()], ids=[*REBUILT, *STAYING])
def test_nothing_is_lost(
    warehouse: Warehouse, plain: psycopg.Connection[Any], postgresql_url: str, way: str, made: str, named: str
) -> None:
    """All that belongs to a table is as it was after a replace, say pg_dump and the rows."""
    save(warehouse, ROWS)
    before = oid(plain)
    plain.execute(made.encode())
    wanted = dumped(plain, postgresql_url)
    assert save(warehouse, OTHER).changed
    assert dumped(plain, postgresql_url) == wanted
    assert plain.execute("SELECT array_agg(id) FROM t").fetchone() == ([4, 5],)
    stays = way == "in place" or (made, named) in STAYING.values()
    assert (oid(plain) == before) is stays
    assert save(warehouse, ROWS).changed
    assert dumped(plain, postgresql_url) == wanted


@pytest.mark.parametrize(("made", "named"), REBUILT.values(), ids=REBUILT)
def test_other_columns_keep_what_a_new_table_can_have(
    warehouse: Warehouse, plain: psycopg.Connection[Any], postgresql_url: str, made: str, named: str
) -> None:
    """A new column leaves everything else as it was; where a column goes that something is on, that is refused."""
    save(warehouse, ROWS)
    plain.execute(made.encode())
    wanted = dumped(plain, postgresql_url)
    save(warehouse, WIDER)
    plain.execute("ALTER TABLE t DROP more")
    assert dumped(plain, postgresql_url) == wanted
    plain.execute("ALTER TABLE t ADD more BIGINT")
    with pytest.raises(SchemaMismatchError, match="missing: ") as caught:
        save(warehouse, pa.table({"other": [1]}))
    assert named in " ".join(caught.value.lost) or caught.value.lost
    assert plain.execute("SELECT count(*) FROM t").fetchone() == (2,)


@pytest.mark.parametrize(("made", "named"), STAYING.values(), ids=STAYING)
def test_other_columns_are_refused_where_something_would_be_lost(
    warehouse: Warehouse, plain: psycopg.Connection[Any], made: str, named: str
) -> None:
    """Where a table has what no other can be given, other columns are refused; the error names them, and what it is."""
    save(warehouse, ROWS)
    plain.execute(made.encode())
    with pytest.raises(SchemaMismatchError, match=re.escape(named)) as caught:
        save(warehouse, WIDER)
    assert caught.value.unexpected == ("more",)
    assert plain.execute("SELECT count(*) FROM t").fetchone() == (3,)


@pytest.mark.usefixtures("swap")
def test_default_privileges_give_nobody_more(warehouse: Warehouse, plain: psycopg.Connection[Any]) -> None:
    """A new table in an old one's place has the old one's grants, whatever new tables get by default."""
    save(warehouse, ROWS)
    plain.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC")
    save(warehouse, OTHER)
    assert plain.execute(
        "SELECT count(*) FROM aclexplode((SELECT relacl FROM pg_class WHERE oid = 't'::regclass)) WHERE grantee = 0"
    ).fetchone() == (0,)


@pytest.mark.usefixtures("swap")
def test_what_cannot_be_rebuilt_exactly_is_written_in_place(
    warehouse: Warehouse, plain: psycopg.Connection[Any], postgresql_url: str
) -> None:
    """Where the new table would not have quite the same rights, it is thrown away and the old one written."""
    save(warehouse, ROWS)
    plain.execute("REVOKE TRUNCATE ON t FROM CURRENT_USER")
    before, wanted = oid(plain), dumped(plain, postgresql_url)
    save(warehouse, OTHER)
    assert (oid(plain), dumped(plain, postgresql_url)) == (before, wanted)


@pytest.mark.usefixtures("swap")
def test_a_subscription_keeps_its_table(warehouse: Warehouse, plain: psycopg.Connection[Any]) -> None:
    """A table that logical replication fills stays the one it fills."""
    save(warehouse, ROWS)
    before = oid(plain)
    plain.execute("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false, slot_name = NONE)")
    try:
        plain.execute("INSERT INTO pg_subscription_rel SELECT oid, 't'::regclass, 'r' FROM pg_subscription")
        save(warehouse, OTHER)
        assert oid(plain) == before
        assert plain.execute("SELECT count(*) FROM pg_subscription_rel WHERE srrelid = 't'::regclass").fetchone() == (
            1,
        )
    finally:
        plain.execute("DROP SUBSCRIPTION s")


MEANWHILE = {
    "an index": ("CREATE INDEX i ON t (id)", "SELECT count(*) FROM pg_indexes WHERE tablename = 't'"),
    "a view": ("CREATE VIEW v AS SELECT * FROM t", "SELECT count(*) / 2 FROM v"),
    "a grant": (
        "SELECT * FROM t; GRANT SELECT ON t TO PUBLIC",
        "SELECT count(*) FROM pg_class, aclexplode(relacl) g WHERE relname = 't' AND grantee = 0",
    ),
}


@pytest.mark.parametrize(("made", "kept"), MEANWHILE.values(), ids=MEANWHILE)
def test_what_is_made_meanwhile_is_kept(
    warehouse: Warehouse, plain: psycopg.Connection[Any], postgresql_url: str, way: str, made: str, kept: str
) -> None:
    """What another session gives the table in a transaction that ends during the replace is not lost."""
    del way
    save(warehouse, ROWS)
    with psycopg.connect(postgresql_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute(made.encode())
        saving = pool.submit(save, warehouse, OTHER)
        time.sleep(0.3)
        other.commit()
        assert saving.result().changed
    assert plain.execute(kept.encode()).fetchone() == (1,)
    assert plain.execute("SELECT array_agg(id) FROM t").fetchone() == ([4, 5],)


@pytest.mark.parametrize("mode", ["replace", "upsert", "delete_insert"])
def test_rows_of_inheriting_tables_stay(warehouse: Warehouse, plain: psycopg.Connection[Any], mode: str) -> None:
    """A write that would change rows of tables that inherit from this one is refused and names them; append is not."""
    save(warehouse, ROWS)
    plain.execute("CREATE TABLE heir () INHERITS (t); INSERT INTO heir VALUES (4, 'own')")
    with pytest.raises(SaveError, match="heir"):
        save(warehouse, OTHER, mode=mode, keys=[] if mode == "replace" else ["id"])
    save(warehouse, OTHER, mode="append")
    assert plain.execute("SELECT * FROM heir").fetchall() == [(4, "own")]


@pytest.mark.usefixtures("swap")
def test_rows_that_break_what_the_table_has(warehouse: Warehouse, plain: psycopg.Connection[Any]) -> None:
    """The message for rows that a constraint forbids names table and constraint, and nothing of the engine's own."""
    save(warehouse, ROWS)
    plain.execute("ALTER TABLE t ADD PRIMARY KEY (id), ADD CONSTRAINT c CHECK (name <> 'bad'), ALTER name SET NOT NULL")
    for ids, names, words in (
        ([1, 1], ["a", "b"], r"public\.t: could not create unique index: Key \(id\)=\(1\) is duplicated"),
        ([1, 2], ["a", "bad"], r"""public\.t: check constraint "c" of relation is violated"""),
        ([1, 2], ["a", None], r"""public\.t: column "name" of relation contains null values"""),
    ):
        with pytest.raises(SaveError, match=words):
            save(warehouse, pa.table({"id": ids, "name": names}))
    with pytest.raises(SaveError, match=r"COPY, line 1, column name"):
        save(warehouse, pa.table({"id": [1], "name": ["long"]}), types={"name": "varchar(2)"})
    assert plain.execute("SELECT count(*) FROM t").fetchone() == (3,)


def test_referenced_rows_stay(warehouse: Warehouse, plain: psycopg.Connection[Any], way: str) -> None:
    """A replace keeps the rows that others refer to, updated; one that would take such a row away is refused."""
    del way
    save(warehouse, ROWS)
    plain.execute("ALTER TABLE t ADD PRIMARY KEY (id); CREATE TABLE o (id BIGINT REFERENCES t (id))")
    plain.execute("INSERT INTO o VALUES (2)")
    save(warehouse, pa.table({"id": [2, 7], "name": ["new", "seven"]}))
    assert plain.execute("SELECT id, name FROM t ORDER BY id").fetchall() == [(2, "new"), (7, "seven")]
    with pytest.raises(SaveError, match="o_id_fkey"):
        save(warehouse, OTHER)
    with pytest.raises(SaveError, match="more than one row"):
        save(warehouse, pa.table({"id": [2, 2], "name": ["x", "y"]}))
    assert plain.execute("SELECT id, name FROM t ORDER BY id").fetchall() == [(2, "new"), (7, "seven")]


def test_deleting_never_cascades(warehouse: Warehouse, plain: psycopg.Connection[Any]) -> None:
    """A replace that would delete rows of another table through its foreign key is refused; others are not."""
    save(warehouse, ROWS)
    plain.execute("ALTER TABLE t ADD PRIMARY KEY (id)")
    plain.execute("CREATE TABLE o (id BIGINT REFERENCES t (id) ON DELETE CASCADE)")
    plain.execute("INSERT INTO o VALUES (1)")
    with pytest.raises(SaveError, match="o_id_fkey"):
        save(warehouse, ROWS.slice(1))
    save(warehouse, pa.table({"id": [1, 2, 3, 9], "name": ["z"] * 4}))
    save(warehouse, OTHER, mode="upsert", keys=["id"])
    assert plain.execute("SELECT count(*) FROM o").fetchone() == (1,)


def test_a_rule_that_keeps_rows_is_noticed(warehouse: Warehouse, plain: psycopg.Connection[Any]) -> None:
    """A rule that turns the deletion into nothing does not leave old rows among the new ones."""
    save(warehouse, ROWS)
    plain.execute("CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING")
    with pytest.raises(SaveError, match="trigger or rule"):
        save(warehouse, OTHER)
    assert plain.execute("SELECT count(*) FROM t").fetchone() == (3,)


@pytest.mark.usefixtures("swap")
def test_a_definition_is_built_before_publishing(
    warehouse: Warehouse, plain: psycopg.Connection[Any], postgresql_url: str
) -> None:
    """Key, indexes and comments asked for are named after the table, and the same after the next replace."""
    asked: dict[str, Any] = {"primary_key": "id", "indexes": ["name"], "comment": "T.\n\nColumns:\n    id: key"}
    save(warehouse, ROWS)
    save(warehouse, OTHER, **asked)
    wanted = dumped(plain, postgresql_url)
    names = plain.execute("SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1").fetchall()
    assert names == [("t_name_idx",), ("t_pkey",)]
    save(warehouse, ROWS, **asked)
    assert dumped(plain, postgresql_url) == wanted


@pytest.mark.parametrize("belonging", ["", "ALTER TABLE t ADD PRIMARY KEY (id)", "CREATE VIEW v AS SELECT * FROM t"])
@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_readers_see_a_whole_table(
    warehouse: Warehouse, postgresql_url: str, plain: psycopg.Connection[Any], way: str, isolation: str, belonging: str
) -> None:
    """Readers of every isolation level, also with an older snapshot, see all rows of one version during replaces."""
    del way

    def version(number: int) -> pa.Table:
        return pa.table({"id": pa.array(range(1_000)), "version": pa.array([number] * 1_000)})

    save(warehouse, version(0))
    plain.execute(belonging.encode())
    stop, seen, started, waits = threading.Event(), [], threading.Event(), [0.0]

    def read() -> None:
        with psycopg.connect(postgresql_url, autocommit=True, prepare_threshold=None) as connection:
            while not stop.is_set():
                connection.execute(f"BEGIN ISOLATION LEVEL {isolation}".encode())
                connection.execute("SELECT 1 FROM pg_class LIMIT 1").fetchall()  # takes the snapshot
                started.set()
                time.sleep(0.02)
                began = time.monotonic()
                seen.append(connection.execute("SELECT count(*), count(DISTINCT version) FROM t").fetchone())
                waits.append(time.monotonic() - began)
                connection.execute("COMMIT")

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        started.wait()
        try:
            for number in range(1, 12):
                save(warehouse, version(number))
        finally:
            stop.set()
        for reader in readers:
            reader.result()
    assert set(seen) == {(1_000, 1)}
    assert max(waits) < 2


def test_a_dump_holds_a_whole_table(
    warehouse: Warehouse, postgresql_url: str, plain: psycopg.Connection[Any], way: str
) -> None:
    """What pg_dump writes during replaces is all rows of one version."""
    del way

    def version(number: int) -> pa.Table:
        return pa.table({"version": pa.array([number] * 1_000)})

    save(warehouse, version(0))
    stop, seen = threading.Event(), []

    def replace() -> int:
        for number in itertools.count(1):
            save(warehouse, version(number))
            if stop.is_set():
                return number
        return 0

    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(replace)
        try:
            for _ in range(4):
                text = pg_dump(plain, "--data-only", "--inserts", "--table=t", postgresql_url)
                rows = [line for line in text.splitlines() if line.startswith("INSERT")]
                seen.append((len(rows), len(set(rows))))
        finally:
            stop.set()
        assert replacing.result() > 1
    assert set(seen) == {(1_000, 1)}


def test_a_swap_does_not_queue_readers(
    warehouse: Warehouse, postgresql_url: str, plain: psycopg.Connection[Any]
) -> None:
    """While a swap waits behind a long reader, new readers wait a fraction of a second at most."""
    save(warehouse, ROWS)
    waits: list[float] = []
    with psycopg.connect(postgresql_url) as long_reader, ThreadPoolExecutor(1) as pool:
        long_reader.execute("SELECT * FROM t").fetchall()
        swapping = pool.submit(save, warehouse, pa.table({"other": [1]}))
        for _ in range(10):
            began = time.monotonic()
            plain.execute("SELECT * FROM t").fetchall()
            waits.append(time.monotonic() - began)
            time.sleep(0.05)
        assert not swapping.done()
        long_reader.commit()
        assert swapping.result().changed
    assert max(waits) < 1


@pytest.mark.usefixtures("swap")
def test_who_is_in_the_way_is_named(
    warehouse: Warehouse, postgresql_url: str, plain: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replace that cannot be published says who uses the table and since when, but not what they ask."""
    monkeypatch.setattr(replace, "SWAP_S", 0.3)
    save(warehouse, ROWS)
    with psycopg.connect(postgresql_url, application_name="report") as reader:
        reader.execute("SELECT 'secret' FROM t")
        with pytest.raises(
            ConcurrentWriteError, match=f"process {reader.info.backend_pid} .report.* began at"
        ) as caught:
            save(warehouse, OTHER)
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    assert plain.execute("SELECT count(*) FROM t").fetchone() == (3,)
    assert save(warehouse, OTHER).changed


@pytest.mark.usefixtures("swap")
def test_another_user_in_the_way_is_named(
    plain: psycopg.Connection[Any], login: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another user's session the server tells an ordinary user little: process, program and user are said."""
    monkeypatch.setattr(replace, "SWAP_S", 0.2)
    named = f"process {plain.info.backend_pid} .report. of {plain.info.user}"
    plain.execute("SET application_name = 'report'")
    with Warehouse(login("secret"), wait_s=0.2) as warehouse:
        save(warehouse, ROWS, "own.t")
        with plain.transaction():
            plain.execute("SELECT * FROM own.t")
            with pytest.raises(ConcurrentWriteError, match=named):
                save(warehouse, OTHER, "own.t")
        with plain.transaction():
            plain.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key("own\0t"),))
            with pytest.raises(ConcurrentWriteError, match=named):
                save(warehouse, OTHER, "own.t")
        assert save(warehouse, OTHER, "own.t").changed


def test_a_writer_in_the_way_is_named(postgresql_url: str, plain: psycopg.Connection[Any]) -> None:
    """A replace in place that another writer keeps waiting says who, and leaves the table as it was."""
    with Warehouse(postgresql_url, wait_s=0.3) as warehouse:
        save(warehouse, ROWS)
        with psycopg.connect(postgresql_url, application_name="clerk") as writer:
            writer.execute("INSERT INTO t VALUES (9, 'secret')")
            with pytest.raises(ConcurrentWriteError, match="clerk"):
                save(warehouse, OTHER)
            writer.rollback()
        assert plain.execute("SELECT count(*) FROM t").fetchone() == (3,)
        assert save(warehouse, OTHER).changed


def test_rows_that_a_policy_hides_are_not_left_behind(
    plain: psycopg.Connection[Any], login: Callable[[str], str]
) -> None:
    """Where row security hides rows even from the table's owner, a replace is refused; from others only, it is not."""
    with Warehouse(login("secret"), wait_s=10) as warehouse:
        save(warehouse, ROWS, "own.t")
        plain.execute("ALTER TABLE own.t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON own.t USING (id > 2)")
        save(warehouse, OTHER, "own.t")
        plain.execute("ALTER TABLE own.t FORCE ROW LEVEL SECURITY")
        with pytest.raises(SaveError, match="row-level security"):
            save(warehouse, ROWS, "own.t")
    assert plain.execute("SELECT array_agg(id) FROM own.t").fetchone() == ([4, 5],)
