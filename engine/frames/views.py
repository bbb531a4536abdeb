"""Views: short texts and bytes of one length, brought by numpy into the layout in which polars keeps them.

Flags, codes and dates as text have one length in all rows. Polars looks at each of a column's offsets and copies text
by text, as for any other column; here the bytes of all rows are copied at once, which takes a fifth to a half as long.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

_LENGTH, _INLINE, _VIEW_BYTES = 4, 12, 16
"""A view is four bytes of length and, up to twelve, those of the text (Source: Arrow's layout of binary views)."""
_VIEWS = {
    pa.string(): (np.int32, pa.string_view()),
    pa.large_string(): (np.int64, pa.string_view()),
    pa.binary(): (np.int32, pa.binary_view()),
    pa.large_binary(): (np.int64, pa.binary_view()),
}
"""The offsets of a layout, and the type of the same values as views."""


class Views:
    """Makes views of the batches of one column in memory that it keeps, because new pages cost more than the copying.

    What it returned last is overwritten by the next call.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint64)

    def of(self, column: pa.Array) -> pa.Array:
        """Return texts or bytes as views if all have one length that a view holds, and any other column as it is.

        >>> Views().of(pa.array(["A", "R"])).type, Views().of(pa.array(["A", "no"])).type
        (DataType(string_view), DataType(string))
        """
        count = len(column)
        if column.type not in _VIEWS or column.null_count or not count:
            return column
        of_offsets, type_ = _VIEWS[column.type]
        _, offsets_buffer, bytes_buffer = column.buffers()
        offsets = np.frombuffer(offsets_buffer, of_offsets)[column.offset : column.offset + count + 1]
        start, end = int(offsets[0]), int(offsets[-1])
        length = (end - start) // count
        if not 0 < length <= _INLINE or not (offsets[1:] - offsets[:-1] == length).all():
            return column
        texts = np.frombuffer(bytes_buffer, f"V{length}", count=count, offset=start)
        return pa.Array.from_buffers(type_, count, [None, pa.py_buffer(self._inline(texts))])

    def _inline(self, texts: np.ndarray) -> np.ndarray:
        """Return the texts behind their length and before zeros, in the memory that is kept."""
        words = len(texts) * _VIEW_BYTES // self._memory.itemsize
        if len(self._memory) < words:
            self._memory = np.empty(words, np.uint64)
        memory = self._memory[:words]
        memory.fill(0)
        rest = _VIEW_BYTES - _LENGTH - texts.itemsize
        views = memory.view([("length", np.uint32), ("text", texts.dtype), ("rest", f"V{rest}")])
        views["length"], views["text"] = texts.itemsize, texts
        return memory
