"""From files to clean frames: one node per kind of thing, typed and with missing values missing."""

import datetime as dt

import pandas as pd
import polars as pl

from engine.function_modifiers import config, load_from, tag, value


@tag(layer="source")
def flights(flight_records: pl.DataFrame) -> pl.DataFrame:
    """Scheduled flights, with the local day they were to leave and whether they never did.

    Args:
        flight_records: The rows of ``data/flights.parquet``.
    """
    return flight_records.with_columns(
        date=pl.date("year", "month", "day"),
        is_cancelled=pl.col("dep_time").is_null(),
    ).drop("year", "day", "minute")


@config.when_not(judge_by="departure")
@tag(layer="source")
def judged_flights__arrival(flights: pl.DataFrame) -> pl.DataFrame:
    """Flights with the ``delay`` in minutes they are judged by: how late they arrived, as the US authorities judge."""
    return flights.with_columns(delay=pl.col("arr_delay"))


@config.when(judge_by="departure")
@tag(layer="source")
def judged_flights__departure(flights: pl.DataFrame) -> pl.DataFrame:
    """Flights with the ``delay`` in minutes they are judged by: how late they left."""
    return flights.with_columns(delay=pl.col("dep_delay"))


@tag(layer="source")
def flight_log(judged_flights: pl.DataFrame) -> pd.DataFrame:
    """The same flights for pandas, with only the columns that its nodes read."""
    columns = ["date", "month", "hour", "origin", "dest", "carrier", "tailnum", "distance", "is_cancelled", "delay"]
    return judged_flights.select(columns).to_pandas()


@load_from.csv(inject_="plane_records", path=value("data/planes.csv"), na_values=value("NA"))
@tag(layer="source")
def planes(plane_records: pd.DataFrame) -> pd.DataFrame:
    """Aircraft by tail number, with manufacturers under one name each."""
    merged = {"AIRBUS INDUSTRIE": "AIRBUS", "MCDONNELL DOUGLAS AIRCRAFT CO": "MCDONNELL DOUGLAS"}
    return plane_records.assign(
        manufacturer=plane_records["manufacturer"].replace(merged).str.title(),
        built=plane_records["year"].astype("Int64"),
    )[["tailnum", "manufacturer", "model", "built", "engines", "seats"]]


@tag(layer="source")
def weather(weather_records: pl.DataFrame) -> pl.DataFrame:
    """The hours at each airport, without wind speeds no anemometer can mean.

    Args:
        weather_records: The rows of ``data/weather.csv.gz``: temperature in °F, wind in mph, visibility in miles,
            precipitation in inches.
    """
    possible = pl.when(pl.col("wind_speed") < 200).then(pl.col("wind_speed"))  # noqa: PLR2004  # mph: above any hurricane
    return weather_records.with_columns(wind_speed=possible)


@tag(layer="source")
def holidays() -> pl.DataFrame:
    """The federal holidays of 2013, by date. Source: 5 U.S.C. 6103."""
    days = {
        dt.date(2013, 1, 1): "New Year's Day",
        dt.date(2013, 1, 21): "Birthday of Martin Luther King, Jr.",
        dt.date(2013, 2, 18): "Washington's Birthday",
        dt.date(2013, 5, 27): "Memorial Day",
        dt.date(2013, 7, 4): "Independence Day",
        dt.date(2013, 9, 2): "Labor Day",
        dt.date(2013, 10, 14): "Columbus Day",
        dt.date(2013, 11, 11): "Veterans Day",
        dt.date(2013, 11, 28): "Thanksgiving Day",
        dt.date(2013, 12, 25): "Christmas Day",
    }
    return pl.DataFrame({"date": list(days), "holiday": list(days.values())})
