"""Statements: rows in bulk, in the words of each database.

Rows are taken by their columns, whose values are made one column after the other: row by row they took SQLAlchemy as
long as the database. On SQLite a statement is prepared once and run for each row. On a server that would be as many
answers as rows, so the rows are one parameter of one statement, as JSON; many rows none of which is there are copied.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Update: TypeAlias = Callable[[Any], Mapping[str, Any]]
Columns: TypeAlias = Mapping[str, Sequence[Any]]
Rows: TypeAlias = Sequence[Mapping[str, Any]] | Columns
"""Rows that all have the same columns, or those columns by name, equally long."""

MAX_PARAMETERS = 10_000
"""Values of one IN list; SQLite's limit is 32,766, and PostgreSQL takes a list as one value."""

MANY_ROWS = 100
"""From so many rows on it pays to ask first which are there: a row that may be there costs twice a new one."""


def insert_new(connection: sa.Connection, table: sa.Table, rows: Rows, *, is_sure: bool = False) -> None:
    """Insert the rows whose keys are not there yet.

    Args:
        connection: A write transaction.
        table: Where to.
        rows: What to insert.
        is_sure: None of the keys is there, or twice among the rows; it is an error if one is.
    """
    columns = _columns(rows)
    if is_sure and connection.dialect.name == "postgresql" and _length(columns) >= MANY_ROWS:
        _copy(connection, table, columns)
    else:
        _write(connection, table, columns, None, is_sure=is_sure)


def insert_or_update(connection: sa.Connection, table: sa.Table, rows: Rows, update: Update) -> set[Any]:
    """Insert rows; where a key is there, set the columns that ``update`` says.

    Args:
        connection: A write transaction.
        table: Where to.
        rows: What to insert; of rows of one key the later ones update.
        update: Makes the new values of the row that was to be inserted; one function, because it is asked once.

    Returns:
        What the first column of the key may have had in rows that were there.
    """
    met: set[Any] = set()
    key = table.primary_key.columns[0]
    for columns in _apart(table, _columns(rows)):
        there = _there(connection, key, columns[key.name])
        is_there = [value in there for value in columns[key.name]]
        insert_new(connection, table, _picked(columns, [not known for known in is_there]), is_sure=True)
        _write(connection, table, _picked(columns, is_there), update)
        met |= there
    return met


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


def _write(
    connection: sa.Connection, table: sa.Table, columns: Columns, update: Update | None, *, is_sure: bool = False
) -> None:
    """Insert rows by the database's statement; where a key is there, update the row or leave it."""
    if not _length(columns):
        return
    names = tuple(columns)
    if connection.dialect.name == "sqlite":
        text, places = _prepared(table, names, update, is_sure)
        with _cursor(connection) as cursor:
            cursor.executemany(text, zip(*(place(columns) for place in places), strict=True))
        return
    told = [_of_column(name, _telling(table.c[name].type, connection.dialect))(columns) for name in names]
    values = [dict(zip(names, row, strict=True)) for row in zip(*told, strict=True)]
    connection.execute(_statement("postgresql", table, names, update, is_sure), {"rows": values})


def _copy(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """Copy rows to a server, which reads them as they are in memory."""
    text, types, places = _copying(table, tuple(columns))
    with _cursor(connection) as cursor, cursor.copy(text) as copy:
        copy.set_types(types)
        for row in zip(*(place(columns) for place in places), strict=True):
            copy.write_row(row)


def _cursor(connection: sa.Connection) -> contextlib.closing[Any]:
    """Give the driver's own cursor, in the connection's transaction."""
    return contextlib.closing(connection.connection.cursor())


def _there(connection: sa.Connection, key: sa.Column[Any], values: Sequence[Any]) -> set[Any]:
    """Return which values a key has in the table; few values are not asked about, but taken to be there."""
    if len(values) < MANY_ROWS:
        return set(values)
    # How many values an array has that a query makes is not known beforehand, so PostgreSQL looks into the index.
    given = (
        "IN (SELECT value FROM json_each(?))"
        if connection.dialect.name == "sqlite"
        else "= ANY (ARRAY(SELECT json_array_elements_text(%s)))"
    )
    question = f"SELECT {key.name} FROM {key.table.name} WHERE {key.name} {given}"  # noqa: S608 - our own names
    with _cursor(connection) as cursor:
        cursor.execute(question, [json.dumps(values)])
        return {value for (value,) in cursor.fetchall()}


@functools.cache
def _statement(
    dialect: str, table: sa.Table, names: tuple[str, ...], update: Update | None, is_sure: bool
) -> sa.Insert:
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
    if is_sure:
        return cast("sa.Insert", statement)
    if update is None:
        return cast("sa.Insert", statement.on_conflict_do_nothing())
    keys = list(table.primary_key.columns)
    return cast("sa.Insert", statement.on_conflict_do_update(index_elements=keys, set_=update(statement.excluded)))


@functools.cache
def _prepared(
    table: sa.Table, names: tuple[str, ...], update: Update | None, is_sure: bool
) -> tuple[str, list[Callable[[Columns], Iterable[Any]]]]:
    """Return SQLite's text of the statement, and for each of its parameters what makes the values of all rows."""
    dialect = sqlite.dialect()
    made: Any = _statement("sqlite", table, names, update, is_sure).compile(dialect=dialect, column_keys=list(names))
    return str(made), [
        _of_column(name, _processor(table, name, dialect))
        if name in names
        else functools.partial(_of_all, made.params[name])
        for name in made.positiontup
    ]


@functools.cache
def _copying(
    table: sa.Table, names: tuple[str, ...]
) -> tuple[str, list[str], list[Callable[[Columns], Iterable[Any]]]]:
    """Return PostgreSQL's text of the copying, and for each column its type and what makes its values."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    quote = dialect.identifier_preparer.quote
    text = f"COPY {quote(table.name)} ({', '.join(map(quote, names))}) FROM STDIN (FORMAT binary)"
    types = [table.c[name].type.compile(dialect).lower() for name in names]
    return text, types, [_of_column(name, _processor(table, name, dialect)) for name in names]


def _processor(table: sa.Table, name: str, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    return table.c[name].type.dialect_impl(dialect).bind_processor(dialect)


def _of_column(name: str, process: Callable[[Any], Any] | None) -> Callable[[Columns], Sequence[Any]]:
    """Return what makes the values of a column."""

    def made(columns: Columns) -> Sequence[Any]:
        values = columns[name]
        return values if process is None else [process(value) for value in values]

    return made


def _of_all(value: Any, columns: Columns) -> list[Any]:
    return [value] * _length(columns)


def _telling(type_: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    """Return what turns a value of a column into one of JSON, which names times by text; None where it is one."""
    if not isinstance(type_, sa.TypeDecorator):
        return None
    if isinstance(type_.impl_instance, sa.DateTime):
        return lambda moment: None if moment is None else type_.process_bind_param(moment, dialect).isoformat()
    return lambda value: type_.process_bind_param(value, dialect)


def _columns(rows: Rows) -> Columns:
    """Return the columns that say something; one that is None in every row would cost as much as another."""
    if not isinstance(rows, Mapping):
        rows = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return {name: values for name, values in rows.items() if values.count(None) < len(values)}


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))


def _picked(columns: Columns, is_picked: Sequence[bool]) -> Columns:
    """Return the columns with the rows that are picked."""
    if all(is_picked):
        return columns
    return {name: list(itertools.compress(values, is_picked)) for name, values in columns.items()}


def _apart(table: sa.Table, columns: Columns) -> list[Columns]:
    """Return the rows in as few parts as let no key occur twice in one; rows of one key stay in their order."""
    if not _length(columns):
        return []
    absent = [None] * _length(columns)
    keys = list(zip(*(columns.get(column.name, absent) for column in table.primary_key.columns), strict=True))
    if len(set(keys)) == len(keys):
        return [columns]
    seen: collections.Counter[tuple[Any, ...]] = collections.Counter()
    parts = []
    for key in keys:
        parts.append(seen[key])
        seen[key] += 1
    return [_picked(columns, [part == number for part in parts]) for number in range(max(parts) + 1)]
