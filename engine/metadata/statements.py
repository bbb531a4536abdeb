"""Statements: rows in bulk, in the words of each database.

On SQLite a statement is prepared once and run for each row. On a server that would be as many answers as rows, and a
COPY cannot meet a row that is there; so all rows are one parameter of one statement, as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")

MAX_PARAMETERS = 10_000
"""Values of one IN list; SQLite's limit is 32,766, and PostgreSQL takes a list as one value."""


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose keys are not there yet."""
    _insert(connection, table, rows, lambda statement: statement.on_conflict_do_nothing())


def insert_or_update(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    update: Callable[[Any], Mapping[str, Any]],
) -> None:
    """Insert rows; where the key is there, set the columns that ``update`` makes of the row that was to be inserted."""
    keys = list(table.primary_key.columns)
    for one_of_each in _apart(rows, [column.name for column in keys]):
        _insert(
            connection,
            table,
            one_of_each,
            lambda statement: statement.on_conflict_do_update(index_elements=keys, set_=update(statement.excluded)),
        )


def select_in(
    connection: sa.Connection, statement: sa.Select[Any], column: sa.ColumnElement[Any], values: Iterable[T]
) -> Iterator[sa.Row[Any]]:
    """Yield the rows of a query whose column is among the values, however many there are."""
    distinct = list(dict.fromkeys(values))
    if connection.dialect.name == "sqlite":
        for start in range(0, len(distinct), MAX_PARAMETERS):
            yield from connection.execute(statement.where(column.in_(distinct[start : start + MAX_PARAMETERS])))
    elif distinct:
        array = sa.literal(distinct, postgresql.ARRAY(column.type))
        yield from connection.execute(statement.where(column == sa.any_(array)))


def _insert(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], resolve: Callable[[Any], Any]
) -> None:
    """Insert rows that all have the same columns; ``resolve`` says what becomes of one whose key is there."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(resolve(sqlite.insert(table)), list(rows))
        return
    columns = [table.c[name] for name in rows[0]]
    given = sa.func.json_to_recordset(sa.bindparam("rows", type_=sa.JSON)).table_valued(
        *(sa.column(column.name, column.type) for column in columns)
    )
    shown = given.render_derived(name="given", with_types=True)
    statement = postgresql.insert(table).from_select([column.name for column in columns], sa.select(*shown.c))
    told = {column.name: tell for column in columns if (tell := _telling(column.type, connection.dialect))}
    values = [{**row, **{name: tell(row[name]) for name, tell in told.items()}} for row in rows]
    connection.execute(resolve(statement), {"rows": values})


def _telling(type_: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    """Return what turns a value of a column into one of JSON, which names times by text; None where it is one."""
    if not isinstance(type_, sa.TypeDecorator):
        return None
    if isinstance(type_.impl_instance, sa.DateTime):
        return lambda moment: None if moment is None else type_.process_bind_param(moment, dialect).isoformat()
    return lambda value: type_.process_bind_param(value, dialect)


def _apart(rows: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> list[list[Mapping[str, Any]]]:
    """Return the rows in as few lists as let no key occur twice in one; rows of one key stay in their order."""
    lists: list[list[Mapping[str, Any]]] = []
    seen: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = tuple(row.get(name) for name in keys)
        place = seen[key] = seen.get(key, -1) + 1
        if place == len(lists):
            lists.append([])
        lists[place].append(row)
    return lists
