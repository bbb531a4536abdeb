"""What PostgreSQL's binary COPY says, as Arrow: every type that is read in its binary form.

Each decoder takes the cells of one column and gives an array. A value that the array's type does not have (infinity
among dates, say) is never made into another one: the decoder raises, and the error names the column.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from engine.dialects.postgresql.cells import INT2, INT4, INT8, Cells, Rows, Shape, columns
from engine.dialects.postgresql.numeric import HEAD, decimals
from engine.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Decode = Callable[[Cells, pa.DataType], pa.Array]

_BYTE, _FLOAT4, _FLOAT8 = np.dtype("u1"), np.dtype(">f4"), np.dtype(">f8")
_DAYS_TO_2000, _DAY_US = 10_957, 86_400_000_000
"""PostgreSQL counts days and microseconds from 2000, Arrow from 1970."""
_INTERVAL = np.dtype([("microseconds", ">i8"), ("days", ">i4"), ("months", ">i4")])
_ARROW_INTERVAL = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])
_LONGEST_US = np.iinfo(np.int64).max // 1000
"""What Arrow can count in nanoseconds."""
_ASCII = 0x7F
_UNKNOWN = Shape(0, is_whole=False)
_ARRAY_HEADER, _ARRAY_SIZES = 12, 8
"""Bytes of an array's header, and of what follows for each of its dimensions. Source: PostgreSQL's ``array_send``."""


def _fixed(cells: Cells, type_: pa.DataType, *, wire: np.dtype[Any]) -> pa.Array:
    return cells.array(type_, cells.read(wire))


def _booleans(cells: Cells, type_: pa.DataType) -> pa.Array:
    return cells.array(type_, np.packbits(cells.read(_BYTE), bitorder="little"))


def _moments(cells: Cells, type_: pa.DataType, *, wire: np.dtype[Any], to_2000: int) -> pa.Array:
    """Read dates and time stamps, whose least and greatest number say minus infinity and infinity."""
    values = cells.read(wire)
    if len(values):
        bounds, least, greatest = np.iinfo(values.dtype), int(values.min()), int(values.max())
        if least == bounds.min or greatest == bounds.max:
            raise ValueError("it holds infinity")
        if greatest > bounds.max - to_2000:
            raise ValueError("it holds a moment that is too late")
    values += values.dtype.type(to_2000)
    return cells.array(type_, values)


def _times(cells: Cells, type_: pa.DataType) -> pa.Array:
    values = cells.read(INT8)
    if (values >= _DAY_US).any():
        raise ValueError("it holds the time 24:00")
    return cells.array(type_, values)


def _intervals(cells: Cells, type_: pa.DataType) -> pa.Array:
    values = cells.read(_INTERVAL)
    made = np.empty(len(cells), _ARROW_INTERVAL)
    made["months"], made["days"] = values["months"], values["days"]
    time = values["microseconds"]
    if ((time > _LONGEST_US) | (time < -_LONGEST_US)).any():
        raise ValueError("it holds an interval of more nanoseconds than 64 bits count")
    np.multiply(time, 1000, out=made["nanoseconds"])
    return cells.array(type_, made)


def _bytes(cells: Cells, type_: pa.DataType) -> pa.Array:
    """Take the cells out of an array in which what is between them are elements as well."""
    count = len(cells)
    offsets = np.empty(2 * count + 1, np.int32)
    offsets[:-1:2] = cells.starts
    np.add(cells.starts, cells.sizes, out=offsets[1::2], casting="same_kind")
    offsets[-1:] = offsets[-2:-1] if count else 0
    held = [None, pa.py_buffer(offsets), pa.py_buffer(cells.memory.content)]
    wanted = pa.array(np.arange(0, 2 * count, 2), mask=cells.is_null)
    return pa.Array.from_buffers(type_, 2 * count, held).take(wanted)


def _texts(cells: Cells, type_: pa.DataType) -> pa.Array:
    """Read texts; a database without an encoding (SQL_ASCII) sends what it was given, so they are checked."""
    found = _bytes(cells, pa.binary())
    content = np.frombuffer(found.buffers()[2] or b"", np.uint8)
    return found.view(type_) if content.max(initial=0) <= _ASCII else found.cast(type_)


def _arrays(cells: Cells, type_: Any, *, decode: Decode, width: int) -> pa.Array:
    """Read arrays of one dimension.

    Args:
        cells: The arrays.
        type_: The list type.
        decode: Reads the elements.
        width: The size of an element; 0 where they differ.
    """
    dimensions = cells.read(INT4)
    count = cells.read(INT4, at=_ARRAY_HEADER).astype(np.int64)
    count[dimensions == 0] = 0
    if (dimensions > 1).any():
        raise ValueError("it holds an array of more than one dimension")
    if (cells.read(INT4, at=_ARRAY_HEADER + INT4.itemsize)[count > 0] != 1).any():
        raise ValueError("it holds an array whose first index is not 1")
    offsets = np.zeros(len(cells) + 1, np.int32)
    np.cumsum(count, out=offsets[1:])
    elements = _elements(cells, count, offsets[:-1], width)
    return cells.array(type_, offsets, children=[decode(elements, type_.value_type)])


def _elements(cells: Cells, count: NDArray[np.int64], offsets: NDArray[np.int32], width: int) -> Cells:
    total, header = int(count.sum()), _ARRAY_HEADER + _ARRAY_SIZES
    position = cells.starts + header
    if width and (cells.sizes == header + count * (INT4.itemsize + width))[count > 0].all():  # so none is NULL
        number = np.arange(total) - np.repeat(offsets, count)
        starts = np.repeat(position, count) + number * (INT4.itemsize + width) + INT4.itemsize
        return Cells(cells.memory, starts, np.full(total, width), None)
    starts, sizes = np.empty(total, np.int64), np.empty(total, np.int64)
    taken, rows = 0, np.flatnonzero(count)
    while len(rows):  # element by element, in all arrays that have so many
        slots = offsets[rows] + taken
        sizes[slots] = cells.memory.at(position[rows], INT4)
        starts[slots] = position[rows] + INT4.itemsize
        position[rows] = starts[slots] + np.maximum(sizes[slots], 0)
        taken += 1
        rows = rows[count[rows] > taken]
    return Cells.at(cells.memory, starts, sizes)


_US, _UTC = pa.timestamp("us"), pa.timestamp("us", "UTC")
_days = partial(_moments, wire=INT4, to_2000=_DAYS_TO_2000)
_instants = partial(_moments, wire=INT8, to_2000=_DAYS_TO_2000 * _DAY_US)
_KINDS: tuple[tuple[int, int, pa.DataType, Decode, int], ...] = (
    # type, array of it, Arrow type, decoder, size of a value or 0. Source of the numbers: PostgreSQL's pg_type.dat.
    (16, 1000, pa.bool_(), _booleans, 1),
    (17, 1001, pa.binary(), _bytes, 0),
    (20, 1016, pa.int64(), partial(_fixed, wire=INT8), 8),
    (21, 1005, pa.int16(), partial(_fixed, wire=INT2), 2),
    (23, 1007, pa.int32(), partial(_fixed, wire=INT4), 4),
    (25, 1009, pa.string(), _texts, 0),
    (700, 1021, pa.float32(), partial(_fixed, wire=_FLOAT4), 4),
    (701, 1022, pa.float64(), partial(_fixed, wire=_FLOAT8), 8),
    (1042, 1014, pa.string(), _texts, 0),
    (1043, 1015, pa.string(), _texts, 0),
    (1082, 1182, pa.date32(), _days, 4),
    (1083, 1183, pa.time64("us"), _times, 8),
    (1114, 1115, _US, _instants, 8),
    (1184, 1185, _UTC, _instants, 8),
)


@dataclass(frozen=True, slots=True)
class Decoder:
    """How the values of one type are read.

    Attributes:
        type: As which Arrow type.
        decode: Reads cells as an array of that type.
        shape: What it knows of them.
    """

    type: pa.DataType
    decode: Decode
    shape: Shape = _UNKNOWN


TEXT = Decoder(pa.string(), _texts)
DECODERS = {
    1186: Decoder(pa.month_day_nano_interval(), _intervals, Shape(_INTERVAL.itemsize, is_whole=True)),
    **{oid: Decoder(type_, decode, Shape(width, is_whole=width > 0)) for oid, _, type_, decode, width in _KINDS},
    **{array: Decoder(pa.list_(t), partial(_arrays, decode=d, width=width)) for _, array, t, d, width in _KINDS},
}
"""By the number of a type, how it is read."""


def numeric(precision: int, scale: int) -> Decoder:
    """Return what reads numerics as decimals."""
    return Decoder(pa.decimal128(precision, scale), decimals, HEAD)


def decoded_rows(rows: Rows, schema: pa.Schema, decoders: Sequence[Decoder]) -> pa.RecordBatch:
    """Return rows of a binary COPY as a batch.

    Args:
        rows: The rows.
        schema: Names and types of the columns.
        decoders: What reads each.

    Raises:
        LoadError: A value cannot be read exactly; the message names the column.
    """
    arrays: list[pa.Array] = []
    for cells in columns(rows, [decoder.shape for decoder in decoders]):
        decoder = decoders[len(arrays)]
        try:
            arrays.append(decoder.decode(cells, decoder.type))
        except ValueError as error:  # pyarrow.ArrowInvalid is one as well
            name = schema.names[len(arrays)]
            raise LoadError(
                f"column {name!r} cannot be read exactly as {decoder.type}: {error}",
                hint=f"cast it in the query, for instance {name}::text",
            ) from error
    return pa.record_batch(arrays, schema=schema)
