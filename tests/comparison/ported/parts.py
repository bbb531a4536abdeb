"""Functions that other dataflows take in: an inner dataflow, and columns of a frame."""

from __future__ import annotations

import pandas as pd


def scaled(amounts: pd.Series, factor: float) -> pd.Series:
    """Amounts in another unit."""
    return amounts * factor


def described(scaled: pd.Series) -> dict:
    """A few words about them."""
    return {"least": float(scaled.min()), "most": float(scaled.max())}


def ratio(sum: pd.Series, mean: pd.Series) -> pd.Series:  # noqa: A002 - a column of the frame
    """How many orders there were."""
    return sum / mean


def log_ratio(ratio: pd.Series) -> pd.Series:
    """The same on another scale."""
    return ratio.map(float).round(3)
