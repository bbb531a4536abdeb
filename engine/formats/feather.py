"""Feather: Arrow's own file format, read and written batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from engine.errors import LoadError, SaveError
from engine.formats.base import Format, choose_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Feather(Format):
    """Feather, also called Arrow IPC; every Arrow type comes back as it went."""

    name: ClassVar[str] = "feather"
    suffixes: ClassVar[tuple[str, ...]] = (".feather", ".arrow", ".ipc")

    def read_arrow(  # type: ignore[override]  # it names its options
        self, path: Path, *, columns: Sequence[str] | None = None
    ) -> pa.RecordBatchReader:
        """Read a feather file, batch by batch.

        Args:
            path: The file.
            columns: Read only these, in this order.

        Raises:
            LoadError: The file is not feather, or lacks a column.
        """
        try:
            with pa.ipc.open_file(str(path)) as file:
                schema = file.schema
        except (pa.ArrowException, OSError) as error:
            raise LoadError(f"{path} cannot be read as feather: {error}", location=str(path)) from error
        schema = choose_columns(schema, columns, path)

        def batches() -> Iterator[pa.RecordBatch]:
            with pa.ipc.open_file(str(path)) as file:
                for number in range(file.num_record_batches):
                    yield file.get_batch(number).select(schema.names)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def write_arrow(  # type: ignore[override]  # as read_arrow
        self, batches: pa.RecordBatchReader, path: Path, *, compression: str | None = "lz4"
    ) -> None:
        """Write a feather file, batch by batch.

        Args:
            batches: The rows.
            path: The file.
            compression: ``lz4``, ``zstd`` or None.

        Raises:
            SaveError: The compression is unknown, or a column changes its dictionary.
        """
        try:
            options = pa.ipc.IpcWriteOptions(compression=compression, unify_dictionaries=True)
            with pa.ipc.new_file(str(path), batches.schema, options=options) as writer:
                for batch in batches:
                    writer.write_batch(batch)
        except pa.ArrowException as error:
            raise SaveError(f"{path} cannot be written as feather: {error}", location=str(path)) from error
