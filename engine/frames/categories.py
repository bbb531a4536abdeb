"""Categories: which values a category may take, and in which order, kept beside the column's type.

Arrow keeps the categories with the rows, and a database keeps only the values that occur. So that a category comes back
whole, its field says what its categories are.
"""

from __future__ import annotations

import base64
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import LoadError, SaveError

_KEY = b"engine.categories"
_MOST_BYTES = 65_536
"""The largest list that is recorded. Source: what the metadata keeps of any one text."""


def with_categories(field: pa.Field, categories: pa.Array) -> pa.Field:
    """Return the field, which says what its categories are.

    A long list is left out, and the categories that occur come back in the order in which they do.

    Raises:
        SaveError: The list is long, and its order counts.
    """
    if isinstance(categories, pa.ExtensionArray) or pa.types.is_null(categories.type):
        return field
    batch = pa.record_batch([categories], names=["categories"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    raw = base64.b64encode(sink.getvalue())
    if len(raw) <= _MOST_BYTES:
        return field.with_metadata({**(field.metadata or {}), _KEY: raw})
    if field.type.ordered:
        raise SaveError(
            f"column {field.name!r} has {len(categories)} categories with an order, too many to be recorded",
            hint="save it as text beside a column of its ranks, or let the categories have no order",
        )
    return field


def without_categories(field: pa.Field) -> pa.Field:
    """Return the field without the list."""
    metadata = {key: value for key, value in (field.metadata or {}).items() if key != _KEY}
    return field.with_metadata(metadata or None)


def categorized(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """Return a category with all the categories that its field lists, in their order.

    Raises:
        LoadError: The order of the categories counts, and a value is none of them.
    """
    raw = (field.metadata or {}).get(_KEY)
    if raw is None or not pa.types.is_dictionary(column.type):
        return column
    listed: Any = pa.ipc.open_stream(base64.b64decode(raw)).read_all().column(0)
    values = column.cast(column.type.value_type)
    categories = listed.combine_chunks().cast(column.type.value_type)
    indices = pc.index_in(values, value_set=categories, skip_nulls=True)
    if indices.null_count != values.null_count:
        if column.type.ordered:
            raise LoadError(
                f"column {field.name!r} holds a value that is none of its categories",
                hint="somebody else wrote to the table: rebuild it, or read it with from_.query",
            )
        return column
    chunks = [
        pa.DictionaryArray.from_arrays(chunk.cast(column.type.index_type), categories, ordered=column.type.ordered)
        for chunk in indices.chunks or [indices.combine_chunks()]  # a column without rows has categories too
    ]
    return pa.chunked_array(chunks, column.type)
