"""Identifiers: UUIDv7 text, whose order is the order of their creation.

Source: RFC 9562, section 5.7 (48 bits of Unix milliseconds, version, 12 bits of sub-millisecond fraction, variant,
    random).
"""

from __future__ import annotations

import os
import threading
import time
import uuid

_NANOSECONDS = 1_000_000
_guard = threading.Lock()
_last = 0


def new_id() -> str:
    """Return a new UUIDv7; within a process every id sorts after the ones before it.

    >>> first, second = new_id(), new_id()
    >>> first < second
    True
    """
    global _last  # noqa: PLW0603 - the clock of this process
    with _guard:
        # 12 bits after the milliseconds carry the fraction of the millisecond; the clock never steps back.
        ticks = max((time.time_ns() << 12) // _NANOSECONDS, _last + 1)
        _last = ticks
    milliseconds, fraction = ticks >> 12, ticks & 0xFFF
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return str(uuid.UUID(int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | random))
