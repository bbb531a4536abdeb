"""Memory: given back between cases, because what ran before would decide how much of a case's memory is new to it."""

from __future__ import annotations

import ctypes
import gc

import pyarrow as pa


def give_back() -> None:
    """Return free memory to the system: that of Arrow, and that of the C library where it is GNU's."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
