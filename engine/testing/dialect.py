"""Dialect suite: what every database must do.

Subclass it in your tests, where a fixture ``warehouse_url`` gives the URL of an empty database::

    class TestMySQL(DialectSuite):
        pass
"""

from __future__ import annotations

import datetime as dt
import itertools
import signal
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.dialects import sql
from engine.dialects.base import Intent, TableName, Write, WriteMode
from engine.dialects.definitions import TableDefinition
from engine.dialects.ledger import Ledger
from engine.dialects.warehouse import Warehouse
from engine.errors import (
    LoadError,
    OptionError,
    RequestError,
    SaveError,
    SchemaMismatchError,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.dialects.base import Commit

_IDS = itertools.count(1)

ROWS = pa.table({"id": pa.array([1, 2, 3]), "name": pa.array(["a", "b", None])})

TYPES: dict[str, pa.Array] = {
    "bool": pa.array([True, None, False]),
    "int8": pa.array([-128, None, 127], pa.int8()),
    "int16": pa.array([-(2**15), None, 1], pa.int16()),
    "int32": pa.array([-(2**31), None, 1], pa.int32()),
    "int64": pa.array([-(2**63), None, 2**63 - 1]),
    "uint64": pa.array([0, None, 2**63 - 1], pa.uint64()),
    "float32": pa.array([0.5, None, -1e30], pa.float32()),
    "float64": pa.array([0.1, None, float("inf")]),
    "text": pa.array(["", None, "tab\t newline\n \\N \\. 'q' \"d\" 🛫"]),
    "large_text": pa.array(["x", None, "y"], pa.large_string()),
    "category": pa.array(["x", None, "x"]).dictionary_encode(),
    "binary": pa.array([b"", None, b"\x00\xff"]),
    "date": pa.array([dt.date(1, 1, 1), None, dt.date(9999, 12, 31)]),
    "timestamp": pa.array([dt.datetime(1969, 12, 31, 23, 59, 59, 999999), None, dt.datetime(2026, 1, 1)]),  # noqa: DTZ001
    "instant": pa.array([dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC), None, dt.datetime(1900, 1, 1, tzinfo=dt.UTC)]),
    "time": pa.array([dt.time(0, 0), None, dt.time(23, 59, 59, 999999)]),
    "decimal": pa.array([Decimal("-1.10"), None, Decimal("1234567890123.45")], pa.decimal128(15, 2)),
}
"""A column of each type that every database keeps exactly."""


def intent(**options: Any) -> Intent:
    """Return an intent with a new commit id."""
    return Intent(commit_id=f"commit-{next(_IDS)}", **options)


class Broken(Exception):  # noqa: N818 - what a user's own code raises
    """What a stream raises in the middle."""


class DialectSuite:
    """Each test says in one sentence what must hold."""

    keeps: ClassVar[dict[str, pa.Array]] = TYPES
    """A column of each type that the database keeps exactly, by name."""

    sees_recreation: ClassVar[bool] = True
    """The database can tell that somebody dropped a table and made it again."""

    kill_test: ClassVar[bool] = True
    """A process that is killed can be tried: the database is not in memory."""

    @pytest.fixture
    def warehouse(self, warehouse_url: str) -> Iterator[Warehouse]:
        """An empty database, open."""
        with Warehouse(warehouse_url, wait_s=10) as opened:
            yield opened

    # --- what the tests say
    # --------------------------------------------------------------------------------------------

    def save(
        self, warehouse: Warehouse, rows: Any, table: str = "things", mode: str = "replace", **options: Any
    ) -> Commit:
        """Save a table or query."""
        keys = tuple(options.pop("keys", ()))
        stream = rows.to_reader() if isinstance(rows, pa.Table) else rows
        write = Write(warehouse.name(table), WriteMode(mode), keys)
        return warehouse.save(stream, write, options.pop("intent", None) or intent(**options))

    def rows(self, warehouse: Warehouse, table: str = "things") -> list[tuple[Any, ...]]:
        """Return a table's rows, sorted."""
        batches, _ = warehouse.read(warehouse.query_table(warehouse.name(table)))
        found = batches.read_all()
        return sorted(zip(*(column.to_pylist() for column in found.columns), strict=True), key=repr)

    def sql(self, warehouse: Warehouse, text: str) -> list[tuple[Any, ...]]:
        """Do something behind the engine's back; ``{things}`` stands for the quoted name of a table ``things``."""
        class_ = type("names", (dict,), {"__missing__": lambda _, k: sql.quoted_table(warehouse.name(k))})
        connection = warehouse._connection()  # noqa: SLF001 - a test may look inside
        with warehouse.dialect.transaction(connection, write=True):
            return warehouse.dialect.run(connection, text.format_map(class_()))

    def debris(self, warehouse: Warehouse) -> list[TableName]:
        """Return staging tables that somebody left behind."""
        names = warehouse.dialect.table_names(warehouse._connection())  # noqa: SLF001 - a test may look inside
        return [name for name in names if name.name.startswith("_e_")]

    # --- saving
    # ----------------------------------------------------------------------------------------------------------

    def test_replace_creates_and_replaces(self, warehouse: Warehouse) -> None:
        """A table holds exactly the last rows, and each version has the next seq."""
        first = self.save(warehouse, ROWS)
        second = self.save(warehouse, ROWS.slice(1))
        assert (first.row.seq, second.row.seq, second.row.previous_commit_id) == (1, 2, first.row.commit_id)
        assert self.rows(warehouse) == [(2, "b"), (3, None)]
        assert self.debris(warehouse) == []

    def test_replace_with_other_columns(self, warehouse: Warehouse) -> None:
        """A replaced table has the columns of its new rows, in their order."""
        self.save(warehouse, ROWS)
        self.save(warehouse, pa.table({"name": ["x"], "other": [1.5]}))
        assert self.rows(warehouse) == [("x", 1.5)]

    def test_replace_by_no_rows(self, warehouse: Warehouse) -> None:
        """A value without rows empties the table and keeps its columns."""
        self.save(warehouse, ROWS)
        self.save(warehouse, ROWS.slice(0, 0))
        assert self.rows(warehouse) == []

    def test_append(self, warehouse: Warehouse) -> None:
        """Appending keeps the rows there are, and matches columns by name."""
        self.save(warehouse, ROWS, mode="append")
        self.save(warehouse, ROWS.select(["name", "id"]).slice(0, 1), mode="append")
        assert self.rows(warehouse) == [(1, "a"), (1, "a"), (2, "b"), (3, None)]

    def test_upsert(self, warehouse: Warehouse) -> None:
        """Upserting updates rows whose keys exist and adds the others."""
        self.save(warehouse, ROWS, mode="upsert", keys=["id"])
        self.save(warehouse, pa.table({"id": [3, 4], "name": ["C", "D"]}), mode="upsert", keys=["id"])
        assert self.rows(warehouse) == [(1, "a"), (2, "b"), (3, "C"), (4, "D")]

    def test_delete_insert(self, warehouse: Warehouse) -> None:
        """All rows with one of the value's keys give way to the value's rows, matched over the whole key."""
        old = pa.table({"day": [1, 1, 2], "place": ["a", "b", "a"], "n": [1, 2, 3]})
        new = pa.table({"day": [1, 1], "place": ["a", "a"], "n": [10, 11]})
        self.save(warehouse, old, mode="delete_insert", keys=["day", "place"])
        self.save(warehouse, new, mode="delete_insert", keys=["day", "place"])
        assert self.rows(warehouse) == [(1, "a", 10), (1, "a", 11), (1, "b", 2), (2, "a", 3)]

    @pytest.mark.parametrize(("mode", "ids"), [("upsert", [1, 1]), ("upsert", [1, None]), ("delete_insert", [1, None])])
    def test_keys_that_cannot_be_matched_are_refused(
        self, warehouse: Warehouse, mode: str, ids: list[int | None]
    ) -> None:
        """NULL keys, and for upsert duplicate ones, are refused with the key, and nothing changes."""
        self.save(warehouse, ROWS)
        with pytest.raises(SaveError, match=r"id=(1|None)"):
            self.save(warehouse, pa.table({"id": ids, "name": ["x", "y"]}), mode=mode, keys=["id"])
        assert self.rows(warehouse) == [(1, "a"), (2, "b"), (3, None)]

    def test_keys_must_be_named_and_exist(self, warehouse: Warehouse) -> None:
        """A keyed mode without keys, or with a key that is no column, says so."""
        with pytest.raises(OptionError, match="needs keys"):
            self.save(warehouse, ROWS, mode="upsert")
        with pytest.raises(SaveError, match="no key column 'nope'"):
            self.save(warehouse, ROWS, mode="upsert", keys=["nope"])

    def test_view(self, warehouse: Warehouse) -> None:
        """A view follows its table, its parameters written in."""
        self.save(warehouse, ROWS)
        query = warehouse.query_table(warehouse.name("things"), where="name = :name", params={"name": "b"})
        commit = self.save(warehouse, query, "seen", "view")
        assert (commit.row.row_count, self.rows(warehouse, "seen")) == (None, [(2, "b")])
        assert not self.save(warehouse, query, "seen", "view").changed
        self.save(warehouse, ROWS.slice(0, 1))
        assert self.rows(warehouse, "seen") == []

    def test_views_tell_what_they_read(self, warehouse: Warehouse) -> None:
        """A view tells which tables it reads, itself or through other views, and no others."""
        for table in ("behind", "beside"):
            self.save(warehouse, ROWS, table)
        self.sql(warehouse, "CREATE VIEW {seen} AS SELECT * FROM {behind}")
        self.sql(warehouse, "CREATE VIEW {again} AS SELECT * FROM {seen}")
        views = warehouse.views()
        behind, beside, seen, again = (
            warehouse.key(warehouse.name(name)) for name in ("behind", "beside", "seen", "again")
        )
        assert behind in views[seen]
        assert behind in {table for read in views[again] for table in (read, *views.get(read, ()))}
        assert beside not in views[seen] | views[again]

    def test_spellings_of_one_name(self, warehouse: Warehouse) -> None:
        """The ledger knows a table by every spelling of its name that the database takes for the same."""
        self.save(warehouse, ROWS, "things")
        capitals = warehouse.name("THINGS")
        assert (warehouse.heads([capitals])[capitals] is not None) == warehouse.dialect.traits.folds_case

    def test_query_stays_in_the_database(self, warehouse: Warehouse) -> None:
        """A query of the same database becomes a table with its columns' types, and is cut off when it is equal."""
        self.save(warehouse, ROWS)
        query = warehouse.query_table(warehouse.name("things"), where="id > :low", params={"low": 1})
        first, second = self.save(warehouse, query, "more"), self.save(warehouse, query, "more")
        assert (first.row.row_count, second.changed) == (2, False)
        assert self.rows(warehouse, "more") == [(2, "b"), (3, None)]

    # --- the ledger
    # ------------------------------------------------------------------------------------------------------

    def test_equal_rows_write_nothing(self, warehouse: Warehouse) -> None:
        """The same rows in another order are no new version, unless that is asked for."""
        first = self.save(warehouse, ROWS)
        again = self.save(warehouse, ROWS.take([2, 0, 1]))
        assert (again.changed, again.row) == (False, first.row)
        assert self.save(warehouse, ROWS, skip_unchanged=False).row.seq == 2  # noqa: PLR2004

    def test_digest_is_the_content_hash(self, warehouse: Warehouse) -> None:
        """The hash that was computed while the rows passed is what the ledger says and downstream sees."""
        write = Write(warehouse.name("things"))
        commit = warehouse.save(ROWS.to_reader(), write, intent(), digest=lambda: "h1:abc")
        assert (commit.row.content_hash, commit.row.token) == ("h1:abc", "h1:abc")

    def test_the_ledger_tells_what_was_saved(self, warehouse: Warehouse) -> None:
        """The head is the last commit, with its record and columns; an unknown table has none."""
        self.save(warehouse, ROWS, mode="append")
        commit = self.save(warehouse, ROWS, mode="append", record={"node": "things"}, run_id="r", recipe_version="v")
        table, other = warehouse.name("things"), warehouse.name("other")
        heads = warehouse.heads([table, other])
        assert heads == {table: commit.row, other: None}
        assert (commit.row.run_id, commit.row.recipe_version, commit.row.row_count) == ("r", "v", 3)
        assert commit.row.record["node"] == "things"
        assert [column[0] for column in commit.row.record["columns"]] == ["id", "name"]
        assert warehouse.commits([commit.row.commit_id, "nope"]) == {commit.row.commit_id: commit.row}

    def test_nothing_was_ever_saved(self, warehouse: Warehouse) -> None:
        """A warehouse without a ledger has no heads and no commits, and gets no ledger by being asked."""
        table = warehouse.name("things")
        assert warehouse.heads([table]) == {table: None}
        assert warehouse.commits(["x"]) == {}
        assert warehouse.tables([table]) == {table: None}

    def test_one_commit_id_is_one_save(self, warehouse: Warehouse) -> None:
        """A save that is tried again with the same commit id appends its rows once."""
        same = intent()
        first = self.save(warehouse, ROWS, mode="append", intent=same)
        again = self.save(warehouse, ROWS, mode="append", intent=same)
        assert (again.row, len(self.rows(warehouse))) == (first.row, 3)

    def test_tokens_of_appends_are_a_chain(self, warehouse: Warehouse) -> None:
        """Appending the same rows again gives another token: the table is another one."""
        tokens = {self.save(warehouse, ROWS, mode="append").row.token for _ in range(3)}
        assert len(tokens) == 3  # noqa: PLR2004

    # --- what others did
    # ---------------------------------------------------------------------------------------------------

    def test_foreign_table_is_refused(self, warehouse: Warehouse) -> None:
        """A table that the engine did not write is left alone, unless the output adopts it."""
        self.sql(warehouse, "CREATE TABLE {things} (id BIGINT, name VARCHAR(20))")
        self.sql(warehouse, "INSERT INTO {things} VALUES (7, 'x')")
        with pytest.raises(SaveError, match="not written by the engine"):
            self.save(warehouse, ROWS)
        assert self.rows(warehouse) == [(7, "x")]
        self.save(warehouse, ROWS.slice(0, 1), mode="append", adopt=True)
        assert self.rows(warehouse) == [(1, "a"), (7, "x")]
        self.save(warehouse, ROWS, mode="append")

    def test_dropped_table_comes_back(self, warehouse: Warehouse) -> None:
        """Equal rows are written all the same when somebody dropped the table."""
        self.save(warehouse, ROWS)
        self.sql(warehouse, "DROP TABLE {things}")
        assert warehouse.tables([warehouse.name("things")])[warehouse.name("things")] is None
        assert self.save(warehouse, ROWS).changed
        assert len(self.rows(warehouse)) == 3  # noqa: PLR2004

    def test_recreated_table(self, warehouse: Warehouse) -> None:
        """A table that somebody made again shows another identity, is replaced, and is never appended to."""
        if not self.sees_recreation:
            pytest.skip("this database cannot tell")
        commit, table = self.save(warehouse, ROWS), warehouse.name("things")
        found = warehouse.tables([table])[table]
        assert found is not None
        assert found.identity == commit.row.physical_name
        self.sql(warehouse, "DROP TABLE {things}")
        self.sql(warehouse, "CREATE TABLE {things} (id BIGINT, name TEXT)")
        found = warehouse.tables([table])[table]
        assert found is not None
        assert found.identity != commit.row.physical_name
        with pytest.raises(SaveError, match="recreated outside"):
            self.save(warehouse, ROWS, mode="append")
        assert self.save(warehouse, ROWS).changed

    def test_altered_table(self, warehouse: Warehouse) -> None:
        """A column that somebody added shows in the catalog, stops an append, and is gone after a replace."""
        self.save(warehouse, ROWS)
        self.sql(warehouse, "ALTER TABLE {things} ADD COLUMN more INTEGER")
        with pytest.raises(SchemaMismatchError) as caught:
            self.save(warehouse, ROWS, mode="append")
        assert caught.value.missing == ("more",)
        assert self.save(warehouse, ROWS).changed
        assert self.rows(warehouse)[0] == (1, "a")

    def test_a_view_on_the_table_survives_a_replace(self, warehouse: Warehouse) -> None:
        """A dependent view sees the new rows after a replace with the same columns; other columns are refused."""
        self.save(warehouse, ROWS)
        self.sql(warehouse, "CREATE VIEW {watcher} AS SELECT id, name FROM {things}")
        self.save(warehouse, ROWS.slice(2))
        assert self.rows(warehouse, "watcher") == [(3, None)]
        with pytest.raises(SaveError, match="watcher"):
            self.save(warehouse, pa.table({"id": [1]}))
        assert self.rows(warehouse, "watcher") == [(3, None)]

    def test_index_survives_a_replace(self, warehouse: Warehouse) -> None:
        """A unique index that somebody added is still there after a replace."""
        self.save(warehouse, ROWS)
        self.sql(warehouse, "CREATE UNIQUE INDEX things_id ON {things} (id)")
        self.save(warehouse, ROWS.slice(0, 2))
        with pytest.raises(StorageError):
            self.save(warehouse, ROWS.slice(0, 1), mode="append")
        assert len(self.rows(warehouse)) == 2  # noqa: PLR2004

    # --- faults
    # ----------------------------------------------------------------------------------------------------------

    def test_broken_stream_leaves_all_as_it_was(self, warehouse: Warehouse) -> None:
        """What the stream raises is what the caller sees; table, ledger and catalog are untouched."""
        commit = self.save(warehouse, ROWS)

        def stream() -> Iterator[pa.RecordBatch]:
            yield from ROWS.slice(0, 1).to_batches()
            raise Broken("in the middle")

        with pytest.raises(Broken, match="in the middle"):
            self.save(warehouse, pa.RecordBatchReader.from_batches(ROWS.schema, stream()))
        table = warehouse.name("things")
        assert self.rows(warehouse) == [(1, "a"), (2, "b"), (3, None)]
        assert warehouse.heads([table])[table] == commit.row
        assert self.debris(warehouse) == []

    def test_a_stream_cannot_use_the_warehouse_it_is_saved_to(self, warehouse: Warehouse) -> None:
        """A stream that reaches for the connection it is written over gets an error, not a hang."""

        def stream() -> Iterator[pa.RecordBatch]:
            warehouse.heads([warehouse.name("things")])
            yield from ROWS.to_batches()

        with pytest.raises(StorageError, match=r"while .*things is saved"):
            self.save(warehouse, pa.RecordBatchReader.from_batches(ROWS.schema, stream()))
        assert self.save(warehouse, ROWS).changed

    @pytest.mark.parametrize("point", ["stage", "publish", "insert"])
    def test_killed_process_leaves_all_as_it_was(self, warehouse_url: str, point: str) -> None:
        """After SIGKILL while saving the old table stands, no staging is left, and a plain rerun heals."""
        if not self.kill_test:
            pytest.skip("the database dies with its process")
        with Warehouse(warehouse_url, wait_s=10) as warehouse:
            self.save(warehouse, ROWS)
        killed = subprocess.run([sys.executable, "-c", _KILLED, warehouse_url, point], check=False, timeout=60)  # noqa: S603
        assert killed.returncode == -signal.SIGKILL
        with Warehouse(warehouse_url, wait_s=10) as warehouse:
            assert self.rows(warehouse) == [(1, "a"), (2, "b"), (3, None)]
            assert self.debris(warehouse) == []
            assert self.save(warehouse, ROWS.slice(0, 1)).row.seq == 2  # noqa: PLR2004
            assert self.rows(warehouse) == [(1, "a")]

    @pytest.mark.parametrize(
        ("rows", "fault"),
        [
            (pa.table({"id": [1]}), "missing"),
            (ROWS.append_column("extra", pa.array([1, 2, 3])), "unexpected"),
            (pa.table({"id": ["1"], "name": ["x"]}), "differing"),
        ],
    )
    def test_columns_must_fit(self, warehouse: Warehouse, rows: pa.Table, fault: str) -> None:
        """Rows whose columns do not fit the table are refused by name before anything changes."""
        self.save(warehouse, ROWS)
        with pytest.raises(SchemaMismatchError) as caught:
            self.save(warehouse, rows, mode="append")
        assert getattr(caught.value, fault)
        assert len(self.rows(warehouse)) == 3  # noqa: PLR2004

    def test_bad_column_names_are_refused(self, warehouse: Warehouse) -> None:
        """Names that are empty, twice there, or equal after normalisation are refused before anything is written."""
        for names in (["a", "a"], ["", "b"], ["a\0", "b"], ["é", "é"]):
            with pytest.raises(SaveError, match="column"):
                self.save(warehouse, pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=names))
        assert self.debris(warehouse) == []

    def test_column_of_nothing(self, warehouse: Warehouse) -> None:
        """A column of nothing but NULL needs a type in a new table, and takes the table's in one that exists."""
        rows = pa.table({"id": pa.array([9]), "name": pa.nulls(1)})
        with pytest.raises(SaveError, match="'name'"):
            self.save(warehouse, rows)
        self.save(warehouse, ROWS)
        self.save(warehouse, rows, mode="append")
        assert self.rows(warehouse)[-1] == (9, None)

    def test_nobody_writes_over_a_later_version(self, warehouse: Warehouse) -> None:
        """Two ledger rows cannot claim the same seq: the slower writer fails, data and all."""
        row = self.save(warehouse, ROWS).row
        ledger = Ledger(warehouse.dialect, warehouse._connection()).table  # noqa: SLF001 - a test may look inside
        self.save(warehouse, ROWS.slice(1))
        connection = warehouse._connection()  # noqa: SLF001 - a test may look inside
        again = sa.update(ledger).where(ledger.c.commit_id == row.commit_id).values(seq=2)
        with pytest.raises(warehouse.dialect.driver_errors), warehouse.dialect.transaction(connection, write=True):
            warehouse.dialect.run(connection, again)

    # --- reading
    # ---------------------------------------------------------------------------------------------------------

    def test_types_come_back_exactly(self, warehouse: Warehouse) -> None:
        """Every value of every type comes back as it went in."""
        table = pa.table(self.keeps)
        self.save(warehouse, table, "typed")
        batches, _ = warehouse.read(warehouse.query_table(warehouse.name("typed")))
        found = batches.read_all()
        assert found.to_pydict() == table.to_pydict()

    def test_stable_types(self, warehouse: Warehouse) -> None:
        """A table read and saved again is the same table: nothing widens on the way."""
        self.save(warehouse, pa.table(self.keeps), "typed")
        for target in ("copy", "again"):
            batches, _ = warehouse.read(warehouse.query_table(warehouse.name("typed")))
            self.save(warehouse, batches, target)
        tables = warehouse.tables([warehouse.name("copy"), warehouse.name("again")])
        assert len({found.columns for found in tables.values() if found is not None}) == 1

    def test_recorded_columns(self, warehouse: Warehouse) -> None:
        """The ledger says of a table's columns what the catalog will say of them, so that a change is noticed."""
        name = warehouse.name("typed")
        required = ("sure",) if "not_null" in warehouse.dialect.traits.defines else ()
        for definition in (TableDefinition(), TableDefinition(not_null=required)):
            rows = pa.table({"sure": [1, 2, 3], **self.keeps}).to_reader()
            row = warehouse.save(rows, Write(name, definition=definition), intent(skip_unchanged=False)).row
            found = warehouse.tables([name])[name]
            assert found is not None
            assert row.record["columns"] == [[c.name, c.type, c.nullable] for c in found.columns]

    def test_standing_is_of_one_moment(self, warehouse: Warehouse) -> None:
        """What the catalog and what the ledger say of tables is told together, of those that are not there too."""
        commit, table, other = self.save(warehouse, ROWS), warehouse.name("things"), warehouse.name("absent")
        tables, heads = warehouse.standing([table, other])
        assert heads == {table: commit.row, other: None}
        assert [name for name, there in tables.items() if there and there.was_published_by(commit.row)] == [table]

    def test_odd_names(self, warehouse: Warehouse) -> None:
        """Names are quoted: spaces, quotes, keywords, signs and other scripts survive."""
        names = ["select", 'a "b"', "it's", "100%", ":x", "a;b--", "Groß", "1st", "{x}", "a.b", "%(x)s", "$1", "?"]
        table = pa.table({name: pa.array([i]) for i, name in enumerate(names)})
        for text in ('"odd; ""name"" 100%s"', "select", '"{x} :y"', "Größe"):
            self.save(warehouse, table, text)
            self.save(warehouse, table, text, mode="append")
            query = warehouse.query_table(
                warehouse.name(text), columns=names[3:6], where='"100%" = :v', params={"v": 3}
            )
            assert warehouse.read(query)[0].read_all().to_pydict() == {"100%": [3, 3], ":x": [4, 4], "a;b--": [5, 5]}

    def test_streams_in_batches(self, warehouse: Warehouse) -> None:
        """A large table comes in batches no larger than asked, in several open streams at once."""
        self.save(warehouse, pa.table({"n": pa.array(range(10_000))}), "many")
        query = warehouse.query_table(warehouse.name("many"))
        first, second = (warehouse.read(query, batch_rows=1_000)[0] for _ in range(2))
        sizes = [(a.num_rows, b.num_rows) for a, b in zip(first, second, strict=True)]
        assert max(map(max, sizes)) <= 1_000  # noqa: PLR2004
        assert sum(a for a, _ in sizes) == 10_000  # noqa: PLR2004

    def test_a_stream_can_be_left(self, warehouse: Warehouse) -> None:
        """A table can be written after a stream of it was left half read."""
        self.save(warehouse, pa.table({"n": pa.array(range(10_000))}), "many")
        batches, _ = warehouse.read(warehouse.query_table(warehouse.name("many")), batch_rows=100)
        batches.read_next_batch()
        batches.close()
        del batches
        self.save(warehouse, ROWS, "many")
        assert len(self.rows(warehouse, "many")) == 3  # noqa: PLR2004

    def test_reading_and_writing_one_table(self, warehouse: Warehouse) -> None:
        """A table can be replaced by what is read from it while it is read."""
        self.save(warehouse, pa.table({"n": pa.array(range(5_000))}), "many")
        batches, _ = warehouse.read(warehouse.query_table(warehouse.name("many"), where="n < 3000"), batch_rows=500)
        self.save(warehouse, batches, "many")
        assert len(self.rows(warehouse, "many")) == 3_000  # noqa: PLR2004

    def test_checksum(self, warehouse: Warehouse) -> None:
        """A token tells rows, types and names apart, not order; a table that does not exist has none."""
        self.save(warehouse, ROWS, "a")
        self.save(warehouse, ROWS.take([2, 1, 0]), "b")
        self.save(warehouse, pa.concat_tables([ROWS, ROWS]), "c")
        self.save(warehouse, ROWS.rename_columns(["id", "other"]), "d")
        queries = [warehouse.query_table(warehouse.name(name)) for name in "abcd"]
        a, b, c, d, gone = warehouse.checksums([*queries, warehouse.query_text("SELECT * FROM gone")])
        assert a == b
        assert len({a, c, d}) == 3  # noqa: PLR2004
        assert gone is None
        assert warehouse.read(queries[0], checksum=True)[1] == a

    def test_unknown_names(self, warehouse: Warehouse) -> None:
        """An unknown table, column or parameter is named, with near ones."""
        self.save(warehouse, ROWS)
        table = warehouse.name("things")
        with pytest.raises(LoadError, match="thinks") as caught:
            warehouse.query_table(warehouse.name("thinks"))
        assert "things" in caught.value.hint
        with pytest.raises(LoadError, match="nane"):
            warehouse.query_table(table, columns=["nane"])
        with pytest.raises(OptionError, match=":low"):
            warehouse.query_table(table, where="id > :low")
        with pytest.raises(OptionError, match=":lwo"):
            warehouse.query_table(table, where="id > :low", params={"lwo": 1, "low": 1})
        with pytest.raises(LoadError):
            warehouse.read(warehouse.query_table(table, where="nope = 1"))

    def test_query_text(self, warehouse: Warehouse) -> None:
        """SQL text runs with its parameters bound, lists too, whatever characters it holds."""
        self.save(warehouse, ROWS)
        query = warehouse.query_text(
            "SELECT id AS n, '100% :-)' AS t FROM things WHERE id IN :ids AND id < :high -- done;",
            {"ids": [1, 2, 9], "high": 5},
        )
        assert warehouse.read(query)[0].read_all().sort_by("n").to_pydict() == {"n": [1, 2], "t": ["100% :-)"] * 2}

    @pytest.mark.parametrize(
        "text", ["DROP TABLE things", "SELECT 1; SELECT 2", "SELECT * FROM things; DROP TABLE things"]
    )
    def test_a_query_only_reads(self, warehouse: Warehouse, text: str) -> None:
        """SQL text that writes, or is more than one statement, is refused and does nothing."""
        self.save(warehouse, ROWS)
        with pytest.raises(StorageError):
            warehouse.read(warehouse.query_text(text))
        assert len(self.rows(warehouse)) == 3  # noqa: PLR2004

    def test_lazy_select(self, warehouse: Warehouse) -> None:
        """A lazy Select stays in its database and is recognised there, and nowhere else."""
        self.save(warehouse, ROWS)
        query = warehouse.query_table(warehouse.name("things"))
        lazy = warehouse.lazy(query, sa.Select)
        table = warehouse.lazy(query, sa.Table)
        narrowed = sa.select(table.c.id, sa.func.upper(table.c.name).label("upper")).where(table.c.id < 3)  # noqa: PLR2004
        assert warehouse.as_query(lazy) is not None
        self.save(warehouse, warehouse.as_query(narrowed), "narrow")
        assert self.rows(warehouse, "narrow") == [(1, "A"), (2, "B")]
        with Warehouse("sqlite://") as other:
            assert other.as_query(narrowed) is None
        text = warehouse.lazy(warehouse.query_text("SELECT id FROM things"), sa.Select)
        assert warehouse.read(sa.select(sa.func.count()).select_from(text.subquery()))[0].read_all()[0][0].as_py() == 3  # noqa: PLR2004

    def test_names_are_checked(self, warehouse: Warehouse) -> None:
        """The engine's own names are not for users, and a schema needs a database with schemas."""
        for text in ("_e_0123456789abcdef", "_engine_ledger", "a.b.c", ""):
            with pytest.raises(RequestError):
                warehouse.name(text)
        if warehouse.dialect.traits.has_schemas:
            self.save(warehouse, ROWS, "new_schema.things")
            assert len(self.rows(warehouse, "new_schema.things")) == 3  # noqa: PLR2004
            assert warehouse.name("things").schema == warehouse.dialect.traits.default_schema
        else:
            with pytest.raises(RequestError, match="schemas"):
                warehouse.name("marts.things")


_KILLED = """
import os, signal, sys
import pyarrow as pa
from engine.dialects.base import Intent, Write
from engine.dialects.ledger import Ledger
from engine.dialects.warehouse import Warehouse

url, point = sys.argv[1:]
warehouse = Warehouse(url, wait_s=10)
owner = Ledger if point == "insert" else type(warehouse.dialect)
original = getattr(owner, point)

def killed(*arguments, **options):
    original(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, point, killed)
rows = pa.table({"id": [7, 8], "name": ["new", "rows"]}).to_reader()
warehouse.save(rows, Write(warehouse.name("things")), Intent(commit_id="killed"))
"""
