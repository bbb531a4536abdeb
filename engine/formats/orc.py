"""ORC: typed, compressed tables for Arrow frames, read stripe by stripe and written batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
import pyarrow.orc

from engine.errors import LoadError, SaveError
from engine.formats.base import Format, choose_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class ORC(Format):
    """Apache ORC."""

    name: ClassVar[str] = "orc"
    suffixes: ClassVar[tuple[str, ...]] = (".orc",)

    def read_arrow(  # type: ignore[override]  # it names its options
        self, path: Path, *, columns: Sequence[str] | None = None
    ) -> pa.RecordBatchReader:
        """Read an ORC file, stripe by stripe.

        Args:
            path: The file.
            columns: Read only these, in this order.

        Raises:
            LoadError: The file is not ORC, or lacks a column.
        """
        try:
            file = pyarrow.orc.ORCFile(path)
        except (pa.ArrowException, OSError) as error:
            raise LoadError(f"{path} cannot be read as ORC: {error}", location=str(path)) from error
        schema = choose_columns(file.schema, columns, path)

        def batches() -> Iterator[pa.RecordBatch]:
            for number in range(file.nstripes):
                yield file.read_stripe(number, columns=schema.names).select(schema.names)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def write_arrow(  # type: ignore[override]  # as read_arrow
        self, batches: pa.RecordBatchReader, path: Path, *, compression: str = "zstd"
    ) -> None:
        """Write an ORC file, batch by batch.

        Args:
            batches: The rows.
            path: The file.
            compression: ``zstd``, ``snappy``, ``zlib``, ``lz4`` or ``uncompressed``.

        Raises:
            SaveError: A column holds what ORC does not.
        """
        try:
            with pyarrow.orc.ORCWriter(str(path), compression=compression) as writer:
                writer.write(pa.Table.from_batches([], schema=batches.schema))  # an ORC file without it has no columns
                for batch in batches:
                    writer.write(pa.Table.from_batches([batch]))
        except (pa.ArrowException, ValueError) as error:
            raise SaveError(f"{path} cannot be written as ORC: {error}", location=str(path)) from error
