"""Where the data come from: a CSV file of orders and a JSON file of rates."""

from __future__ import annotations

from typing import Any

import pandas as pd

from engine.function_modifiers import cache, dataloader, extract_columns, load_from, source, tag
from engine.io.utils import get_file_and_dataframe_metadata


@dataloader()
def orders(orders_path: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """All orders."""
    frame = pd.read_csv(orders_path, parse_dates=["day"])
    return frame, get_file_and_dataframe_metadata(orders_path, frame)


@tag(stage="raw", owner=["orders", "finance"])
@extract_columns("order_id", "customer", "amount", "currency", "day")
def known_orders(orders: pd.DataFrame) -> pd.DataFrame:
    """Those whose customer is known."""
    return orders.dropna(subset="customer")


@load_from.json(path=source("rates_path"), inject_="loaded")
@cache(behavior="recompute")
def rates(loaded: dict) -> dict:
    """The worth of one unit of each currency."""
    return {currency: float(rate) for currency, rate in loaded.items()}
