"""pandas: ``@with_columns``, columns that functions add to a frame on its way into a node."""

from __future__ import annotations

from typing import Any

import pandas as pd

from engine.function_modifiers.columns import WithColumnsFace


def append_columns(frame: pd.DataFrame, columns: dict[str, Any]) -> pd.DataFrame:
    """Return the frame with these columns; one that it has already is replaced where it stands."""
    return frame.assign(**columns)


with_columns = WithColumnsFace(pd.DataFrame, pd.Series, append_columns)
