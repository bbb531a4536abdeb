"""The files that pandas reads and writes itself, and the defaults that differ from pandas' own.

Readers give nullable types (``Int64``, ``string``) where pandas offers the choice, and CSV files are written without
the index, because Apache Hamilton does so; ``dtype_backend=None`` and ``index=True`` say otherwise.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

from engine.errors import LoadError
from engine.frames.base import PATH_NAMES, FileFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NULLABLE = {"dtype_backend": "numpy_nullable"}
_COMPRESSION = frozenset({".bz2", ".gz", ".xz", ".zip"})
_WORKBOOK = ("mode", "if_sheet_exists", "date_format", "datetime_format")


def _and_options(names: tuple[str, ...], documented: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that takes the options of ``documented`` and those in ``names``."""
    own = inspect.signature(documented)
    further = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in names]

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        decorated: Any = functools.wraps(documented)(function)
        decorated.__signature__ = own.replace(parameters=[*own.parameters.values(), *further])
        return decorated  # type: ignore[no-any-return]  # Any only to set the signature

    return decorate


@_and_options((), pd.read_html)
def _read_html(io: Any, **options: Any) -> pd.DataFrame:
    tables = pd.read_html(io, **options)
    if len(tables) != 1:
        raise LoadError(
            f"{io} has {len(tables)} tables that fit",
            location=str(io),
            hint="choose one by match='text in it' or attrs={'id': '…'}",
        )
    return tables[0]


@_and_options(_WORKBOOK, pd.DataFrame.to_excel)
def _write_excel(frame: pd.DataFrame, excel_writer: Any, **options: Any) -> None:
    workbook = {name: options.pop(name) for name in (*_WORKBOOK, "engine", "engine_kwargs") if name in options}
    with pd.ExcelWriter(excel_writer, **workbook) as writer:
        frame.to_excel(writer, **options)


def _reader(
    function: Callable[..., Any], path: str, *, defaults: Mapping[str, Any] | None = None, **settings: Any
) -> FileFunction:
    """Give nullable types where the function offers the choice, and leave compression to it where it knows it."""
    made = FileFunction(function, path, **settings)
    options, _ = made.options(writes=False)
    return dataclasses.replace(
        made,
        defaults=(_NULLABLE if "dtype_backend" in options else {}) | dict(defaults or {}),
        suffixes=_COMPRESSION if "compression" in options else frozenset(),
    )


READERS: Mapping[type, Mapping[str, FileFunction]] = {
    pd.DataFrame: {
        "csv": _reader(pd.read_csv, "filepath_or_buffer", renamed={"verbose": None}),
        "excel": _reader(pd.read_excel, "io"),
        "feather": _reader(pd.read_feather, "path"),
        "fwf": _reader(pd.read_fwf, "filepath_or_buffer", further=pd.read_csv),
        "html": _reader(_read_html, "io", defaults={"encoding": "utf-8"}),
        "json": FileFunction(pd.read_json, "path_or_buf", suffixes=_COMPRESSION),
        "orc": _reader(pd.read_orc, "path", further=pyarrow.orc.read_table),
        "parquet": _reader(pd.read_parquet, "path", further=pyarrow.parquet.read_table),
        "pickle": _reader(pd.read_pickle, "filepath_or_buffer"),
        "spss": _reader(pd.read_spss, "path"),
        "stata": _reader(pd.read_stata, "filepath_or_buffer"),
        "xml": _reader(pd.read_xml, "path_or_buffer", renamed={"namespace": "namespaces"}),
    }
}
WRITERS: Mapping[type, Mapping[str, FileFunction]] = {
    pd.DataFrame: {
        "csv": FileFunction(pd.DataFrame.to_csv, "path_or_buf", defaults={"index": False}),
        "excel": FileFunction(_write_excel, "excel_writer"),
        "feather": FileFunction(
            pd.DataFrame.to_feather,
            "path",
            aliases=(*PATH_NAMES, "dest"),
            further=pyarrow.feather.write_feather,
        ),
        "html": FileFunction(pd.DataFrame.to_html, "buf"),
        "json": FileFunction(pd.DataFrame.to_json, "path_or_buf"),
        "orc": FileFunction(pd.DataFrame.to_orc, "path"),
        "parquet": FileFunction(pd.DataFrame.to_parquet, "path", further=pyarrow.parquet.write_table),
        "pickle": FileFunction(pd.DataFrame.to_pickle, "path"),
        "stata": FileFunction(pd.DataFrame.to_stata, "path"),
        "xml": FileFunction(pd.DataFrame.to_xml, "path_or_buffer", renamed={"elems_cols": "elem_cols"}),
    },
    pd.Series: {
        "csv": FileFunction(pd.Series.to_csv, "path_or_buf"),
        "json": FileFunction(pd.Series.to_json, "path_or_buf"),
        "pickle": FileFunction(pd.Series.to_pickle, "path"),
    },
}
