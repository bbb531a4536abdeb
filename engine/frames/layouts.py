"""Layouts: texts and bytes that pass as Arrow's views, because their library keeps them so, and come back without.

To pass views on copies no text. But not every reader of Arrow knows them, so a field says that its column is a view
only on the way, and a table is recorded with the layout that everybody reads.
"""

from __future__ import annotations

import pyarrow as pa

_KEY = b"engine.passes_as_view"
_COMMON = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}


def passing_as_view(field: pa.Field) -> pa.Field:
    """Return the field, which says where it is one of views that its column is not recorded as such."""
    return field.with_metadata({**(field.metadata or {}), _KEY: b""}) if field.type in _COMMON else field


def without_views(schema: pa.Schema) -> pa.Schema:
    """Return the schema in which fields of columns that only pass as views have the common layout."""
    return pa.schema([_common(field) for field in schema], schema.metadata)


def _common(field: pa.Field) -> pa.Field:
    metadata = dict(field.metadata or {})
    if metadata.pop(_KEY, None) is None:
        return field
    return field.with_type(_COMMON[field.type]).with_metadata(metadata or None)
