"""SQLite, through Python's own sqlite3 and nothing else.

Theory of operation. A save is one ``BEGIN IMMEDIATE`` transaction, which locks the file against other writers. What is
read is copied first, over a connection of its own, in one snapshot (`engine.dialects.sqlite.spool`). Only one copy of
the SQLite library may touch a file in one process: another one (ADBC brings its own) drops the first one's POSIX locks
when it closes the file, and commits are lost.

SQLite has no comments: the stamp of a table is a comment inside its stored definition. Replacing a table puts the
staging table in its place, whose stamp is its name, so that no row is copied twice; where the old one has another
definition of the same columns, the new one is made from that. Its indexes and triggers are made again.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from sqlalchemy.dialects import sqlite as sqlalchemy_sqlite

from engine.dialects import sql
from engine.dialects.base import Dialect, PhysicalTable, Staged, TableName, Traits, WriteMode
from engine.dialects.declared import statements
from engine.dialects.definitions import PARTS
from engine.dialects.files import make_place
from engine.dialects.publishing import DUPLICATE, same_columns, write_in_place
from engine.dialects.recorded import check_comes_back
from engine.dialects.row_hash import hash_rows
from engine.dialects.secrets import masked_url
from engine.dialects.sqlite.definitions import (
    belongings_of,
    completed,
    constraints_of,
    dangling,
    defined,
    definition_of,
    is_alike,
    physical_of,
    renamed,
    restamped,
)
from engine.dialects.sqlite.loading import insertion
from engine.dialects.sqlite.spool import Spool
from engine.dialects.sqlite.values import column_type, parameter, storable
from engine.dialects.streams import started
from engine.dialects.types import arrow_type, decoded, sql_type
from engine.errors import ConcurrentWriteError, LoadError, SaveError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import sqlalchemy as sa

    from engine.dialects.base import Column, Query, Write
    from engine.dialects.definitions import SqlType, TableDefinition

_VIEW = "_e_query"


@dataclass(slots=True)
class Link:
    """An open SQLite database: the connection that writes, and how to open one that reads."""

    main: sqlite3.Connection
    path: str | None
    wait_s: float

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for one query; a database in memory has only the one it lives in."""
        if self.path is None:
            yield self.main
            return
        with closing(_connect(self.path, self.wait_s)) as made:
            yield made


class SQLite(Dialect):
    """SQLite 3.33 and later."""

    traits = Traits(
        "sqlite",
        has_schemas=False,
        default_schema="",
        max_identifier_bytes=None,
        folds_case=True,
        one_writer=True,
        defines=PARTS - {"comment"},
    )
    driver_errors: ClassVar = (sqlite3.Error,)

    # --- connections -------------------------------------------------------------------------------------------------

    def namespace(self, url: sa.URL) -> str:
        """Return ``sqlite:///abs/path``."""
        path = _path(url)
        return "sqlite://:memory:" if path is None else f"sqlite://{path}"

    def connect(self, url: sa.URL, *, wait_s: float) -> Link:
        """Open the file, creating its folder."""
        path, location = _path(url), masked_url(url)
        if path is not None:
            make_place(Path(path), url)
        try:
            main = _connect(path or ":memory:", wait_s)
        except sqlite3.Error as error:
            raise StorageError(
                f"{location} cannot be opened: {error}", location=location, hint="check path and permissions"
            ) from None
        try:
            main.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            main.close()
            if "not a database" in str(error):
                raise StorageError(
                    f"{location} exists, but is not a SQLite database", location=location, hint="name another file"
                ) from None
            raise self.translate(error, location=location, saving=False) from None
        return Link(main, path, wait_s)

    def close(self, connection: Link) -> None:
        """Close the connection; what is read from a copy can be read on."""
        with suppress(sqlite3.Error):
            connection.main.close()

    @contextmanager
    def transaction(self, connection: Link, *, write: bool) -> Iterator[None]:
        """Run the block in one transaction; a writing one takes the file's write lock first."""
        main = connection.main
        main.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        try:
            yield
            main.execute("COMMIT")
        except BaseException:
            if main.in_transaction:
                main.execute("ROLLBACK")
            raise

    def lock(self, connection: Link, table: TableName, *, wait_s: float) -> None:
        """Do nothing: the transaction holds the file's write lock since it began."""

    def translate(self, error: Exception, *, location: str, saving: bool) -> StorageError:
        """Say which of the usual things happened."""
        text = str(error)
        if "locked" in text or "busy" in text:
            return ConcurrentWriteError(
                f"{location} is being written by another process",
                location=location,
                hint="wait for it to end, then run again",
            )
        if isinstance(error, sqlite3.IntegrityError) and "_engine_ledger" in text:
            return ConcurrentWriteError(f"another run was faster at {location}", location=location, hint="run again")
        hint = "check the names in the query" if self.is_missing(error) else ""
        hint = "correct the SQL" if "syntax error" in text or "incomplete input" in text else hint
        hint = DUPLICATE if text.startswith("UNIQUE constraint failed") else hint
        hint = (
            "make room on the disk, for reading also where temporary files go (TMPDIR)" if "is full" in text else hint
        )
        return (SaveError if saving else LoadError)(f"SQLite refused {location}: {text}", location=location, hint=hint)

    def is_missing(self, error: Exception) -> bool:
        """Say whether a table or column does not exist."""
        return "no such table" in str(error) or "no such column" in str(error)

    def version(self, connection: Link) -> str:
        """Return the version of the library."""
        del connection
        return f"sqlite {sqlite3.sqlite_version}"

    # --- the catalog -------------------------------------------------------------------------------------------------

    def tables(self, connection: Link, names: Sequence[TableName]) -> dict[TableName, PhysicalTable | None]:
        """Look the tables up, in one query."""
        marks = ", ".join("?" * len(names))
        rows = connection.main.execute(
            'SELECT m.name, m.type, m.sql, c.name, c.type, NOT c."notnull" FROM sqlite_master m'
            " LEFT JOIN pragma_table_info(m.name) c"
            f" WHERE m.type IN ('table', 'view') AND lower(m.name) IN ({marks}) ORDER BY m.name, c.cid",
            [name.folded().name for name in names],
        ).fetchall()
        found: dict[str, list[tuple[Any, ...]]] = {}
        for row in rows:
            found.setdefault(TableName("", row[0]).folded().name, []).append(row)
        return {name: physical_of(found.get(name.folded().name, [])) for name in names}

    def table_names(self, connection: Link) -> list[TableName]:
        """List tables and views that are not SQLite's or the engine's."""
        rows = connection.main.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_engine_ledger'"
        ).fetchall()
        return [TableName("", row[0]) for row in rows]

    def views(self, connection: Link) -> dict[TableName, frozenset[TableName]]:
        """Have SQLite compile a read of each view, and note which tables it asks to be allowed to read."""
        main, read = connection.main, set[TableName]()

        def note(action: int, name: str | None, *_: str | None) -> int:
            if action == sqlite3.SQLITE_READ and name is not None:
                read.add(TableName("", name))
            return sqlite3.SQLITE_OK

        views: dict[TableName, frozenset[TableName]] = {}
        names = [row[0] for row in main.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
        main.set_authorizer(note)
        try:
            for name in names:
                read.clear()
                with suppress(sqlite3.Error):  # a view over a table that is gone
                    main.execute(f"EXPLAIN SELECT * FROM {sql.quoted(name)}").close()
                    views[TableName("", name)] = frozenset(read)
        finally:
            main.set_authorizer(None)
        return views

    def ensure_schema(self, connection: Link, schema: str) -> None:
        """Do nothing: SQLite has no schemas."""

    # --- reading -----------------------------------------------------------------------------------------------------

    def run(self, connection: Link, query: sa.Executable | str, /, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement on the main connection."""
        text, values = (query, parameters) if isinstance(query, str) else _compiled(query)
        return list(connection.main.execute(text, values).fetchall())

    def read(
        self, connection: Link, query: Query, *, batch_rows: int, checksum: bool
    ) -> tuple[pa.RecordBatchReader, str | None]:
        """Copy the rows, in one snapshot, and stream them from the copy."""
        text, values = _compiled(query)
        with connection.reading() as on:
            columns = _columns(on, query)
            try:
                spool = Spool(on, text, values, len(columns))
            except OSError as error:
                raise LoadError(
                    f"there is no place for a copy of the rows that are read: {error}",
                    hint="name a folder for temporary files in TMPDIR",
                ) from error
        try:
            schema = _schema(columns, spool.classes(_untyped(columns)))
            token = _token(spool.rows.execute("SELECT * FROM r"), columns) if checksum else None
        except BaseException:
            spool.close()
            raise
        return pa.RecordBatchReader.from_batches(schema, started(_batches(spool, schema, batch_rows))), token

    def schema(self, connection: Link, query: Query) -> pa.Schema:
        """Return declared types, and for expressions the types that occur."""
        main, classes = connection.main, dict[int, str | None]()
        columns = _columns(main, query)
        if untyped := _untyped(columns):
            text, values = _compiled(query)
            names = ", ".join(f"c{i}" for i in range(len(columns)))
            asked = ", ".join(f"group_concat(DISTINCT typeof(c{i}))" for i in untyped)
            row = main.execute(f"WITH _e_rows({names}) AS ({text}\n) SELECT {asked} FROM _e_rows", values).fetchone()
            classes = dict(zip(untyped, row, strict=True))
        return _schema(columns, classes)

    def checksum(self, connection: Link, query: Query) -> str:
        """Hash rows in Python: SQLite has no hash function."""
        text, values = _compiled(query)
        return _token(connection.main.execute(text, values), _columns(connection.main, query))

    def check_query(self, connection: Link, query: sa.TextClause) -> None:
        """Let SQLite itself say whether the text is one statement that reads, by making a view of it."""
        sql.check_is_reading(query.text)
        try:
            with _view(connection.main, query):
                pass
        except sqlite3.ProgrammingError as error:
            if "one statement" not in str(error):
                raise
            raise sql.not_a_query("these are several") from None

    # --- writing -----------------------------------------------------------------------------------------------------

    def spelt(self, connection: Link, types: Mapping[str, SqlType]) -> dict[str, str]:
        """Return the types as they are declared: SQLite keeps any word."""
        del connection
        return {name: type_.written(_SQL_DIALECT()) for name, type_ in types.items()}

    def stage(
        self, connection: Link, staging: TableName, rows: pa.RecordBatchReader | Query, types: Mapping[str, str]
    ) -> Staged:
        """Create the staging table with declared types, stamped with its own name, and fill it."""
        schema = rows.schema if isinstance(rows, pa.RecordBatchReader) else self.schema(connection, rows)
        plain, name, main = storable(schema), sql.quoted_table(staging), connection.main
        declared = [types.get(f.name) or sql_type("sqlite", f.name, f.type) for f in plain]
        columns = ", ".join(f"{sql.quoted(f.name)} {type_}" for f, type_ in zip(plain, declared, strict=True))
        main.execute(restamped(f"CREATE TABLE {name} ({columns})", staging.name))
        if isinstance(rows, pa.RecordBatchReader):
            with insertion(main, staging, plain, declared) as insert:
                count = sum(map(insert, decoded(rows, plain)))
            check_comes_back(self.schema(connection, sql.all_rows(staging)), schema, declared=types)
        else:
            text, values = _compiled(rows)
            count = main.execute(f"INSERT INTO {name} {text}", values).rowcount
        found = self.tables(connection, [staging])[staging]
        return Staged(staging, schema, count, found.columns if found else ())

    def publish(
        self, connection: Link, staged: Staged, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Make the table from its definition and the staged rows, or write into the one there is."""
        main, table = connection.main, write.table
        dangled = dangling(main, table)
        if before is not None and write.mode is not WriteMode.REPLACE:
            stamp = self._write(connection, staged, write, before, commit_id)
        else:
            views = self._working_views(main)
            stamp = self._replace(main, staged, write, before, commit_id)
            if broken := set(views).difference(self._working_views(main)):
                raise SaveError(
                    f"the new columns of {table} would break the view {', '.join(sorted(broken))}",
                    location=str(table),
                    hint="drop or change the view first",
                )
        on, names = sql.quoted_table(table), [column.name for column in staged.columns]
        lacking = statements(
            write.definition,
            defined(main, table),
            on,
            names,
            table=table.name,
            max_bytes=self.traits.max_identifier_bytes,
        )
        for statement in lacking:
            main.execute(statement)
        if broken_keys := [words for key, words in dangling(main, table).items() if key not in dangled]:
            raise SaveError(
                f"the rows of {table} would break a foreign key: {broken_keys[0]}",
                location=str(table),
                hint="write the rows it refers to first, or change those that refer",
            )
        return stamp

    def _write(self, connection: Link, staged: Staged, write: Write, before: PhysicalTable, commit_id: str) -> str:
        """Write into the table; make it anew from itself where its definition is to say more."""
        main, table = connection.main, write.table
        if write.keys:  # else every row of the table would be looked up by a scan
            keys = ", ".join(map(sql.quoted, write.keys))
            main.execute(
                f"CREATE INDEX {sql.quoted(staged.table.name + 'k')} ON {sql.quoted_table(staged.table)} ({keys})"
            )
        write_in_place(self, connection, staged, write, before)
        there, stamp = definition_of(main, table), before.identity or commit_id
        wanted = restamped(completed(there, write.definition, defined(main, table)), stamp)
        if before.identity is None or not is_alike(there, wanted):
            kept, belongings = TableName("", "_e_remade"), belongings_of(main, table)
            self._rename(main, table, kept)
            self._make(main, wanted, table, kept)
            self._add(main, table, belongings)
        return stamp

    def _replace(
        self, main: sqlite3.Connection, staged: Staged, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Put the staging table in the table's place, or make it from its definition where that says more."""
        table, fresh = write.table, definition_of(main, staged.table)
        definition, there, belongings = renamed(fresh, table), defined(main, staged.table), list[str]()
        if before is not None and not before.is_view:
            belongings, kept = belongings_of(main, table), constraints_of(main, table, write.definition)
            columns = _as_declared(staged.columns, before.columns, write.definition)
            if kept and not same_columns(columns, before.columns):
                raise SaveError(
                    f"the columns of {table} changed, and a new table would lose {', '.join(kept)}",
                    location=str(table),
                    hint="drop it by hand, or write to another table",
                )
            if kept or same_columns(columns, before.columns, ordered=True):
                definition, there = definition_of(main, table), defined(main, table)
        if before is not None:
            main.execute(f"DROP {'VIEW' if before.is_view else 'TABLE'} {sql.quoted_table(table)}")
        definition = completed(definition, write.definition, there)
        if is_alike(definition, fresh):
            stamp = staged.table.name
            self._rename(main, staged.table, table)
        else:
            stamp = commit_id
            self._make(main, restamped(definition, stamp), table, staged.table)
        self._add(main, table, belongings)
        return stamp

    def _rename(self, main: sqlite3.Connection, one: TableName, other: TableName) -> None:
        """Give a table another name, and nothing else: what refers to the names is not changed."""
        main.execute("PRAGMA legacy_alter_table = ON")
        try:
            main.execute(f"ALTER TABLE {sql.quoted_table(one)} RENAME TO {sql.quoted_table(other)}")
        finally:
            main.execute("PRAGMA legacy_alter_table = OFF")

    def _make(self, main: sqlite3.Connection, definition: str, table: TableName, source: TableName) -> None:
        """Make a table from its definition and the rows of another one, which ends."""
        main.execute(definition)
        columns = ", ".join(
            sql.quoted(row[1]) for row in main.execute(f"PRAGMA table_info({sql.quoted(table.name)})").fetchall()
        )
        name, rows = sql.quoted_table(table), sql.quoted_table(source)
        main.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {rows}")
        main.execute(f"DROP TABLE {rows}")

    def _add(self, main: sqlite3.Connection, table: TableName, belongings: Sequence[str]) -> None:
        for definition in belongings:
            try:
                main.execute(definition)
            except sqlite3.OperationalError as error:
                raise SaveError(
                    f"the new columns of {table} do not fit an index or trigger it has: {error}",
                    location=str(table),
                    hint="drop the index or trigger first",
                ) from error

    def _working_views(self, main: sqlite3.Connection) -> list[str]:
        working = []
        for (name,) in main.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            with suppress(sqlite3.OperationalError):
                main.execute(f"SELECT * FROM {sql.quoted(name)} LIMIT 0").fetchall()
                working.append(name)
        return working

    def publish_view(
        self, connection: Link, query: Query, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Create the view anew, its parameters written in."""
        main, name = connection.main, sql.quoted_table(write.table)
        if before is not None:
            main.execute(f"DROP {'VIEW' if before.is_view else 'TABLE'} {name}")
        text = sql.with_literals(query, _SQL_DIALECT(), _literal)
        main.execute(f"CREATE VIEW {name} /* engine commit {commit_id} */ AS {text}")
        return commit_id


_SQL_DIALECT: Any = sqlalchemy_sqlite.dialect


def _as_declared(staged: Sequence[Column], there: Sequence[Column], asked: TableDefinition) -> list[Column]:
    """Return the columns with the words of a table that is there for the same types, where none are asked for."""
    words, own = {column.name: column.type for column in there}, {name for name, _ in asked.types}
    found = []
    for column in staged:
        word = words.get(column.name, column.type)
        is_same = column.name not in own and arrow_type("sqlite", word) == arrow_type("sqlite", column.type)
        found.append(replace(column, type=word) if is_same else column)
    return found


def _connect(path: str, wait_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=wait_s, check_same_thread=False)


def _path(url: sa.URL) -> str | None:
    if url.database in (None, "", ":memory:"):
        return None
    return str(Path(str(url.database)).expanduser().resolve())


def _compiled(query: sa.Executable) -> tuple[str, dict[str, Any]]:
    text, values, _ = sql.compiled(query, _SQL_DIALECT(paramstyle="named"))
    return text, {key: parameter(value) for key, value in values.items()}


def _literal(value: Any) -> str:
    return sql.literal(parameter(value))


@contextmanager
def _view(on: sqlite3.Connection, query: Query) -> Iterator[None]:
    """Stand a temporary view of the query up: SQLite tells the declared types of a view's columns, not of a query's."""
    text = sql.with_literals(query, _SQL_DIALECT(), _literal)
    on.execute(f"CREATE TEMP VIEW {_VIEW} AS {text}")
    try:
        yield
    finally:
        on.execute(f"DROP VIEW temp.{_VIEW}")


def _columns(on: sqlite3.Connection, query: Query) -> list[tuple[str, str]]:
    """Return the names and declared types of a query's columns."""
    with _view(on, query):
        return [(row[1], row[2]) for row in on.execute(f"PRAGMA temp.table_info({_VIEW})")]


def _untyped(columns: Sequence[tuple[str, str]]) -> list[int]:
    return [i for i, (_, declared) in enumerate(columns) if arrow_type("sqlite", declared) is None]


def _schema(columns: Sequence[tuple[str, str]], classes: Mapping[int, str | None]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, column_type(name, declared, classes.get(i))) for i, (name, declared) in enumerate(columns)]
    )


def _token(rows: sqlite3.Cursor, columns: Sequence[tuple[str, str]]) -> str:
    return f"sqlite-rows1:{sql.fold_values(*hash_rows(rows), *(name for name, _ in columns))}"


def _batches(spool: Spool, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch | None]:
    try:
        yield None
        yield from spool.batches(schema, batch_rows)
    finally:
        spool.close()
