"""Warehouse: one open database, as the rest of the engine uses it; it knows no database by name.

Every error of a driver is translated at this boundary, with passwords masked. The protocol of a save is in
`engine.dialects.saving`.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import sqlalchemy as sa

from engine.dialects import dialect_of, sql
from engine.dialects.base import Commit, TableName, UnknownCommitError
from engine.dialects.ledger import Ledger
from engine.dialects.recorded import restored
from engine.dialects.saving import save
from engine.dialects.secrets import masked_url, parse_url, scrub, secrets_of
from engine.dialects.types import sqlalchemy_type
from engine.errors import EngineError, LoadError, RequestError, SaveError, StorageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from engine.dialects.base import Dialect, Intent, LedgerRow, PhysicalTable, Query, Write

WAIT_S = 60.0
"""How long a save waits for another run that holds the same table or file, unless told otherwise."""


class Warehouse:
    """One database, opened on first use and closed at the end of a run; safe to use from one thread at a time.

    Args:
        url: As SQLAlchemy writes it: ``duckdb:///rel.duckdb``, ``duckdb:////abs.duckdb``, ``duckdb://`` (in memory),
            ``sqlite:///…``, ``postgresql://…``, or any other URL whose SQLAlchemy dialect is installed.
        wait_s: How long to wait for another run that holds the same table or file (seconds).
        dialect: The dialect, where the URL's scheme is not to choose it.

    Attributes:
        url: The URL without password, for messages and records.
        namespace: The database, one text for every URL that leads there: ``postgres://host:port/database``,
            ``duckdb:///abs/path``, ``sqlite:///abs/path``.
    """

    url: str
    namespace: str

    def __init__(self, url: str, *, wait_s: float = WAIT_S, dialect: Dialect | None = None) -> None:
        self._url = parse_url(url)
        self._secrets = secrets_of(self._url)
        self.url = masked_url(self._url)
        self.dialect = dialect or dialect_of(self._url)
        self.namespace = self.dialect.namespace(self._url)
        self.wait_s = wait_s
        self._open: Any = None
        self._pid = 0
        self._saving = ""

    def __repr__(self) -> str:
        return f"Warehouse({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(forget=True)

    @property
    def access(self) -> tuple[Any, ...]:
        """What two URLs have in common that lead to one database as one user with the same options."""
        return self.namespace, self._url.username, str(self._url.password or ""), tuple(sorted(self._url.query.items()))

    @property
    def mark(self) -> str:
        """The text that tells values that stand for rows of this database from those of others."""
        return f"{self.namespace}|{id(self) if self.in_memory else ''}"

    @property
    def in_memory(self) -> bool:
        """Say whether the database lives in this process and dies with its connection."""
        return self._url.host is None and self._url.database in (None, "", ":memory:")

    @property
    def has_many_connections(self) -> bool:
        """Say whether another thread may open this database too, and work with it at the same time."""
        return self.dialect.traits.many_connections and not self.in_memory

    def apart(self) -> Warehouse:
        """Return the same database over a connection of its own, which another thread may use meanwhile.

        A database in memory has only the one connection that it lives in.
        """
        url = self._url.render_as_string(hide_password=False)
        return Warehouse(url, wait_s=self.wait_s, dialect=self.dialect)

    def close(self, *, forget: bool = False) -> None:
        """Let go of the database; the next use opens it again.

        Args:
            forget: Close a database in memory too, which loses it; otherwise it stays.
        """
        if self._open is None or (self.in_memory and not forget):
            return
        connection, self._open = self._open, None
        if self._pid == os.getpid():  # after a fork the connection belongs to the parent
            self.dialect.close(connection)

    def _connection(self) -> Any:
        if self._saving:
            raise StorageError(
                f"{self.url} cannot be used while {self._saving} is saved over the same connection",
                location=self.url,
                hint="read what the stream needs before it begins, or open a warehouse of its own for it",
            )
        if self._open is not None and self._pid != os.getpid():
            self._open = None
        if self._open is None:
            self._open = self.dialect.connect(self._url, wait_s=self.wait_s)
            self._pid = os.getpid()
        return self._open

    # --- names and queries -------------------------------------------------------------------------------------------

    def name(self, text: str) -> TableName:
        """Parse a table's name and fill in the default schema.

        Raises:
            RequestError: It is not a name, or longer than the database keeps, or has a schema where there are none.
        """
        table, traits = TableName.parse(text), self.dialect.traits
        if not table.schema and traits.default_schema:
            table = TableName(traits.default_schema, table.name)
        if not traits.has_schemas and table.schema != traits.default_schema:
            raise RequestError(
                f"{text!r}: {traits.name} has no schemas", hint=f"write {table.schema}_{table.name}, or quote the name"
            )
        limit = traits.max_identifier_bytes
        for part in (table.schema, table.name):
            if limit is not None and len(part.encode("utf-8", "surrogatepass")) > limit:
                raise RequestError(
                    f"the name {part!r} is longer than the {limit} bytes that {traits.name} keeps of a name",
                    hint="choose a shorter name",
                )
        if table.name.startswith("_e_") or table.name == "_engine_ledger":
            raise RequestError(
                f"the name {table.name!r} is kept for the engine's own tables", hint="choose another name"
            )
        return table

    def key(self, table: TableName) -> str:
        """Return the text that stands for a table and all other spellings of its name, as the ledger has it."""
        return str(self.dialect.canonical(table))

    def query_table(
        self,
        table: TableName,
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Query:
        """Return a Select over a table.

        Raises:
            LoadError: There is no such table or column; the message names near ones.
            OptionError: A parameter of ``where`` is missing or unknown.
        """
        found = self.tables([table])[table]
        if found is None:
            raise self._no_table(table)
        clause = None if where is None else sql.bound_text(where, params or {}, what=f"where= of {table}")
        if where is None and params:
            sql.bound_text("", params, what=str(table))  # raises: there is nothing to bind
        made = sa.Table(
            sa.quoted_name(table.name, quote=True),
            sa.MetaData(),
            *(
                sa.Column(sa.quoted_name(c.name, quote=True), sqlalchemy_type(self.dialect.traits.name, c), key=c.name)
                for c in found.columns
            ),
            schema=sa.quoted_name(table.schema, quote=True) if table.schema else None,
            info={sql.MARK: self.mark},
        )
        return sql.select_table(made, columns=columns, where=clause)

    def _no_table(self, table: TableName) -> LoadError:
        with self._translated(str(table)):
            names = [str(name) for name in self.dialect.table_names(self._connection())]
        plain = {name.rpartition(".")[2]: name for name in names}
        near = did_you_mean(str(table), names) or tuple(plain[n] for n in did_you_mean(table.name, plain))
        hint = f"did you mean {' or '.join(near)}?" if near else "save it first, or check the name and the warehouse"
        return LoadError(f"there is no table {table} in {self.url}", location=str(table), hint=hint)

    def query_text(self, sql_text: str, params: Mapping[str, Any] | None = None) -> Query:
        """Return a TextClause with its ``:name`` parameters bound.

        Raises:
            LoadError: The text is not one statement that reads.
            OptionError: A parameter is missing or unknown.
        """
        text = sql_text.strip().rstrip(";").rstrip()
        query = sql.bound_text(text, params or {}, what="the query")
        with self._translated("the query"):
            self.dialect.check_query(self._connection(), query)
        return query

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(
        self, query: Query, *, checksum: bool = False, batch_rows: int = 122_880, recorded: pa.Schema | None = None
    ) -> tuple[pa.RecordBatchReader, str | None]:
        """Stream a query; with ``checksum`` its token as well, both from one snapshot.

        Args:
            query: What is read.
            checksum: Compute the token.
            batch_rows: The rows of a batch, at most.
            recorded: The Arrow schema that the rows of a table were written with, to give them its types again.

        Raises:
            LoadError: The query is wrong, or a value cannot be read exactly.
        """
        with self._translated(self.url):
            batches, token = self.dialect.read(self._connection(), query, batch_rows=batch_rows, checksum=checksum)
        names = batches.schema.names
        if twice := {name for name in names if names.count(name) > 1}:
            batches.close()
            raise LoadError(
                f"the query has more than one column named {min(twice)!r}", location=self.url, hint="rename one with AS"
            )
        if recorded is None:
            return pa.RecordBatchReader.from_batches(batches.schema, self._stream(batches)), token
        schema, rows = restored(pa.RecordBatchReader.from_batches(batches.schema, self._stream(batches)), recorded)
        return pa.RecordBatchReader.from_batches(schema, rows), token

    def _stream(self, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        with self._translated(self.url):
            try:
                yield from batches
            except (OSError, pa.ArrowException) as error:  # what a driver's C++ makes of the server's words
                words = str(error).rpartition("ERROR: ")[2].strip().splitlines()[0]
                raise LoadError(
                    f"reading from {self.url} failed: {words}", location=self.url, hint="check the values it names"
                ) from error
            finally:
                batches.close()

    def schema(self, query: Query, *, recorded: pa.Schema | None = None) -> pa.Schema:
        """Return the Arrow schema of a query's rows without running it, as `read` gives it.

        Raises:
            LoadError: The query is wrong: no such table or column, or it cannot be parsed.
        """
        with self._translated(self.url):
            found = self.dialect.schema(self._connection(), query)
        return found if recorded is None else restored(found.empty_table().to_reader(), recorded)[0]

    def lazy(self, query: Query, like: type) -> Any:
        """Return the query as a lazy value of ``like`` (`duckdb.DuckDBPyRelation`, `sqlalchemy.Select`, …).

        Raises:
            LoadError: This database has no lazy values of that type.
        """
        with self._translated(self.url):
            if issubclass(sa.Select, like):
                return query if isinstance(query, sa.Select) else self._as_select(query)
            if issubclass(sa.TextClause, like) and isinstance(query, sa.TextClause):
                return query
            if issubclass(sa.Table, like) and isinstance(query, sa.Select) and query.whereclause is None:
                (source,) = query.get_final_froms()
                return source
            value = self.dialect.lazy(self._connection(), query, like)
        if value is None:
            raise LoadError(
                f"{self.dialect.traits.name} has no lazy values of type {like.__module__}.{like.__qualname__}",
                location=self.url,
                hint="annotate the parameter with a frame type, or with sqlalchemy.Select",
            )
        return value

    def _as_select(self, query: Query) -> sa.Select[Any]:
        if isinstance(query, sa.Select):
            return query
        names = self.dialect.schema(self._connection(), query).names
        return sa.select(query.columns(*(sa.column(sa.quoted_name(n, quote=True)) for n in names)).subquery("query"))

    def as_query(self, value: Any) -> Query | None:
        """Return the query behind a lazy value of this very database, or None."""
        if isinstance(value, sa.ClauseElement):
            return sql.query_of(value) if sql.marks(value) <= {self.mark} else None
        with self._translated(self.url):
            return self.dialect.as_query(self._connection(), value)

    # --- writing -----------------------------------------------------------------------------------------------------

    def save(
        self,
        rows: pa.RecordBatchReader | Query,
        write: Write,
        intent: Intent,
        *,
        digest: Callable[[], str | None] | None = None,
        written: pa.Schema | None = None,
    ) -> Commit:
        """Run the commit protocol of `engine.dialects.base`: one transaction for rows, ledger row and stamp.

        Args:
            rows: A stream of rows, or a query of this database whose rows then never leave it.
            write: Where and how.
            intent: What the ledger row will say.
            digest: Gives the content hash of the rows of a stream, once they have all passed; without it the database
                computes one.
            written: The schema in which the rows of a stream are to come back, where it is not the stream's own.

        Raises:
            SaveError: The rows cannot be written; what was there before stands.
            SchemaMismatchError: Their columns do not fit the table.
            ConcurrentWriteError: Another run holds, or has just written, the table.
        """
        with self._translated(str(write.table), saving=True):
            connection, self._saving = self._connection(), str(write.table)
            try:
                return save(
                    self.dialect, connection, rows, write, intent, digest=digest, written=written, wait_s=self.wait_s
                )
            except UnknownCommitError as error:
                unknown = error
            finally:
                self._saving = ""
            return self._resolve(intent, write, unknown)

    def _resolve(self, intent: Intent, write: Write, unknown: UnknownCommitError) -> Commit:
        """Ask the ledger, over a new connection, whether a commit whose answer was lost has happened."""
        self.close()
        landed = self.commits([intent.commit_id])
        if intent.commit_id in landed:
            return Commit(landed[intent.commit_id], changed=True)
        raise SaveError(
            f"the connection broke while {write.table} was being committed, and nothing was written",
            location=str(write.table),
            hint="run again",
        ) from unknown

    # --- questions ---------------------------------------------------------------------------------------------------

    def standing(
        self, tables: Iterable[TableName]
    ) -> tuple[dict[TableName, PhysicalTable | None], dict[TableName, LedgerRow | None]]:
        """Return what the catalog says of each table and what the ledger says of it, of one moment."""
        wanted = list(tables)
        if not wanted:
            return {}, {}
        with self._translated(self.url):
            connection = self._connection()
            with self.dialect.transaction(connection, write=False):
                ledger = Ledger(self.dialect, connection)
                return ledger.look(wanted), ledger.heads(wanted)

    def heads(self, tables: Iterable[TableName]) -> dict[TableName, LedgerRow | None]:
        """Return the ledger's latest row per table, by one query; no ledger means no rows."""
        with self._translated(self.url):
            return Ledger(self.dialect, self._connection()).heads(tables)

    def commit_of_recipe(self, table: TableName, recipe_version: str) -> LedgerRow | None:
        """Return the ledger's latest row of a table that was made by a recipe, however many came after it."""
        with self._translated(self.url):
            return Ledger(self.dialect, self._connection()).of_recipe(table, recipe_version)

    def commits(self, commit_ids: Iterable[str]) -> dict[str, LedgerRow]:
        """Return the ledger rows of those of these commits that landed, by one query."""
        with self._translated(self.url):
            return Ledger(self.dialect, self._connection()).commits(commit_ids)

    def tables(self, tables: Iterable[TableName]) -> dict[TableName, PhysicalTable | None]:
        """Return what the catalog says of each table, in a constant number of queries."""
        wanted = list(tables)
        if not wanted:
            return {}
        with self._translated(self.url):
            return self.dialect.tables(self._connection(), wanted)

    def checksums(self, queries: Iterable[Query]) -> list[str | None]:
        """Return the token of each query's rows, all from one snapshot; None where a table does not exist."""
        found: list[str | None] = []
        with self._translated(self.url):
            connection = self._connection()
            with self.dialect.transaction(connection, write=False):
                for query in queries:
                    try:
                        found.append(self.dialect.checksum(connection, query))
                    except self.dialect.driver_errors as error:
                        if not self.dialect.is_missing(error):
                            raise
                        found.append(None)
        return found

    def views(self) -> dict[str, frozenset[str]]:
        """Return what each of the user's views reads, directly or through others, by `key`."""
        with self._translated(self.url):
            found = self.dialect.views(self._connection())
        return {self.key(view): frozenset(map(self.key, read)) for view, read in found.items()}

    def server_version(self) -> str:
        """Return the database's name and version, for headers and reports."""
        with self._translated(self.url):
            return self.dialect.version(self._connection())

    # --- errors ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _translated(self, location: str, *, saving: bool = False) -> Iterator[None]:
        try:
            yield
        except EngineError as error:
            self._without_secrets(error)
            raise
        except self.dialect.driver_errors as error:
            raise self._without_secrets(self.dialect.translate(error, location=location, saving=saving)) from error

    def _without_secrets(self, error: EngineError) -> EngineError:
        error.message = scrub(error.message, self._secrets)
        error.hint = scrub(error.hint, self._secrets)
        error.args = (error.message,)
        return error
