"""DuckDB: the embedded warehouse, spoken to through its own API.

Theory of operation. One process has the file open; its `Link` keeps the main connection, on which lazy relations are
made, and a cursor (a connection of its own) for each stream and for saves, because a DuckDB connection holds one open
result at a time. Only a save of a relation runs on the main connection: the relation may read objects that live
nowhere else. Everything a save does, DDL too, is transactional. Rows enter in batches of one row group, which DuckDB
writes once.
"""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from engine.dialects import sql
from engine.dialects.base import Column, Dialect, PhysicalTable, Staged, TableName, Traits, WriteMode
from engine.dialects.declared import Defined, statements
from engine.dialects.duckdb.link import WRITERS, Link, Turn, cannot_open, options_of, path_of
from engine.dialects.files import make_place
from engine.dialects.publishing import DUPLICATE, same_columns, write_in_place
from engine.dialects.recorded import check_comes_back, checked_durations
from engine.dialects.stamps import stamp_of, stamped
from engine.dialects.streams import Guarded, rechunked, started
from engine.dialects.types import decoded, sql_type
from engine.errors import ConcurrentWriteError, LoadError, SaveError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.dialects.base import Query, Write
    from engine.dialects.definitions import SqlType

_LOG = logging.getLogger("engine")

ROW_GROUP = 122_880
"""Rows of one DuckDB row group; batches of another size are written twice."""

RELATION = "engine_relation"
"""The execution option under which a query carries the relation it stands for."""


class DuckDB(Dialect):
    """DuckDB 2."""

    traits = Traits(
        "duckdb",
        has_schemas=True,
        default_schema="main",
        max_identifier_bytes=None,
        folds_case=True,
        one_writer=True,
        many_connections=True,
    )
    driver_errors: ClassVar = (duckdb.Error,)

    # --- connections -------------------------------------------------------------------------------------------------

    def namespace(self, url: sa.URL) -> str:
        """Return ``duckdb:///abs/path``."""
        path = path_of(url)
        return "duckdb://:memory:" if path is None else f"duckdb://{path}"

    def connect(self, url: sa.URL, *, wait_s: float) -> Link:
        """Open the file, waiting for a process that holds it."""
        path, until, is_waiting = path_of(url), time.monotonic() + wait_s, False
        if path is not None:
            make_place(path, url)
        while True:
            try:
                main = duckdb.connect(
                    ":memory:" if path is None else str(path),
                    config={"python_enable_replacements": "false", **options_of(url)},
                )
                break
            except duckdb.Error as error:
                fault = cannot_open(error, url)
                if not isinstance(fault, ConcurrentWriteError) or time.monotonic() >= until:
                    raise fault from None
                if not is_waiting:
                    _LOG.warning("%s; waiting up to %g s for it to end", fault.message, wait_s)
                is_waiting = True
                time.sleep(0.1)
        mark = os.urandom(8).hex()
        main.execute("SET GLOBAL TimeZone = 'UTC'")  # cursors too; instants then read back as UTC whatever the machine
        main.execute(f"SET VARIABLE engine_warehouse = '{mark}'")
        key = mark if path is None else str(path)
        turn = WRITERS.setdefault(key, Turn())
        return Link(main, turn, mark)

    def close(self, connection: Link) -> None:
        """Close every connection, so that other processes may open the file."""
        for one in [*connection.streams.values(), *connection.cursors, connection.main]:
            with suppress(duckdb.Error, pa.ArrowException, OSError):
                one.close()
        connection.streams.clear()

    def writer(self, connection: Link, rows: pa.RecordBatchReader | Query) -> Link:
        """Choose the connection: the main one for a relation, else one that no open result can disturb."""
        connection.current = connection.main if _relation(rows) is not None else None
        return connection

    @contextmanager
    def transaction(self, connection: Link, *, write: bool) -> Iterator[None]:
        """Run the block in one transaction; writers of this process take turns."""
        on = connection.active
        with connection.turn.lock if write else _nothing():
            try:
                on.execute("BEGIN TRANSACTION")
                try:
                    yield
                except BaseException:
                    with suppress(duckdb.Error):
                        on.execute("ROLLBACK")
                    raise
                on.execute("COMMIT")
            finally:
                connection.current = None

    def lock(self, connection: Link, table: TableName, *, wait_s: float) -> None:
        """Do nothing: a process that has the file open is its only writer, and its threads take turns."""

    def translate(self, error: Exception, *, location: str, saving: bool) -> StorageError:
        """Say which of the usual things happened."""
        text = " ".join(str(error).split("\n\nLINE")[0].split())
        is_duplicate = "duplicate key" in text.lower() and "_engine_ledger" not in text
        is_taken = isinstance(error, duckdb.ConstraintException) and "_engine_ledger" in text
        if is_taken or (isinstance(error, duckdb.TransactionException) and not is_duplicate):
            return ConcurrentWriteError(
                f"another writer was faster at {location}: {text}", location=location, hint="run again"
            )
        if "open result" in text or "unfinished result" in text:
            return (SaveError if saving else LoadError)(
                f"a result of the same DuckDB connection is still open while {location} is used",
                location=location,
                hint="read it to the end first, or return the relation itself",
            )
        hint = "check the names in the query" if self.is_missing(error) else ""
        hint = "correct the SQL" if isinstance(error, duckdb.ParserException) else hint
        hint = DUPLICATE if is_duplicate else hint
        return (SaveError if saving else LoadError)(f"DuckDB refused {location}: {text}", location=location, hint=hint)

    def is_missing(self, error: Exception) -> bool:
        """Say whether a table or column does not exist."""
        return isinstance(error, duckdb.CatalogException | duckdb.BinderException)

    def version(self, connection: Link) -> str:
        """Return the version of the library."""
        del connection
        return f"duckdb {duckdb.__version__}"

    # --- the catalog -------------------------------------------------------------------------------------------------

    def tables(self, connection: Link, names: Sequence[TableName]) -> dict[TableName, PhysicalTable | None]:
        """Look the tables up: what is there, then its columns. A join of the two would take DuckDB longer than both."""
        wanted = ", ".join(sql.literal(name) for name in sorted({name.name.lower() for name in names}))
        of_table, of_view = (
            f"database_name = current_database() AND lower({column}) IN ({wanted})"
            for column in ("table_name", "view_name")
        )
        found = connection.active.execute(
            f"SELECT schema_name, table_name, comment, false FROM duckdb_tables() WHERE {of_table} UNION ALL"
            f" SELECT schema_name, view_name, comment, true FROM duckdb_views() WHERE {of_view}"
        ).fetchall()
        there = {TableName(*row[:2]).folded(): (row[2], row[3]) for row in found}
        columns: dict[TableName, list[Column]] = {}
        if not there.keys().isdisjoint(name.folded() for name in names):
            rows = connection.active.execute(
                "SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns()"
                f" WHERE {of_table} ORDER BY column_index"
            ).fetchall()
            for schema, table, *column in rows:
                columns.setdefault(TableName(schema, table).folded(), []).append(Column(*column))
        return {name: _physical(there.get(name.folded()), columns.get(name.folded(), ())) for name in names}

    def columns(self, connection: Link, table: TableName) -> tuple[Column, ...]:
        """Ask for one table, which takes the same time however many there are."""
        rows = connection.active.execute(f"DESCRIBE {sql.quoted_table(table)}").fetchall()
        return tuple(Column(name, kind, nullable == "YES") for name, kind, nullable, *_ in rows)

    def table_names(self, connection: Link) -> list[TableName]:
        """List tables and views that are not the system's or the engine's."""
        rows = connection.active.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_catalog = current_database() AND table_schema <> '_engine'"
        ).fetchall()
        return [TableName(*row) for row in rows]

    def views(self, connection: Link) -> dict[TableName, frozenset[TableName]]:
        """Say of each view which tables its definition mentions: one that it does not read does no harm.

        DuckDB's own `get_table_names` is no way: a view that it looked into forgets its columns.
        """
        rows = connection.active.execute(
            "SELECT schema_name, view_name, sql FROM duckdb_views()"
            " WHERE database_name = current_database() AND NOT internal"
        ).fetchall()
        tables = self.table_names(connection) if rows else []
        return {TableName(schema, name): sql.mentioned(text, tables) for schema, name, text in rows}

    def ensure_schema(self, connection: Link, schema: str) -> None:
        """Create the schema; DuckDB's transactions make that safe."""
        connection.active.execute(f"CREATE SCHEMA IF NOT EXISTS {sql.quoted(schema)}")

    # --- reading -----------------------------------------------------------------------------------------------------

    def run(self, connection: Link, query: sa.Executable | str, /, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement on the connection of the open transaction."""
        text, values = (query, []) if isinstance(query, str) else _compiled(query)
        result = connection.active.execute(text, [*values, *parameters.values()])
        return result.fetchall() if result.description else []

    def read(
        self, connection: Link, query: Query, *, batch_rows: int, checksum: bool
    ) -> tuple[pa.RecordBatchReader, str | None]:
        """Stream on a cursor of its own, or, for a relation, on the main connection."""
        if (relation := _relation(query)) is not None:
            token = self._token(relation) if checksum else None
            return relation.to_arrow_reader(batch_rows), token
        cursor = connection.cursor()
        try:
            cursor.execute("BEGIN TRANSACTION")
            token = self._token(_relation_of(cursor, query)) if checksum else None
            batches = _relation_of(cursor, query).to_arrow_reader(batch_rows)
        except BaseException:
            cursor.close()
            raise
        return pa.RecordBatchReader.from_batches(batches.schema, started(_drained(connection, cursor, batches))), token

    def schema(self, connection: Link, query: Query) -> pa.Schema:
        """Ask for no rows."""
        relation = _relation(query) or _relation_of(connection.active, query)
        made: pa.Schema = relation.limit(0).to_arrow_table().schema
        return made

    def checksum(self, connection: Link, query: Query) -> str:
        """Hash rows with DuckDB's own hash."""
        return self._token(_relation(query) or _relation_of(connection.active, query))

    def _token(self, relation: duckdb.DuckDBPyRelation) -> str:
        # DuckDB's hash does not tell an INTEGER from a BIGINT: names and types are part of the token. Nor does it tell
        # values that compare as equal (0.0 and -0.0, a month and 30 days), nor a list without items from none.
        columns = [(name, str(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)]
        counted = relation.query(
            "_e_rows",
            "SELECT count(*), sum(hash(_e_row)), sum(hash(_e_row, 42))"
            f" FROM (SELECT *{''.join(_told_apart(relation))} FROM _e_rows) AS _e_row",
        )
        rows = counted.fetchall() if counted is not None else []
        return f"duckdb-{duckdb.__version__}-exact:{sql.fold_values(*rows[0], *sum(columns, ()))}"

    def check_query(self, connection: Link, query: sa.TextClause) -> None:
        """Let DuckDB's own parser say what the text is."""
        text, _ = _compiled(query)
        statements = connection.active.extract_statements(text)
        kinds = [statement.type for statement in statements]
        if len(kinds) != 1 or kinds[0] != duckdb.StatementType.SELECT:
            said = " and ".join(kind.name for kind in kinds) or "nothing"
            raise sql.not_a_query(f"this is {said}")

    # --- writing -----------------------------------------------------------------------------------------------------

    def spelt(self, connection: Link, types: Mapping[str, SqlType]) -> dict[str, str]:
        """Ask DuckDB itself."""
        spelt = {}
        for name, type_ in types.items():
            written = type_.written(_SQL_DIALECT())
            try:
                spelt[name] = str(self.run(connection, f"SELECT typeof(CAST(NULL AS {written}))")[0][0])
            except (duckdb.CatalogException, duckdb.ParserException, duckdb.BinderException) as error:
                raise SaveError(f"column {name!r}: DuckDB has no type {written}", hint="correct types=") from error
        return spelt

    def stage(
        self, connection: Link, staging: TableName, rows: pa.RecordBatchReader | Query, types: Mapping[str, str]
    ) -> Staged:
        """Create the staging table from the stream or the query."""
        name = sql.quoted_table(staging)
        schema = rows.schema if isinstance(rows, pa.RecordBatchReader) else self.schema(connection, rows)
        untyped = _untyped(schema, types)
        if (relation := _relation(rows)) is not None:
            columns = ", ".join(_typed(field.name, untyped) for field in schema)
            (relation.project(columns) if untyped else relation).create(name)
        elif isinstance(rows, pa.RecordBatchReader):
            self._load(connection.active, name, rows, untyped)
        else:
            text, values = _compiled(rows)
            columns = ", ".join(_typed(field.name, untyped) for field in schema)
            connection.active.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM ({text}\n) AS _e_rows", values)
        if isinstance(rows, pa.RecordBatchReader):
            check_comes_back(self.schema(connection, sql.all_rows(staging)), schema, declared=types)
        (count,) = self.run(connection, f"SELECT count(*) FROM {name}")[0]
        return Staged(staging, schema, count, self.columns(connection, staging))

    def _load(
        self, on: duckdb.DuckDBPyConnection, name: str, rows: pa.RecordBatchReader, untyped: dict[str, str]
    ) -> None:
        plain = pa.schema([pa.field(field.name, _kept_type(field.type)) for field in rows.schema])
        guarded = Guarded(rechunked(decoded(checked_durations(rows), plain), plain, ROW_GROUP))
        columns = ", ".join(_typed(field.name, untyped) for field in plain)
        try:
            on.register("_e_rows", pa.RecordBatchReader.from_batches(plain, guarded))
            on.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM _e_rows")
        except duckdb.Error:
            guarded.reraise()  # what the stream itself raised, which DuckDB only quotes
            _check_types(plain)
            raise
        finally:
            with suppress(duckdb.Error):  # after an error the transaction takes no more statements
                on.unregister("_e_rows")

    def publish(
        self, connection: Link, staged: Staged, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Rename the staging table into place, or write into a table that has indexes, keys or comments to keep."""
        table, comment = write.table, None
        if before is not None:
            comment = self._comment(connection, table, before)
        if before is None or before.is_view:
            if before is not None:
                self.run(connection, f"DROP VIEW {sql.quoted_table(table)}")
            self._rename(connection, staged.table, table)
        elif write.mode is not WriteMode.REPLACE:
            write_in_place(self, connection, staged, write, before)
        else:
            self._replace(connection, staged, write, before)
        self._define(connection, write, [column.name for column in staged.columns])
        self._stamp(connection, "TABLE", table, stamped(write.definition.comment or comment, commit_id))
        return commit_id

    def _define(self, connection: Link, write: Write, names: Sequence[str]) -> None:
        """Add to the table what the definition asks for and it lacks."""
        if not write.definition:
            return
        table, on = write.table, sql.quoted_table(write.table)
        where = (
            f"database_name = current_database() AND schema_name = {sql.literal(table.schema)}"
            f" AND table_name = {sql.literal(table.name)}"
        )
        keys = self.run(
            connection,
            f"SELECT constraint_type, constraint_column_names FROM duckdb_constraints() WHERE {where}"
            " AND constraint_type IN ('PRIMARY KEY', 'NOT NULL')",
        )
        indexes = self.run(connection, f"SELECT expressions::VARCHAR[] FROM duckdb_indexes() WHERE {where}")
        comments = self.run(
            connection,
            f"SELECT column_name, comment FROM duckdb_columns() WHERE {where} AND comment IS NOT NULL",
        )
        there = Defined(
            primary_key=next((tuple(columns) for kind, columns in keys if kind == "PRIMARY KEY"), ()),
            indexes=frozenset(tuple(_unquoted(part) for part in row[0]) for row in indexes),
            not_null=frozenset(columns[0] for kind, columns in keys if kind == "NOT NULL"),
            column_comments=dict(comments),
        )
        limit = self.traits.max_identifier_bytes
        for statement in statements(write.definition, there, on, names, table=table.name, max_bytes=limit):
            self.run(connection, statement)

    def _replace(self, connection: Link, staged: Staged, write: Write, before: PhysicalTable) -> None:
        table, kept = write.table, self._properties(connection, write.table)
        if kept and same_columns(staged.columns, before.columns):
            write_in_place(self, connection, staged, write, before)
            return
        if kept:
            raise SaveError(
                f"{table} has changed columns, and a new table would lose {', '.join(kept)}",
                location=str(table),
                hint="drop these by hand, or write to another table",
            )
        views = self._working_views(connection) if not same_columns(staged.columns, before.columns) else []
        self.run(connection, f"DROP TABLE {sql.quoted_table(table)}")
        self._rename(connection, staged.table, table)
        if broken := set(views).difference(self._working_views(connection) if views else ()):
            raise SaveError(
                f"the new columns of {table} would break the view {', '.join(sorted(map(str, broken)))}",
                location=str(table),
                hint="drop or change the view first",
            )

    def _properties(self, connection: Link, table: TableName) -> list[str]:
        where = (
            f"database_name = current_database() AND schema_name = {sql.literal(table.schema)}"
            f" AND table_name = {sql.literal(table.name)}"
        )
        found = self.run(
            connection,
            f"SELECT 'index ' || index_name FROM duckdb_indexes() WHERE {where}"
            f" UNION ALL SELECT 'constraint ' || constraint_text FROM duckdb_constraints() WHERE {where}"
            f" UNION ALL SELECT 'the default of ' || column_name FROM duckdb_columns() WHERE {where}"
            "  AND column_default IS NOT NULL AND column_default <> 'NULL'"
            f" UNION ALL SELECT 'the comment on ' || column_name FROM duckdb_columns() WHERE {where}"
            "  AND comment IS NOT NULL"
            f" UNION ALL SELECT 'a collation' FROM duckdb_tables() WHERE {where} AND contains(sql, ' COLLATE ')",
        )
        return sorted(row[0] for row in found)

    def _working_views(self, connection: Link) -> list[TableName]:
        rows = self.run(
            connection,
            "SELECT schema_name, view_name FROM duckdb_views()"
            " WHERE NOT internal AND NOT temporary AND database_name = current_database()",
        )
        working = []
        for view in (TableName(*row) for row in rows):
            with suppress(duckdb.CatalogException, duckdb.BinderException):
                self.run(connection, f"SELECT * FROM {sql.quoted_table(view)} LIMIT 0")
                working.append(view)
        return working

    def _rename(self, connection: Link, staging: TableName, table: TableName) -> None:
        self.run(connection, f"ALTER TABLE {sql.quoted_table(staging)} RENAME TO {sql.quoted(table.name)}")

    def _comment(self, connection: Link, table: TableName, before: PhysicalTable) -> str | None:
        kind, column = ("duckdb_views()", "view_name") if before.is_view else ("duckdb_tables()", "table_name")
        rows = self.run(
            connection,
            f"SELECT comment FROM {kind} WHERE database_name = current_database()"
            f" AND schema_name = {sql.literal(table.schema)} AND {column} = {sql.literal(table.name)}",
        )
        comment: str | None = rows[0][0] if rows else None
        return comment

    def _stamp(self, connection: Link, kind: str, table: TableName, comment: str) -> None:
        self.run(connection, f"COMMENT ON {kind} {sql.quoted_table(table)} IS {sql.literal(comment)}")

    def publish_view(
        self, connection: Link, query: Query, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Create or replace the view, its parameters written in."""
        if _relation(query) is not None:
            text = _relation_sql(query)
        else:
            text = sql.with_literals(query, _SQL_DIALECT(paramstyle="numeric_dollar"))
        name, comment = sql.quoted_table(write.table), None
        if before is not None:
            comment = self._comment(connection, write.table, before)
        if before is not None and not before.is_view:
            self.run(connection, f"DROP TABLE {name}")
        self.run(connection, f"CREATE OR REPLACE VIEW {name} AS {text}")
        self._stamp(connection, "VIEW", write.table, stamped(write.definition.comment or comment, commit_id))
        return commit_id

    # --- lazy values -------------------------------------------------------------------------------------------------

    def lazy(self, connection: Link, query: Query, like: type) -> Any:
        """Return a relation on the main connection, where relations can be joined with one another."""
        if not issubclass(duckdb.DuckDBPyRelation, like):
            return None
        return _relation(query) or _relation_of(connection.main, query)

    def as_query(self, connection: Link, value: Any) -> Query | None:
        """Recognise a relation of this very connection by a variable that only this connection has."""
        if not isinstance(value, duckdb.DuckDBPyRelation):
            return None
        asked = value.query("_e_rows", "SELECT getvariable('engine_warehouse')")
        if asked is None or asked.fetchall() != [(connection.mark,)]:
            return None
        return sa.text(value.sql_query().replace("\\", r"\\").replace(":", r"\:")).execution_options(
            **{RELATION: value}
        )


_SQL_DIALECT: Any = postgresql.dialect
_STATEMENTS = _SQL_DIALECT(paramstyle="numeric_dollar")
"""One instance for all statements: it remembers how it writes each type."""


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _compiled(query: sa.Executable) -> tuple[str, list[Any]]:
    text, parameters, order = sql.compiled(query, _STATEMENTS)
    return text, [parameters[key] for key in order]


def _relation(query: Any) -> duckdb.DuckDBPyRelation | None:
    return query.get_execution_options().get(RELATION) if isinstance(query, sa.Executable) else None


def _relation_sql(query: Query) -> str:
    relation = _relation(query)
    text = relation.sql_query() if relation is not None else ""
    if "__duckdb_source" in text or re.search(r"\$\w", text):
        raise SaveError(
            "a relation that reads Python objects or has parameters cannot become a view",
            hint="use mode replace, or make the relation of SQL over tables only",
        )
    return text


def _told_apart(relation: duckdb.DuckDBPyRelation) -> Iterator[str]:
    """Yield, for columns whose unequal values may have one hash, what tells these apart."""
    for number, kind in enumerate(relation.types, start=1):
        if kind.id in {"double", "float"}:
            yield f", #{number} = 0 AND signbit(#{number}) AS _e_{number}"
        elif kind.id in {"interval", "list", "array", "struct", "map", "union"}:
            yield f", #{number}::VARCHAR AS _e_{number}"


def _relation_of(on: duckdb.DuckDBPyConnection, query: Query) -> duckdb.DuckDBPyRelation:
    text, values = _compiled(query)
    return on.sql(text, params=values) if values else on.sql(text)


def _drained(
    connection: Link, cursor: duckdb.DuckDBPyConnection, batches: pa.RecordBatchReader
) -> Iterator[pa.RecordBatch | None]:
    connection.streams[id(batches)] = batches
    try:
        yield None
        yield from batches
    finally:
        connection.streams.pop(id(batches), None)
        batches.close()
        cursor.close()


def _physical(found: tuple[str | None, bool] | None, columns: Sequence[Column]) -> PhysicalTable | None:
    if found is None:
        return None
    comment, is_view = found
    return PhysicalTable(stamp_of(comment), tuple(columns), is_view=is_view)


def _kept_type(type_: pa.DataType) -> pa.DataType:
    """Return the type in which DuckDB keeps every value of a column, where it has one."""
    if pa.types.is_float16(type_):
        return pa.float32()
    return pa.duration("us") if pa.types.is_duration(type_) else type_


def _check_types(schema: pa.Schema) -> None:
    """Name the column for whose type DuckDB has none, if that is what went wrong.

    Raises:
        SaveError: As said.
    """
    with duckdb.connect() as scratch:
        for field in schema:
            try:
                scratch.from_arrow(schema.empty_table().select([field.name])).fetchall()
            except duckdb.Error as error:
                raise SaveError(
                    f"column {field.name!r} is of type {field.type}, which DuckDB has no column for",
                    hint="convert the column in the dataflow, for instance to text or to a narrower type",
                ) from error


def _untyped(schema: pa.Schema, types: Mapping[str, str]) -> dict[str, str]:
    """Return the columns to cast: those of a given type; one of nothing but NULL that has none is refused."""
    nulls = [field for field in schema if pa.types.is_null(field.type) and field.name not in types]
    return dict(types) | {field.name: sql_type("duckdb", field.name, field.type) for field in nulls}


def _typed(name: str, untyped: dict[str, str]) -> str:
    quoted = sql.quoted(name)
    return f"CAST({quoted} AS {untyped[name]}) AS {quoted}" if name in untyped else quoted


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
