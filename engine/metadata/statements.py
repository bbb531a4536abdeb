"""Statements: rows in bulk, in the words of each database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import sqlalchemy as sa

T = TypeVar("T")

MAX_PARAMETERS = 10_000
"""Values of one IN list; SQLite's limit is 32,766 and PostgreSQL's 65,535."""


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose keys are not there yet."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), list(rows))


def insert_or_update(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    update: Callable[[Any], Mapping[str, Any]],
) -> None:
    """Insert rows; where the key is there, set the columns that ``update`` makes of the row that was to be inserted."""
    if rows:
        statement = _insert(connection, table)
        keys = list(table.primary_key.columns)
        statement = statement.on_conflict_do_update(index_elements=keys, set_=update(statement.excluded))
        connection.execute(statement, list(rows))


def select_in(
    connection: sa.Connection, statement: sa.Select[Any], column: sa.ColumnElement[Any], values: Iterable[T]
) -> Iterator[sa.Row[Any]]:
    """Yield the rows of a query whose column is among the values, however many there are."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), MAX_PARAMETERS):
        yield from connection.execute(statement.where(column.in_(distinct[start : start + MAX_PARAMETERS])))


def _insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
