"""Sql: statements as values. Quoting, compiling, literals, and the statements that every database shares.

All SQL of the dialects is built by SQLAlchemy Core with names that are always quoted, or from catalog texts of the
dialect's own; nothing a user wrote is ever pasted but the SQL they gave as SQL.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import re
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from engine.dialects.base import TableName
from engine.errors import LoadError, OptionError, SaveError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.dialects.base import Query

MARK = "engine.warehouse"
"""The key in ``Table.info`` that says which database a lazy table lives in."""

EXAMPLES = 5
"""How many offending keys a message lists."""


_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*(\w*)", re.DOTALL)
_WORD = re.compile(r'"(?:[^"]|"")+"|\w+')
_READING = {"select", "with", "values", "table", "from"}


def first_word(text: str) -> str:
    """Return the word that a statement begins with, behind comments and parentheses.

    >>> first_word("/* all of them */ (SELECT 1)")
    'SELECT'
    """
    found = _FIRST_WORD.match(text)
    return found[1] if found else ""


def is_reading(text: str) -> bool:
    """Say whether a statement begins like one that reads; the database has the last word."""
    return first_word(text).lower() in _READING


def check_is_reading(text: str) -> None:
    """Refuse a statement that does not begin like one that reads.

    Raises:
        LoadError: As said.
    """
    if not is_reading(text):
        raise not_a_query(f"this begins with {first_word(text) or 'nothing'!r}")


def not_a_query(said: str) -> LoadError:
    """Make the error for SQL text that is not one statement that reads."""
    return LoadError(f"a query must be one statement that reads; {said}", hint="write one SELECT")


def quoted(name: str) -> str:
    """Return the name as a quoted identifier of standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def quoted_table(table: TableName) -> str:
    """Return the table's name quoted, with its schema."""
    return ".".join(quoted(part) for part in (table.schema, table.name) if part)


def mentioned(text: str, tables: Iterable[TableName]) -> frozenset[TableName]:
    """Return those of some tables whose names an SQL text mentions, in whatever case and schema.

    >>> sorted(mentioned('select * from Raw."my orders"', [TableName("raw", "my orders"), TableName("raw", "order")]))
    [TableName(schema='raw', name='my orders')]
    """
    plain = (w[1:-1].replace('""', '"') if w.startswith('"') else w for w in _WORD.findall(text))
    words = {TableName("", word).folded().name for word in plain}
    return frozenset(table for table in tables if table.folded().name in words)


def table_clause(table: TableName, columns: Iterable[str] = ()) -> sa.TableClause:
    """Return the table for SQLAlchemy Core, every name quoted."""
    schema = sa.quoted_name(table.schema, quote=True) if table.schema else None
    made: list[sa.ColumnClause[Any]] = [sa.column(sa.quoted_name(name, quote=True)) for name in columns]
    return sa.table(sa.quoted_name(table.name, quote=True), *made, schema=schema)


def all_rows(table: TableName) -> sa.Select[Any]:
    """Return ``SELECT * FROM table``."""
    return sa.select(sa.text("*")).select_from(table_clause(table))


def insert_rows(
    target: TableName, source: TableName, columns: Sequence[str], casts: Mapping[str, str]
) -> sa.Executable:
    """Insert all rows of ``source`` by column name, casting the columns in ``casts`` to a SQL type."""
    to, rows = table_clause(target, columns), table_clause(source, columns)
    picked = [_casted(rows.c[name], casts[name]) if name in casts else rows.c[name] for name in columns]
    return sa.insert(to).from_select([sa.quoted_name(name, quote=True) for name in columns], sa.select(*picked))


def _casted(column: sa.ColumnElement[Any], sql_type: str) -> sa.ColumnElement[Any]:
    return sa.cast(column, _Named(sql_type))


class _Named(sa.types.UserDefinedType[Any]):
    """A type that is written as the catalog writes it."""

    cache_ok = True

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def get_col_spec(self, **_: Any) -> str:
        return self.sql


def _matching(a: sa.TableClause, b: sa.TableClause, keys: Sequence[str]) -> sa.ColumnElement[bool]:
    # Plain equality, row-wise over the whole key: staged keys are never NULL, so it is IS NOT DISTINCT FROM, and unlike
    # that one it can be a hash join on PostgreSQL.
    return sa.and_(*(a.c[key] == b.c[key] for key in keys))


def delete_matching(target: TableName, source: TableName, keys: Sequence[str]) -> sa.Executable:
    """Delete the rows whose key occurs in ``source``."""
    to, rows = table_clause(target, keys), table_clause(source, keys)
    return sa.delete(to).where(sa.exists().where(_matching(to, rows, keys)))


def delete_missing(target: TableName, source: TableName, keys: Sequence[str]) -> sa.Executable:
    """Delete the rows whose key does not occur in ``source``."""
    to, rows = table_clause(target, keys), table_clause(source, keys)
    return sa.delete(to).where(~sa.exists().where(_matching(to, rows, keys)))


def missing_keys(target: TableName, source: TableName, keys: Sequence[str]) -> sa.Select[Any]:
    """Return a few keys of ``target`` that do not occur in ``source``."""
    to, rows = table_clause(target, keys), table_clause(source, keys)
    return sa.select(*to.c).where(~sa.exists().where(_matching(to, rows, keys))).limit(EXAMPLES)


def update_matching(
    target: TableName, source: TableName, keys: Sequence[str], columns: Sequence[str], casts: Mapping[str, str]
) -> sa.Executable | None:
    """Update the rows whose key occurs in ``source``; None when there is nothing but keys."""
    to, rows = table_clause(target, columns), table_clause(source, columns)
    values = {
        to.c[name]: _casted(rows.c[name], casts[name]) if name in casts else rows.c[name]
        for name in columns
        if name not in keys
    }
    return sa.update(to).values(values).where(_matching(to, rows, keys)) if values else None


def insert_missing(
    target: TableName, source: TableName, keys: Sequence[str], columns: Sequence[str], casts: Mapping[str, str]
) -> sa.Executable:
    """Insert the rows of ``source`` whose key does not occur in ``target``."""
    to, rows = table_clause(target, columns), table_clause(source, columns)
    picked = [_casted(rows.c[name], casts[name]) if name in casts else rows.c[name] for name in columns]
    # An outer join, not NOT EXISTS: SQLite would scan the table once per row for the latter.
    there = to.alias("there")
    joined = sa.outerjoin(rows, there, sa.and_(*(there.c[key] == rows.c[key] for key in keys)))
    fresh = sa.select(*picked).select_from(joined).where(there.c[keys[0]].is_(None))
    return sa.insert(to).from_select([sa.quoted_name(name, quote=True) for name in columns], fresh)


def duplicate_keys(source: TableName, keys: Sequence[str]) -> sa.Select[Any]:
    """Return a few keys that occur more than once."""
    rows = table_clause(source, keys)
    columns = [rows.c[key] for key in keys]
    return sa.select(*columns).group_by(*columns).having(sa.func.count() > 1).limit(EXAMPLES)


def null_keys(source: TableName, keys: Sequence[str]) -> sa.Select[Any]:
    """Return a few keys that hold NULL."""
    rows = table_clause(source, keys)
    return sa.select(*rows.c).where(sa.or_(*(column.is_(None) for column in rows.c))).limit(EXAMPLES)


def compiled(query: sa.Executable, dialect: sa.Dialect) -> tuple[str, dict[str, Any], list[str]]:
    """Compile a statement for a driver: its text, its parameters, and their order where they are positional."""
    statement: Any = query
    made = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    # A definition (CREATE TABLE) has no parameters at all.
    return str(made), dict(made.params or {}), list(getattr(made, "positiontup", None) or ())


def with_literals(query: sa.Executable, dialect: sa.Dialect, render: Callable[[Any], str] | None = None) -> str:
    """Compile a statement with its parameters written in, for definitions that cannot hold parameters."""
    base: Any = dialect.statement_compiler
    rendered = render or literal

    class Compiler(base):  # type: ignore[misc]  # the compiler of whichever dialect it is
        def render_literal_value(self, value: Any, type_: Any) -> str:
            del type_
            return rendered(value)

        def visit_null_type(self, *_: Any, **__: Any) -> str:
            return "NULL"

    dialect.statement_compiler = Compiler
    statement: Any = query
    text: str = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return text


def literal(value: Any) -> str:
    """Write a value as standard SQL does.

    >>> literal("it's"), literal(None), literal(b"a"), literal(1.5)
    ("'it''s'", 'NULL', "X'61'", '1.5')

    Raises:
        SaveError: The value has no literal, such as NaN or a list.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int) or (isinstance(value, float | Decimal) and math.isfinite(value)):
        return repr(float(value)) if isinstance(value, float) else str(value)
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, dt.date | dt.time | uuid.UUID):
        value = value.isoformat(sep=" ") if isinstance(value, dt.datetime) else str(value)
    if isinstance(value, str) and "\0" not in value:
        return "'" + value.replace("'", "''") + "'"
    raise SaveError(
        f"a parameter of type {type(value).__name__} cannot be written into a definition",
        hint="write the value in the SQL itself, or use another mode than view",
    )


def bound_text(sql: str, params: Mapping[str, Any], *, what: str) -> sa.TextClause:
    """Return SQL text with its ``:name`` parameters bound; a list or tuple stands for ``IN :names``.

    Raises:
        OptionError: A parameter is missing, or the text has none of that name.
    """
    text = sa.text(sql)
    names = set(text._bindparams)  # noqa: SLF001
    for name in params:
        if name not in names:
            near = did_you_mean(name, names)
            raise OptionError(
                f"{what} has no parameter :{name}",
                hint=f"did you mean :{near[0]}?" if near else "write :name where the value goes",
            )
    if missing := sorted(names.difference(params)):
        raise OptionError(
            f"{what} lacks a value for :{missing[0]}", hint=r"give it in params=, or write \: for a colon that is meant"
        )
    many = (list, tuple, set, frozenset)
    return text.bindparams(
        *(
            sa.bindparam(name, list(value), expanding=True) if isinstance(value, many) else sa.bindparam(name, value)
            for name, value in params.items()
        )
    )


def marks(value: Any) -> set[Any]:
    """Return the databases that the tables of a lazy value are marked with; unmarked tables do not count."""
    return {
        element.info[MARK]
        for element in visitors.iterate(value)
        if isinstance(element, sa.Table) and MARK in element.info
    }


def query_of(value: Any) -> Query | None:
    """Return a SQLAlchemy value as a query, or None if it is not one."""
    if isinstance(value, sa.Select | sa.TextClause):
        return value
    if isinstance(value, sa.FromClause):
        return sa.select(value)
    if isinstance(value, sa.CompoundSelect):
        return sa.select(value.subquery())
    return None


def select_table(table: sa.Table, *, columns: Sequence[str] | None, where: sa.TextClause | None) -> sa.Select[Any]:
    """Select columns of a table.

    Raises:
        LoadError: The table has no such column.
    """
    names = table.c.keys() if columns is None else columns
    for name in names:
        if name not in table.c:
            near = did_you_mean(name, table.c.keys())
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(table.c.keys())}"
            raise LoadError(f"table {table.fullname} has no column {name!r}", location=table.fullname, hint=hint)
    query = sa.select(*(table.c[name] for name in names))
    return query if where is None else query.where(where)


def narrowed(query: Query, names: Sequence[str], *, columns: Sequence[str] | None, rows: int | None) -> Query:
    """Return a query of some of its columns, or of all, and of its first rows, or of all, in their order.

    Args:
        query: The query.
        names: The names of its columns.
        columns: Those to keep, in this order.
        rows: How many rows to keep.
    """
    if columns is None and rows is None:
        return query
    if isinstance(query, sa.TextClause):
        named = query.columns(*(sa.column(sa.quoted_name(name, quote=True)) for name in names))
        query = sa.select(named.subquery("query"))
    if columns is not None:
        query = query.with_only_columns(*(query.selected_columns[name] for name in columns))
    return query if rows is None else query.limit(rows)


def fold_values(*values: Any) -> str:
    """Hash a list of numbers and texts into one short text."""
    digest = hashlib.blake2b(digest_size=16)
    for value in values:
        raw = f"{type(value).__name__}:{value}".encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()
