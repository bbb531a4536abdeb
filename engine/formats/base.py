"""Format: how one file format is read and written without a frame library.

A frame library's own reader and writer win (`engine.frames.base.FrameLibrary.readers`); a format serves the frames
whose library has none, through Arrow, and plain Python values. A format names the options of its methods, so that a
misspelt one is found before anything runs.
"""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from engine.errors import LoadError, SaveError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Format(ABC):
    """One file format.

    Attributes:
        name: The word in ``from_.<name>`` and ``to.<name>``.
        suffixes: The file name suffixes that mean this format, with the dot.
        value_types: The plain types whose values it reads and writes; ``object`` means any.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    value_types: ClassVar[tuple[type, ...]] = ()

    def read(self, path: Path, **options: Any) -> Any:
        """Read a plain value from a file.

        Raises:
            LoadError: The format does not hold plain values, or the file is not of this format.
        """
        del options
        raise LoadError(
            f"{path}: a {self.name} file holds a frame", location=str(path), hint="annotate it as a type of frames"
        )

    def write(self, value: Any, path: Path, **options: Any) -> None:
        """Write a plain value to a file.

        Raises:
            SaveError: The format does not hold such a value.
        """
        del options
        raise SaveError(
            f"{path}: a {self.name} file holds a frame, and a {type(value).__qualname__} is none",
            location=str(path),
            hint="return a frame, or choose another format",
        )

    def read_arrow(self, path: Path, **options: Any) -> pa.RecordBatchReader:
        """Read a file as a stream of record batches.

        Raises:
            LoadError: The format does not hold frames, or the file is not of this format.
        """
        del options
        raise LoadError(f"{path}: the format {self.name} does not hold frames", location=str(path))

    def write_arrow(self, batches: pa.RecordBatchReader, path: Path, **options: Any) -> None:
        """Write a stream of record batches to a file.

        Raises:
            SaveError: The format does not hold frames.
        """
        del batches, options
        raise SaveError(f"{path}: the format {self.name} does not hold frames", location=str(path))


def choose_columns(schema: pa.Schema, columns: Sequence[str] | None, path: Path) -> pa.Schema:
    """Return the schema of the wanted columns of a file, in the wanted order; of all without a wish.

    Raises:
        LoadError: The file lacks one.
    """
    for name in columns or ():
        if name not in schema.names:
            raise LoadError(
                f"{path} has no column {name!r}", location=str(path), hint=f"it has: {', '.join(schema.names)}"
            )
    return schema if columns is None else pa.schema([schema.field(name) for name in columns])
