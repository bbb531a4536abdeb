"""Records: the rows of a batch in the bytes in which SQLite keeps them, made by whole columns.

Theory of operation. A row in a leaf page of a table is a *cell*: the length of the record, the row's number, the
record. A record is a header (its own length, then one *serial type* per column: class and width of the value) and the
values behind it. Each column gives its serial types and its values' bytes for all rows at once; Arrow joins the pieces
row by row. No Python code runs per cell, and the bytes are those that SQLite itself would write, with one exception
that no query can see: a whole number in a REAL column stays a float.

Source: https://www.sqlite.org/fileformat2.html, sections 1.6 and 2.1.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[Any]

_TYPE_OF_WIDTH = np.array([0, 1, 2, 3, 4, 0, 5, 0, 6], np.uint8)
_REAL, _BLOB, _TEXT, _ZERO = 7, 12, 13, 8
"""Serial types: a blob or text of n bytes is of 12 or 13 plus 2 n; the numbers 0 and 1 are 8 and 9, without bytes."""
_STEPS = ((7, 1), (15, 1), (23, 1), (31, 2), (47, 2))
"""The bits that a width holds, and by how many bytes the next one is wider."""
_SEVEN, _MORE_BYTES = 0x7F, (7, 14, 21)
"""What a byte of a varint holds, and the bits from which on it has one byte more."""
_NUMBER_BYTES = 8
_INT64_END = 2.0**63
FIRST_ROW = 1 << 14
"""From here on numbers of rows are of the same length for long; any number serves."""
LARGEST_HEADER = 1 << 14
"""From here on the length of a header takes more than two bytes."""


def affinity(declared: str) -> str:
    """Return which class a column turns values into where it can.

    Source: https://www.sqlite.org/datatype3.html, section 3.1.

    >>> affinity("BIGINT"), affinity("DATE"), affinity("")
    ('INTEGER', 'NUMERIC', 'BLOB')
    """
    for pattern, found in (
        ("INT", "INTEGER"),
        ("CHAR|CLOB|TEXT", "TEXT"),
        ("BLOB|^$", "BLOB"),
        ("REAL|FLOA|DOUB", "REAL"),
    ):
        if re.search(pattern, declared.strip(), re.IGNORECASE):
            return found
    return "NUMERIC"


def keeps(declared: str, type: pa.DataType) -> bool:
    """Say whether a column so declared keeps values of an Arrow type in the class in which they are written.

    >>> keeps("DATE", pa.date32()), keeps("NUMERIC", pa.string())
    (True, False)
    """
    is_bytes = pa.types.is_binary(type) or pa.types.is_fixed_size_binary(type)
    if is_bytes or pa.types.is_null(type) or (pa.types.is_temporal(type) and not pa.types.is_duration(type)):
        return True  # no number is read into bytes, nor into a date
    is_text = pa.types.is_string(type) or isinstance(type, pa.BaseExtensionType)
    return affinity(declared) in ("TEXT", "BLOB") if is_text else affinity(declared) != "TEXT"


@dataclass(frozen=True, slots=True)
class _Bytes:
    """Bytes of each row: the last ones of each row of a matrix, as many as `widths` says."""

    raw: Numbers
    widths: Numbers


@dataclass(frozen=True, slots=True)
class _Column:
    """A column's serial types, how many bytes its values take, and these bytes."""

    types: Numbers
    widths: Numbers
    values: pa.BinaryArray | Numbers


def cells(columns: Sequence[pa.Array], declared: Sequence[str]) -> pa.BinaryArray | None:
    """Return the cells of rows that are numbered from `FIRST_ROW`, or None: a header is too long for two bytes.

    Args:
        columns: What SQLite is to hold: integers, floats, texts, bytes.
        declared: The columns' declared types.
    """
    made = [_column(column, affinity(type)) for column, type in zip(columns, declared, strict=True)]
    types = [_varint(column.types) for column in made]
    body = functools.reduce(np.add, (each.widths for each in types))
    if body.max(initial=0) + 2 >= LARGEST_HEADER:
        return None
    header = body + 1 + (body + 1 > _SEVEN)
    payload = functools.reduce(np.add, (column.widths for column in made), header)
    numbers = np.arange(FIRST_ROW, FIRST_ROW + len(payload), dtype=np.int32)
    numeric, pieces = [_varint(payload), _varint(numbers), _varint(header), *types], []
    for column in made:
        if isinstance(column.values, pa.Array):
            pieces += [_joined(numeric), column.values] if numeric else [column.values]
            numeric = []
        else:
            numeric.append(_Bytes(column.values, column.widths))
    pieces += [_joined(numeric)] if numeric else []
    return pc.binary_join_element_wise(*pieces, b"")


def _column(column: pa.Array, affinity: str) -> _Column:
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        return _texts(column)
    if pa.types.is_floating(column.type):
        made = _floats(column, may_be_whole=affinity in ("NUMERIC", "INTEGER"))
    else:
        made = _integers(column)
    if column.null_count:
        missing = column.is_null().to_numpy(zero_copy_only=False)
        made.types[missing] = made.widths[missing] = 0
    return made


def _texts(column: pa.Array) -> _Column:
    raw = column.cast(pa.binary())
    raw = raw.fill_null(b"") if raw.null_count else raw
    offsets = np.frombuffer(raw.buffers()[1], np.int32)[raw.offset : raw.offset + len(raw) + 1]
    widths = np.diff(offsets)
    types = (_TEXT if pa.types.is_string(column.type) else _BLOB) + 2 * widths
    if column.null_count:
        types[column.is_null().to_numpy(zero_copy_only=False)] = 0
    return _Column(types, widths, raw)


def _integers(column: pa.Array) -> _Column:
    numbers = column.cast(pa.int64()).fill_null(0).to_numpy()
    return _Column(*_integer_types(numbers), _bytes(numbers, ">i8"))


def _floats(column: pa.Array, *, may_be_whole: bool) -> _Column:
    numbers = column.cast(pa.float64()).fill_null(0).to_numpy()
    types, widths = np.full(len(numbers), _REAL, np.uint8), np.full(len(numbers), _NUMBER_BYTES, np.int32)
    raw = _bytes(numbers, ">f8")
    if may_be_whole:  # a column of affinity NUMERIC keeps 5.0 as the integer 5
        whole = (np.abs(numbers) < _INT64_END) & (np.trunc(numbers) == numbers)
        integers = numbers[whole].astype(np.int64)
        types[whole], widths[whole] = _integer_types(integers)
        raw[whole] = _bytes(integers, ">i8")
    return _Column(types, widths, raw)


def _bytes(numbers: Numbers, type: str) -> Numbers:
    return numbers.astype(type).view(np.uint8).reshape(-1, _NUMBER_BYTES)


def _integer_types(numbers: Numbers) -> tuple[Numbers, Numbers]:
    """Return serial types and widths: as few bytes as hold the number."""
    size = numbers ^ (numbers >> 63)
    largest = size.max(initial=0)
    widths = np.ones(len(numbers), np.int32)
    for bits, wider in _STEPS:
        if largest >> bits:
            widths += (size >> bits > 0) * wider
    types = _TYPE_OF_WIDTH[widths]
    small = (numbers | 1) == 1
    if small.any():
        types[small], widths[small] = _ZERO + numbers[small], 0
    return types, widths


def _varint(numbers: Numbers) -> _Bytes:
    """Return numbers as varints: seven bits a byte, the highest first; all bytes but the last have the eighth bit."""
    largest, widths = int(numbers.max(initial=0)), np.ones(len(numbers), np.int32)
    if largest <= _SEVEN:
        return _Bytes(numbers.astype(np.uint8).reshape(-1, 1), widths)
    for bits in _MORE_BYTES:
        if largest >> bits:
            widths += numbers >> bits > 0
    longest = int(widths.max())
    raw = np.empty((len(numbers), longest), np.uint8)
    for left in range(longest):
        raw[:, longest - 1 - left] = (numbers >> (7 * left)).astype(np.uint8) & _SEVEN | (_SEVEN + 1 if left else 0)
    return _Bytes(raw, widths)


def _joined(columns: Sequence[_Bytes]) -> pa.BinaryArray:
    """Return of each row the bytes of all columns, one behind the other."""
    longest = [int(column.widths.max(initial=0)) for column in columns]
    rows = len(columns[0].widths)
    raw, is_used = np.empty((rows, sum(longest)), np.uint8), None
    end = 0
    for column, length in zip(columns, longest, strict=True):
        start, end = end, end + length
        if not length:
            continue
        _as_one(raw, start, length)[:] = _as_one(column.raw, column.raw.shape[1] - length, length)
        if column.widths.min() < length:
            is_used = np.ones(raw.shape, np.bool_) if is_used is None else is_used
            for left in range(length):  # by columns: numpy is slow along a short last axis
                np.greater(column.widths, left, out=is_used[:, end - 1 - left])
    offsets = np.zeros(rows + 1, np.int32)
    np.cumsum(functools.reduce(np.add, (column.widths for column in columns)), out=offsets[1:])
    data = raw if is_used is None else raw[is_used]
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _as_one(raw: Numbers, start: int, length: int) -> Numbers:
    """Return a view of some bytes of each row as one value: copied at once, where a slice is copied byte by byte."""
    return np.ndarray((len(raw),), f"V{length}", raw, start, raw.strides[:1])
