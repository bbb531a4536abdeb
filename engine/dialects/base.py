"""Dialect: what differs between databases; the values that pass between a database and the engine.

Theory of operation. A `Warehouse` (`engine.dialects.warehouse`) is one open database. It owns the commit protocol,
which is the same everywhere, and asks its `Dialect` for what differs: how rows come in and out in bulk, how a table is
replaced without a reader seeing half of it, how a table is locked, what the catalog says.

One save is one transaction of the warehouse (docs/reference/reliability.md)::

    begin; lock the table; read the ledger's head; stage the rows beside it, hashing them as they pass;
    equal to the head?  roll back: unchanged.
    publish the staged rows; insert the ledger row; stamp the table with the commit id; commit.

Rules: nothing is visible outside the transaction; a staging table lives inside it; names are quoted, never pasted; rows
are inserted by column name; ``CASCADE`` is never said; errors of the driver are translated here, with the password
masked.
"""

from __future__ import annotations

import string
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from engine.dialects.definitions import PARTS, TableDefinition
from engine.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    import pyarrow as pa
    import sqlalchemy as sa

    from engine.dialects.definitions import SqlType
    from engine.errors import StorageError

    Query: TypeAlias = sa.Select[Any] | sa.TextClause
    """A query that has not run: a SQLAlchemy Select, or SQL text whose ``:name`` parameters are bound."""


_NOTHING_MORE = TableDefinition()
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class WriteMode(StrEnum):
    """How a value becomes a table."""

    REPLACE = "replace"
    """The table holds exactly these rows."""
    APPEND = "append"
    """These rows are added."""
    UPSERT = "upsert"
    """Rows whose keys exist are updated, others added; keys are unique in the value."""
    DELETE_INSERT = "delete_insert"
    """All rows with any of the value's keys are deleted, then these rows are added."""
    VIEW = "view"
    """A view with this definition; the value stays a query."""


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    r"""The name of a table, in its schema or in the database's default one.

    >>> str(TableName.parse("marts.daily"))
    'marts.daily'
    >>> TableName.parse('"odd.schema"."my table"')
    TableName(schema='odd.schema', name='my table')
    """

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        r"""Read ``name`` or ``schema.name``; a part that holds a dot stands in double quotes, ``""`` for a quote.

        Raises:
            RequestError: The text is not a table's name.
        """
        parts: list[str] = []
        rest = text
        while True:
            if rest.startswith('"'):
                end = 1
                while (end := rest.find('"', end)) != -1 and rest[end : end + 2] == '""':
                    end += 2
                part, rest = rest[1:end].replace('""', '"'), rest[end + 1 :] if end != -1 else ""
            else:
                part, dot, after = rest.partition(".")
                rest = dot + after
            parts.append(part)
            if not rest.startswith("."):
                break
            rest = rest[1:]
        if rest or not all(p.strip() and "\0" not in p for p in parts) or len(parts) > 2:  # noqa: PLR2004 - a schema and a name
            raise RequestError(
                f"{text!r} is not the name of a table",
                hint='write "name" or "schema.name"; put a part that holds a dot in double quotes',
            )
        return cls("", parts[0]) if len(parts) == 1 else cls(parts[0], parts[1])

    def folded(self) -> Self:
        """Return the name with its ASCII letters small, as databases compare names that fold case."""
        return type(self)(self.schema.translate(_SMALL), self.name.translate(_SMALL))

    def __str__(self) -> str:
        parts = [self.schema, self.name] if self.schema else [self.name]
        return ".".join('"' + p.replace('"', '""') + '"' if "." in p or '"' in p else p for p in parts)


@dataclass(frozen=True, slots=True)
class Traits:
    """What a database can do.

    Attributes:
        name: The word in URLs and messages.
        has_schemas: Tables live in schemas.
        default_schema: Where a table without a schema lives, such as ``public`` or ``main``.
        max_identifier_bytes: The longest name in UTF-8 bytes; None means there is no limit.
        folds_case: Names that differ only in the case of their ASCII letters are one name.
        one_writer: Only one process at a time may have the database open.
        many_connections: Threads of this process may each have a connection, and work at the same time.
        defines: Which parts of a `TableDefinition` it keeps.
    """

    name: str
    has_schemas: bool
    default_schema: str
    max_identifier_bytes: int | None
    folds_case: bool
    one_writer: bool = False
    many_connections: bool = False
    defines: frozenset[str] = PARTS


@dataclass(frozen=True, slots=True)
class Write:
    """Where and how a value is to be written: the write spec of an output.

    Attributes:
        table: The table or view.
        mode: How the rows get there.
        keys: The key columns of upsert and delete_insert.
        definition: What the table is to have beyond its rows.
        order_matters: Equal rows in another order are another content.
    """

    table: TableName
    mode: WriteMode = WriteMode.REPLACE
    keys: tuple[str, ...] = ()
    definition: TableDefinition = _NOTHING_MORE
    order_matters: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """What a run declares before it writes, so that the ledger row can prove it landed.

    Attributes:
        commit_id: The id that the ledger row will have; the same in every retry of one save.
        run_id: The run.
        node_run_id: The node run of the saver.
        recipe_version: The fingerprint of all that the value was made from; empty outside a recorded run.
        epoch: Fencing number of the run: larger for later runs.
        record: Everything the metadata store needs to know beyond the ledger's own columns (JSON values only).
        adopt: Write over a table that the engine did not write.
        once: Append nothing that the same recipe has appended before, whichever run did (`APPEND` only).
        skip_unchanged: Write nothing when the content equals the live version (`REPLACE` and `VIEW` only).
    """

    commit_id: str
    run_id: str = ""
    node_run_id: str = ""
    recipe_version: str = ""
    epoch: int = 0
    record: Mapping[str, Any] = field(default_factory=dict)
    adopt: bool = False
    skip_unchanged: bool = True
    once: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One row of ``_engine_ledger``: the proof that a version of a table was committed.

    Attributes:
        dataset: The table, as `Dialect.canonical` spells it, always with its schema where the database has schemas.
        seq: 1 for the first version of the dataset, then without gaps.
        token: What recipe versions downstream see: the content hash for replace and view, a chain for the other modes.
        content_hash: Hash of the rows written (order does not count), prefixed by the algorithm; None where no rows
        passed. schema_hash: Hash of the Arrow schema written.
        physical_name: The identity stamped on the table, as `PhysicalTable.identity` shows it while the table is ours.
        record: The intent's record, plus ``arrow_schema`` (base64 of the serialized schema) and ``columns``
            (list of name, SQL type, nullable).
        committed_at: UTC, aware.
    """

    commit_id: str
    dataset: str
    partition_key: str = ""
    seq: int
    previous_commit_id: str | None
    epoch: int
    run_id: str
    node_run_id: str
    recipe_version: str
    mode: WriteMode
    token: str
    content_hash: str | None
    schema_hash: str
    row_count: int | None
    physical_name: str
    slice: Mapping[str, Any] | None = None
    record: Mapping[str, Any]
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Commit:
    """What a save did.

    Attributes:
        row: The ledger's head after the save.
        changed: False when the content was equal to the live version and nothing was written.
    """

    row: LedgerRow
    changed: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the catalog shows it."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class PhysicalTable:
    """What the catalog says a table is right now.

    Attributes:
        identity: The stamp of the commit that made the table what it is, or None: the engine did not write it, or
            somebody recreated it.
        columns: Its columns, in order.
        is_view: It is a view.
    """

    identity: str | None
    columns: tuple[Column, ...]
    is_view: bool = False

    def was_published_by(self, row: LedgerRow | None) -> bool:
        """Say whether this is still the table that a commit of the ledger made, or wrote into."""
        return row is not None and self.identity == row.physical_name


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows that stand beside their table, inside the open transaction.

    Attributes:
        table: The staging table.
        schema: The Arrow schema of the rows, as they were given.
        row_count: How many there are.
        columns: Its columns, as the catalog shows them.
        frozen: Its rows were loaded so that readers with an older snapshot see them too (PostgreSQL's FREEZE).
    """

    table: TableName
    schema: pa.Schema
    row_count: int
    columns: tuple[Column, ...] = ()
    frozen: bool = False


class UnknownCommitError(Exception):
    """The answer to COMMIT was lost: only the ledger can say whether it happened. Never leaves `Warehouse`."""


class Dialect(ABC):
    """One kind of database; an instance is stateless and serves any number of connections.

    ``connection`` is whatever `connect` gives: the driver's own connection object or a small bundle of them. What a
    driver raises (one of `driver_errors`) may leave any method but `connect`: the warehouse has it translated.
    """

    traits: ClassVar[Traits]
    driver_errors: ClassVar[tuple[type[Exception], ...]]

    # --- connections -------------------------------------------------------------------------------------------------

    @abstractmethod
    def namespace(self, url: sa.URL) -> str:
        """Name the database, without connecting: the same for every URL that leads there."""

    def canonical(self, table: TableName) -> TableName:
        """Return the one spelling that stands for all that the database takes for the same table."""
        return table.folded() if self.traits.folds_case else table

    @abstractmethod
    def connect(self, url: sa.URL, *, wait_s: float) -> Any:
        """Open the database.

        Args:
            url: Where it is.
            wait_s: How long to wait for somebody who holds it (seconds).

        Raises:
            StorageError: It cannot be reached or refuses; the message names the URL without its password, and says
            whether
                the server, the password, the database or the file is at fault.
        """

    @abstractmethod
    def close(self, connection: Any) -> None:
        """Let go of the database, whatever state the connection is in."""

    def writer(self, connection: Any, rows: pa.RecordBatchReader | Query) -> Any:
        """Return the connection on which a save of ``rows`` runs, where it cannot write beside open results."""
        del rows
        return connection

    @abstractmethod
    def transaction(self, connection: Any, *, write: bool) -> AbstractContextManager[None]:
        """Run the block in one transaction: a read transaction sees one snapshot; an exception rolls back.

        Raises:
            UnknownCommitError: The connection broke while committing.
        """

    @abstractmethod
    def lock(self, connection: Any, table: TableName, *, wait_s: float) -> None:
        """Make this transaction the only writer of ``table`` until it ends.

        Raises:
            ConcurrentWriteError: Another one holds it past the time budget.
        """

    @abstractmethod
    def translate(self, error: Exception, *, location: str, saving: bool) -> StorageError:
        """Turn a driver's error into one of the engine's that names ``location`` and says what to do."""

    @abstractmethod
    def is_missing(self, error: Exception) -> bool:
        """Say whether a driver's error means that a table or column does not exist."""

    @abstractmethod
    def version(self, connection: Any) -> str:
        """Return the database's name and version, such as ``postgresql 18.4``."""

    # --- the catalog -------------------------------------------------------------------------------------------------

    @abstractmethod
    def tables(self, connection: Any, names: Sequence[TableName]) -> dict[TableName, PhysicalTable | None]:
        """Look all these tables up in the catalog, in a constant number of queries."""

    def columns(self, connection: Any, table: TableName) -> tuple[Column, ...]:
        """Return the columns of a table, not a view, that is known to be there; as `tables` shows them."""
        found = self.tables(connection, [table])[table]
        return found.columns if found is not None else ()

    @abstractmethod
    def table_names(self, connection: Any) -> list[TableName]:
        """List the user's tables and views, for ``did you mean``."""

    def views(self, connection: Any) -> Mapping[TableName, frozenset[TableName]]:
        """Return what each of the user's views reads, directly or through other views, in few queries.

        A database that does not tell says that it has no views.
        """
        del connection
        return {}

    @abstractmethod
    def ensure_schema(self, connection: Any, schema: str) -> None:
        """Create the schema if it is absent, safely against others doing the same."""

    # --- reading -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def run(self, connection: Any, query: sa.Executable | str, /, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows, if it has any: for small results. A ``str`` runs as it stands."""

    @abstractmethod
    def read(
        self, connection: Any, query: Query, *, batch_rows: int, checksum: bool
    ) -> tuple[pa.RecordBatchReader, str | None]:
        """Run a query and stream its rows in batches of at most ``batch_rows``; with their token, from one snapshot."""

    @abstractmethod
    def schema(self, connection: Any, query: Query) -> pa.Schema:
        """Return the Arrow schema of a query's rows without running it."""

    @abstractmethod
    def checksum(self, connection: Any, query: Query) -> str:
        """Hash the rows of a query inside the database, whatever their order; equal rows each count."""

    def check_query(self, connection: Any, query: sa.TextClause) -> None:
        """Refuse SQL text that is not one statement that only reads.

        Raises:
            LoadError: It is something else.
        """
        del connection, query

    # --- writing -----------------------------------------------------------------------------------------------------

    def spelt(self, connection: Any, types: Mapping[str, SqlType]) -> dict[str, str]:
        """Return the types that a definition gives to columns, as the catalog will spell them.

        Raises:
            StorageError: There is no such type.
        """
        del connection
        return {name: type_.text for name, type_ in types.items()}

    @abstractmethod
    def stage(
        self, connection: Any, staging: TableName, rows: pa.RecordBatchReader | Query, types: Mapping[str, str]
    ) -> Staged:
        """Put the rows of a stream or of a query of this database into a new table ``staging``.

        Args:
            connection: As ever.
            staging: The table to make.
            rows: The rows; those of a stream have the Arrow type of the column's SQL type, where it has one.
            types: By column, the SQL type to have; without one, it follows from the Arrow type.

        Raises:
            SaveError: A column or value cannot be kept exactly; the message names it.
        """

    @abstractmethod
    def publish(
        self, connection: Any, staged: Staged, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Make the staged rows the table's rows as ``write`` says, stamp the table, return the stamp.

        The table then has what ``write.definition`` asks for.
        """

    @abstractmethod
    def publish_view(
        self, connection: Any, query: Query, write: Write, before: PhysicalTable | None, commit_id: str
    ) -> str:
        """Make ``write.table`` a view with this definition, stamp it, return the stamp."""

    # --- lazy values -------------------------------------------------------------------------------------------------

    def lazy(self, connection: Any, query: Query, like: type) -> Any:
        """Return the query as a value of type ``like`` that stays in the database, or None if it has no such type."""
        del connection, query, like
        return None

    def as_query(self, connection: Any, value: Any) -> Query | None:
        """Return the query behind a lazy value of this very database, or None: its rows then pass through Arrow."""
        del connection, value
        return None
