"""Publishing: what every database does alike when staged rows enter a table that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.dialects import sql
from engine.dialects.base import WriteMode
from engine.dialects.types import arrow_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.dialects.base import Column, Dialect, PhysicalTable, Staged, Write


DUPLICATE = "a key stands for one row: let the dataflow give one for each, or declare another key"
"""What to do where two rows have one key."""


def same_columns(staged: Sequence[Column], before: Sequence[Column], *, ordered: bool = False) -> bool:
    """Say whether two tables have the same columns by name and type."""
    a, b = [(c.name, c.type) for c in staged], [(c.name, c.type) for c in before]
    return a == b if ordered else sorted(a) == sorted(b)


def casts(dialect: Dialect, staged: Sequence[Column], before: Sequence[Column]) -> dict[str, str]:
    """Return the columns to cast on their way into the table: text into a type that parses it, such as json or uuid."""
    types = {column.name: column.type for column in before}
    return {
        column.name: types[column.name]
        for column in staged
        if column.type == "text" and arrow_type(dialect.traits.name, types[column.name]) is None
    }


def write_in_place(dialect: Dialect, connection: Any, staged: Staged, write: Write, before: PhysicalTable) -> None:
    """Bring the staged rows into the table, which keeps everything else it has; then drop the staging table."""
    bring_in(dialect, connection, staged, write, before)
    dialect.run(connection, f"DROP TABLE {sql.quoted_table(staged.table)}")


def bring_in(dialect: Dialect, connection: Any, staged: Staged, write: Write, before: PhysicalTable) -> None:
    """Bring the staged rows into the table, which keeps everything else it has."""
    target, names = write.table, [column.name for column in staged.columns]
    converted = casts(dialect, staged.columns, before.columns)
    if write.mode is WriteMode.UPSERT:
        update = sql.update_matching(target, staged.table, write.keys, names, converted)
        if update is not None:
            dialect.run(connection, update)
        dialect.run(connection, sql.insert_missing(target, staged.table, write.keys, names, converted))
    else:
        if write.mode is WriteMode.REPLACE:
            dialect.run(connection, sa.delete(sql.table_clause(target)))
        elif write.mode is WriteMode.DELETE_INSERT:
            dialect.run(connection, sql.delete_matching(target, staged.table, write.keys))
        dialect.run(connection, sql.insert_rows(target, staged.table, names, converted))
