"""Ledger: ``_engine_ledger``, the table in every warehouse that proves which version of which table was committed.

Theory of operation. A row is inserted in the same transaction as the data, so it is there if and only if the data is.
The row claims the next ``seq`` of its dataset; ``UNIQUE (dataset, partition_key, seq)`` makes a process that lost its
lock without noticing fail before its commit, data and all. ``commit_id`` was declared in the metadata before anything
was written; a save that is tried again with the same id finds its own row and does nothing.

The ledger lives in a schema of its own, ``_engine``, or beside the tables where a database has no schemas. It is
created by the first save; a warehouse without one has simply never been written.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.dialects.base import LedgerRow, TableName, WriteMode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.dialects.base import Dialect, PhysicalTable

SCHEMA = "_engine"
NAME = "_engine_ledger"


@functools.cache
def ledger_table(schema: str) -> sa.Table:
    """Return the ledger's definition; ``schema`` is empty where the database has none."""
    text, big = sa.Text, sa.BigInteger
    return sa.Table(
        NAME,
        sa.MetaData(),
        sa.Column("commit_id", sa.String(64), primary_key=True),
        sa.Column("dataset", sa.String(300), nullable=False),
        sa.Column("partition_key", sa.String(200), nullable=False, server_default=""),
        sa.Column("seq", big, nullable=False),
        sa.Column("previous_commit_id", text),
        sa.Column("epoch", big, nullable=False),
        sa.Column("run_id", text, nullable=False),
        sa.Column("node_run_id", text, nullable=False),
        sa.Column("recipe_version", text, nullable=False),
        sa.Column("mode", text, nullable=False),
        sa.Column("token", text, nullable=False),
        sa.Column("content_hash", text),
        sa.Column("schema_hash", text, nullable=False),
        sa.Column("row_count", big),
        sa.Column("physical_name", text, nullable=False),
        sa.Column("slice_json", text),
        sa.Column("record_json", text, nullable=False),
        sa.Column("committed_at", sa.DateTime, nullable=False),
        sa.UniqueConstraint("dataset", "partition_key", "seq", name="_engine_ledger_seq"),
        schema=schema or None,
    )


class Ledger:
    """The ledger of one open warehouse.

    Args:
        dialect: What the database is.
        connection: The open connection; what is asked and written is part of its transaction.
    """

    def __init__(self, dialect: Dialect, connection: Any) -> None:
        self._dialect = dialect
        self._connection = connection
        schema = SCHEMA if dialect.traits.has_schemas else ""
        self.table = ledger_table(schema)
        self.name = TableName(schema or dialect.traits.default_schema, NAME)
        self._is_there = False

    def look(self, tables: Iterable[TableName]) -> dict[TableName, PhysicalTable | None]:
        """Look tables up in the catalog, and in the same question whether there is a ledger."""
        wanted = list(tables)
        found = self._dialect.tables(self._connection, [self.name, *wanted])
        self._is_there = found[self.name] is not None
        return {table: found[table] for table in wanted}

    def exists(self) -> bool:
        """Say whether this warehouse has ever been written; asked of the catalog until it has."""
        self._is_there = self._is_there or self._dialect.tables(self._connection, [self.name])[self.name] is not None
        return self._is_there

    def create(self, *, wait_s: float) -> None:
        """Create the ledger unless `look` has found it; two that come first at once wait for one another."""
        if self._is_there:
            return
        self._dialect.lock(self._connection, self.name, wait_s=wait_s)
        if self.exists():
            return
        if self._dialect.traits.has_schemas:
            self._dialect.ensure_schema(self._connection, SCHEMA)
        self._dialect.run(self._connection, sa.schema.CreateTable(self.table))
        self._is_there = True

    def heads(self, tables: Iterable[TableName]) -> dict[TableName, LedgerRow | None]:
        """Return the latest row of each table, in one query."""
        wanted = {table: self._dataset(table) for table in tables}
        rows: dict[str, LedgerRow] = {}
        if wanted and self.exists():
            ledger, is_whole = self.table, self.table.c.partition_key == ""
            latest = (
                sa.select(ledger.c.dataset, sa.func.max(ledger.c.seq).label("seq"))
                .where(ledger.c.dataset.in_(list(set(wanted.values()))), is_whole)
                .group_by(ledger.c.dataset)
                .subquery("latest")
            )
            # Joined with what is grouped once: a subquery for each row takes DuckDB twice as long.
            is_latest = sa.and_(ledger.c.dataset == latest.c.dataset, ledger.c.seq == latest.c.seq)
            query = sa.select(ledger).join_from(ledger, latest, is_latest).where(is_whole)
            rows = {row.dataset: row for row in self._rows(query)}
        return {table: rows.get(dataset) for table, dataset in wanted.items()}

    def _dataset(self, table: TableName) -> str:
        return str(self._dialect.canonical(table))

    def commits(self, commit_ids: Iterable[str]) -> dict[str, LedgerRow]:
        """Return the rows of those of these commits that landed, in one query."""
        ids = list(commit_ids)
        if not ids or not self.exists():
            return {}
        return {row.commit_id: row for row in self._rows(sa.select(self.table).where(self.table.c.commit_id.in_(ids)))}

    def of_recipe(self, table: TableName, recipe_version: str) -> LedgerRow | None:
        """Return the latest row of a table that was made by a recipe, if all that came after it was appended."""
        if not recipe_version or not self.exists():
            return None
        c = self.table.c
        query = sa.select(self.table).where(c.dataset == self._dataset(table), c.recipe_version == recipe_version)
        rows = self._rows(query.order_by(c.seq.desc()).limit(1))
        if not rows:
            return None
        later = sa.select(self.table).where(c.dataset == self._dataset(table), c.seq > rows[0].seq)
        stays = all(row.mode is WriteMode.APPEND and not row.record.get("begins_anew") for row in self._rows(later))
        return rows[0] if stays else None

    def insert(self, row: LedgerRow) -> None:
        """Write the row that makes a version true."""
        self._dialect.run(
            self._connection,
            sa.insert(self.table).values(
                commit_id=row.commit_id,
                dataset=row.dataset,
                partition_key=row.partition_key,
                seq=row.seq,
                previous_commit_id=row.previous_commit_id,
                epoch=row.epoch,
                run_id=row.run_id,
                node_run_id=row.node_run_id,
                recipe_version=row.recipe_version,
                mode=row.mode.value,
                token=row.token,
                content_hash=row.content_hash,
                schema_hash=row.schema_hash,
                row_count=row.row_count,
                physical_name=row.physical_name,
                slice_json=None if row.slice is None else json.dumps(row.slice),
                record_json=json.dumps(row.record),
                committed_at=row.committed_at.astimezone(dt.UTC).replace(tzinfo=None),
            ),
        )

    def _rows(self, query: sa.Select[Any]) -> list[LedgerRow]:
        names = self.table.c.keys()
        return [_row(dict(zip(names, values, strict=True))) for values in self._dialect.run(self._connection, query)]


def _row(values: dict[str, Any]) -> LedgerRow:
    at = values.pop("committed_at")
    at = dt.datetime.fromisoformat(at) if isinstance(at, str) else at
    part = values.pop("slice_json")
    return LedgerRow(
        mode=WriteMode(values.pop("mode")),
        slice=None if part is None else json.loads(part),
        record=json.loads(values.pop("record_json")),
        committed_at=at.replace(tzinfo=dt.UTC),
        **values,
    )
