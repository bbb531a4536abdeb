"""What PostgreSQL's catalog says of a table: its columns, stamp and comment, and what a definition can ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.dialects import sql
from engine.dialects.base import Column, PhysicalTable, TableName
from engine.dialects.declared import Defined
from engine.dialects.stamps import stamp_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

_TABLES = """
SELECT n.nspname, c.relname, c.relkind, obj_description(c.oid, 'pg_class'),
       a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[])) AND c.relkind = ANY('{r,p,v,m,f}')
 ORDER BY n.nspname, c.relname, a.attnum
"""

_NAMES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = ANY('{r,p,v,m,f}') AND n.nspname <> ALL('{pg_catalog,information_schema,pg_toast,_engine}')
   AND n.nspname NOT LIKE 'pg\\_temp%%'
"""

_VIEWS = """
SELECT DISTINCT vn.nspname, v.relname, tn.nspname, t.relname
  FROM pg_rewrite r
  JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = ANY('{v,m}')
  JOIN pg_namespace vn ON vn.oid = v.relnamespace AND vn.nspname <> ALL('{pg_catalog,information_schema}')
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
   AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
  JOIN pg_class t ON t.oid = d.refobjid
  JOIN pg_namespace tn ON tn.oid = t.relnamespace
"""

_DEFINED = """
WITH t AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %(schema)s AND c.relname = %(name)s)
SELECT CASE WHEN i.indisprimary THEN 'key' ELSE 'index' END,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(number, place)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place), NULL
  FROM t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
 WHERE i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND m.amname = 'btree'
UNION ALL SELECT 'not null', ARRAY[a.attname::text], NULL FROM t JOIN pg_attribute a ON a.attrelid = t.oid
 WHERE a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped
UNION ALL SELECT 'comment', ARRAY[a.attname::text], d.description FROM t JOIN pg_description d ON d.objoid = t.oid
   AND d.classoid = 'pg_class'::regclass AND d.objsubid > 0
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.objsubid
"""

_PUBLISHES = "SELECT EXISTS (SELECT FROM pg_publication WHERE puballtables)"
_PUBLISHES_SCHEMA = f"""{_PUBLISHES} OR EXISTS (
    SELECT FROM pg_publication_namespace p JOIN pg_namespace n ON n.oid = p.pnnspid WHERE n.nspname = %s)"""
_SCHEMA_PUBLICATIONS = 150_000
"""Since PostgreSQL 15 a publication can take in the tables of a schema."""


def look_up(cursor: psycopg.Cursor[Any], names: Sequence[TableName]) -> dict[TableName, PhysicalTable | None]:
    """Look all these tables up, in one query."""
    rows = cursor.execute(_TABLES, ([n.schema for n in names], [n.name for n in names])).fetchall()
    found: dict[TableName, PhysicalTable | None] = dict.fromkeys(names)
    for name in names:
        mine = [row for row in rows if (row[0], row[1]) == (name.schema, name.name)]
        if mine:
            columns = tuple(Column(*row[4:]) for row in mine if row[4] is not None)
            found[name] = PhysicalTable(stamp_of(mine[0][3]), columns, is_view=mine[0][2] in ("v", "m"))
    return found


def names(cursor: psycopg.Cursor[Any]) -> list[TableName]:
    """List the user's tables and views."""
    return [TableName(*row) for row in cursor.execute(_NAMES.replace("%%", "%")).fetchall()]


def views(cursor: psycopg.Cursor[Any]) -> dict[TableName, frozenset[TableName]]:
    """Return what each of the user's views and materialized views reads, in one query."""
    found: dict[TableName, frozenset[TableName]] = {}
    for schema, name, *read in cursor.execute(_VIEWS).fetchall():
        view = TableName(schema, name)
        found[view] = found.get(view, frozenset()) | {TableName(*read)}
    return found


def comment_on(cursor: psycopg.Cursor[Any], table: TableName) -> str | None:
    """Return the table's comment."""
    row = cursor.execute(
        "SELECT obj_description(c.oid, 'pg_class') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s",
        (table.schema, table.name),
    ).fetchone()
    return row[0] if row else None


def publishes_new_tables(cursor: psycopg.Cursor[Any], schema: str) -> bool:
    """Say whether a publication takes in whatever table comes into the schema."""
    if cursor.connection.info.server_version >= _SCHEMA_PUBLICATIONS:
        row = cursor.execute(_PUBLISHES_SCHEMA, (schema,)).fetchone()
    else:
        row = cursor.execute(_PUBLISHES).fetchone()
    return bool(row and row[0])


def is_unlogged(cursor: psycopg.Cursor[Any], table: TableName) -> bool:
    """Say whether the rows of a table are published to nobody, and do not outlive a crash of the server."""
    asked = "SELECT relpersistence = 'u' FROM pg_class WHERE oid = to_regclass(%s)"
    row = cursor.execute(asked, (sql.quoted_table(table),)).fetchone()
    return bool(row and row[0])


def defined(cursor: psycopg.Cursor[Any], table: TableName) -> Defined:
    """Return what a table has of what a definition can ask for."""
    rows = cursor.execute(_DEFINED, {"schema": table.schema, "name": table.name}).fetchall()
    return Defined(
        primary_key=next((tuple(columns) for kind, columns, _ in rows if kind == "key"), ()),
        indexes=frozenset(tuple(columns) for kind, columns, _ in rows if kind in ("key", "index")),
        not_null=frozenset(columns[0] for kind, columns, _ in rows if kind == "not null"),
        column_comments={columns[0]: text for kind, columns, text in rows if kind == "comment"},
    )
