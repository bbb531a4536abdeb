"""Fault suite: what others did to a table, and what goes wrong in the middle, leaves no half table and no debris."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.dialects.ledger import Ledger
from engine.dialects.warehouse import Warehouse
from engine.errors import SaveError, SchemaMismatchError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator


from engine.testing.warehouse import ROWS, Broken, WarehouseSuite


class FaultSuite(WarehouseSuite):
    """Each test says in one sentence what must hold."""

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
