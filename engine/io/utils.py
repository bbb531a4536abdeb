"""Metadata dictionaries that loaders and savers return, in the form Apache Hamilton's users know."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.frames import library_of


def get_file_metadata(path: str | Path) -> dict[str, Any]:
    """Describe a file.

    Returns:
        ``{"file_metadata": {"path", "size" (bytes), "last_modified" (Unix seconds), "timestamp" (Unix seconds),
        "scheme"}}``.
    """
    status = Path(path).stat()
    return {
        "file_metadata": {
            "path": str(path),
            "size": status.st_size,
            "last_modified": status.st_mtime,
            "timestamp": datetime.now(tz=UTC).timestamp(),
            "scheme": "",
        }
    }


def get_dataframe_metadata(df: Any) -> dict[str, Any]:
    """Describe a frame without computing a lazy one.

    Returns:
        ``{"dataframe_metadata": {"rows", "columns", "column_names", "datatypes"}}``; what is unknown is None.
    """
    library = library_of(df)
    if library is None:
        return {"dataframe_metadata": {"rows": None, "columns": None, "column_names": None, "datatypes": None}}
    names = [str(name) for name in library.column_names(df)]
    kinds = library.column_types(df)
    return {
        "dataframe_metadata": {
            "rows": library.row_count(df),
            "columns": len(names),
            "column_names": names,
            "datatypes": None if kinds is None else [str(kind) for kind in kinds],
        }
    }


def get_file_and_dataframe_metadata(path: str | Path, df: Any) -> dict[str, Any]:
    """Describe a file and the frame that was read from it or written to it."""
    return get_file_metadata(path) | get_dataframe_metadata(df)


def get_sql_metadata(query_or_table: str, rows: Any) -> dict[str, Any]:
    """Describe a read or written table or query.

    Args:
        query_or_table: The table's name, or the text of a query.
        rows: A frame or the number of rows.

    Returns:
        ``{"sql_metadata": {"rows", "query", "table_name", "timestamp" (Unix seconds)}}``.
    """
    is_query = " " in query_or_table.strip()
    if not isinstance(rows, int | None):
        library = library_of(rows)
        rows = library.row_count(rows) if library else None
    return {
        "sql_metadata": {
            "rows": rows,
            "query": query_or_table if is_query else None,
            "table_name": None if is_query else query_or_table,
            "timestamp": datetime.now(tz=UTC).timestamp(),
        }
    }
