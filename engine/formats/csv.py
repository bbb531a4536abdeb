"""CSV: text tables for Arrow frames.

NULL is an empty field without quotes, the empty text an empty field in quotes, so both survive. No other word means
NULL unless the reader is told so: ``NA`` may be a country.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
import pyarrow.csv

from engine.errors import LoadError, SaveError
from engine.formats.base import Format

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class CSV(Format):
    """Comma-separated values."""

    name: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)

    def read_arrow(  # type: ignore[override]  # it names its options
        self,
        path: Path,
        *,
        delimiter: str = ",",
        quote_char: str = '"',
        encoding: str = "utf8",
        skip_rows: int = 0,
        column_names: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        column_types: Mapping[str, pa.DataType] | None = None,
        null_values: Sequence[str] = ("",),
    ) -> pa.RecordBatchReader:
        """Read a CSV file; the type of a column is found from all its rows.

        Args:
            path: The file.
            delimiter: Stands between two fields.
            quote_char: Stands around a field that holds delimiters or line ends.
            encoding: Of the text.
            skip_rows: Lines to leave out at the top.
            column_names: The names, if the file has no line of them.
            columns: Read only these.
            column_types: Types not to be guessed.
            null_values: Fields that mean NULL where they stand without quotes.

        Raises:
            LoadError: The file is not such a table.
        """
        try:
            table = pyarrow.csv.read_csv(
                path,
                read_options=pyarrow.csv.ReadOptions(
                    encoding=encoding,
                    skip_rows=skip_rows,
                    column_names=None if column_names is None else list(column_names),
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=delimiter, quote_char=quote_char, newlines_in_values=True
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=None if columns is None else list(columns),
                    column_types=column_types,
                    null_values=list(null_values),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except (pa.ArrowException, KeyError, OSError) as error:
            raise LoadError(f"{path} cannot be read as CSV: {error}", location=str(path)) from error
        return table.to_reader()

    def write_arrow(  # type: ignore[override]  # as read_arrow
        self, batches: pa.RecordBatchReader, path: Path, *, delimiter: str = ",", header: bool = True
    ) -> None:
        """Write a CSV file, batch by batch.

        Args:
            batches: The rows.
            path: The file.
            delimiter: Stands between two fields.
            header: Begin with a line of the columns' names.

        Raises:
            SaveError: A column holds what CSV does not, such as lists.
        """
        options = pyarrow.csv.WriteOptions(include_header=header, delimiter=delimiter)
        for field in batches.schema:
            if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
                raise SaveError(
                    f"{path}: column {field.name!r} is of type {field.type}, which CSV does not hold",
                    location=str(path),
                    hint="write a parquet file",
                )
        try:
            with pyarrow.csv.CSVWriter(path, batches.schema, write_options=options) as writer:
                for batch in batches:
                    writer.write_batch(batch)
        except pa.ArrowException as error:
            raise SaveError(f"{path} cannot be written as CSV: {error}", location=str(path)) from error
