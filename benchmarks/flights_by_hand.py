"""The flights example as one would write it without an engine: files in, functions in order, tables out, no record.

Run from a copy of `examples/flights`; writes `flights.duckdb` and `out/` there. What `flights.py` measures itself by.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import sqlalchemy as sa
from flights_dataflow import marts, punctuality, sources, weather

POLARS_CSV: dict[str, Any] = {"null_values": "NA", "try_parse_dates": True, "infer_schema_length": None}


def main() -> None:
    """Read, compute, write."""
    connection = duckdb.connect("flights.duckdb")
    connection.execute("CREATE SCHEMA marts")
    Path("out").mkdir()
    flights = sources.flights(pl.read_parquet("data/flights.parquet"))
    judged = sources.judged_flights__arrival(flights)
    observed = sources.weather(pl.read_csv("data/weather.csv.gz", **POLARS_CSV))
    write_airlines(connection, judged)
    write_weather(connection, judged, observed)
    airports = pl.read_csv("data/airports.csv", **POLARS_CSV)
    write(connection, "airport", punctuality.airport_frame(flights, airports))
    connection.close()


def write_airlines(connection: duckdb.DuckDBPyConnection, judged: pl.DataFrame) -> None:
    """Airlines, hours, aircraft and routes."""
    log = sources.flight_log(judged)
    airlines = punctuality.airline_punctuality_frame(log, pd.read_csv("data/airlines.csv", na_values="NA"))
    write(connection, "airline_punctuality", airlines)
    write(connection, "airline_month", punctuality.airline_month_frame(log, 12))
    write(connection, "hourly_delay", punctuality.hourly_delay_frame(log))
    aircraft = punctuality.plane_flights(log, sources.planes(pd.read_csv("data/planes.csv", na_values="NA")))
    write(connection, "plane_statistics", punctuality.plane_statistics_frame(aircraft))
    write(connection, "plane_age_delay", punctuality.plane_age_delay_frame(aircraft))
    routes = punctuality.route_statistics_frame(judged)
    write(connection, "route_statistics", routes)
    Path("out/overview.json").write_text(json.dumps(punctuality.overview(airlines, routes)))
    execute(connection, "TABLE", "airline_ranking", marts.airline_ranking_query(table("airline_punctuality", airlines)))
    execute(connection, "VIEW", "busiest_routes", marts.busiest_routes_query(table("route_statistics", routes)))


def write_weather(connection: duckdb.DuckDBPyConnection, judged: pl.DataFrame, observed: pl.DataFrame) -> None:
    """What weather does, and the marts by day and month."""
    elements = weather.observed_weather(observed)
    bands = [
        weather.weather_band(elements["wind_speed"], weather.BEAUFORT_MPH),
        weather.weather_band(elements["visib"], weather.VISIBILITY_MILES),
        weather.weather_band(elements["precip"], weather.RAIN_INCHES),
    ]
    joined = weather.flight_weather_frame(judged, weather.banded_weather(observed, *bands))
    joined.write_parquet("out/flight_weather.parquet")
    delays = [weather.delay_by_element(joined, element) for element in ("wind", "visibility", "rain")]
    write(connection, "delay_against_weather", weather.delay_against_weather_frame(*delays))
    daily = marts.daily_performance_frame(judged, weather.daily_weather(observed), sources.holidays())
    write(connection, "daily_performance", daily)
    monthly = marts.monthly_performance_query(table("daily_performance", daily))
    execute(connection, "TABLE", "monthly_performance", monthly)


def write(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame | pl.DataFrame) -> None:
    """Keep a frame as a table."""
    connection.register("rows", frame)
    connection.execute(f"CREATE OR REPLACE TABLE marts.{name} AS SELECT * FROM rows")
    connection.unregister("rows")


def table(name: str, frame: pd.DataFrame | pl.DataFrame) -> sa.Select[Any]:
    """Select everything of a table."""
    return sa.select(sa.table(name, *(sa.column(column) for column in frame.columns), schema="marts"))


def execute(connection: duckdb.DuckDBPyConnection, kind: str, name: str, query: sa.Select[Any]) -> None:
    """Keep the result of a query as a table or a view."""
    text = query.compile(compile_kwargs={"literal_binds": True})
    connection.execute(f"CREATE OR REPLACE {kind} marts.{name} AS {text}")


if __name__ == "__main__":
    main()
