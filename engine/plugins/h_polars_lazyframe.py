"""polars, lazily: ``@with_columns``, expressions that functions add to a frame on its way into a node."""

from __future__ import annotations

from typing import Any

import polars as pl

from engine.function_modifiers.columns import WithColumnsFace


def append_columns(frame: pl.LazyFrame, columns: dict[str, Any]) -> pl.LazyFrame:
    """Return the frame with these columns; one that it has already is replaced where it stands."""
    return frame.with_columns(**columns)


with_columns = WithColumnsFace(pl.LazyFrame, pl.Expr, append_columns)
