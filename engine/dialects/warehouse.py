"""Warehouse: one open database, and the commit protocol that is the same in all of them.

(Skeleton: the public surface that `engine.io` and `engine.planning` rely on.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from engine.dialects.base import Commit, Intent, LedgerRow, PhysicalTable, Query, TableName, Write


class Warehouse:
    """One database, opened on first use and closed at the end of a run; safe to use from one thread at a time.

    Args:
        url: As SQLAlchemy writes it: ``duckdb:///rel.duckdb``, ``duckdb:////abs.duckdb``, ``duckdb://`` (in memory),
            ``sqlite:///…``, ``postgresql://…``, or any other URL whose SQLAlchemy dialect is installed.

    Attributes:
        url: The URL without password, for messages and records.
        namespace: The database in OpenLineage's words: ``postgres://host:port``, ``duckdb:///abs/path``, ``sqlite:///abs/path``.
    """

    url: str
    namespace: str

    def __init__(self, url: str) -> None: ...

    def close(self) -> None:
        """Let go of the database; the next use opens it again."""

    def name(self, text: str) -> TableName:
        """Parse a table's name and fill in the default schema, checked against the dialect's limits (63 bytes …)."""

    def query_table(self, table: TableName, *, columns: Sequence[str] | None, where: str | None, params: Mapping[str, Any]) -> Query:
        """A Select over a table; an unknown table or column is a LoadError naming it and near names."""

    def query_text(self, sql: str, params: Mapping[str, Any]) -> Query:
        """A TextClause with ``:name`` parameters bound; a parameter that is missing or unknown is an OptionError."""

    def read(self, query: Query, *, checksum: bool = False, batch_rows: int = 122_880) -> tuple[pa.RecordBatchReader, str | None]:
        """Stream a query; with ``checksum`` its token as well, both from one snapshot."""

    def lazy(self, query: Query, like: type) -> Any:
        """The query as a lazy value of ``like`` (`duckdb.DuckDBPyRelation`, `sqlalchemy.Select`, …) or LoadError."""

    def as_query(self, value: Any) -> Query | None:
        """The query behind a lazy value of this very database, or None."""

    def save(self, rows: pa.RecordBatchReader | Query, write: Write, intent: Intent) -> Commit:
        """The commit protocol of `engine.dialects.base`: one transaction for rows, ledger row and stamp."""

    def heads(self, tables: Iterable[TableName]) -> dict[TableName, LedgerRow | None]:
        """The ledger's latest row per table, one query; no ledger table means no rows."""

    def tables(self, tables: Iterable[TableName]) -> dict[TableName, PhysicalTable | None]:
        """What the catalog says of each table, one query or a constant number."""

    def checksums(self, queries: Iterable[Query]) -> list[str | None]:
        """The token of each query's rows, from one snapshot; None where a table does not exist."""

    def commits(self, commit_ids: Iterable[str]) -> dict[str, LedgerRow]:
        """The ledger rows of these commits that landed, one query."""
