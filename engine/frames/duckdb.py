"""DuckDB relations: queries that stay in the DuckDB database they belong to until their rows are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import duckdb

from engine.errors import LoadError, SaveError
from engine.frames.base import BATCH_ROWS, FileFunction, FrameLibrary, check_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa


class DuckDBRelations(FrameLibrary):
    """Relations: lazy SQL that runs anew at every read."""

    frame_types: ClassVar[tuple[type, ...]] = (duckdb.DuckDBPyRelation,)
    stays_in_database: ClassVar[bool] = True
    writers: ClassVar[Mapping[type, Mapping[str, FileFunction]]] = {
        duckdb.DuckDBPyRelation: {
            "csv": FileFunction(duckdb.DuckDBPyRelation.write_csv, "file_name"),
            "parquet": FileFunction(duckdb.DuckDBPyRelation.write_parquet, "file_name"),
        }
    }

    def to_arrow(self, frame: Any) -> pa.RecordBatchReader:
        """Run the relation's query and return its rows as they come.

        Raises:
            SaveError: The query fails, or its connection is closed.
        """
        try:
            check_names(frame.columns, SaveError)
            return frame.to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as error:
            raise SaveError(f"the query of a DuckDB relation fails: {error}") from error

    def from_arrow(self, batches: pa.RecordBatchReader, like: Any) -> Any:
        """Refuse: a relation belongs to a database, whose dialect makes it.

        Raises:
            LoadError: Always.
        """
        del batches, like
        raise LoadError(
            "a DuckDB relation is made only by reading a table or query of a DuckDB warehouse",
            hint="load it from a duckdb:// warehouse, or annotate the parameter as pyarrow.Table",
        )

    def column(self, frame: Any, name: str) -> Any:
        """Return a relation of that one column."""
        if name not in frame.columns:
            raise KeyError(name)
        return frame.select(duckdb.ColumnExpression(name))

    def column_names(self, frame: Any) -> Sequence[str]:
        """Return the names of the columns."""
        return tuple(frame.columns)

    def column_types(self, frame: Any) -> Sequence[str]:
        """Return the types of the columns as DuckDB spells them."""
        return [str(type_) for type_ in frame.types]
