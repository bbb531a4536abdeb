"""What only DuckDB promises: relations that stay where they are, and one process per file."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from engine.dialects.base import Intent, Write, WriteMode
from engine.dialects.warehouse import Warehouse
from engine.errors import ConcurrentWriteError, LoadError, SaveError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.dialects.base import Commit

_IDS = itertools.count(1)
ROWS = pa.table({"id": [1, 2, 3]})


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    """A database in memory."""
    with Warehouse("duckdb://") as opened:
        yield opened


def save(warehouse: Warehouse, rows: Any, table: str = "t", mode: str = "replace") -> Commit:
    """Save rows."""
    stream = rows.to_reader() if isinstance(rows, pa.Table) else rows
    return warehouse.save(stream, Write(warehouse.name(table), WriteMode(mode)), Intent(commit_id=f"duck-{next(_IDS)}"))


def relation(warehouse: Warehouse, table: str = "t") -> duckdb.DuckDBPyRelation:
    """Return a table as a lazy relation."""
    lazy: duckdb.DuckDBPyRelation = warehouse.lazy(
        warehouse.query_table(warehouse.name(table)), duckdb.DuckDBPyRelation
    )
    return lazy


def test_a_relation_stays_in_its_database(warehouse: Warehouse) -> None:
    """A relation of this warehouse is saved as a query, also one that joins a frame of this process."""
    save(warehouse, ROWS)
    other = relation(warehouse).query("r", "SELECT id * 10 AS id FROM r WHERE id > 1")
    query = warehouse.as_query(other)
    assert save(warehouse, query, "more").row.row_count == 2
    assert not save(warehouse, warehouse.as_query(other), "more").changed
    frame = warehouse._connection().main.from_arrow(pa.table({"id": [1, 2], "name": ["a", "b"]}))
    joined = relation(warehouse).join(frame.set_alias("f"), "id")
    assert save(warehouse, warehouse.as_query(joined), "joined").row.row_count == 2


def test_a_foreign_relation_is_not_ours(warehouse: Warehouse) -> None:
    """A relation of another connection, even to an equal database, must pass through Arrow."""
    with duckdb.connect() as connection:
        assert warehouse.as_query(connection.sql("SELECT 1 AS a")) is None
    with Warehouse("duckdb://") as other:
        save(other, ROWS)
        assert warehouse.as_query(relation(other)) is None
    assert warehouse.as_query(pa.table({"a": [1]})) is None


def test_relations_can_be_views(warehouse: Warehouse) -> None:
    """A relation made of SQL becomes a view; one that reads objects of this process is refused."""
    save(warehouse, ROWS)
    save(warehouse, warehouse.as_query(relation(warehouse).filter("id > 1")), "seen", "view")
    save(warehouse, pa.table({"id": [5]}))
    assert warehouse.read(warehouse.query_table(warehouse.name("seen")))[0].read_all()["id"].to_pylist() == [5]
    frame = warehouse._connection().main.from_arrow(ROWS)
    with pytest.raises(SaveError, match="Python objects"):
        save(warehouse, warehouse.as_query(frame), "bad", "view")


def test_writing_beside_an_open_result(warehouse: Warehouse) -> None:
    """A frame can be saved while a result of the user's own relation is still open."""
    save(warehouse, ROWS)
    open_result = relation(warehouse).to_arrow_reader(1)
    open_result.read_next_batch()
    assert save(warehouse, ROWS.slice(1)).changed
    with pytest.raises(StorageError, match="still open"):
        warehouse.as_query(relation(warehouse))
    open_result.close()


def test_python_variables_are_not_tables(warehouse: Warehouse) -> None:
    """SQL sees tables of the database, never variables of the program that happen to bear the name."""
    secret_frame = ROWS
    assert secret_frame.num_rows == 3
    with pytest.raises(StorageError):
        warehouse.read(warehouse.query_text("SELECT * FROM secret_frame"))


def test_names_that_differ_in_case_are_refused(warehouse: Warehouse) -> None:
    """DuckDB would rename one of two columns that differ in case only."""
    with pytest.raises(SaveError, match="cannot tell apart"):
        save(warehouse, pa.table({"a": [1], "A": [2]}))


def test_nested_types_and_nanoseconds(warehouse: Warehouse) -> None:
    """Structs, lists, maps, nanoseconds and wide integers come back as they were."""
    rows = pa.table(
        {
            "s": pa.array([{"a": 1, "b": ["x", None]}, None]),
            "m": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            "ns": pa.array([1, None], pa.timestamp("ns")),
            "u": pa.array([2**64 - 1, None], pa.uint64()),
            "h": pa.array([1.5, None], pa.float16()),
        }
    )
    save(warehouse, rows)
    assert warehouse.read(warehouse.query_table(warehouse.name("t")))[0].read_all().to_pydict() == rows.to_pydict()


def test_a_file_has_one_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While another process has the file open, its PID is named, at once in the log and at the end in the error."""
    url = f"duckdb:///{tmp_path}/new/folder/w.duckdb"
    with Warehouse(url) as warehouse:
        save(warehouse, ROWS)
    text = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    path = str(tmp_path / "new/folder/w.duckdb")
    with subprocess.Popen(  # noqa: S603 - own text
        [sys.executable, "-c", text, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with (
            pytest.raises(ConcurrentWriteError, match=f"PID {holder.pid}") as caught,
            Warehouse(url, wait_s=0.2) as warehouse,
        ):
            save(warehouse, ROWS)
        assert caught.value.holder == f"PID {holder.pid}"
        waiting = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
        assert waiting == [("engine", "WARNING", f"{caught.value.message}; waiting up to 0.2 s for it to end")]
        holder.communicate("")
    with Warehouse(url, wait_s=5) as warehouse:
        assert not save(warehouse, ROWS).changed


def test_closing_frees_the_file(tmp_path: Path) -> None:
    """After `close` another process may open the file, also when a stream was left half read."""
    with Warehouse(f"duckdb:///{tmp_path}/w.duckdb") as warehouse:
        save(warehouse, pa.table({"n": range(100_000)}))
        stream, _ = warehouse.read(warehouse.query_table(warehouse.name("t")), batch_rows=10)
        stream.read_next_batch()
        warehouse.close()
        text = "import duckdb, sys; print(duckdb.connect(sys.argv[1]).sql('SELECT count(*) FROM t').fetchall())"
        done = subprocess.run(  # noqa: S603 - own text
            [sys.executable, "-c", text, f"{tmp_path}/w.duckdb"], capture_output=True, text=True, check=False
        )
        assert "100000" in done.stdout, done.stderr


def test_not_a_database(tmp_path: Path) -> None:
    """A file that is something else is said to be so."""
    (tmp_path / "w.duckdb").write_text("id,name\n1,a\n" * 1_000)
    with Warehouse(f"duckdb:///{tmp_path}/w.duckdb") as warehouse, pytest.raises(StorageError, match="not a DuckDB"):
        warehouse.heads([warehouse.name("t")])


def test_a_value_that_fails_in_the_middle(warehouse: Warehouse) -> None:
    """A value that cannot be computed, rows after the first, is an error of the engine's with DuckDB's words."""
    text = "SELECT CAST(CASE WHEN range = 900000 THEN 'x' ELSE '1' END AS INTEGER) AS n FROM range(1000000)"
    with pytest.raises(LoadError, match="Could not convert"):
        warehouse.read(warehouse.query_text(text), batch_rows=1_000)[0].read_all()


def test_what_belongs_to_a_table_is_kept(warehouse: Warehouse) -> None:
    """Comments of tables and columns survive a replace; columns that would lose one are refused."""
    save(warehouse, ROWS)
    main = warehouse._connection().main
    main.execute("COMMENT ON COLUMN t.id IS 'the key'")
    main.execute("COMMENT ON TABLE t IS 'Things'")
    save(warehouse, ROWS.slice(1))
    assert main.execute("SELECT comment FROM duckdb_columns() WHERE table_name = 't'").fetchall() == [("the key",)]
    comment = main.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 't'").fetchall()[0][0]
    assert comment.startswith("Things\n[engine commit")
    with pytest.raises(SaveError, match="comment on id"):
        save(warehouse, pa.table({"other": [1]}))


def test_a_collation_is_kept(warehouse: Warehouse) -> None:
    """A column goes on comparing as it was told to; columns that would lose that are refused."""
    rows = pa.table({"name": ["a", "b"]})
    save(warehouse, rows)
    main = warehouse._connection().main
    main.execute("ALTER TABLE t ALTER COLUMN name TYPE VARCHAR COLLATE NOCASE")
    save(warehouse, rows.slice(1))
    assert main.execute("SELECT name FROM t WHERE name = 'B'").fetchall() == [("b",)]
    with pytest.raises(SaveError, match="a collation"):
        save(warehouse, pa.table({"other": [1]}))
