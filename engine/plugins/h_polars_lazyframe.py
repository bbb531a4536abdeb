"""polars, lazily: ``@with_columns``, expressions that functions add to a frame; the result builder."""

from __future__ import annotations

from typing import Any

import polars as pl

from engine.base import PolarsDataFrameResult, ResultMixin
from engine.function_modifiers.columns import WithColumnsFace


def append_columns(frame: pl.LazyFrame, columns: dict[str, Any]) -> pl.LazyFrame:
    """Return the frame with these columns; one that it has already is replaced where it stands."""
    return frame.with_columns(**columns)


with_columns = WithColumnsFace(pl.LazyFrame, pl.Expr, append_columns)


class PolarsLazyFrameResult(ResultMixin):
    """Put lazy frames side by side without computing them; of anything else, make a frame and give it lazily."""

    def build_result(self, **outputs: Any) -> pl.LazyFrame:
        """Return one lazy frame.

        Raises:
            SaveError: The outputs are no lazy frames and differ in length.
        """
        frames = [output for output in outputs.values() if isinstance(output, pl.LazyFrame)]
        if len(frames) == len(outputs) > 0:
            return frames[0] if len(frames) == 1 else pl.concat(frames, how="horizontal")
        return PolarsDataFrameResult().build_result(**outputs).lazy()

    def output_type(self) -> type:
        """Return the lazy frame's type."""
        return pl.LazyFrame
