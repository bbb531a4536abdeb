"""The generic dialect, shown with SQLite's SQLAlchemy dialect: what it promises, and what it says it cannot."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from engine.dialects.base import Intent, Write, WriteMode
from engine.dialects.generic import Generic
from engine.dialects.ledger import Ledger
from engine.dialects.warehouse import Warehouse
from engine.errors import SaveError, SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.dialects.base import Commit

_IDS = itertools.count(1)
ROWS = pa.table({"id": [1, 2, 3], "odd %name": ["a", None, "c"]})


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """An empty database behind the generic dialect."""
    with Warehouse(f"sqlite:///{tmp_path}/w.db", dialect=Generic()) as opened:
        yield opened


def save(warehouse: Warehouse, rows: Any, mode: str = "replace", keys: tuple[str, ...] = (), **options: Any) -> Commit:
    """Save rows."""
    stream = rows.to_reader() if isinstance(rows, pa.Table) else rows
    write = Write(warehouse.name("t"), WriteMode(mode), keys)
    return warehouse.save(stream, write, Intent(commit_id=f"any-{next(_IDS)}", **options))


def read(warehouse: Warehouse) -> dict[str, list[Any]]:
    """Return all rows of the table."""
    batches, _ = warehouse.read(warehouse.query_table(warehouse.name("t")), batch_rows=2)
    found: dict[str, list[Any]] = batches.read_all().sort_by("id").to_pydict()
    return found


def test_modes(warehouse: Warehouse) -> None:
    """Replace, append, upsert and delete_insert do what they say, one ledger row each."""
    assert save(warehouse, ROWS).row.seq == 1
    assert not save(warehouse, ROWS).changed
    save(warehouse, ROWS.slice(2), "append")
    save(warehouse, pa.table({"id": [3, 4], "odd %name": ["C", "D"]}), "delete_insert", ("id",))
    save(warehouse, pa.table({"id": [1], "odd %name": ["A"]}), "upsert", ("id",))
    assert read(warehouse) == {"id": [1, 2, 3, 4], "odd %name": ["A", None, "C", "D"]}
    save(warehouse, pa.table({"id": [1.5]}))
    assert read(warehouse) == {"id": [1.5]}


def test_refusals(warehouse: Warehouse) -> None:
    """Foreign tables, other columns and broken streams leave all as it was."""
    save(warehouse, ROWS)
    with pytest.raises(SchemaMismatchError):
        save(warehouse, pa.table({"id": [1]}), "append")
    with pytest.raises(SaveError, match="'s'"):
        save(warehouse, pa.table({"s": [{"a": 1}]}))
    assert read(warehouse)["id"] == [1, 2, 3]


def test_view(warehouse: Warehouse) -> None:
    """A view holds its parameters written in."""
    save(warehouse, ROWS)
    query = warehouse.query_table(warehouse.name("t"), where="id > :low", params={"low": 1})
    warehouse.save(query, Write(warehouse.name("v"), WriteMode.VIEW), Intent(commit_id="view"))
    assert warehouse.read(warehouse.query_table(warehouse.name("v")))[0].read_all().num_rows == 2


def test_no_staging_table_is_left(warehouse: Warehouse) -> None:
    """Where the making of a table ends a transaction, a save leaves no staging table, whether it succeeds or fails."""

    def broken() -> Iterator[pa.RecordBatch]:
        yield from ROWS.to_batches()
        raise ZeroDivisionError

    for mode in ("replace", "append", "replace"):
        save(warehouse, ROWS, mode, skip_unchanged=False)
        with pytest.raises(ZeroDivisionError):
            save(warehouse, pa.RecordBatchReader.from_batches(ROWS.schema, broken()), mode)
        assert [str(name) for name in warehouse.dialect.table_names(warehouse._connection())] == ["_engine_ledger", "t"]
    assert read(warehouse)["id"] == [1, 2, 3]


def test_rows_and_ledger_row_are_one(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that fails after the rows entered the table leaves neither rows nor ledger row."""
    save(warehouse, ROWS)

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Ledger, "insert", fail)
    for mode in ("append", "replace"):
        with pytest.raises(ZeroDivisionError):
            save(warehouse, ROWS.slice(1), mode)
        assert read(warehouse)["id"] == [1, 2, 3]
