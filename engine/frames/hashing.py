"""Hashing: one content hash for any Arrow stream, computed while the batches pass.

Theory of operation. Every row is hashed to 64 bits, and that number is hashed once more; the sums of both modulo 2^64,
the number of rows and the hash of the schema make the digest. A sum does not care about order, so neither does the
digest, unless each row is hashed with its place; a row that occurs twice counts twice (an exclusive or would cancel
it); two sums leave no room for rows that make up for one another by chance. Columns count by name, type and position.

Rules: equal content gives an equal digest however the stream is cut into batches, slices and dictionaries; NULL, NaN,
the empty text and the empty list are four things; ``-0.0`` is not ``0.0``. So floats, times and decimals are hashed by
their bits. Digests compare only under one algorithm: its name and version stand before the colon, because polars does
not promise that its row hashes stay the same. What cannot be hashed has no digest, and so never equals anything.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
from polars.exceptions import PanicException, PolarsError

from engine.frames.nested import plain, rewrite
from engine.frames.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SCHEME = 1
"""Counts up when the same rows would get another digest under the same version of polars."""
_ROW_SEED, _SECOND_SEED = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
"""Two odd 64-bit constants (Source: the golden ratio, and a prime of xxHash); any two different numbers serve."""
_WORD = 2**64
_DIGEST_BYTES = 20
_SYNONYMS = {
    "large_string": "string",
    "string_view": "string",
    "large_binary": "binary",
    "binary_view": "binary",
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
}
_SAME_WIDTH = {
    pa.float16(): pa.uint16(),
    pa.float32(): pa.uint32(),
    pa.float64(): pa.uint64(),
    pa.date32(): pa.int32(),
    pa.date64(): pa.int64(),
    pa.month_day_nano_interval(): pa.binary(16),
}


def schema_hash(schema: pa.Schema) -> str:
    """Hash the names, logical types and nullability of the columns, in order; metadata does not count.

    Two types that hold the same values in another layout (``string`` and ``large_string``) are one logical type.
    """
    fields = [[field.name, logical_type(field.type), field.nullable] for field in schema]
    text = json.dumps([_SCHEME, fields], ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def logical_type(type_: pa.DataType) -> str:
    """Name the type by the values it holds, whatever their layout.

    >>> logical_type(pa.large_list(pa.large_string()))
    'list<string>'
    """
    for is_kind, name in _NAMES:
        if is_kind(type_):
            return name(type_)
    return _SYNONYMS.get(str(type_), str(type_))


_NAMES: tuple[tuple[Callable[[Any], bool], Callable[[Any], str]], ...] = (
    (
        lambda type_: isinstance(type_, pa.BaseExtensionType),
        lambda type_: f"extension<{type_.extension_name}, {logical_type(type_.storage_type)}>",
    ),
    (
        pa.types.is_dictionary,
        lambda type_: f"dictionary<{logical_type(type_.value_type)}{', ordered' if type_.ordered else ''}>",
    ),
    (pa.types.is_run_end_encoded, lambda type_: logical_type(type_.value_type)),
    (pa.types.is_fixed_size_list, lambda type_: f"list<{logical_type(type_.value_type)}, {type_.list_size}>"),
    (pa.types.is_map, lambda type_: f"map<{logical_type(type_.key_type)}, {logical_type(type_.item_type)}>"),
    # json quotes the names, so that no name can look like the end of its field
    (
        pa.types.is_struct,
        lambda type_: f"struct<{', '.join(f'{json.dumps(f.name)}: {logical_type(f.type)}' for f in type_)}>",
    ),
    (
        lambda type_: pa.types.is_nested(type_) and hasattr(type_, "value_type"),
        lambda type_: f"list<{logical_type(type_.value_type)}>",
    ),
    (pa.types.is_decimal, lambda type_: f"decimal({type_.precision}, {type_.scale})"),
)
"""What a type is, and its name; the first that fits counts."""


class ContentHasher:
    """Folds record batches into one digest, whatever the order of their rows unless it matters.

    Args:
        schema: The schema of the batches to come.
        order_matters: Each row counts together with its place.

    Attributes:
        row_count: How many rows have passed.
    """

    def __init__(self, schema: pa.Schema, *, order_matters: bool = False) -> None:
        self.row_count = 0
        self.order_matters = order_matters
        self.is_complete = True
        self._schema_hash = schema_hash(schema)
        self._sums = [0, 0]
        self._is_hashable = True
        self._views = [Views() for _ in schema]

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch."""
        first = self.row_count
        self.row_count += batch.num_rows
        if not (self._is_hashable and batch.num_rows and batch.num_columns):
            return
        try:
            columns = [views.of(_bits(c)) for views, c in zip(self._views, batch.columns, strict=True)]
            rows = pl.DataFrame(pa.RecordBatch.from_arrays(columns, [str(i) for i in range(len(columns))]))
            hashes = rows.hash_rows(_ROW_SEED)
            if self.order_matters:
                places = pl.int_range(first, self.row_count, eager=True)
                hashes = pl.DataFrame({"row": hashes, "place": places}).hash_rows(_ROW_SEED)
            sums = int(hashes.sum()), int(hashes.hash(_SECOND_SEED).sum())
        except (pa.ArrowException, PolarsError, PanicException, NotImplementedError):
            self._is_hashable = False
        else:
            self._sums = [(old + new) % _WORD for old, new in zip(self._sums, sums, strict=True)]

    def digest(self) -> str | None:
        """Return the digest of all rows so far, or None: a type cannot be hashed, or the stream has not ended."""
        if not (self._is_hashable and self.is_complete):
            return None
        parts = json.dumps([_SCHEME, self._schema_hash, self.row_count, *self._sums])
        algorithm = f"polars{pl.__version__}{'-ordered' if self.order_matters else ''}"
        return f"{algorithm}:{hashlib.blake2b(parts.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"


def hashed(reader: pa.RecordBatchReader, *, order_matters: bool = False) -> tuple[pa.RecordBatchReader, ContentHasher]:
    """Return the same stream and the hasher that its batches feed as they pass; nothing is copied.

    The digest is known once the stream has been read to its end.
    """
    hasher = ContentHasher(reader.schema, order_matters=order_matters)
    hasher.is_complete = False

    def passing() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            hasher.update(batch)
            yield batch
        hasher.is_complete = True

    return pa.RecordBatchReader.from_batches(reader.schema, passing()), hasher


def _bits(column: pa.Array) -> pa.Array:
    """Return the column as integers, texts and bytes only, through views of the same memory where that is enough."""
    values = _decoded(column)
    bits = rewrite(values.type, _bits_type)
    return values if bits == values.type else values.view(bits)


def _decoded(column: pa.Array) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        return _decoded(column.storage)
    if isinstance(column, pa.RunEndEncodedArray):
        return _decoded(pa.compute.run_end_decode(column))
    values = rewrite(column.type, plain)
    return column if values == column.type else column.cast(values)


def _bits_type(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_union(type_) or pa.types.is_list_view(type_) or pa.types.is_large_list_view(type_):
        raise NotImplementedError(f"polars does not read {type_}")
    if type_ in _SAME_WIDTH:
        return _SAME_WIDTH[type_]
    if pa.types.is_map(type_):
        return pa.list_(pa.struct([type_.key_field, type_.item_field]))
    if pa.types.is_decimal128(type_):
        return pa.decimal128(38, 0)
    if pa.types.is_decimal256(type_):
        return pa.binary(32)
    if pa.types.is_temporal(type_) or pa.types.is_decimal(type_):
        return pa.int32() if type_.bit_width == pa.int32().bit_width else pa.int64()
    return type_
