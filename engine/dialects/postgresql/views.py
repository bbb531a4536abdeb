"""Publishing a PostgreSQL view: in the place of nothing, of a view that keeps all it has, or of something else.

Theory of operation. ``CREATE OR REPLACE VIEW`` keeps grants, comments and dependent views, but may only add columns
behind those there are; it forgets the view's options (``security_invoker``, a check option), so these are said again.
Where columns change otherwise, or a table stands there, the new view is made beside it and takes its place, unless that
would lose something.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.dialects import sql
from engine.dialects.base import Staged, TableName
from engine.dialects.postgresql import catalog
from engine.dialects.postgresql.replace import Replacement, patiently
from engine.dialects.stamps import stamped

if TYPE_CHECKING:
    import psycopg

    from engine.dialects.base import Column, Dialect, PhysicalTable, Write
    from engine.dialects.postgresql.link import Link

_OPTIONS = """
SELECT unnest(c.reloptions) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %s AND c.relname = %s
"""


def publish_view(
    dialect: Dialect, connection: Link, text: str, write: Write, before: PhysicalTable | None, commit_id: str
) -> None:
    """Make a query the view of a name.

    Args:
        dialect: PostgreSQL.
        connection: Its open database, in a transaction.
        text: The query, with its parameters written in.
        write: Where it goes.
        before: What has the name now.
        commit_id: The stamp.

    Raises:
        SaveError: Something would be lost; the message names it.
    """
    cursor, table, name = connection.control.cursor(), write.table, sql.quoted_table(write.table)
    comment = catalog.comment_on(cursor, table) if before is not None else None
    if before is None:
        cursor.execute(f"CREATE VIEW {name} AS {text}".encode())
    else:
        digest = hashlib.blake2b(f"{table}\0{commit_id}".encode(), digest_size=8).hexdigest()
        staging = TableName(table.schema, f"_e_{digest}")
        cursor.execute(f"CREATE VIEW {sql.quoted_table(staging)} AS {text}".encode())
        found = catalog.look_up(cursor, [staging])[staging]
        columns = found.columns if found else ()
        if before.is_view and _begin_alike(before.columns, columns):
            cursor.execute(f"DROP VIEW {sql.quoted_table(staging)}".encode())
            again = f"CREATE OR REPLACE VIEW {name}{_options(cursor, table)} AS {text}"
            patiently(cursor, table, lambda: cursor.execute(again.encode()))
        else:
            staged = Staged(staging, pa.schema([]), 0, columns)
            Replacement(dialect, connection, staged, write, before, lambda _: None).exchange()
    words = sql.literal(stamped(write.definition.comment or comment, commit_id))
    cursor.execute(f"COMMENT ON VIEW {name} IS {words}".encode())


def _begin_alike(before: tuple[Column, ...], after: tuple[Column, ...]) -> bool:
    return [(c.name, c.type) for c in after[: len(before)]] == [(c.name, c.type) for c in before]


def _options(cursor: psycopg.Cursor[Any], table: TableName) -> str:
    options = [option for (option,) in cursor.execute(_OPTIONS, (table.schema, table.name)).fetchall()]
    return f" WITH ({', '.join(options)})" if options else ""
