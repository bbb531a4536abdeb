"""Columns: what validators ask of a series or frame of pandas or polars, each library in its own words.

A value is missing where the library says so: null, and in a column of floating point numbers also NaN.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    import polars as pl


class Column(Protocol):
    """What can be asked of a column."""

    @property
    def rows(self) -> int:
        """The number of values, missing ones included."""

    def missing(self) -> int:
        """Return how many values are missing."""

    def inside(self, lower: Any, upper: Any) -> int:
        """Return how many values lie between the two, these included."""

    def outsiders(self, values: Collection[Any]) -> dict[Any, int]:
        """Return how often each value occurs that is none of these; missing ones do not count."""

    def mean(self) -> float:
        """Return the mean of the values that are there, NaN where there are none."""

    def deviation(self) -> float:
        """Return the standard deviation of the sample, NaN where it has less than two values."""

    def type(self) -> Any:
        """Return the type of the values."""

    def is_of(self, wanted: Any) -> bool:
        """Say whether the values are of this type, given in the library's words or Python's."""


_NAN = float("nan")
_PANDAS_KINDS = {int: "iu", float: "f", bool: "b", complex: "c"}
"""The letters by which NumPy names kinds of numbers. Source: ``numpy.dtype.kind``."""


@dataclass(frozen=True, slots=True)
class PandasColumn:
    """A pandas series."""

    series: pd.Series[Any]

    @property
    def rows(self) -> int:
        """The number of values."""
        return len(self.series)

    def missing(self) -> int:
        """Return how many values are missing."""
        return int(self.series.isna().sum())

    def inside(self, lower: Any, upper: Any) -> int:
        """Return how many values lie between the two."""
        return int(self.series.between(lower, upper).sum())

    def outsiders(self, values: Collection[Any]) -> dict[Any, int]:
        """Return how often each other value occurs."""
        counts = self.series[~self.series.isin(list(values)) & self.series.notna()].value_counts()
        return {value: int(count) for value, count in counts.items()}

    def mean(self) -> float:
        """Return the mean."""
        return float(self.series.mean())

    def deviation(self) -> float:
        """Return the standard deviation of the sample."""
        return float(self.series.std())

    def type(self) -> Any:
        """Return the class of the values."""
        return self.series.dtype.type

    def is_of(self, wanted: Any) -> bool:
        """Say whether the class of the values is this one or derives from it, or the dtype is so called."""
        dtype = self.series.dtype
        if isinstance(wanted, type):
            return issubclass(dtype.type, wanted) or dtype.kind in _PANDAS_KINDS.get(wanted, "")
        return bool(dtype == wanted)


@dataclass(frozen=True, slots=True)
class PolarsColumn:
    """A polars series."""

    series: pl.Series

    @property
    def rows(self) -> int:
        """The number of values."""
        return len(self.series)

    def missing(self) -> int:
        """Return how many values are null or NaN."""
        nan = int(self.series.is_nan().sum()) if self.series.dtype.is_float() else 0
        return self.series.null_count() + nan

    def inside(self, lower: Any, upper: Any) -> int:
        """Return how many values lie between the two."""
        return int(self.series.is_between(lower, upper).sum())

    def outsiders(self, values: Collection[Any]) -> dict[Any, int]:
        """Return how often each other value occurs."""
        counts: dict[Any, int] = {}
        for value in self._present().to_list():
            if value not in values:
                counts[value] = counts.get(value, 0) + 1
        return counts

    def mean(self) -> float:
        """Return the mean."""
        mean: Any = self._present().mean()
        return _NAN if mean is None else float(mean)

    def deviation(self) -> float:
        """Return the standard deviation of the sample."""
        deviation: Any = self._present().std()
        return _NAN if deviation is None else float(deviation)

    def type(self) -> Any:
        """Return the polars type of the values."""
        return self.series.dtype

    def is_of(self, wanted: Any) -> bool:
        """Say whether the values have this polars type, or one that is this type in Python."""
        dtype = self.series.dtype
        return bool(dtype == wanted) or (isinstance(wanted, type) and dtype.to_python() is wanted)

    def _present(self) -> pl.Series:
        present = self.series.drop_nulls()
        return present.drop_nans() if present.dtype.is_float() else present


def columns_of(data: Any) -> list[Column]:
    """Return the columns of a pandas or polars frame or series; none of anything else."""
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(data, pandas.Series):
        return [PandasColumn(data)]
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return [PandasColumn(data.iloc[:, position]) for position in range(data.shape[1])]
    if polars is not None and isinstance(data, polars.Series):
        return [PolarsColumn(data)]
    if polars is not None and isinstance(data, polars.DataFrame):
        return [PolarsColumn(data.to_series(position)) for position in range(data.width)]
    return []


def is_series(type_: Any) -> bool:
    """Say whether a type is that of a pandas or polars series."""
    return _is_one_of(type_, "Series")


def is_frame(type_: Any) -> bool:
    """Say whether a type is that of a pandas or polars frame whose rows are in memory."""
    return _is_one_of(type_, "DataFrame")


def _is_one_of(type_: Any, name: str) -> bool:
    # Whoever has such a type has imported its library.
    libraries = (sys.modules.get("pandas"), sys.modules.get("polars"))
    classes = tuple(getattr(library, name) for library in libraries if hasattr(library, name))
    return isinstance(type_, type) and issubclass(type_, classes)
