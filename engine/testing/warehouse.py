"""What the tests of a database share: an empty warehouse, rows, and short ways to save, to read and to look inside."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pytest

from engine.dialects import sql
from engine.dialects.base import Intent, TableName, Write, WriteMode
from engine.dialects.warehouse import Warehouse

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


class WarehouseSuite:
    """An empty database, and short ways to do what the tests do."""

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
