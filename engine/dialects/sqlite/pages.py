"""Pages: the columns of a table, read from the pages of a SQLite file by whole columns.

Theory of operation. The rows of a table stand in its leaf pages, in order; a walk down from the root finds them. A few
leaves are read into one buffer, and all their rows are taken apart at once: first the lengths before each record, then
column by column the serial types, which say class and width, and the places of the values. What a row keeps outside of
its page is not in the buffer: such rows have to be read otherwise. `engine.dialects.sqlite.records` makes what is read
here.

Source: https://www.sqlite.org/fileformat2.html, sections 1.6 and 2.1.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from engine.dialects.sqlite.image import INTERIOR, INTERIOR_HEADER, LEAF_HEADER, NOT_LOCAL, PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[Any]

NULL, INTEGER, REAL, TEXT, BLOB = 1, 2, 4, 8, 16
"""The storage classes, as bits."""
_ALLOWED = {
    pa.int64(): NULL | INTEGER,
    pa.float64(): NULL | INTEGER | REAL,
    pa.string(): NULL | TEXT,
    pa.binary(): NULL | BLOB,
    pa.null(): NULL,
}
_WHOLE = 2**53
"""Up to here a float counts exactly."""
_LEAVES = 48
"""How many pages are taken apart together: few enough that they stay in a processor's cache."""
_MARGIN = 8
"""Bytes before and behind the pages, so that eight bytes can be read at every value, whatever its width."""
_SHORT = 128
"""Serial types from here on take more than a byte, and so on for every number."""
_WIDTHS = np.array([0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0, *((n - 12) // 2 for n in range(12, _SHORT))], np.intp)
_CLASSES = np.array([NULL, *[INTEGER] * 6, REAL, INTEGER, INTEGER, 0, 0, *[BLOB, TEXT] * 58], np.uint8)
_ONE = 9
"""The serial type of the integer 1, which has no bytes; that of 0 has none either."""


@dataclass(frozen=True, slots=True)
class _Values:
    """Where the values of a column begin, of what serial types they are, how many bytes they take, their classes."""

    at: Numbers
    serial: Numbers
    widths: Numbers
    classes: Numbers


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in a buffer, which is filled with others when the next ones are asked for.

    Attributes:
        buffer: Pages, with a margin on both sides.
        starts: Where the rows' cells begin in it.
        largest: The longest record that is wholly in its page (bytes).
    """

    buffer: Numbers
    starts: Numbers
    largest: int

    def columns(self, types: Sequence[pa.DataType]) -> list[pa.Array] | None:
        """Return the columns, or None: a value is of another class, or is not in its page.

        Args:
            types: By column, what it is to hold beside NULL: 64-bit integers, floats, texts, bytes, or nothing. An
                integer among floats is one of them where that is the same number.

        Raises:
            pa.ArrowInvalid: A text is not UTF-8.
        """
        payload, header = _varints(self.buffer, self.starts)
        _, header = _varints(self.buffer, header)  # the number of the row
        length, at = _varints(self.buffer, header)
        values, serials, bytes_ = header + length, [], length.astype(np.intp)
        for _ in types:
            serial, at = _varints(self.buffer, np.minimum(at, values))
            serials.append(serial)
            bytes_ += _widths(serial)
        if payload.max() > self.largest or (at != values).any() or (bytes_ != payload).any():
            return None
        columns = []
        for type, serial in zip(types, serials, strict=True):
            column = self._column(type, _Values(values, serial, _widths(serial), _classes(serial)))
            if column is None:
                return None
            columns.append(column)
            values = values + _widths(serial)
        return columns

    def _column(self, type: pa.DataType, values: _Values) -> pa.Array | None:
        occurring = int(np.bitwise_or.reduce(values.classes))
        if occurring & ~_ALLOWED.get(type, 0):
            return None
        missing = values.classes == NULL if occurring & NULL else None
        if pa.types.is_string(type) or pa.types.is_binary(type):
            return _texts(self.buffer, values, missing, type)
        if pa.types.is_integer(type):
            return pa.array(_integers(self.buffer, values), mask=missing)
        if pa.types.is_null(type):
            return pa.nulls(len(self.starts))
        reals = _as_one(self.buffer, ">f8")[values.at].astype(np.float64)
        if occurring & INTEGER:
            integers = _integers(self.buffer, values)
            is_integer = values.classes == INTEGER
            if (np.abs(integers[is_integer]) > _WHOLE).any():
                return None
            reals = np.where(is_integer, integers, reals)
        return pa.array(reals, mask=missing)


def rows_of(descriptor: int, root: int, page: int = PAGE) -> Iterator[Rows]:
    """Yield the rows of a table, in order, some at a time.

    Args:
        descriptor: A database which nobody writes.
        root: The number of the table's root.
        page: The size of its pages (bytes).
    """
    buffer = np.zeros(_LEAVES * page + 2 * _MARGIN, np.uint8)
    waiting, starts = [root], list["Numbers"]()
    while waiting:
        begin = _MARGIN + len(starts) * page
        raw = buffer[begin : begin + page]
        os.preadv(descriptor, [raw.data], (waiting.pop() - 1) * page)
        if raw[0] == INTERIOR:
            children = raw[_cells(raw, INTERIOR_HEADER)[:, None] + np.arange(4)].reshape(-1).view(">u4")
            waiting += [int(raw[8:12].view(">u4")[0]), *map(int, children[::-1])]
            continue
        starts.append(_cells(raw, LEAF_HEADER) + begin)
        if len(starts) == _LEAVES:
            yield Rows(buffer, np.concatenate(starts), page - NOT_LOCAL)
            starts.clear()
    if sum(map(len, starts)):
        yield Rows(buffer, np.concatenate(starts), page - NOT_LOCAL)


def _cells(page: Numbers, header: int) -> Numbers:
    count = int(page[3]) << 8 | int(page[4])
    cells: Numbers = page[header : header + 2 * count].view(">u2").astype(np.intp)
    return cells


def _varints(buffer: Numbers, at: Numbers) -> tuple[Numbers, Numbers]:
    """Return the number that begins at each place, and the place behind it."""
    numbers, behind = buffer.take(at), at + 1
    if numbers.max(initial=0) < _SHORT:
        return numbers, behind
    longer, numbers = np.flatnonzero(numbers >= _SHORT), numbers.astype(np.intp)
    left = numbers[longer] & (_SHORT - 1)
    while len(longer):
        byte = buffer.take(behind[longer])
        left = left << 7 | byte & (_SHORT - 1)
        numbers[longer] = left
        behind[longer] += 1
        goes_on = byte >= _SHORT
        longer, left = longer[goes_on], left[goes_on]
    return numbers, behind


def _widths(serial: Numbers) -> Numbers:
    if serial.dtype == np.uint8:
        return _WIDTHS.take(serial)
    return np.where(serial < _SHORT, _WIDTHS.take(np.minimum(serial, _SHORT - 1)), (serial - 12) >> 1)


def _classes(serial: Numbers) -> Numbers:
    if serial.dtype == np.uint8:
        return _CLASSES.take(serial)
    return _CLASSES.take(np.where(serial < _SHORT, serial, _SHORT - 2 + (serial & 1)))


def _integers(buffer: Numbers, values: _Values) -> Numbers:
    """Read the eight bytes that end where each number ends, and have the sign fill those that are not its own."""
    unused = 64 - 8 * values.widths
    numbers: Numbers = _as_one(buffer, ">i8")[values.at + values.widths - 8].astype(np.int64) << unused >> unused
    return numbers if values.widths.min(initial=1) else np.where(values.widths == 0, values.serial == _ONE, numbers)


def _texts(buffer: Numbers, values: _Values, missing: Numbers | None, type: pa.DataType) -> pa.Array:
    rows = len(values.at)
    bounds = np.empty(2 * rows + 1, np.int32)  # of each value and of what is between it and the next one
    bounds[0:-1:2], bounds[1::2], bounds[-1] = values.at, values.at + values.widths, len(buffer)
    both = pa.Array.from_buffers(pa.binary(), 2 * rows, [None, pa.py_buffer(bounds), pa.py_buffer(buffer)])
    found = both.take(pa.array(np.arange(0, 2 * rows, 2)))
    _, offsets, data = found.buffers()
    valid = None if missing is None else pa.array(~missing).buffers()[1]
    made = pa.Array.from_buffers(type, rows, [valid, offsets, data])
    if type == pa.string() and np.frombuffer(data, np.uint8).max(initial=0) >= _SHORT:  # more than ASCII
        made.validate(full=True)
    return made


def _as_one(buffer: Numbers, type: str) -> Numbers:
    """Return the buffer as numbers of eight bytes that begin at every byte."""
    return np.ndarray((len(buffer) - 7,), type, buffer, 0, (1,))
