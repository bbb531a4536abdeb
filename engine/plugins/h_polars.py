"""polars: ``@with_columns``, columns that functions add to a frame on its way into a node; the result builder."""

from __future__ import annotations

from typing import Any

import polars as pl

from engine.base import PolarsDataFrameResult
from engine.function_modifiers.columns import WithColumnsFace

__all__ = ["PolarsDataFrameResult", "append_columns", "with_columns"]


def append_columns(frame: pl.DataFrame, columns: dict[str, Any]) -> pl.DataFrame:
    """Return the frame with these columns; one that it has already is replaced where it stands."""
    return frame.with_columns(**columns)


with_columns = WithColumnsFace(pl.DataFrame, pl.Series, append_columns)
