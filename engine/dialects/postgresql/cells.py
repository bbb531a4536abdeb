"""Cells: where the values of one column stand in rows of PostgreSQL's binary COPY.

Theory of operation. A row is its number of columns (int16), then per column the size of its value (int32, -1 for NULL)
and the value, all big-endian and unaligned. Many rows stand in one piece of memory, and where each begins is known. So
one column is walked for all rows at once: gather the sizes at the present positions, hand out the cells, add the sizes
to the positions. After the last column every position must be the end of its row.

To gather many bytes of each row takes hardly longer than a few. So a stretch of columns is gathered at once, as
records: columns whose values have one size each stand alike in every row, as long as none is NULL, and what follows
them at least begins alike.

Source: PostgreSQL's manual, "COPY", "Binary Format".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from engine.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

INT2, INT4, INT8 = np.dtype(">i2"), np.dtype(">i4"), np.dtype(">i8")
_STRETCH = 128
"""How many bytes of a row are gathered at once, at most."""
SLACK = _STRETCH
"""As much as is ever looked at behind the last value: of a NULL, what would stand there is read and not used."""


class Memory:
    """Bytes at any of which a value may begin.

    Args:
        content: The bytes, with `SLACK` of any content behind the last value.
    """

    def __init__(self, content: bytearray | NDArray[np.uint8]) -> None:
        self.content = content

    def at(self, positions: NDArray[np.int64], type_: np.dtype[Any]) -> NDArray[Any]:
        """Return the values that begin at some positions."""
        count = len(self.content) - type_.itemsize + 1
        return np.ndarray((count,), type_, self.content, 0, (1,))[positions]


class Rows(NamedTuple):
    """Rows in one piece of memory.

    Attributes:
        content: The bytes, with `SLACK` of any content behind the last row.
        starts: Where each row begins.
        ends: Where each ends.
    """

    content: bytearray | NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def side_by_side(cls, content: bytearray, sizes: Sequence[int]) -> Rows:
        """Return rows that stand one after another.

        Args:
            content: The rows; made longer.
            sizes: How many bytes each has.
        """
        content += bytes(SLACK)
        lengths = np.array(sizes, np.int64)
        ends = np.cumsum(lengths)
        return cls(content, ends - lengths, ends)


class Shape(NamedTuple):
    """What is known of a column's values before they are read.

    Attributes:
        head: How many of its first bytes tell most of a value.
        is_whole: Whether that is always all of it.
    """

    head: int
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Cells:
    """Values of one type, in the order in which they stand in memory.

    Attributes:
        memory: Where.
        starts: The position of each.
        sizes: How many bytes each has, 0 for NULL.
        is_null: Which are NULL; None when none is.
        records: What has been gathered of each row already.
        offset: Where in its record each value begins.
    """

    memory: Memory
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    is_null: NDArray[np.bool_] | None
    records: NDArray[np.void] | None = None
    offset: int = 0

    @classmethod
    def at(
        cls,
        memory: Memory,
        starts: NDArray[np.int64],
        sizes: NDArray[Any],
        records: NDArray[np.void] | None = None,
        offset: int = 0,
    ) -> Cells:
        """Return cells whose sizes are as the server writes them: -1 for NULL."""
        sizes = sizes.astype(np.int64)
        is_null = sizes < 0
        if not is_null.any():
            return cls(memory, starts, sizes, None, records, offset)
        sizes[is_null] = 0
        return cls(memory, starts, sizes, is_null, records, offset)

    def __len__(self) -> int:
        return len(self.starts)

    def read(self, type_: np.dtype[Any], at: int = 0) -> NDArray[Any]:
        """Return the values of a fixed size as this machine writes them, zero for NULL; each begins at byte ``at``."""
        if self.records is not None and self.offset + at + type_.itemsize <= self.records.itemsize:
            values = _field(self.records, self.offset + at, type_).astype(type_.newbyteorder("="))
        else:
            values = self.memory.at(self.starts + at if at else self.starts, type_)
            values = values.astype(type_.newbyteorder("="), copy=False)
        if self.is_null is not None:
            values[self.is_null] = 0
        return values

    def array(self, type_: pa.DataType, *buffers: Any, children: Sequence[pa.Array] = ()) -> pa.Array:
        """Return an Arrow array with these cells' NULLs."""
        validity = None if self.is_null is None else pa.py_buffer(np.packbits(~self.is_null, bitorder="little"))
        held = [pa.py_buffer(buffer) for buffer in buffers]
        return pa.Array.from_buffers(type_, len(self), [validity, *held], children=list(children))


def columns(rows: Rows, shapes: Sequence[Shape]) -> Iterator[Cells]:
    """Walk rows, and yield the cells of one column after another.

    Args:
        rows: The rows.
        shapes: What is known of each column.

    Raises:
        LoadError: The rows are not what they were said to be.
    """
    memory = Memory(rows.content)
    if (memory.at(rows.starts, INT2) == len(shapes)).all():
        position, done = rows.starts + INT2.itemsize, 0
        while done < len(shapes):
            for cells in _stretch(memory, position, shapes[done:]):
                yield cells
                position = cells.starts + cells.sizes
                done += 1
        if (position == rows.ends).all():
            return
    raise LoadError("the server's rows are not what it said they are", hint="run again")


def _stretch(memory: Memory, position: NDArray[np.int64], shapes: Sequence[Shape]) -> Iterator[Cells]:
    """Yield the cells of the next columns that can be gathered together, one at least."""
    offsets, end = list[int](), 0
    for head, is_whole in shapes:
        if end + INT4.itemsize + head > _STRETCH:
            break
        offsets.append(end + INT4.itemsize)
        end += INT4.itemsize + head
        if not is_whole:
            break
    records = memory.at(position, np.dtype((np.void, end)))
    for offset, (head, is_whole) in zip(offsets, shapes, strict=False):
        sizes = _field(records, offset - INT4.itemsize, INT4)
        if is_whole and (sizes == head).all():
            yield Cells(memory, position + offset, np.full(len(records), head), None, records, offset)
        else:
            yield Cells.at(memory, position + offset, sizes, records, offset)
            return


def _field(records: NDArray[np.void], offset: int, type_: np.dtype[Any]) -> NDArray[Any]:
    return np.ndarray(records.shape, type_, records.data, offset, records.strides)
