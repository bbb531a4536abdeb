"""Columns: what a library makes of the columns of an Arrow table, made side by side where the table is long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from engine.frames.base import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def side_by_side(convert: Callable[[pa.ChunkedArray, pa.Field], T], table: pa.Table) -> list[T]:
    """Convert the columns, with their fields; of a long table on all cores: one copies slower than memory takes."""
    if table.num_rows <= BATCH_ROWS:
        return list(map(convert, table.columns, table.schema))
    with ThreadPoolExecutor(pa.cpu_count()) as pool:
        return list(pool.map(convert, table.columns, table.schema))
