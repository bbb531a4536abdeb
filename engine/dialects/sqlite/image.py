"""Images: a whole SQLite database with one table, made in memory from the cells of its rows.

Theory of operation. A file of SQLite is pages of one size. The first ones, with the schema, are SQLite's own: an empty
table of the wanted definition, serialized. Behind them stand leaf pages full of cells, and the table's root becomes the
interior page that lists them. A connection that deserializes the image holds the rows at once, in a private database,
and ``INSERT INTO … SELECT * FROM`` between two tables of one definition copies whole records: SQLite's transfer
optimisation, the one that VACUUM stands on.

Source: https://www.sqlite.org/fileformat2.html, section 1.6; ``sqlite3InsertTransfer`` in SQLite's ``insert.c``.
"""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.dialects.sqlite.records import FIRST_ROW

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

PAGE = 1 << 16
"""The largest page that SQLite has; the tables to which rows are copied may have others."""
NOT_LOCAL = 35
"""How much shorter than a page a record has to be to be kept in it whole (Source: section 1.6, X = U - 35)."""
LARGEST_CELL = PAGE - NOT_LOCAL
LEAF, INTERIOR = 13, 5
LEAF_HEADER, INTERIOR_HEADER = 8, 12
_PAGE_COUNT_AT = slice(28, 32)


@dataclass(frozen=True, slots=True)
class Template:
    """An empty database: a table without rows.

    Attributes:
        pages: Its bytes.
        root: The number of the table's page, counted from 1.
    """

    pages: bytes
    root: int

    @classmethod
    def of(cls, name: str, columns: str) -> Template:
        """Have SQLite make it.

        Args:
            name: The table, quoted.
            columns: Its columns, as a definition lists them.
        """
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
            made.execute(f"PRAGMA page_size = {PAGE}")
            made.execute("PRAGMA auto_vacuum = NONE")
            made.execute(f"CREATE TABLE {name} ({columns})")
            (root,) = made.execute("SELECT rootpage FROM sqlite_master WHERE type = 'table'").fetchone()
            return cls(made.serialize(), root)

    def filled(self, cells: pa.BinaryArray) -> memoryview | None:
        """Return the database with these rows, or None: a row is too large for a page, or they are too many."""
        starts = np.frombuffer(cells.buffers()[1], np.int32)[: len(cells) + 1].astype(np.int64)
        if not len(cells) or np.diff(starts).max() > LARGEST_CELL:
            return None
        data = np.frombuffer(cells.buffers()[2], np.uint8)
        bounds = _bounds(starts)
        leaves, first = len(bounds) - 1, len(self.pages) // PAGE + 1
        image = np.zeros((first - 1 + leaves * (leaves > 1), PAGE), np.uint8)
        image[: first - 1] = np.frombuffer(self.pages, np.uint8).reshape(-1, PAGE)
        if leaves == 1:  # the root itself is the leaf
            _fill_leaf(image[self.root - 1], starts, data)
            return image.reshape(-1).data
        for leaf, (begin, end) in enumerate(itertools.pairwise(bounds)):
            _fill_leaf(image[first - 1 + leaf], starts[begin : end + 1], data)
        if not _fill_root(image[self.root - 1], bounds, first):
            return None
        image[0, _PAGE_COUNT_AT] = _bytes(len(image), ">u4")
        return image.reshape(-1).data


def _bounds(starts: NDArray[np.int64]) -> list[int]:
    """Return at which rows pages begin, each as full as can be, and where the last one ends."""
    room = starts + 2 * np.arange(len(starts))  # each cell has a pointer of two bytes
    bounds = [0]
    while bounds[-1] < len(starts) - 1:
        filled = room[bounds[-1]] + PAGE - LEAF_HEADER
        bounds.append(int(np.searchsorted(room, filled, side="right")) - 1)
    return bounds


def _fill_leaf(page: NDArray[np.uint8], starts: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
    content = PAGE - int(starts[-1] - starts[0])
    page[content:] = data[starts[0] : starts[-1]]
    _fill_head(page, LEAF, starts[:-1] - starts[0] + content, content, LEAF_HEADER)


def _fill_head(page: NDArray[np.uint8], kind: int, cells: Any, content: int, header: int) -> None:
    page[0] = kind
    page[3:5], page[5:7] = _bytes(len(cells), ">u2"), _bytes(content % PAGE, ">u2")
    page[header : header + 2 * len(cells)] = _bytes(cells, ">u2")


def _fill_root(page: NDArray[np.uint8], bounds: list[int], first: int) -> bool:
    """Fill the interior page: a cell for each leaf but the last, with its number and the last row in it."""
    raw = [
        _bytes(first + leaf, ">u4").tobytes() + _varint(FIRST_ROW + end - 1) for leaf, end in enumerate(bounds[1:-1])
    ]
    content = PAGE - sum(map(len, raw))
    if content < INTERIOR_HEADER + 2 * len(raw):
        return False
    page[content:] = np.frombuffer(b"".join(raw), np.uint8)
    _fill_head(page, INTERIOR, content + np.cumsum([0, *map(len, raw[:-1])]), content, INTERIOR_HEADER)
    page[8:12] = _bytes(first + len(raw), ">u4")
    return True


def _varint(number: int) -> bytes:
    made = [number & 0x7F]
    while number := number >> 7:
        made.append(0x80 | (number & 0x7F))
    return bytes(reversed(made))


def _bytes(numbers: Any, type: str) -> NDArray[np.uint8]:
    return np.asarray(numbers).astype(type).reshape(-1).view(np.uint8)
