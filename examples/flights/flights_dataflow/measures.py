"""What "on time" means here, and the measures that follow from it: helpers that several modules share.

Not a module of the dataflow: no function here is a node. Edit one, and exactly those tables are rebuilt whose nodes
call it, however many modules away.

Every mean is a sum of whole minutes divided by a count. Such sums come out the same in whatever order they are added,
so running again gives the same tables bit by bit, on every database and with any number of threads.
"""

from collections.abc import Sequence
from typing import TypeVar

import pandas as pd
import polars as pl

ON_TIME_MINUTES = 15
"""A flight is on time when it is less than this late. Source: US Department of Transportation, 14 CFR 234.2."""

Delays = TypeVar("Delays", pd.Series, pl.Expr)


def is_on_time(delays: Delays) -> Delays:
    """Say per flight whether it was on time; a flight that never arrived does not count as on time.

    Args:
        delays: Minutes late, negative when early, missing when the flight never arrived.
    """
    return delays < ON_TIME_MINUTES


def delay_measures() -> list[pl.Expr]:
    """Return the measures of a group of judged flights, for `polars.DataFrame.group_by(...).agg`."""
    delay = pl.col("delay")
    on_time = is_on_time(delay).sum().cast(pl.Int64)
    return [
        pl.len().cast(pl.Int64).alias("flights"),
        pl.col("is_cancelled").sum().cast(pl.Int64).alias("cancelled"),
        delay.count().cast(pl.Int64).alias("arrived"),
        on_time.alias("on_time"),
        delay.sum().alias("delay_minutes"),
        (on_time / pl.len()).round(4).alias("on_time_share"),
        delay.mean().round(2).alias("mean_delay"),
    ]


def summarise_delays(flights: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Group judged flights and return the measures of `delay_measures`, with the spread of the delays as well.

    Args:
        flights: One row per flight, with the columns ``delay`` and ``is_cancelled``.
        by: The columns to group by.

    Returns:
        One row per group, in the order of the groups: its key, ``flights``, ``cancelled``, ``arrived``,
        ``on_time``, ``delay_minutes``, ``on_time_share``, ``mean_delay``, ``median_delay`` and ``p90_delay`` (minutes).
    """
    groups = flights.assign(is_on_time=is_on_time(flights["delay"])).groupby(by)
    summary = groups.agg(
        flights=("delay", "size"),
        cancelled=("is_cancelled", "sum"),
        arrived=("delay", "count"),
        on_time=("is_on_time", "sum"),
        delay_minutes=("delay", "sum"),
        mean_delay=("delay", "mean"),
        median_delay=("delay", "median"),
    )
    summary.insert(5, "on_time_share", (summary["on_time"] / summary["flights"]).round(4))
    summary["mean_delay"] = summary["mean_delay"].round(2)
    summary["p90_delay"] = groups["delay"].quantile(0.9).round(1)
    return summary.astype({"cancelled": "int64", "on_time": "int64", "delay_minutes": "int64"}).reset_index()


def lower_edges(values: pl.Series, edges: Sequence[float]) -> pl.Series:
    """Replace each value by the lower edge of the band it falls in; a missing value stays missing.

    Args:
        values: Numbers, none below the first edge.
        edges: The lower edges of the bands, ascending.
    """
    labels = [str(float(edge)) for edge in edges]
    return values.cut(edges[1:], labels=labels, left_closed=True).cast(pl.String).cast(pl.Float64)
