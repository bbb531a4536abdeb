"""Free SQL: one statement of the user's, which can look at the metadata and do nothing else."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any

from engine.dialects.sql import is_reading
from engine.errors import MetadataError, RequestError

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as sa

_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_HINT = "write one SELECT; docs/reference/metadata.md lists the tables and views"

_REFUSED = "not authorized|one statement at a time|multiple commands|read-only transaction"
"""What the databases say of a statement that is more than one, or would change something."""

_MISTAKES = ("0A", "21", "22", "42", "54")
"""Classes of SQLSTATE that blame the statement. Source: PostgreSQL's appendix A, error codes."""


def run(connection: sa.Connection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one statement in a read transaction, and return the names of its columns and its rows.

    Raises:
        RequestError: It is not one statement, it would write, or the database does not understand it.
        MetadataError: The database cannot answer now.
    """
    if not is_reading(sql):
        raise _not_reading()
    driver: Any = connection.connection.driver_connection
    errors = connection.dialect.loaded_dbapi
    execute = _on_sqlite if connection.dialect.name == "sqlite" else _on_postgresql
    try:
        return execute(driver, sql)
    except (errors.Error, sqlite3.Warning, ValueError) as error:
        raise _fault(error) from None


def _not_reading() -> RequestError:
    return RequestError("only one statement that reads can be asked", hint=_HINT)


def _fault(error: Exception) -> RequestError | MetadataError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if re.search(_REFUSED, lines[0]):
        return _not_reading()
    if isinstance(error, sqlite3.Error):
        is_mistake = getattr(error, "sqlite_errorcode", None) in {None, sqlite3.SQLITE_ERROR}
    else:  # without a state the connection is at fault, or the text is one that cannot be sent
        state = getattr(error, "sqlstate", None)
        is_mistake = state.startswith(_MISTAKES) if state else type(error).__name__ != "OperationalError"
    if is_mistake:
        return RequestError(f"the statement cannot be run: {lines[0]}", hint=_HINT)
    return MetadataError(f"the metadata cannot answer: {lines[0]}", hint="try again; a smaller question may help")


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
