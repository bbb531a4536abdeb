"""Tables and queries: the loaders that read them as the type a node asks for, the saver that writes them.

The annotation chooses where the work happens: a frame in memory, a stream, or a query that stays in its database. Arrow
is the corridor between databases and frames; a query of the same database never leaves it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.dialects.base import TableName, Write, WriteMode
from engine.dialects.definitions import TableDefinition
from engine.errors import LoadError, OptionError, SaveError, StorageError, did_you_mean
from engine.frames import library_of, library_of_type
from engine.frames.base import bare
from engine.io.data_adapters import DataLoader, DataSaver, TableSource, TableTarget
from engine.io.scans import TableScan, settle
from engine.io.session import current_saving, current_session
from engine.io.utils import get_dataframe_metadata, get_sql_metadata

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from engine.dialects.base import LedgerRow, Query
    from engine.dialects.warehouse import Warehouse
    from engine.frames.base import FrameLibrary
    from engine.io.session import Session

LEDGER = "ledger"
CHECKSUM = "checksum"


def query_of(warehouse: Warehouse, source: TableSource) -> Query:
    """Return the query that reads ``source``."""
    if source.sql is not None:
        return warehouse.query_text(source.sql, source.params)
    return warehouse.query_table(
        warehouse.name(source.table or ""), columns=source.columns, where=source.where, params=source.params
    )


def is_whole_table(source: TableSource) -> bool:
    """Say whether a source is a table itself, so that the ledger knows its token."""
    return source.sql is None


def live_head(warehouse: Warehouse, table: TableName) -> LedgerRow | None:
    """Return the ledger's head of a table, or None where only the rows themselves can tell."""
    return live_heads(warehouse, [table]).get(table)


def live_heads(warehouse: Warehouse, tables: Iterable[TableName]) -> dict[TableName, LedgerRow]:
    """Return the ledger's heads of those of some tables that it speaks for, in a constant number of queries.

    The ledger speaks for a table the engine wrote while it is still that table. It does not speak for a view, whose
    rows change with the tables it reads.
    """
    physical, heads = warehouse.standing(tables)
    return {
        table: head
        for table, head in heads.items()
        if head is not None
        and head.mode is not WriteMode.VIEW
        and (there := physical[table]) is not None
        and there.was_published_by(head)
    }


def read_source(session: Session, source: TableSource, type_: Any) -> tuple[Any, dict[str, Any]]:
    """Read a table or query as ``type_``; the metadata holds its token when the session tracks sources.

    Raises:
        LoadError: The type is no frame, or the database refuses.
    """
    library = library_of_type(type_)
    if library is None:
        raise LoadError(
            f"{source.table or source.sql} cannot be loaded as {getattr(type_, '__name__', type_)}",
            hint="annotate the parameter with a frame type: pandas.DataFrame, polars.DataFrame, pyarrow.Table",
        )
    warehouse = session.warehouse(source.warehouse)
    head = live_head(warehouse, warehouse.name(source.table or "")) if is_whole_table(source) else None
    query = query_of(warehouse, source)
    known = head.token if head is not None and session.tracks_sources else None
    needs_checksum = session.tracks_sources and known is None
    if library.stays_in_database:
        data = lazy_value(warehouse, query, type_)
        token = warehouse.checksums([query])[0] if needs_checksum else None
    elif issubclass(bare(type_), library.scanning_types) and not warehouse.in_memory:
        token = warehouse.checksums([query])[0] if needs_checksum else None
        data = library.from_source(_scan(warehouse, source, query, head, token, library))
    else:
        batches, token = warehouse.read(query, checksum=needs_checksum, recorded=_recorded(head, library))
        data = library.from_arrow(batches, type_)
    metadata = get_sql_metadata(source.sql or source.table or "", library.row_count(data))
    if known is not None:
        metadata["token"] = {"kind": LEDGER, "value": known}
    elif token is not None:
        metadata["token"] = {"kind": CHECKSUM, "value": token}
    return data, metadata


def lazy_value(warehouse: Warehouse, query: Query, type_: Any) -> Any:
    """Return a query of a warehouse as a value that stays in its database.

    Raises:
        LoadError: There is no such value of this type.
    """
    library = library_of_type(type_)
    if library is not None and library.wraps_queries:
        return library.of_query(query, warehouse.schema(query), warehouse.mark)
    return warehouse.lazy(query, type_)


def query_behind(warehouse: Warehouse, value: Any) -> Query | None:
    """Return the query of a warehouse that a value stands for, or None where it holds rows or is of another database.

    Raises:
        SaveError: The value cannot be said in the SQL of this database.
    """
    library = library_of(value)
    if library is None or not library.wraps_queries:
        return warehouse.as_query(value)
    query: Query | None = library.as_query(value, warehouse.dialect.traits.name, warehouse.mark)
    return query


def _scan(
    warehouse: Warehouse,
    source: TableSource,
    query: Query,
    head: LedgerRow | None,
    checksum: str | None,
    library: FrameLibrary,
) -> TableScan:
    """Return what reads a source anew and knows whether it still is the version that was loaded."""
    recorded = _recorded(head, library)

    def head_of(asked: Warehouse) -> str | None:
        found = live_head(asked, asked.name(source.table or ""))
        return None if found is None else found.commit_id

    def checksum_of(asked: Warehouse) -> str | None:
        return asked.checksums([query])[0]

    version = head_of if head is not None else checksum_of if checksum is not None else None
    return TableScan(
        warehouse,
        query,
        library,
        what=source.table or "the query",
        schema=warehouse.schema(query, recorded=recorded),
        recorded=recorded,
        version=version,
        loaded=checksum if head is None else head.commit_id,
    )


def _recorded(head: LedgerRow | None, library: FrameLibrary) -> pa.Schema | None:
    from engine.dialects.recorded import recorded_schema

    return None if head is None else recorded_schema(head, keeps_layout=library.keeps_layout)


class _FrameAdapter:
    """Serves every type of every frame library, and nothing else."""

    may_leave_thread = True

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        return ()

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        return library_of_type(type_) is not None


@dataclass
class TableLoader(_FrameAdapter, DataLoader):
    """Read a table, or some columns and rows of it."""

    table: str
    columns: Sequence[str] | None = None
    where: str | None = None
    params: Mapping[str, Any] | None = None
    warehouse: str | None = field(default=None, repr=False)

    @classmethod
    def name(cls) -> str:
        """Return the word in ``from_.table``."""
        return "table"

    def source(self) -> TableSource:
        """Return the table that will be read."""
        return TableSource(
            self.warehouse,
            table=self.table,
            columns=None if self.columns is None else tuple(self.columns),
            where=self.where,
            params=self.params or {},
        )

    def load_data(self, type_: type) -> tuple[Any, dict[str, Any]]:
        """Read the table as ``type_``."""
        with current_session() as session:
            return read_source(session, self.source(), type_)


@dataclass
class QueryLoader(_FrameAdapter, DataLoader):
    """Read the rows of a query."""

    sql: str
    params: Mapping[str, Any] | None = None
    warehouse: str | None = field(default=None, repr=False)

    @classmethod
    def name(cls) -> str:
        """Return the word in ``from_.query``."""
        return "query"

    def source(self) -> TableSource:
        """Return the query that will be run."""
        return TableSource(self.warehouse, sql=self.sql, params=self.params or {})

    def load_data(self, type_: type) -> tuple[Any, dict[str, Any]]:
        """Run the query and give its rows as ``type_``."""
        with current_session() as session:
            return read_source(session, self.source(), type_)


@dataclass
class TableSaver(_FrameAdapter, DataSaver):
    """Write a frame, or a query that stays in its database, as a table or view."""

    table: str
    mode: str = WriteMode.REPLACE
    keys: Sequence[str] = ()
    warehouse: str | None = field(default=None, repr=False)
    adopt: bool = False
    types: Mapping[str, Any] | None = None
    primary_key: str | Sequence[str] = ()
    indexes: Sequence[str | Sequence[str]] = ()
    not_null: str | Sequence[str] = ()
    comment: str = ""
    index: bool | None = None
    order_matters: bool = False

    @classmethod
    def name(cls) -> str:
        """Return the word in ``to.table``."""
        return "table"

    def target(self) -> TableTarget:
        """Return the table that will be written.

        Raises:
            OptionError: The mode is unknown, or keys and mode do not go together.
        """
        try:
            mode = WriteMode(self.mode)
        except ValueError:
            modes = [mode.value for mode in WriteMode]
            near = did_you_mean(str(self.mode), modes)
            raise OptionError(
                f"to.table(table={self.table!r}) has no mode {self.mode!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(modes)}",
            ) from None
        if (mode in {WriteMode.UPSERT, WriteMode.DELETE_INSERT}) != bool(self.keys):
            raise OptionError(
                f"to.table(table={self.table!r}, mode={mode.value!r}) {'takes no' if self.keys else 'needs'} keys=",
                hint="upsert and delete_insert match rows by keys=['column', …]; the other modes have no keys",
            )
        keys = (self.keys,) if isinstance(self.keys, str) else tuple(self.keys)
        definition = TableDefinition.of(
            types=self.types,
            primary_key=self.primary_key,
            indexes=self.indexes,
            not_null=self.not_null,
            comment=self.comment,
        )
        write = Write(TableName.parse(self.table), mode, keys, definition, self.order_matters)
        return TableTarget(self.warehouse, write, self.adopt)

    def save_data(self, data: Any) -> dict[str, Any]:
        """Write the table in one transaction with its ledger row; see `engine.dialects.warehouse.Warehouse.save`."""
        spec = self.target().write
        current = current_saving()
        settle()
        # Reading the table back must give these very types again, or the node is computed instead.
        frame_types = get_dataframe_metadata(data)["dataframe_metadata"]["datatypes"]
        if self.index is not None and (library := library_of(data)) is not None:
            data, given = library.with_index(data, keep=self.index), data
            frame_types = frame_types if data is given else None  # the table does not give the index back as one
        record = {**current.intent.record, "frame_types": frame_types}
        intent = dataclasses.replace(current.intent, record=record, adopt=self.adopt or current.intent.adopt)
        with _about(self.table), current_session() as session:
            warehouse = current.warehouse = session.warehouse(self.warehouse)
            write = dataclasses.replace(spec, table=warehouse.name(self.table))
            query = query_behind(warehouse, data)
            if query is not None:
                current.commit = warehouse.save(query, write, intent)
            elif write.mode is WriteMode.VIEW:
                raise SaveError(
                    f"{write.table} is to be a view, but its node gives a {type(data).__qualname__}, which holds rows",
                    location=str(write.table),
                    hint="let the node return a sqlalchemy.Select of this warehouse's tables, or use mode='replace'",
                )
            else:
                from engine.frames.hashing import hashed
                from engine.frames.layouts import without_views

                batches, hasher = hashed(rows_of(session, data, str(write.table)), order_matters=self.order_matters)
                written = without_views(batches.schema)
                current.commit = warehouse.save(batches, write, intent, digest=hasher.digest, written=written)
        row = current.commit.row
        return get_sql_metadata(row.dataset, row.row_count) | {
            "commit": {"commit_id": row.commit_id, "seq": row.seq, "changed": current.commit.changed}
        }


def rows_of(session: Session, data: Any, location: str) -> Any:
    """Return a value's rows as a stream of record batches, reading a query of another warehouse where it is one.

    Raises:
        SaveError: The value is no frame.
    """
    library = library_of(data)
    if library is None:
        raise SaveError(
            f"{location} cannot be written: its node gives {_said(data)}, which is no frame",
            location=location,
            hint="return a pandas, polars or Arrow frame, or a query",
        )
    if library.stays_in_database:
        for other in session.opened():
            query = query_behind(other, data)
            if query is not None:
                return other.read(query)[0]
    return library.to_views(data)


def _said(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__qualname__}"


@contextlib.contextmanager
def _about(table: str) -> Iterator[None]:
    """Name the table in an error about its rows."""
    try:
        yield
    except StorageError as error:
        error.locate(table, "cannot be written")
        raise
