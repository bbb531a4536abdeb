"""Definitions: what SQLite stores as the text of a table, where the stamp stands and what belongs to the table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from engine.dialects import sql
from engine.dialects.base import Column, PhysicalTable, TableName

if TYPE_CHECKING:
    import sqlite3


STAMP = re.compile(r"/\* engine commit ([\w.:-]+) \*/\s*")


CREATE = re.compile(
    r"""\s*CREATE\s+(?:TEMP\w*\s+)?(?:TABLE|VIEW)\s+("(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*'|[^\s(]+)""",
    re.IGNORECASE,
)


def physical_of(rows: list[tuple[Any, ...]]) -> PhysicalTable | None:
    """Return what the catalog's rows say of one table."""
    if not rows:
        return None
    stamp = STAMP.search(rows[0][2] or "")
    columns = tuple(Column(name, kind, bool(nullable)) for *_, name, kind, nullable in rows if name is not None)
    return PhysicalTable(stamp.group(1) if stamp else None, columns, is_view=rows[0][1] == "view")


def definition_of(main: sqlite3.Connection, table: TableName) -> str:
    """Return the text a table was made by."""
    row = main.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(?)", (table.name,)
    ).fetchone()
    return str(row[0])


def restamped(definition: str, commit_id: str) -> str:
    """Return a table's definition with this stamp behind its name instead of the one it may have."""
    plain = STAMP.sub("", definition)
    match = CREATE.match(plain)
    at = match.end() if match else len(plain)
    return f"{plain[:at]} /* engine commit {commit_id} */ {plain[at:].lstrip()}"


def is_alike(main: sqlite3.Connection, one: TableName, other: TableName) -> bool:
    """Say whether two tables have the same definition but for their names and stamps."""
    plain = [STAMP.sub("", definition_of(main, table)) for table in (one, other)]
    return len({CREATE.sub("", text, count=1).strip() for text in plain}) == 1


def belongings_of(main: sqlite3.Connection, table: TableName) -> list[str]:
    """Return the definitions of a table's indexes and triggers."""
    rows = main.execute(
        "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND lower(tbl_name) = lower(?)"
        " AND sql IS NOT NULL ORDER BY type, rowid",
        (table.name,),
    ).fetchall()
    return [row[0] for row in rows]


def constraints_of(main: sqlite3.Connection, table: TableName) -> list[str]:
    """List what only the table's definition says, and a definition for other columns cannot keep."""
    found = []
    for _, name, _, notnull, default, key in main.execute(f"PRAGMA table_info({sql.quoted(table.name)})"):
        found += [f"NOT NULL of {name}"] if notnull else []
        found += [f"the default of {name}"] if default is not None else []
        found += [f"the primary key on {name}"] if key else []
    found += ["a foreign key" for _ in main.execute(f"PRAGMA foreign_key_list({sql.quoted(table.name)})")]
    unique = main.execute(f"PRAGMA index_list({sql.quoted(table.name)})").fetchall()
    found += ["a UNIQUE constraint" for row in unique if row[3] == "u"]
    return found + (["a CHECK"] if re.search(r"\bCHECK\s*\(", definition_of(main, table), re.IGNORECASE) else [])
