"""JSON: dictionaries and lists as one document; Arrow frames as one object per line.

Keys of a document become text and tuples become lists, as Python's ``json`` has it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.json

from engine.errors import LoadError, SaveError
from engine.formats.base import Format

if TYPE_CHECKING:
    from pathlib import Path


class JSON(Format):
    """JSON documents, and lines of JSON objects."""

    name: ClassVar[str] = "json"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)
    value_types: ClassVar[tuple[type, ...]] = (dict, list)

    def read(  # type: ignore[override]  # it names its options
        self, path: Path, *, encoding: str = "utf-8"
    ) -> Any:
        """Read one document.

        Raises:
            LoadError: The file is not JSON.
        """
        try:
            return json.loads(path.read_text(encoding=encoding))
        except (ValueError, OSError) as error:
            raise LoadError(f"{path} cannot be read as JSON: {error}", location=str(path)) from error

    def write(  # type: ignore[override]  # as read
        self,
        value: Any,
        path: Path,
        *,
        indent: int | None = None,
        sort_keys: bool = False,
        ensure_ascii: bool = False,
        encoding: str = "utf-8",
    ) -> None:
        """Write one document.

        Args:
            value: A dictionary or list of what JSON knows.
            path: The file.
            indent: Spaces per level; None means one line.
            sort_keys: Put the keys of every object in order.
            ensure_ascii: Write other characters as escapes.
            encoding: Of the text.

        Raises:
            SaveError: The value holds something that JSON does not know.
        """
        try:
            text = json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=ensure_ascii)
            path.write_text(text, encoding=encoding)
        except (TypeError, ValueError) as error:
            raise SaveError(
                f"{path} cannot be written as JSON: {error}", location=str(path), hint="or write a pickle file"
            ) from error

    def read_arrow(self, path: Path) -> pa.RecordBatchReader:  # type: ignore[override]  # as read
        """Read one object per line, or one list of objects; types are found from all rows.

        Raises:
            LoadError: The file is neither.
        """
        return NDJSON().read_arrow(path)

    def write_arrow(  # type: ignore[override]  # as read
        self, batches: pa.RecordBatchReader, path: Path
    ) -> None:
        """Write one object per line, as `NDJSON` does.

        Raises:
            SaveError: A column holds what JSON does not, such as bytes or NaN.
        """
        NDJSON().write_arrow(batches, path)


class NDJSON(Format):
    """Rows as lines of JSON objects."""

    name: ClassVar[str] = "ndjson"
    suffixes: ClassVar[tuple[str, ...]] = (".ndjson", ".jsonl")

    def read_arrow(self, path: Path) -> pa.RecordBatchReader:  # type: ignore[override]  # it names its options: none
        """Read one object per line, or one list of objects; types are found from all rows.

        Raises:
            LoadError: The file is neither.
        """
        try:
            with path.open("rb") as file:
                opening = file.read(64).lstrip()[:1]
            if opening == b"[":
                return pa.Table.from_pylist(json.loads(path.read_bytes())).to_reader()
            return pyarrow.json.read_json(path).to_reader()
        except (pa.ArrowException, ValueError, AttributeError, OSError) as error:
            raise LoadError(f"{path} cannot be read as rows of JSON: {error}", location=str(path)) from error

    def write_arrow(  # type: ignore[override]  # it names its options: none
        self, batches: pa.RecordBatchReader, path: Path
    ) -> None:
        """Write one object per line; dates, times and decimals become text.

        Raises:
            SaveError: A column holds what JSON does not, such as bytes or NaN.
        """
        try:
            with path.open("w", encoding="utf-8") as file:
                for batch in batches:
                    for row in batch.to_pylist():
                        file.write(json.dumps(row, default=_as_text, ensure_ascii=False, allow_nan=False) + "\n")
        except (TypeError, ValueError) as error:
            raise SaveError(
                f"{path} cannot be written as JSON: {error}", location=str(path), hint="write a parquet file"
            ) from error


def _as_text(value: Any) -> str:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    raise TypeError(f"a {type(value).__qualname__} is not known to JSON")
