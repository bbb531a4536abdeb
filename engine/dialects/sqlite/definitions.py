"""Definitions: what SQLite stores as the text of a table, where the stamp stands and what belongs to the table."""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from engine.dialects import sql
from engine.dialects.base import Column, PhysicalTable, TableName
from engine.dialects.declared import Defined

if TYPE_CHECKING:
    from engine.dialects.definitions import TableDefinition


STAMP = re.compile(r"/\* engine commit ([\w.:-]+) \*/\s*")


CREATE = re.compile(
    r"""\s*CREATE\s+(?:TEMP\w*\s+)?(?:TABLE|VIEW)\s+("(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*'|[^\s(]+)""",
    re.IGNORECASE,
)

_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|\w+|\s+|.""", re.DOTALL
)
"""Comments, texts and quoted names, words, spaces, signs."""


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


def is_alike(one: str, other: str) -> bool:
    """Say whether two definitions are the same but for names and stamps of their tables."""
    plain = {CREATE.sub("", STAMP.sub("", text), count=1).strip() for text in (one, other)}
    return len(plain) == 1


def renamed(definition: str, table: TableName) -> str:
    """Return the definition for a table of another name."""
    made = f"CREATE TABLE {sql.quoted_table(table)}"
    return CREATE.sub(lambda _: made, definition, count=1)


def defined(main: sqlite3.Connection, table: TableName) -> Defined:
    """Return what a table has of what a definition can ask for."""
    name = sql.quoted(table.name)
    columns = main.execute(f"PRAGMA table_info({name})").fetchall()
    key = sorted((row[5], row[1]) for row in columns if row[5])
    indexes = [row[1] for row in main.execute(f"PRAGMA index_list({name})") if not row[4]]  # not a partial one
    parts = [main.execute(f"PRAGMA index_info({sql.quoted(index)})").fetchall() for index in indexes]
    return Defined(
        primary_key=tuple(name for _, name in key),
        indexes=frozenset(tuple(row[2] for row in part) for part in parts),
        not_null=frozenset(row[1] for row in columns if row[3]),
    )


def completed(definition: str, asked: TableDefinition, there: Defined) -> str:
    """Return a table's definition with the primary key and the NOT NULL that are asked for and lack.

    SQLite has no statement that adds them to a table.
    """
    parts = _parts(definition)
    lacking = {name for name in asked.required if name not in there.not_null}
    added = [(end, " NOT NULL") for name, end in parts if name in lacking]
    if asked.primary_key and not there.primary_key:
        added.append((parts[-1][1], f", PRIMARY KEY ({', '.join(map(sql.quoted, asked.primary_key))})"))
    for at, text in reversed(added):
        definition = definition[:at] + text + definition[at:]
    return definition


def _parts(definition: str) -> list[tuple[str, int]]:
    """Return the columns and constraints of a definition: their first word, unquoted, and where they end."""
    parts: list[tuple[str, int]] = []
    depth, is_new, start = 0, True, CREATE.match(definition)
    for token in _TOKEN.finditer(definition, start.end() if start else 0):
        text = token[0]
        if text.isspace() or text.startswith(("--", "/*")):
            continue
        depth -= text == ")"
        if depth == 0 and parts:
            break
        if depth == 1 and text == ",":
            is_new = True
        elif depth:
            name = parts[-1][0] if not is_new else _unquoted(text)
            parts[len(parts) - (not is_new) :] = [(name, token.end())]
            is_new = False
        depth += text == "("
    return parts


def _unquoted(name: str) -> str:
    """Return the name that a word of SQL stands for."""
    end = {'"': '"', "`": "`", "[": "]", "'": "'"}.get(name[0])
    return name if end is None else name[1:-1].replace(end * 2, end)


def belongings_of(main: sqlite3.Connection, table: TableName) -> list[str]:
    """Return the statements that give a table its indexes and triggers, AUTOINCREMENT's last key and statistics."""
    rows = main.execute(
        "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND lower(tbl_name) = lower(?)"
        " AND sql IS NOT NULL ORDER BY type, rowid",
        (table.name,),
    ).fetchall()
    statements = [row[0] for row in rows]
    if main.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
        counted = main.execute("SELECT name, seq FROM sqlite_sequence WHERE lower(name) = lower(?)", (table.name,))
        for name, last in counted.fetchall():
            its = f"name = {sql.literal(name)}"
            fresh = f"SELECT {sql.literal(name)}, {last} WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE {its})"
            statements.append(f"DELETE FROM sqlite_sequence WHERE {its} AND seq < {last}")
            statements.append(f"INSERT INTO sqlite_sequence {fresh}")
    return statements + _statistics(main, table)


def _statistics(main: sqlite3.Connection, table: TableName) -> list[str]:
    """Return the statements that say again what ANALYZE found: indexes without it are chosen by rules of thumb."""
    there = "SELECT name FROM sqlite_master WHERE name IN ('sqlite_stat1', 'sqlite_stat4')"
    statements = []
    for (kept,) in main.execute(there).fetchall():
        columns = [row[1] for row in main.execute(f"PRAGMA table_info({kept})")]
        values = " || ', ' || ".join(f"quote({column})" for column in columns)
        written = f"SELECT 'INSERT INTO {kept} VALUES (' || {values} || ')' FROM {kept} WHERE lower(tbl) = lower(?)"
        statements += [row[0] for row in main.execute(written, (table.name,)).fetchall()]
    return statements


def constraints_of(main: sqlite3.Connection, table: TableName, asked: TableDefinition) -> list[str]:
    """List what only the table's definition says, and what is not asked for a definition for other columns loses."""
    found = []
    for _, name, _, notnull, default, key, hidden in main.execute(f"PRAGMA table_xinfo({sql.quoted(table.name)})"):
        found += [f"the generated column {name}"] if hidden else []
        found += [f"NOT NULL of {name}"] if notnull and name not in asked.required else []
        found += [f"the default of {name}"] if default is not None and not hidden else []
        found += [f"the primary key on {name}"] if key and name not in asked.primary_key else []
    found += ["a foreign key" for _ in main.execute(f"PRAGMA foreign_key_list({sql.quoted(table.name)})")]
    unique = main.execute(f"PRAGMA index_list({sql.quoted(table.name)})").fetchall()
    found += ["a UNIQUE constraint" for row in unique if row[3] == "u"]
    definition = definition_of(main, table)
    words = [token[0].upper() for token in _TOKEN.finditer(definition)]  # both are reserved, so no column's name
    found += [what for word, what in (("CHECK", "a CHECK"), ("COLLATE", "a collation")) if word in words]
    end = len(words) - words[::-1].index(")") if ")" in words else 0
    return found + (["STRICT"] if "STRICT" in words[end:] else [])


def dangling(main: sqlite3.Connection, table: TableName) -> dict[tuple[str, int], str]:
    """Return which foreign keys of or to a table refer to no row; each with a sentence on one such row.

    SQLite itself looks only where ``PRAGMA foreign_keys`` is on.
    """
    keys = main.execute(
        'SELECT DISTINCT m.name, k.id, k."from" FROM sqlite_master m, pragma_foreign_key_list(m.name) k'
        " WHERE m.type = 'table' AND k.seq = 0 AND lower(?) IN (lower(m.name), lower(k.\"table\"))",
        (table.name,),
    ).fetchall()
    columns = {(name, number): column for name, number, column in keys}
    found: dict[tuple[str, int], str] = {}
    for name in dict.fromkeys(name for name, _ in columns):
        with suppress(sqlite3.OperationalError):  # what is referred to has no key
            for _, row, parent, number in main.execute(f"PRAGMA foreign_key_check({sql.quoted(name)})"):
                if (name, number) in columns:
                    column = columns[name, number]
                    found.setdefault((name, number), f"row {row} of {name} refers by {column} to no row of {parent}")
    return found
