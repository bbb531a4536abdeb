"""Statements: rows in bulk, in the words of each database.

On SQLite a statement is prepared once and run for each row, whose values are made column by column: row by row they
took SQLAlchemy as long as SQLite. On a server that would be as many answers as rows, and a COPY cannot meet a row that
is there; so all rows are one parameter of one statement, as JSON.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

T = TypeVar("T")
Update: TypeAlias = Callable[[Any], Mapping[str, Any]]

MAX_PARAMETERS = 10_000
"""Values of one IN list; SQLite's limit is 32,766, and PostgreSQL takes a list as one value."""


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose keys are not there yet; all have the same columns."""
    _insert(connection, table, rows, None)


def insert_or_update(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], update: Update
) -> None:
    """Insert rows of the same columns; where a key is there, set the columns that ``update`` says.

    Args:
        connection: A write transaction.
        table: Where to.
        rows: What to insert; of rows of one key the later ones update.
        update: Makes the new values of the row that was to be inserted; one function, because it is asked once.
    """
    for one_of_each in _apart(rows, [column.name for column in table.primary_key.columns]):
        _insert(connection, table, one_of_each, update)


@functools.cache
def taking(*names: str) -> Update:
    """Return an update that sets these columns to what was to be inserted."""
    return lambda new: {name: new[name] for name in names}


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
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], update: Update | None
) -> None:
    if not rows:
        return
    names = tuple(rows[0])
    if connection.dialect.name == "sqlite":
        # To SQLite a row that may have to be updated costs twice a new one, and most are new.
        if _run_prepared(connection, table, names, rows, None) < len(rows) and update is not None:
            _run_prepared(connection, table, names, rows, update)
        return
    statement = _statement(connection.dialect.name, table, names, update)
    told = {name: tell for name in names if (tell := _telling(table.c[name].type, connection.dialect))}
    values = [{**row, **{name: tell(row[name]) for name, tell in told.items()}} for row in rows]
    connection.execute(statement, {"rows": values})


def _run_prepared(
    connection: sa.Connection,
    table: sa.Table,
    names: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    update: Update | None,
) -> int:
    """Run SQLite's statement for each row; return how many rows it inserted or updated."""
    text, places = _prepared(table, names, update)
    return connection.exec_driver_sql(text, list(zip(*(place(rows) for place in places), strict=True))).rowcount


@functools.cache
def _statement(dialect: str, table: sa.Table, names: tuple[str, ...], update: Update | None) -> sa.Insert:
    """Return the statement for rows of these columns; making it takes as long as running it with a few of them."""
    statement: Any
    if dialect == "sqlite":
        statement = sqlite.insert(table)
    else:
        given = sa.func.json_to_recordset(sa.bindparam("rows", type_=sa.JSON)).table_valued(
            *(sa.column(name, table.c[name].type) for name in names)
        )
        shown = given.render_derived(name="given", with_types=True)
        statement = postgresql.insert(table).from_select(list(names), sa.select(*shown.c))
    if update is None:
        return cast("sa.Insert", statement.on_conflict_do_nothing())
    keys = list(table.primary_key.columns)
    return cast("sa.Insert", statement.on_conflict_do_update(index_elements=keys, set_=update(statement.excluded)))


@functools.cache
def _prepared(
    table: sa.Table, names: tuple[str, ...], update: Update | None
) -> tuple[str, list[Callable[[Sequence[Mapping[str, Any]]], Iterable[Any]]]]:
    """Return SQLite's text of the statement, and for each of its parameters what makes the values of all rows."""
    dialect = sqlite.dialect()
    made: Any = _statement("sqlite", table, names, update).compile(dialect=dialect, column_keys=list(names))
    return str(made), [
        _of_rows(name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect))
        if name in names
        else functools.partial(_of_all, made.params[name])
        for name in made.positiontup
    ]


def _of_rows(name: str, process: Callable[[Any], Any] | None) -> Callable[[Sequence[Mapping[str, Any]]], list[Any]]:
    if process is None:
        return lambda rows: [row[name] for row in rows]
    return lambda rows: [process(row[name]) for row in rows]


def _of_all(value: Any, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [value] * len(rows)


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
