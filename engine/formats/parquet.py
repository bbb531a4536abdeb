"""Parquet: typed, compressed tables for Arrow frames, read and written batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
import pyarrow.parquet

from engine.errors import LoadError, SaveError
from engine.formats.base import Format, choose_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Parquet(Format):
    """Apache Parquet; the Arrow schema is kept in the file, so types come back as they went."""

    name: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    def read_arrow(  # type: ignore[override]  # it names its options
        self, path: Path, *, columns: Sequence[str] | None = None, batch_rows: int = 122_880
    ) -> pa.RecordBatchReader:
        """Read a parquet file, batch by batch.

        Args:
            path: The file.
            columns: Read only these, in this order.
            batch_rows: Rows per batch.

        Raises:
            LoadError: The file is not parquet, or lacks a column.
        """
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                schema = file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise LoadError(f"{path} cannot be read as parquet: {error}", location=str(path)) from error
        schema = choose_columns(schema, columns, path)

        def batches() -> Iterator[pa.RecordBatch]:
            with pyarrow.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=batch_rows, columns=schema.names):
                    yield batch.select(schema.names)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def write_arrow(  # type: ignore[override]  # as read_arrow
        self, batches: pa.RecordBatchReader, path: Path, *, compression: str = "zstd"
    ) -> None:
        """Write a parquet file, batch by batch.

        Args:
            batches: The rows.
            path: The file.
            compression: ``zstd``, ``snappy``, ``gzip``, ``lz4``, ``brotli`` or ``none``.

        Raises:
            SaveError: A column holds what parquet does not.
        """
        try:
            with pyarrow.parquet.ParquetWriter(path, batches.schema, compression=compression) as writer:
                for batch in batches:
                    writer.write_batch(batch)
        except pa.ArrowException as error:
            raise SaveError(f"{path} cannot be written as parquet: {error}", location=str(path)) from error
