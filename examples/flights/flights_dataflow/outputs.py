"""Where values come from and which of them are kept: the edges of the dataflow, as data.

The functions know no file and no table, so they can be called, tested and run against anything else.
"""

from collections.abc import Sequence
from typing import Any

from engine.io.materialization import SaveRequest, from_, to

# Options are those of the library that reads: `polars.read_csv` here, `pandas.read_csv` for the airlines. Types are
# told from all rows, because the first hundred hours of the weather happen to have whole miles of visibility.
_POLARS_CSV: dict[str, Any] = {"null_values": "NA", "try_parse_dates": True, "infer_schema_length": None}

_FILES = [
    from_.parquet(target="flight_records", path="data/flights.parquet"),
    from_.csv(target="airlines", path="data/airlines.csv", na_values="NA"),
    from_.csv(target="airports", path="data/airports.csv", **_POLARS_CSV),
    from_.csv(target="weather_records", path="data/weather.csv.gz", **_POLARS_CSV),
]

# Each of these tables is written below; the engine sees that and reads it after it was written.
_TABLES_READ_BACK = [
    from_.table(target="daily_performance_table", table="marts.daily_performance"),
    from_.table(target="airline_punctuality_table", table="marts.airline_punctuality"),
    from_.table(target="route_statistics_table", table="marts.route_statistics"),
]


def _table(name: str, node: str, mode: str = "replace", keys: Sequence[str] = ()) -> SaveRequest:
    """Keep the value of ``node`` as ``marts.<name>``."""
    return to.table(id=name, dependencies=[node], table=f"marts.{name}", mode=mode, keys=keys)


_TABLES_WRITTEN = [
    _table("airline_punctuality", "airline_punctuality_frame"),
    _table("airline_ranking", "airline_ranking_query"),
    _table("airline_month", "airline_month_frame", mode="delete_insert", keys=["month"]),
    _table("airport", "airport_frame", mode="upsert", keys=["faa"]),
    _table("hourly_delay", "hourly_delay_frame"),
    _table("plane_statistics", "plane_statistics_frame"),
    _table("plane_age_delay", "plane_age_delay_frame"),
    _table("route_statistics", "route_statistics_frame"),
    _table("busiest_routes", "busiest_routes_query", mode="view"),
    _table("delay_against_weather", "delay_against_weather_frame"),
    _table("daily_performance", "daily_performance_frame"),
    _table("monthly_performance", "monthly_performance_query"),
]

_FILES_WRITTEN = [
    to.parquet(id="flight_weather", dependencies=["flight_weather_frame"], path="out/flight_weather.parquet"),
]

materializers = [*_FILES, *_TABLES_READ_BACK, *_TABLES_WRITTEN, *_FILES_WRITTEN]
