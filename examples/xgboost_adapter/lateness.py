"""A small dataflow: will a flight be late, going by what is known when it is booked?"""

from typing import Any

import pandas as pd
import xgboost as xgb
import xgboost_json  # noqa: F401  # registers the loader and the saver

from engine.function_modifiers import dataloader, extract_fields, save_to, source
from engine.io.utils import get_file_metadata

LATE_MINUTES = 15
TEST_MONTH = 12
FEATURES = ["month", "hour", "distance", "airline", "airport"]


@dataloader()
def flight_records(flights_path: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The flights, and what is to be known of where they came from."""
    return pd.read_parquet(flights_path), get_file_metadata(flights_path)


def booked_flights(flight_records: pd.DataFrame) -> pd.DataFrame:
    """Flights that arrived, with what is known when they are booked and whether they were late in the end."""
    arrived = flight_records.dropna(subset=["arr_delay"])
    known = arrived[["month", "hour", "distance"]].assign(
        airline=arrived["carrier"].astype("category").cat.codes,
        airport=arrived["origin"].astype("category").cat.codes,
    )
    return known.assign(is_late=arrived["arr_delay"] >= LATE_MINUTES)


@extract_fields({"training_flights": pd.DataFrame, "test_flights": pd.DataFrame})
def split_flights(booked_flights: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All months but the last to learn from, and the last one to be tested on: time never runs backwards."""
    in_test = booked_flights["month"] == TEST_MONTH
    return {"training_flights": booked_flights[~in_test], "test_flights": booked_flights[in_test]}


@save_to.xgboost_json(path=source("model_path"), output_name_="saved_model")
def lateness_model(training_flights: pd.DataFrame, trees: int = 20) -> xgb.Booster:
    """A small forest of boosted trees that gives the probability of a flight to be late.

    Args:
        training_flights: What to learn from.
        trees: How many trees to grow.
    """
    known = xgb.DMatrix(training_flights[FEATURES], label=training_flights["is_late"])
    return xgb.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, known, num_boost_round=trees)


def lateness_forecast(lateness_model: xgb.Booster, test_flights: pd.DataFrame) -> pd.DataFrame:
    """The probability of each test flight to be late, beside what came to pass."""
    probability = lateness_model.predict(xgb.DMatrix(test_flights[FEATURES]))
    return test_flights[["is_late"]].assign(probability=probability)
