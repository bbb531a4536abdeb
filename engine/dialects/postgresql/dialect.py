"""PostgreSQL: a control connection for everything transactional, and connections of their own for reading in bulk.

Theory of operation. A save is one transaction on the control connection: an advisory lock on the table's name, COPY
into a staging table created in the same transaction, and then one of three ways to publish it:

* the table is absent: the staging table, loaded with FREEZE, is renamed into place;
* it is large, and all it has can be given to a new table: a swap (`engine.dialects.postgresql.replace`);
* otherwise the rows are written in place.

What cannot be kept is a refusal that lists it. ``CASCADE`` is never said. Where a publication takes in every new table,
subscribers would be sent the rows under the name of the staging table: there it is unlogged, which publishes nothing,
and the rows enter the table itself.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
import pyarrow as pa
from psycopg import errors
from sqlalchemy.dialects.postgresql import psycopg as sqlalchemy_psycopg

from engine.dialects import sql
from engine.dialects.base import Dialect, PhysicalTable, Staged, TableName, Traits, UnknownCommitError, WriteMode
from engine.dialects.declared import statements
from engine.dialects.postgresql import catalog
from engine.dialects.postgresql.copy import copy_in, staging_types
from engine.dialects.postgresql.link import Link, cannot_connect, connected, holder_of, keywords_of, lock_key, server_of
from engine.dialects.postgresql.reading import arrow_schema, described, first_row, streamed
from engine.dialects.postgresql.replace import Replacement, analyze
from engine.dialects.postgresql.views import publish_view
from engine.dialects.publishing import DUPLICATE, write_in_place
from engine.dialects.recorded import checked_durations
from engine.dialects.stamps import stamped
from engine.errors import ConcurrentWriteError, LoadError, SaveError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import sqlalchemy as sa

    from engine.dialects.base import Query, Write
    from engine.dialects.definitions import SqlType

_SYNTAX_ERROR = "42601"
"""Source: PostgreSQL's appendix A, error codes."""


class PostgreSQL(Dialect):
    """PostgreSQL 13 and later."""

    traits = Traits(
        "postgresql",
        has_schemas=True,
        default_schema="public",
        max_identifier_bytes=63,
        folds_case=False,
        many_connections=True,
    )
    driver_errors: ClassVar = (psycopg.Error,)

    # --- connections -------------------------------------------------------------------------------------------------

    def namespace(self, url: sa.URL) -> str:
        """Return ``postgres://host:port/database``, as libpq fills in what the URL leaves out."""
        return server_of(url)

    def connect(self, url: sa.URL, *, wait_s: float) -> Link:
        """Open the control connection."""
        opened = partial(connected, keywords_of(url), wait_s=wait_s)
        try:
            return Link(opened(), opened)
        except psycopg.Error as error:
            fault = cannot_connect(error, url)
        raise fault  # out here the driver's error, which carries the connection and its password, is forgotten

    def close(self, connection: Link) -> None:
        """Close every connection."""
        connection.close()

    @contextmanager
    def transaction(self, connection: Link, *, write: bool) -> Iterator[None]:
        """Run the block in one transaction: READ COMMITTED behind a lock for writing, one snapshot for reading."""
        control = connection.control
        control.execute("BEGIN" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        except BaseException:
            with suppress(psycopg.Error):
                control.execute("ROLLBACK")
            raise
        try:
            control.execute("COMMIT")
        except psycopg.OperationalError as error:
            if write and (control.closed or control.broken):
                raise UnknownCommitError(str(error)) from error
            raise

    def lock(self, connection: Link, table: TableName, *, wait_s: float) -> None:
        """Take the advisory lock of the table's name, which ends with the transaction."""
        key = lock_key(f"{table.schema}\0{table.name}")
        control = connection.control
        take = f"SAVEPOINT _e_lock; SELECT pg_advisory_xact_lock({key}); RELEASE SAVEPOINT _e_lock"
        try:
            control.execute(take.encode())
        except errors.LockNotAvailable:
            control.execute("ROLLBACK TO SAVEPOINT _e_lock")
            holder = holder_of(control, key)
            raise ConcurrentWriteError(
                f"{table} is being written by another run for more than {wait_s:g} s: {holder}",
                location=str(table),
                holder=holder,
                hint="wait for it to end, then run again",
            ) from None

    def translate(self, error: Exception, *, location: str, saving: bool) -> StorageError:
        """Say which of the usual things happened."""
        diag = getattr(error, "diag", None)
        text = str(getattr(diag, "message_primary", None) or error).split("\nLINE")[0].strip()
        where = getattr(diag, "context", None)
        text = f"{text} ({where.splitlines()[0]})" if where and where.startswith("COPY") else text
        text = _STAGING.sub("", text)
        code = getattr(error, "sqlstate", None) or ""
        if code == "23505" and "_engine_ledger" in str(error):
            return ConcurrentWriteError(f"another run was faster at {location}", location=location, hint="run again")
        if code in ("40001", "40P01", "55P03"):
            return ConcurrentWriteError(f"{location} is in use: {text}", location=location, hint="run again")
        kind = SaveError if saving else LoadError
        if code.startswith(("08", "57P")) or (isinstance(error, psycopg.OperationalError) and not code):
            return kind(
                f"the connection to the server broke at {location}: {text}", location=location, hint="run again"
            )
        detail = getattr(diag, "message_detail", None)
        said = detail or getattr(diag, "message_hint", None) or ""
        text = f"{text}: {detail}" if code == "23505" and detail else text
        hint = _HINTS.get(code) or _HINTS.get(code[:2]) or (said if code[:2] in ("23", "2B", "55") else "")
        hint = "correct the SQL" if code == _SYNTAX_ERROR else hint
        return kind(f"PostgreSQL refused {location}: {text}", location=location, hint=hint)

    def is_missing(self, error: Exception) -> bool:
        """Say whether a table, schema or column does not exist."""
        return getattr(error, "sqlstate", None) in ("42P01", "3F000", "42703")

    def version(self, connection: Link) -> str:
        """Return the server's version."""
        return f"postgresql {connection.control.info.parameter_status('server_version')}"

    # --- the catalog -------------------------------------------------------------------------------------------------

    def tables(self, connection: Link, names: Sequence[TableName]) -> dict[TableName, PhysicalTable | None]:
        """Look the tables up, in one query."""
        return catalog.look_up(connection.control.cursor(), names)

    def table_names(self, connection: Link) -> list[TableName]:
        """List the user's tables and views."""
        return catalog.names(connection.control.cursor())

    def views(self, connection: Link) -> dict[TableName, frozenset[TableName]]:
        """Ask the catalog what each view reads."""
        return catalog.views(connection.control.cursor())

    def ensure_schema(self, connection: Link, schema: str) -> None:
        """Create the schema behind a lock: ``IF NOT EXISTS`` alone fails when two come at once."""
        exists = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
        if connection.control.execute(exists, (schema,)).fetchone():
            return
        connection.control.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(f"schema\0{schema}"),))
        if not connection.control.execute(exists, (schema,)).fetchone():
            connection.control.execute(f"CREATE SCHEMA {sql.quoted(schema)}".encode())

    # --- reading -----------------------------------------------------------------------------------------------------

    def run(self, connection: Link, query: sa.Executable | str, /, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement on the control connection."""
        text, values = (query, parameters or None) if isinstance(query, str) else _compiled(query)
        cursor = connection.control.execute(text.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def read(
        self, connection: Link, query: Query, *, batch_rows: int, checksum: bool
    ) -> tuple[pa.RecordBatchReader, str | None]:
        """Stream over a connection of its own: checksum, scales and rows are of one snapshot."""
        text = self._text(connection, query)
        token_of = partial(self._token, text=text) if checksum else None
        return streamed(connection, text, token_of, batch_rows=batch_rows)

    def check_query(self, connection: Link, query: sa.TextClause) -> None:
        """Look at the word it begins with; that it is one statement, the server itself sees to."""
        del connection
        sql.check_is_reading(query.text)

    def schema(self, connection: Link, query: Query) -> pa.Schema:
        """Ask the server to describe the query."""
        return arrow_schema(described(connection.control, self._text(connection, query)))

    def checksum(self, connection: Link, query: Query) -> str:
        """Hash rows on the control connection, as part of its transaction."""
        text, control = self._text(connection, query), connection.control
        with self._attempt(control):
            return self._token(control, described(control, text), text=text)

    @contextmanager
    def _attempt(self, control: psycopg.Connection[Any]) -> Iterator[None]:
        """Let a statement fail without losing the transaction it is part of."""
        if control.info.transaction_status is psycopg.pq.TransactionStatus.IDLE:
            yield
            return
        control.execute("SAVEPOINT _e_attempt")
        try:
            yield
        except psycopg.Error:
            control.execute("ROLLBACK TO SAVEPOINT _e_attempt")
            raise
        control.execute("RELEASE SAVEPOINT _e_attempt")

    def _token(self, control: psycopg.Connection[Any], description: Sequence[psycopg.Column], *, text: str) -> str:
        hashable = self._hashable(control, {column.type_code for column in description})
        names, row = _told_apart(description) if hashable else ("", "")
        each = f"hash_record_extended({row}, {{}})" if hashable else "hashtextextended(_e_row::text, {})"
        sums = ", ".join(f"coalesce(sum({each.format(seed)}), 0)::text" for seed in (0, 42))
        found = first_row(control, f"SELECT count(*), {sums} FROM ({text}\n) AS _e_row{names}")
        columns = [part for column in description for part in (column.name, column.type_display)]
        major = str(control.info.server_version // 10_000)
        return f"postgresql-{major}-exact:{sql.fold_values(*found, *columns)}"

    def _hashable(self, control: psycopg.Connection[Any], types: set[int]) -> bool:
        """Say whether rows of these types can be hashed as records; json, for one, cannot."""
        row = control.execute(
            "SELECT bool_and(t.typtype IN ('b', 'e', 'r', 'm') AND ("
            "   EXISTS (SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod AND m.amname = 'hash'"
            "            WHERE o.opcdefault AND o.opcintype = coalesce(nullif(t.typelem, 0), t.oid))"
            "   OR t.typtype IN ('e', 'r', 'm') OR t.typname IN ('varchar', '_varchar')))"
            " FROM pg_type t WHERE t.oid = ANY(%s)",
            (list(types),),
        ).fetchone()
        return bool(row and row[0])

    def _text(self, connection: Link, query: Query) -> str:
        """Return the query with its parameters written in by psycopg: COPY takes none."""
        text, values = _compiled(query)
        return psycopg.ClientCursor(connection.control).mogrify(text.encode(), values)

    # --- writing -----------------------------------------------------------------------------------------------------

    def spelt(self, connection: Link, types: Mapping[str, SqlType]) -> dict[str, str]:
        """Ask the server itself."""
        control, spelt = connection.control, {}
        for name, type_ in types.items():
            written = type_.written(_SQL_DIALECT())
            try:
                asked = control.execute(f"SELECT NULL::{written} WHERE false".encode()).pgresult
            except psycopg.Error as error:
                raise SaveError(f"column {name!r}: PostgreSQL has no type {written}", hint="correct types=") from error
            if asked is not None:
                row = control.execute("SELECT format_type(%s, %s)", (asked.ftype(0), asked.fmod(0))).fetchone()
                spelt[name] = str(row[0]) if row else written
        return spelt

    def stage(
        self, connection: Link, staging: TableName, rows: pa.RecordBatchReader | Query, types: Mapping[str, str]
    ) -> Staged:
        """Create the staging table and COPY into it, frozen, or fill it from a query."""
        name, control = sql.quoted_table(staging), connection.control
        is_published = catalog.publishes_new_tables(control.cursor(), staging.schema)
        create = f"CREATE {'UNLOGGED ' if is_published else ''}TABLE {name}"
        if isinstance(rows, pa.RecordBatchReader):
            schema, wanted = rows.schema, staging_types(rows.schema, types)
            columns = ", ".join(f"{sql.quoted(column)} {type_}" for column, type_ in wanted.items())
            control.execute(f"{create} ({columns})".encode())
            count = copy_in(control.cursor(), name, checked_durations(rows), wanted)
            parsed = [n for n in types if n in wanted and types[n] != wanted[n]]
            for column in parsed:
                to = f"TYPE {types[column]} USING {sql.quoted(column)}::{types[column]}"
                control.execute(f"ALTER TABLE {name} ALTER {sql.quoted(column)} {to}".encode())
            frozen = not (parsed or is_published)  # a changed type writes the table anew
        else:
            text = self._text(connection, rows)
            if types:
                names = [column.name for column in described(control, text)]
                picked = ", ".join(sql.quoted(n) + (f"::{types[n]}" if n in types else "") for n in names)
                text = f"SELECT {picked} FROM ({text}\n) AS _e_rows"
            schema = arrow_schema(described(control, text))
            count = control.execute(f"{create} AS {text}".encode()).rowcount
            frozen = False
        found = self.tables(connection, [staging])[staging]
        return Staged(staging, schema, count, found.columns if found else (), frozen=frozen)

    def publish(
        self, connection: Link, staged: Staged, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Make the staged rows the table's, in the way that keeps readers and properties whole."""
        cursor, table = connection.control.cursor(), write.table
        comment = catalog.comment_on(cursor, table) if before is not None else None
        names = [column.name for column in staged.columns]
        if before is None:
            self._begin(connection, cursor, staged, write)
            self._define(cursor, table, write, names)
            analyze(cursor, table)
        else:
            define = partial(self._define, cursor, write=write, names=names)
            publication = Replacement(self, connection, staged, write, before, define)
            publication.replace() if write.mode is WriteMode.REPLACE else publication.write_in_place()
        text = sql.literal(stamped(write.definition.comment or comment, commit_id))
        cursor.execute(f"COMMENT ON TABLE {sql.quoted_table(table)} IS {text}".encode())
        return commit_id

    def _begin(self, connection: Link, cursor: psycopg.Cursor[Any], staged: Staged, write: Write) -> None:
        """Make the staged rows a table that was absent."""
        name, staging = sql.quoted_table(write.table), sql.quoted_table(staged.table)
        if catalog.is_unlogged(cursor, staged.table):
            cursor.execute(f"CREATE TABLE {name} (LIKE {staging})".encode())
            empty = PhysicalTable(None, staged.columns)
            write_in_place(self, connection, staged, replace(write, mode=WriteMode.APPEND), empty)
        else:
            cursor.execute(f"ALTER TABLE {staging} RENAME TO {sql.quoted(write.table.name)}".encode())

    def _define(self, cursor: psycopg.Cursor[Any], on: TableName, write: Write, names: Sequence[str]) -> None:
        """Add to a table what the definition asks for and it lacks."""
        if write.definition:
            limit, there = self.traits.max_identifier_bytes, catalog.defined(cursor, on)
            name, table = sql.quoted_table(on), write.table.name
            for statement in statements(write.definition, there, name, names, table=table, max_bytes=limit):
                cursor.execute(statement.encode())

    def publish_view(
        self, connection: Link, query: Query, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Create or replace the view; its parameters are written in."""
        publish_view(self, connection, self._text(connection, query), write, before, commit_id)
        return commit_id


_HINTS = {
    "22": "correct the value in the dataflow",
    "23505": DUPLICATE,
    "42": "check the names in the query",
    "428C9": "let the column be GENERATED BY DEFAULT, or write to another table",
    "54": "split the columns over several tables",
}
"""What to do, by the server's error or its class."""

_STAGING = re.compile(r' ("?)_e_[0-9a-f]{16}\1')
"""The name of a staging table or of its index, which nobody has heard of."""


def _compiled(query: sa.Executable) -> tuple[str, dict[str, Any]]:
    text, values, _ = sql.compiled(query, _SQL_DIALECT())
    return text, values


_SQL_DIALECT: Any = sqlalchemy_psycopg.dialect


_SENT = {
    700: "float4send",
    701: "float8send",
    1186: "interval_send",
    1700: "numeric_send",
    3802: "jsonb_send",
    **dict.fromkeys((1021, 1022, 1187, 1231, 3807), "array_send"),
    **dict.fromkeys((3906,), "range_send"),
    **dict.fromkeys((4532,), "multirange_send"),
}
"""Types of which values that compare as equal (0.0 and -0.0, 1.0 and 1.00, a day and 24 hours) have one hash, with the
functions that tell them apart, whatever the session's settings. Source: PostgreSQL's pg_type.dat and pg_proc.dat."""


def _told_apart(description: Sequence[psycopg.Column]) -> tuple[str, str]:
    """Return the names for the columns of a query, and a row of them in which unequal values have unequal hashes."""
    if _SENT.keys().isdisjoint(column.type_code for column in description):
        return "", "_e_row"
    names = [f"_e_{number}" for number in range(len(description))]
    parts = [f"{_SENT.get(c.type_code, '')}({name})" for name, c in zip(names, description, strict=True)]
    return f" ({', '.join(names)})", f"ROW({', '.join(parts)})"
