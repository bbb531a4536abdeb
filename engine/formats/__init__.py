"""Formats: which file format a name or a path means."""

from __future__ import annotations

import contextlib
from pathlib import PurePath
from typing import TYPE_CHECKING

from engine.errors import ExtensionError, RequestError
from engine.registry import Registry

if TYPE_CHECKING:
    import os

    from engine.formats.base import Format

FORMATS: Registry[type[Format]] = Registry("engine.formats", "file format")
"""The file formats, by name."""

SUFFIXES_OF_COMPRESSION = frozenset({".bz2", ".gz", ".xz", ".zip", ".zst"})


def format_of(path: str | os.PathLike[str]) -> type[Format]:
    """Return the format that the suffix of a path means; a suffix of compression behind it does not count.

    Raises:
        RequestError: No format has this suffix.
    """
    suffixes = [suffix.lower() for suffix in PurePath(path).suffixes]
    while suffixes and suffixes[-1] in SUFFIXES_OF_COMPRESSION:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix.removeprefix(".") in FORMATS:
        return FORMATS.load(suffix.removeprefix("."))
    for name in FORMATS.names():
        with contextlib.suppress(ExtensionError):  # a format whose library is not installed has no files here
            if suffix in FORMATS.load(name).suffixes:
                return FORMATS.load(name)
    raise RequestError(
        f"no file format is known by the suffix of {PurePath(path).name!r}",
        hint=f"name the format; there are: {', '.join(sorted(FORMATS.names()))}",
    )
