"""Features of customers, made of the orders."""

from __future__ import annotations

import pandas as pd

from engine.function_modifiers import (
    check_output,
    config,
    extract_fields,
    group,
    inject,
    parameterize,
    parameterize_sources,
    parameterize_values,
    pipe_input,
    pipe_output,
    source,
    step,
    tag,
    tag_outputs,
    value,
)


def _clipped(amounts: pd.Series, most: float) -> pd.Series:
    return amounts.clip(upper=most)


def _rounded(amounts: pd.Series, digits: int = 2) -> pd.Series:
    return amounts.round(digits)


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("sum", ascending=False)


@check_output(range=(0.0, 1_000_000.0), data_type=float, allow_nans=False, importance="fail")
@pipe_input(step(_clipped, most=source("most")).when(clip=True), step(_rounded, digits=1).named("rounded"))
def worth(amount: pd.Series, currency: pd.Series, rates: dict) -> pd.Series:
    """The worth of each order."""
    return amount * currency.map(rates)


@config.when(window="all")
def recent__all(worth: pd.Series) -> pd.Series:
    """All orders count."""
    return worth


@config.when_in(window=["week", "month"])
def recent__some(worth: pd.Series, day: pd.Series, window: str) -> pd.Series:
    """Only orders of the last days count."""
    days = {"week": 7, "month": 31}[window]
    return worth[day > day.max() - pd.Timedelta(days=days)]


@tag(stage="feature")
@parameterize(
    total_worth=({"how": value("sum")}, "The {how} of the worth of the orders of a customer."),
    mean_worth={"how": value("mean")},
    most_worth={"how": value("max")},
)
def per_customer(recent: pd.Series, customer: pd.Series, how: str) -> pd.Series:
    """The {how} of a customer."""
    return recent.groupby(customer).agg(how).rename(how)


@parameterize_sources(share_of_total={"part": "total_worth"}, share_of_mean={"part": "mean_worth"})
def share(part: pd.Series) -> pd.Series:
    """The share of each customer."""
    return part / part.sum()


@parameterize_values(
    "threshold", {("rich_100", "Worth 100 and more."): 100.0, ("rich_200", "Worth 200 and more."): 200.0}
)
def rich(total_worth: pd.Series, threshold: float) -> pd.Series:
    """Whether a customer is rich."""
    return total_worth >= threshold


@tag_outputs(low={"side": "left"}, high={"side": "right"})
@extract_fields({"low": float, "high": float})
def bounds(total_worth: pd.Series) -> dict[str, float]:
    """The least and the most."""
    return {"low": float(total_worth.min()), "high": float(total_worth.max())}


@inject(columns=group(source("total_worth"), source("mean_worth"), source("most_worth")))
@pipe_output(step(_sorted))
def table(columns: list[pd.Series]) -> pd.DataFrame:
    """All features side by side."""
    return pd.concat(columns, axis=1).sort_index()
