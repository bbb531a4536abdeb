"""PostgreSQL's numerics as Arrow's decimals, exactly, for a whole column at once.

Theory of operation. A numeric is a header (how many digits, the weight of the first, sign, scale) and digits to the
base 10,000; a digit of weight *w* counts 10,000^w. A decimal of scale *s* is an integer, the value times 10^s. Digits
of the weights from -⌈s/4⌉ on are put together four at a time: one load of eight bytes has four of them, a mask takes
away what follows the last digit, and a shift brings them to their weights. Four make two numbers below 10^8, side by
side in 64 bits, and these one below 10^16. Of most columns that is all; the fours of longer numbers are added up in 256
bits, and Arrow checks that they fit.

Source: PostgreSQL's ``numeric_send`` in ``utils/adt/numeric.c``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.dialects.postgresql.cells import INT8, Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.dialects.postgresql.cells import Cells

_BASE, _DECIMALS = 10_000, 4
"""The base of the digits, and how many decimal digits one has."""
_GROUP, _BITS = 4, 16
"""How many digits are loaded at once, and how many bits each has."""
_HEADER = 8
_NEGATIVE, _SPECIAL, _NAN = 0x4000, 0x8000, 0xC000
_SCALE = 0x3FFF
_FOUR_DIGITS = np.dtype(">u8")
HEAD = Shape(_HEADER + _FOUR_DIGITS.itemsize, is_whole=False)
"""What is looked at of every numeric."""
_KEPT = np.array([(1 << 64) - (1 << 64 - _BITS * count) for count in range(_GROUP + 1)], np.uint64)
"""By the number of digits that are there, the bits that hold them."""
_EVEN = np.uint64(0x0000_FFFF_0000_FFFF)
"""Of four digits in 64 bits, the second and the fourth."""
_WIDE = pa.decimal256(19, 0)
_NEXT_GROUP = pa.scalar(Decimal(_BASE**_GROUP), pa.decimal256(17, 0))


def decimals(cells: Cells, type_: Any) -> pa.Array:
    """Return numerics as decimals.

    Args:
        cells: The numerics.
        type_: A `pyarrow.decimal128`.

    Raises:
        ValueError: One is no finite number, or does not fit.
    """
    header = cells.read(INT8)
    count, weight, sign = header >> 48, header << 16 >> 48, header >> 16 & 0xFFFF
    if (sign & _SPECIAL).any():
        raise ValueError("it holds NaN" if (sign == _NAN).any() else "it holds infinity")
    if (header & _SCALE).max(initial=0) > type_.scale:
        raise ValueError(f"it holds a number with more than {type_.scale} digits after the point")
    fraction = -(-type_.scale // _DECIMALS)
    weight[count == 0] = -fraction
    highest = int(weight.max(initial=-fraction))
    if highest * _DECIMALS + type_.scale >= type_.precision:
        raise ValueError(f"it holds a number of more than {type_.precision} digits")
    is_negative = sign == _NEGATIVE
    groups = []
    for top in range(_GROUP - 1 - fraction, highest + _GROUP, _GROUP):
        group = _group(cells, count, weight - top, is_first=highest <= top)
        np.negative(group, out=group, where=is_negative)
        groups.append(group)
    superfluous = fraction * _DECIMALS - type_.scale
    if len(groups) == 1:
        groups[0] //= 10**superfluous  # these digits are zero
        return cells.array(type_, _as_128_bits(groups[0]))
    whole = pa.array(groups.pop()).cast(_WIDE)
    while groups:
        whole = pc.add(pc.multiply(whole, _NEXT_GROUP), pa.array(groups.pop()).cast(_WIDE))
    exact = pa.decimal256(76, fraction * _DECIMALS)
    return cells.array(exact, whole.buffers()[1]).cast(type_)


def _group(cells: Cells, count: NDArray[np.int64], skip: NDArray[np.int64], *, is_first: bool) -> NDArray[np.int64]:
    """Return the integers that four digits of each numeric make.

    Args:
        cells: The numerics.
        count: How many digits each has.
        skip: How many of its digits are above these four; negative where its first digit is below the first of these.
        is_first: Whether none of them has digits above these four.
    """
    if is_first:
        digits, left = cells.read(_FOUR_DIGITS, at=_HEADER), count
    else:
        first = np.clip(skip, 0, count)
        digits = cells.memory.at(cells.starts + (_HEADER + 2 * first), _FOUR_DIGITS).astype(np.uint64)
        left = count - first
    digits &= _KEPT[np.minimum(left, _GROUP)]
    digits >>= (_BITS * np.maximum(-skip, 0)).astype(np.uint64)  # numpy shifts by 64 bits and more to zero
    pairs = (digits >> np.uint64(_BITS)) & _EVEN
    pairs *= np.uint64(_BASE)
    pairs += digits & _EVEN  # two numbers below 10^8, in 32 bits each
    group = pairs >> np.uint64(2 * _BITS)
    group *= np.uint64(_BASE**2)
    group += pairs & np.uint64((1 << 2 * _BITS) - 1)
    return group.view(np.int64)


def _as_128_bits(values: NDArray[np.int64]) -> NDArray[np.int64]:
    wide = np.empty((len(values), 2), "<i8")
    wide[:, 0] = values
    np.right_shift(values, 63, out=wide[:, 1])
    return wide
