"""Free SQL: one statement of the user's, which can look at the metadata and do nothing else."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from engine.errors import MetadataError

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as sa

_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_HINT = "write one SELECT; docs/reference/metadata.md lists the tables and views"


def run(connection: sa.Connection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one statement in a read transaction, and return the names of its columns and its rows.

    Raises:
        MetadataError: It is not one statement, it would write, or the database does not understand it.
    """
    driver: Any = connection.connection.driver_connection
    errors = connection.dialect.loaded_dbapi
    execute = _on_sqlite if connection.dialect.name == "sqlite" else _on_postgresql
    try:
        return execute(driver, sql)
    except (errors.Error, sqlite3.Warning, ValueError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise MetadataError(f"the statement cannot be run: {lines[0]}", hint=_HINT) from None


def _on_sqlite(driver: sqlite3.Connection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    driver.set_authorizer(_authorize)
    try:
        return _fetched(driver.execute(sql))
    finally:
        driver.set_authorizer(None)


def _authorize(action: int, *_: Any) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _on_postgresql(driver: psycopg.Connection[Any], sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    with driver.cursor(binary=True) as cursor:  # the binary protocol takes one statement at a time
        return _fetched(cursor.execute(sql.encode()))


def _fetched(cursor: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    if cursor.description is None:
        return [], []
    return [column[0] for column in cursor.description], cursor.fetchall()
