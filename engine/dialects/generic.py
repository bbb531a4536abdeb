"""Generic: any other database, through nothing but SQLAlchemy.

Theory of operation. Rows, ledger row and all are one transaction. Where making or dropping a table ends a transaction,
as in MySQL, staging is made before anything else is written, and dropped when the transaction is over: so rows still
enter a table that stays together with their ledger row, and only a table that is made anew is not of one piece.

There are no bulk paths, no stamp on the table (one that somebody recreated with the same columns is not noticed), and
no streaming into lazy values. A database that deserves more gets a dialect file of its own.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool

from engine.dialects import sql
from engine.dialects.base import (
    Column,
    Dialect,
    PhysicalTable,
    Staged,
    TableName,
    Traits,
    UnknownCommitError,
    WriteMode,
)
from engine.dialects.publishing import bring_in, same_columns
from engine.dialects.row_hash import hash_rows
from engine.dialects.secrets import masked_url, scrub, secrets_of
from engine.dialects.streams import started
from engine.dialects.types import decoded, generic_type, plain_schema, type_of_column
from engine.errors import ConcurrentWriteError, LoadError, SaveError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.dialects.base import Query, Write

INSERT_ROWS = 1_000
"""Rows per INSERT: large enough for few round trips, small enough for every server's limit on parameters."""

PRESENT = "unstamped"
"""The identity of every table here: it can only be said that it exists."""


@dataclass(slots=True)
class Link:
    """An open database: the engine, the connection that writes, and the staging tables of its transaction."""

    engine: sa.Engine
    main: sa.Connection
    staging: list[sa.Table] = field(default_factory=list)


class Generic(Dialect):
    """Whatever SQLAlchemy has a dialect for."""

    traits = Traits(
        "generic",
        has_schemas=False,
        default_schema="",
        max_identifier_bytes=None,
        folds_case=True,
        defines=frozenset(),
    )
    driver_errors: ClassVar = (SQLAlchemyError,)

    # --- connections -------------------------------------------------------------------------------------------------

    def namespace(self, url: sa.URL) -> str:
        """Return ``scheme://host:port/database``."""
        port = f":{url.port}" if url.port else ""
        return f"{url.get_backend_name()}://{url.host or ''}{port}/{url.database or ''}"

    def connect(self, url: sa.URL, *, wait_s: float) -> Link:
        """Open the database."""
        del wait_s
        pool = StaticPool if url.database in (None, "", ":memory:") and url.host is None else NullPool
        try:
            engine = sa.create_engine(url, poolclass=pool, hide_parameters=True)
            return Link(engine, engine.connect())
        except SQLAlchemyError as error:
            text = scrub(str(getattr(error, "orig", None) or error), secrets_of(url))
            raise StorageError(
                f"{masked_url(url)} cannot be opened: {text}",
                location=masked_url(url),
                hint="check the URL and the server",
            ) from None

    def close(self, connection: Link) -> None:
        """Close the connection."""
        with suppress(SQLAlchemyError):
            connection.main.close()
        connection.engine.dispose()

    @contextmanager
    def transaction(self, connection: Link, *, write: bool) -> Iterator[None]:
        """Run the block in one transaction of the writing connection."""
        main = connection.main
        main.rollback()  # what reading the catalog began
        begun = main.begin()
        try:
            yield
        except BaseException:
            begun.rollback()
            self._clear(connection)
            raise
        try:
            begun.commit()
        except sa.exc.DBAPIError as error:
            if write and error.connection_invalidated:
                raise UnknownCommitError(str(error.orig)) from error
            raise
        self._clear(connection)

    def _clear(self, connection: Link) -> None:
        """Drop what staging tables outlived their transaction; one that cannot be dropped does no harm."""
        while connection.staging:
            table = connection.staging.pop()
            with suppress(SQLAlchemyError), connection.main.begin():
                table.drop(connection.main, checkfirst=True)

    def lock(self, connection: Link, table: TableName, *, wait_s: float) -> None:
        """Do nothing: no lock is common to all databases; the ledger's unique key makes the slower writer fail."""

    def translate(self, error: Exception, *, location: str, saving: bool) -> StorageError:
        """Say what the driver said."""
        text = str(getattr(error, "orig", None) or error)
        if isinstance(error, sa.exc.IntegrityError) and "_engine_ledger" in str(error):
            return ConcurrentWriteError(f"another run was faster at {location}", location=location, hint="run again")
        return (SaveError if saving else LoadError)(f"the database refused {location}: {text}", location=location)

    def is_missing(self, error: Exception) -> bool:
        """Guess from the classes drivers use for it."""
        return isinstance(error, sa.exc.ProgrammingError | sa.exc.OperationalError | NoSuchTableError)

    def version(self, connection: Link) -> str:
        """Return the server's version."""
        info = connection.main.dialect.server_version_info or ()
        return f"{connection.main.dialect.name} {'.'.join(map(str, info))}"

    # --- the catalog -------------------------------------------------------------------------------------------------

    def tables(self, connection: Link, names: Sequence[TableName]) -> dict[TableName, PhysicalTable | None]:
        """Ask SQLAlchemy's inspector, table by table."""
        inspector = sa.inspect(connection.main)
        return {name: self._look(inspector, name) for name in names}

    def _look(self, inspector: sa.Inspector, name: TableName) -> PhysicalTable | None:
        try:
            columns = inspector.get_columns(name.name)
        except NoSuchTableError:
            return None
        is_view = name.name in inspector.get_view_names()
        described = tuple(Column(c["name"], str(c["type"]), bool(c.get("nullable", True))) for c in columns)
        return PhysicalTable(PRESENT, described, is_view=is_view)

    def table_names(self, connection: Link) -> list[TableName]:
        """List tables and views."""
        inspector = sa.inspect(connection.main)
        return [TableName("", name) for name in (*inspector.get_table_names(), *inspector.get_view_names())]

    def views(self, connection: Link) -> dict[TableName, frozenset[TableName]]:
        """Say of each view which tables its definition mentions."""
        inspector = sa.inspect(connection.main)
        names = inspector.get_view_names()
        tables = self.table_names(connection) if names else []
        texts = {name: inspector.get_view_definition(name) for name in names}
        return {TableName("", name): sql.mentioned(text or "", tables) for name, text in texts.items()}

    def ensure_schema(self, connection: Link, schema: str) -> None:
        """Do nothing: tables live in the connection's own schema."""

    # --- reading -----------------------------------------------------------------------------------------------------

    def run(self, connection: Link, query: sa.Executable | str, /, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement on the writing connection."""
        main = connection.main
        result = main.exec_driver_sql(query) if isinstance(query, str) else main.execute(query, parameters)
        return [tuple(row) for row in result] if result.returns_rows else []

    def read(
        self, connection: Link, query: Query, *, batch_rows: int, checksum: bool
    ) -> tuple[pa.RecordBatchReader, str | None]:
        """Stream rows over a connection of its own.

        The Arrow types are those of a table's columns, and come from the first batch where nobody knows them.
        """
        on = connection.engine.connect() if connection.engine.pool.__class__ is NullPool else connection.main
        try:
            token = self._token(on, query) if checksum else None
            result = _streamed(on, query)
            first = _first_batch(query, result, batch_rows)
        except BaseException:
            _leave(connection, on)
            raise
        return pa.RecordBatchReader.from_batches(
            first.schema, started(self._stream(connection, on, result, first, batch_rows))
        ), token

    def _stream(
        self, connection: Link, on: sa.Connection, result: sa.CursorResult[Any], first: pa.RecordBatch, batch_rows: int
    ) -> Iterator[pa.RecordBatch | None]:
        try:
            yield None
            if first.num_rows:
                yield first
            while rows := result.fetchmany(batch_rows):
                yield _batch(first.schema.names, rows, first.schema.types)
        finally:
            result.close()
            _leave(connection, on)

    def check_query(self, connection: Link, query: sa.TextClause) -> None:
        """Look at the word it begins with; the database sees to the rest."""
        del connection
        sql.check_is_reading(query.text)

    def schema(self, connection: Link, query: Query) -> pa.Schema:
        """Look at the first rows."""
        result = _streamed(connection.main, query)
        try:
            return _first_batch(query, result, INSERT_ROWS).schema
        finally:
            result.close()

    def checksum(self, connection: Link, query: Query) -> str:
        """Hash rows in Python."""
        return self._token(connection.main, query)

    def _token(self, on: sa.Connection, query: Query) -> str:
        result = _streamed(on, query)
        names = list(result.keys())
        return f"generic-rows1:{sql.fold_values(*hash_rows(tuple(row) for row in result), *names)}"

    # --- writing -----------------------------------------------------------------------------------------------------

    def stage(
        self, connection: Link, staging: TableName, rows: pa.RecordBatchReader | Query, types: Mapping[str, str]
    ) -> Staged:
        """Create the staging table and fill it by INSERTs of many rows."""
        stream = (
            rows
            if isinstance(rows, pa.RecordBatchReader)
            else self.read(connection, rows, batch_rows=INSERT_ROWS, checksum=False)[0]
        )
        schema = plain_schema(stream.schema)
        table = sa.Table(
            sa.quoted_name(staging.name, quote=True),
            sa.MetaData(),
            *(
                sa.Column(
                    sa.quoted_name(f.name, quote=True),
                    _Spelt(types[f.name]) if f.name in types else generic_type(f.name, f.type),
                    key=f"c{i}",
                )
                for i, f in enumerate(schema)
            ),
        )
        connection.staging.append(table)
        table.create(connection.main)
        count, keys = 0, [f"c{i}" for i in range(len(schema))]
        for batch in decoded(stream, schema):
            for start in range(0, batch.num_rows, INSERT_ROWS):
                part = [column.to_pylist() for column in batch.slice(start, INSERT_ROWS).columns]
                connection.main.execute(
                    sa.insert(table), [dict(zip(keys, row, strict=True)) for row in zip(*part, strict=True)]
                )
            count += batch.num_rows
        found = self.tables(connection, [staging])[staging]
        return Staged(staging, stream.schema, count, found.columns if found else ())

    def publish(
        self, connection: Link, staged: Staged, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Write in place where the columns are the same, else create the table anew."""
        del commit_id
        table, names = write.table, [column.name for column in staged.columns]
        replaced = before is not None and write.mode is WriteMode.REPLACE
        if before is not None and before.is_view:
            raise SaveError(f"{table} is a view", location=str(table), hint="drop it first")
        if before is not None and not (replaced and not same_columns(staged.columns, before.columns)):
            bring_in(self, connection, staged, write, before)
            return PRESENT
        if before is not None:
            self.run(connection, sa.schema.DropTable(sa.Table(sa.quoted_name(table.name, quote=True), sa.MetaData())))
        made = sa.Table(sa.quoted_name(staged.table.name, quote=True), sa.MetaData(), autoload_with=connection.main)
        columns = [sa.Column(c.name, c.type, nullable=True) for c in made.columns]
        sa.Table(sa.quoted_name(table.name, quote=True), sa.MetaData(), *columns).create(connection.main)
        self.run(connection, sql.insert_rows(table, staged.table, names, {}))
        return PRESENT

    def publish_view(
        self, connection: Link, query: Query, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Create the view anew, its parameters written in."""
        del commit_id
        quote = connection.main.dialect.identifier_preparer.quote
        name = quote(sa.quoted_name(write.table.name, quote=True))
        if before is not None:
            self.run(connection, f"DROP {'VIEW' if before.is_view else 'TABLE'} {name}")
        text = sql.with_literals(query, type(connection.main.dialect)())
        self.run(connection, f"CREATE VIEW {name} AS {text}")
        return PRESENT


def _leave(connection: Link, on: sa.Connection) -> None:
    if on is not connection.main:
        on.close()


def _streamed(on: sa.Connection, query: Query) -> sa.CursorResult[Any]:
    """Run a query so that its rows stay in the server until they are asked for, where the driver can."""
    result: sa.CursorResult[Any] = on.execute(query, execution_options={"stream_results": True})
    return result


def _first_batch(query: Query, result: sa.CursorResult[Any], rows: int) -> pa.RecordBatch:
    columns = query.selected_columns if isinstance(query, sa.Select) else ()
    return _batch(list(result.keys()), result.fetchmany(rows), [type_of_column(column.type) for column in columns])


def _batch(names: Sequence[str], rows: Sequence[Any], types: Sequence[pa.DataType | None]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = []
    for i, (name, values) in enumerate(zip(names, columns, strict=True)):
        try:
            arrays.append(pa.array(list(values), types[i] if types else None))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise LoadError(
                f"column {name!r} holds values of several types, or NULL before any other value: {error}",
                hint="cast it in the query, or read the table itself",
            ) from error
    return pa.record_batch(arrays, names=list(names))


class _Spelt(sa.types.UserDefinedType[Any]):
    """A column's type as the database itself spells it."""

    cache_ok = True

    def __init__(self, spelt: str) -> None:
        self.spelt = spelt

    def get_col_spec(self, **_: Any) -> str:
        """Return the spelling."""
        return self.spelt
