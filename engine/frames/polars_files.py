"""The files that polars reads and writes itself; what it does only eagerly serves lazy frames as well."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import TYPE_CHECKING, Any

import polars as pl

from engine.frames.base import FileFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RENAMED: Mapping[str, str | None] = {
    **dict.fromkeys(("batch_size", "memory_map", "n_threads", "rechunk", "sample_size")),
    "comment_char": "comment_prefix",
    "dtypes": "schema_overrides",
    "row_count_name": "row_index_name",
    "row_count_offset": "row_index_offset",
}
"""Options of polars before version 1; Apache Hamilton's adapters still have them."""
_COMPRESSION = frozenset({".gz", ".zst"})


def _reader(function: Callable[..., Any], *, suffixes: frozenset[str] = frozenset()) -> FileFunction:
    present = inspect.signature(function).parameters
    renamed = {old: new for old, new in _RENAMED.items() if old not in present}
    return FileFunction(function, "source", renamed=renamed, suffixes=suffixes)


def _scanner(function: Callable[..., Any], *, suffixes: frozenset[str] = frozenset()) -> FileFunction:
    return dataclasses.replace(_reader(function, suffixes=suffixes), stays_open=True)


def _lazy(read: Callable[..., pl.DataFrame]) -> Callable[..., pl.LazyFrame]:
    @functools.wraps(read)
    def lazy(*path: Any, **options: Any) -> pl.LazyFrame:
        return read(*path, **options).lazy()

    return lazy


def _collected(write: Callable[..., Any]) -> Callable[..., None]:
    @functools.wraps(write)
    def collected(frame: pl.LazyFrame, *path: Any, **options: Any) -> None:
        write(frame.collect(), *path, **options)

    return collected


READERS: Mapping[type, Mapping[str, FileFunction]] = {
    pl.DataFrame: {
        "avro": _reader(pl.read_avro),
        "csv": _reader(pl.read_csv, suffixes=_COMPRESSION),
        "feather": _reader(pl.read_ipc),
        "json": _reader(pl.read_json),
        "ndjson": _reader(pl.read_ndjson, suffixes=_COMPRESSION),
        "parquet": _reader(pl.read_parquet),
        "spreadsheet": _reader(pl.read_excel),
    },
    pl.LazyFrame: {
        "avro": _reader(_lazy(pl.read_avro)),
        "csv": _scanner(pl.scan_csv, suffixes=_COMPRESSION),
        "feather": _scanner(pl.scan_ipc),
        "json": _reader(_lazy(pl.read_json)),
        "ndjson": _scanner(pl.scan_ndjson, suffixes=_COMPRESSION),
        "parquet": _scanner(pl.scan_parquet),
        "spreadsheet": _reader(_lazy(pl.read_excel)),
    },
}
WRITERS: Mapping[type, Mapping[str, FileFunction]] = {
    pl.DataFrame: {
        "avro": FileFunction(pl.DataFrame.write_avro, "file"),
        "csv": FileFunction(pl.DataFrame.write_csv, "file"),
        "feather": FileFunction(pl.DataFrame.write_ipc, "file"),
        "json": FileFunction(pl.DataFrame.write_json, "file"),
        "ndjson": FileFunction(pl.DataFrame.write_ndjson, "file"),
        "parquet": FileFunction(pl.DataFrame.write_parquet, "file"),
        "spreadsheet": FileFunction(pl.DataFrame.write_excel, "workbook"),
    },
    pl.LazyFrame: {
        "avro": FileFunction(_collected(pl.DataFrame.write_avro), "file"),
        "csv": FileFunction(pl.LazyFrame.sink_csv, "path"),
        "feather": FileFunction(pl.LazyFrame.sink_ipc, "path"),
        "json": FileFunction(_collected(pl.DataFrame.write_json), "file"),
        "ndjson": FileFunction(pl.LazyFrame.sink_ndjson, "path"),
        "parquet": FileFunction(pl.LazyFrame.sink_parquet, "path"),
        "spreadsheet": FileFunction(_collected(pl.DataFrame.write_excel), "workbook"),
    },
}
