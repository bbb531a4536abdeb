"""Columns that a dataflow adds to a frame; they are no nodes of the dataflow itself."""

from __future__ import annotations

import pandas as pd  # noqa: TC002 - annotations are looked up at run time


def more(u: pd.Series) -> pd.Series:
    """One more than another column."""
    return u + 1
