"""Arrow: tables, record batches and streams of them are frames as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc

from engine.errors import SaveError
from engine.frames.base import BATCH_ROWS, FileFunction, FrameLibrary, bare, check_names
from engine.frames.categories import categorized, with_categories, without_categories

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Arrow(FrameLibrary):
    """The frames of pyarrow. A stream can be read once; tables and batches as often as one likes."""

    frame_types: ClassVar[tuple[type, ...]] = (pa.Table, pa.RecordBatchReader, pa.RecordBatch)
    column_type: ClassVar[type | None] = pa.ChunkedArray
    readers: ClassVar[Mapping[type, Mapping[str, FileFunction]]] = {
        pa.Table: {
            "feather": FileFunction(pyarrow.feather.read_table, "source"),
            "orc": FileFunction(pyarrow.orc.read_table, "source"),
        }
    }
    writers: ClassVar[Mapping[type, Mapping[str, FileFunction]]] = {
        pa.Table: {
            "feather": FileFunction(pyarrow.feather.write_feather, "dest"),
            "orc": FileFunction(pyarrow.orc.write_table, "where"),
        }
    }

    def to_arrow(self, frame: Any) -> pa.RecordBatchReader:
        """Return the frame as a stream, without a copy."""
        if isinstance(frame, pa.Array | pa.ChunkedArray):
            raise SaveError("an Arrow array has no column name", hint='return a table: pyarrow.table({"name": array})')
        check_names(frame.schema.names, SaveError)
        if isinstance(frame, pa.RecordBatchReader):
            return frame
        table = pa.Table.from_batches([frame]) if isinstance(frame, pa.RecordBatch) else frame
        return _recorded(table).to_reader(max_chunksize=BATCH_ROWS)

    def from_arrow(self, batches: pa.RecordBatchReader, like: Any) -> Any:
        """Return the stream itself, or its rows as one table or one batch."""
        wanted = bare(like)
        if issubclass(wanted, pa.RecordBatchReader):
            return batches
        table = _categorized(batches.read_all())
        if not issubclass(wanted, pa.RecordBatch):
            return table
        whole = table.combine_chunks().to_batches()
        return whole[0] if whole else pa.RecordBatch.from_pylist([], schema=table.schema)

    def column(self, frame: Any, name: str) -> Any:
        """Return one column: of a stream a stream of it, else a chunked array."""
        if name not in frame.schema.names:
            raise KeyError(name)
        if isinstance(frame, pa.RecordBatchReader):
            schema = pa.schema([frame.schema.field(name)])
            return pa.RecordBatchReader.from_batches(schema, (batch.select([name]) for batch in frame))
        found = frame.column(name)
        return pa.chunked_array([found]) if isinstance(frame, pa.RecordBatch) else found

    def column_names(self, frame: Any) -> Sequence[str]:
        """Return the names of the columns."""
        return tuple(frame.schema.names) if hasattr(frame, "schema") else ()

    def column_types(self, frame: Any) -> Sequence[str]:
        """Return the types of the columns as Arrow spells them."""
        return [str(type_) for type_ in frame.schema.types] if hasattr(frame, "schema") else [str(frame.type)]

    def is_open(self, frame: Any) -> bool:
        """Say that a stream still reads."""
        return isinstance(frame, pa.RecordBatchReader)

    def row_count(self, frame: Any) -> int | None:
        """Return the number of rows, or None for a stream."""
        return None if isinstance(frame, pa.RecordBatchReader) else len(frame)


def _recorded(table: pa.Table) -> pa.Table:
    """Return the table whose fields list the categories that have an order, where all its rows have the same."""
    for position, field in enumerate(table.schema):
        column = table.column(position)
        if pa.types.is_dictionary(field.type) and field.type.ordered and column.num_chunks:
            column = column.unify_dictionaries()
            listed = with_categories(field, column.chunk(0).dictionary)
            table = table.set_column(position, listed, column)
    return table


def _categorized(table: pa.Table) -> pa.Table:
    """Return the table whose categories are those that its fields list."""
    columns = [categorized(column, field) for column, field in zip(table.columns, table.schema, strict=True)]
    schema = pa.schema([without_categories(field) for field in table.schema], table.schema.metadata)
    return pa.table(columns, schema=schema)
