"""What only SQLite promises: exact values in five storage classes, and a stamp inside the definition."""

from __future__ import annotations

import itertools
import re
import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from engine.dialects.base import Intent, Write, WriteMode
from engine.dialects.definitions import TableDefinition
from engine.dialects.warehouse import Warehouse
from engine.errors import ConcurrentWriteError, LoadError, SaveError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.dialects.base import Commit

_IDS = itertools.count(1)
ROWS = pa.table({"id": [1, 2, 3]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database will be."""
    return tmp_path / "deep" / "w.db"


@pytest.fixture
def warehouse(path: Path) -> Iterator[Warehouse]:
    """A database in a folder that is not there yet."""
    with Warehouse(f"sqlite:///{path}", wait_s=1) as opened:
        yield opened


def save(warehouse: Warehouse, rows: Any, table: str = "t", mode: str = "replace", **options: Any) -> Commit:
    """Save rows."""
    stream = rows.to_reader() if isinstance(rows, pa.Table) else rows
    write = Write(warehouse.name(table), WriteMode(mode))
    return warehouse.save(stream, write, Intent(commit_id=f"lite-{next(_IDS)}", **options))


def read(warehouse: Warehouse, text: str) -> pa.Table:
    """Run a query."""
    return warehouse.read(warehouse.query_text(text))[0].read_all()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (pa.array([1.0, float("nan")]), "NaN"),
        (pa.array([1, 2**63], pa.uint64()), "2\\^63"),
        (pa.array([Decimal(1), Decimal("1234567890123456.1")], pa.decimal128(20, 1)), "15 digits"),
    ],
)
def test_what_sqlite_would_change_is_refused(warehouse: Warehouse, value: pa.Array, words: str) -> None:
    """A value that SQLite would change without a word is refused with column and row."""
    with pytest.raises(SaveError, match=words) as caught:
        save(warehouse, pa.table({"value": value}))
    assert "'value'" in str(caught.value)
    assert "row 1" in str(caught.value)


@pytest.mark.parametrize("value", [pa.array([{"a": 1}]), pa.array([[1]])])
def test_types_it_has_no_column_for(warehouse: Warehouse, value: pa.Array) -> None:
    """Structs and lists are refused by column."""
    with pytest.raises(SaveError, match="'value'"):
        save(warehouse, pa.table({"value": value}))


def test_decimals_compare_as_numbers(warehouse: Warehouse) -> None:
    """A decimal column is a number to SQL, not a text."""
    save(warehouse, pa.table({"d": pa.array([Decimal("9.50"), Decimal("10.00")], pa.decimal128(15, 2))}))
    assert read(warehouse, "SELECT d FROM t WHERE d > 9.6").to_pylist() == [{"d": Decimal("10.00")}]


def test_expressions_have_types(warehouse: Warehouse) -> None:
    """Columns without a declared type get the type of what occurs in them; a mixture is refused by name."""
    save(warehouse, ROWS)
    found = read(warehouse, "SELECT id * 2 AS i, id / 2.0 AS f, 'x' AS s, NULL AS n, count(*) OVER () AS c FROM t")
    assert [str(kind) for kind in found.schema.types] == ["int64", "double", "string", "null", "int64"]
    with pytest.raises(LoadError, match="'m'"):
        read(warehouse, "SELECT CASE id WHEN 1 THEN 'x' ELSE id END AS m FROM t")


def test_a_column_that_holds_something_else(warehouse: Warehouse, path: Path) -> None:
    """A value that is not what its column is declared to hold is an error naming the column."""
    save(warehouse, ROWS)
    with closing(sqlite3.connect(path)) as other:
        other.execute("INSERT INTO t VALUES ('text')")
        other.commit()
    with pytest.raises(LoadError, match="'id'"):
        read(warehouse, "SELECT * FROM t")


def test_triggers_and_constraints_are_kept(warehouse: Warehouse, path: Path) -> None:
    """An adopted table keeps keys, checks, indexes and triggers through a replace with the same columns."""
    save(warehouse, ROWS, "other")
    with closing(sqlite3.connect(path)) as other:
        other.executescript(
            """
            CREATE TABLE "t" (id BIGINT PRIMARY KEY CHECK (id > 0) /* mine */);
            CREATE TABLE log (n BIGINT);
            CREATE INDEX by_id ON t (id DESC);
            CREATE TRIGGER watch AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.id); END;
            """
        )
    first = save(warehouse, ROWS, adopt=True)
    assert first.row.physical_name == first.row.commit_id
    save(warehouse, pa.table({"id": [7]}), mode="append")
    with closing(sqlite3.connect(path)) as other:
        kinds = other.execute("SELECT type, name FROM sqlite_master WHERE tbl_name = 't' AND sql NOT NULL").fetchall()
        assert sorted(kinds) == [("index", "by_id"), ("table", "t"), ("trigger", "watch")]
        with pytest.raises(sqlite3.IntegrityError):
            other.execute("INSERT INTO t VALUES (-1)")
    with pytest.raises(SaveError, match="CHECK"):
        save(warehouse, pa.table({"x": [1]}))


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16be"])
def test_rows_of_any_size_in_any_encoding(warehouse: Warehouse, path: Path, encoding: str) -> None:
    """Rows that cannot go in or out as they stand in pages go the other way, in the same order."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA encoding = '{encoding}'")
        other.execute("CREATE TABLE first (id)")
    texts = ["é" * (90_000 if i in (7, 40_000) else i % 60) for i in range(80_000)]
    rows = pa.table({"id": range(80_000), "text": texts, "bytes": [text.encode()[:200_000] for text in texts]})
    save(warehouse, pa.Table.from_batches(rows.to_batches(max_chunksize=50_000)))
    assert read(warehouse, "SELECT * FROM t").equals(rows)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_there_is_no_place_for_a_copy(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a copy of the rows cannot be made, the error says what to do."""
    save(warehouse, ROWS)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(LoadError, match="no place for a copy") as caught:
        read(warehouse, "SELECT * FROM t")
    assert "TMPDIR" in caught.value.hint


KEPT = {
    "the primary key": "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)",
    "NOT NULL": "CREATE TABLE t (id INT, name VARCHAR(9) NOT NULL ON CONFLICT IGNORE)",
    "the default": "CREATE TABLE t (id BIGINT, name TEXT DEFAULT 'CHECK (')",
    "a UNIQUE constraint": "CREATE TABLE t (id BIGINT, name TEXT, UNIQUE (name, id))",
    "a CHECK": "CREATE TABLE t (id BIGINT, name TEXT, check\n(id > 0))",
    "a collation": "CREATE TABLE t (id BIGINT, name TEXT COLLATE NOCASE)",
    "the generated column": "CREATE TABLE t (id BIGINT, name TEXT, up TEXT AS (upper(name)) STORED)",
    "a foreign key": "CREATE TABLE t (id BIGINT, name TEXT REFERENCES other (name))",
    "STRICT": "CREATE TABLE t (id INTEGER, name TEXT) STRICT",
}


@pytest.mark.parametrize("lost", KEPT)
def test_a_replace_keeps_the_definition_or_is_refused(warehouse: Warehouse, path: Path, lost: str) -> None:
    """A table keeps all its definition says when it is replaced; rows with other columns are refused, naming it."""
    rows = pa.table({"id": [1, 2], "name": ["a", "b"]})
    save(warehouse, rows, "other")
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE UNIQUE INDEX by_name ON other (name)")
        other.execute(KEPT[lost])
        if "AUTOINCREMENT" in KEPT[lost]:
            other.execute("INSERT INTO t VALUES (500, 'x')")
        other.commit()
    for given in (rows, rows.slice(1), rows.slice(2)):
        save(warehouse, given, adopt=True)
        with closing(sqlite3.connect(path)) as other:
            ((text,),) = other.execute("SELECT sql FROM sqlite_master WHERE name = 't'").fetchall()
            assert re.sub(r"/\*.*?\*/ ", "", text) == KEPT[lost]
            assert other.execute("SELECT id, name FROM t").fetchall() == [tuple(r.values()) for r in given.to_pylist()]
            if "AUTOINCREMENT" in KEPT[lost]:
                assert other.execute("SELECT seq FROM sqlite_sequence").fetchall() == [(500,)]
    with pytest.raises(SaveError, match=f"would lose .*{lost}"):
        save(warehouse, rows.append_column("more", pa.array([1, 2])))
    assert read(warehouse, "SELECT id FROM t").num_rows == 0


def test_what_the_planner_knows_is_kept(warehouse: Warehouse, path: Path) -> None:
    """What ANALYZE found about a table and its indexes is there after a replace, also for another's table beside it."""
    rows = pa.table({"id": [1, 2, 2], "it's": ["a", "b", "c"]})
    for name in ("t", "other"):
        save(warehouse, rows, name)
    with closing(sqlite3.connect(path)) as other:
        other.executescript("""CREATE INDEX "a 'key'" ON t ("it's"); CREATE INDEX by_id ON t (id); ANALYZE""")
        known = sorted(other.execute("SELECT * FROM sqlite_stat1").fetchall(), key=str)
        assert {"a 'key'", "by_id"} <= {index for _, index, _ in known}
        save(warehouse, rows.slice(1))
        assert sorted(other.execute("SELECT * FROM sqlite_stat1").fetchall(), key=str) == known


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_foreign_keys_hold(warehouse: Warehouse, path: Path, mode: str) -> None:
    """Rows that would leave a foreign key without its row, of the table or to it, are refused; nothing changes."""
    save(warehouse, pa.table({"id": [1, 2]}), "parent")
    with closing(sqlite3.connect(path)) as other:
        other.executescript(
            "CREATE UNIQUE INDEX by_id ON parent (id); CREATE TABLE t (id BIGINT REFERENCES parent (id));"
            "CREATE TABLE lost (id BIGINT REFERENCES parent (name)); INSERT INTO lost VALUES (7);"
        )
    save(warehouse, pa.table({"id": [2, 2, None]}), mode=mode, adopt=True)
    with pytest.raises(SaveError, match="of t refers by id to no row of parent"):
        save(warehouse, pa.table({"id": [1, 3]}), mode=mode)
    with pytest.raises(SaveError, match="row 1 of t refers by id to no row of parent"):
        save(warehouse, pa.table({"id": [1]}), "parent")
    assert read(warehouse, "SELECT id FROM t")["id"].to_pylist() == [2, 2, None]
    save(warehouse, pa.table({"id": [2]}), "parent")


def test_other_columns_with_the_same_key(warehouse: Warehouse) -> None:
    """A table may be replaced by one with other columns where all it had is asked for again; else nothing changes."""
    asked = TableDefinition.of(primary_key="id", not_null="name", indexes="name")
    first = pa.table({"id": [1, 2], "name": ["a", "b"]})
    with_more = first.append_column("more", pa.array([1.5, 2.5]))

    def saved(rows: pa.Table, definition: TableDefinition) -> Commit:
        write = Write(warehouse.name("t"), WriteMode.REPLACE, (), definition)
        return warehouse.save(rows.to_reader(), write, Intent(commit_id=f"lite-{next(_IDS)}"))

    saved(first, asked)
    with pytest.raises(SaveError, match="NOT NULL of name"):
        saved(with_more, TableDefinition.of(primary_key="id"))
    assert saved(with_more, asked).changed
    with pytest.raises(SaveError, match=r"UNIQUE constraint failed: t\.id"):
        saved(pa.concat_tables([with_more, with_more]), asked)
    assert read(warehouse, "SELECT * FROM t").equals(with_more)
    assert len(read(warehouse, "SELECT * FROM pragma_index_list('t')")) == 2


def test_the_stamp_is_of_the_table(warehouse: Warehouse) -> None:
    """An append leaves the stamp of the commit that made the table, and the ledger says so."""
    first = save(warehouse, ROWS, mode="append")
    second = save(warehouse, ROWS, mode="append")
    found = warehouse.tables([warehouse.name("t")])[warehouse.name("t")]
    assert found is not None
    assert found.identity == second.row.physical_name == first.row.physical_name


def test_a_locked_file_is_named(warehouse: Warehouse, path: Path) -> None:
    """Another process that is writing past the time budget is a concurrent write."""
    save(warehouse, ROWS)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConcurrentWriteError, match="another process"):
            save(warehouse, ROWS.slice(1))


def test_not_a_database(tmp_path: Path) -> None:
    """A file that is something else is said to be so."""
    (tmp_path / "w.db").write_text("id,name\n1,a\n" * 1_000)
    with Warehouse(f"sqlite:///{tmp_path}/w.db") as warehouse, pytest.raises(StorageError, match="not a SQLite"):
        warehouse.heads([warehouse.name("t")])
