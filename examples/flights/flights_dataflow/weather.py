"""What weather does to punctuality: flights joined with the hour they were to leave in."""

import polars as pl

from engine.function_modifiers import extract_columns, parameterize, source, tag, value
from flights_dataflow.measures import delay_measures, lower_edges

BEAUFORT_MPH = [0, 1, 4, 8, 13, 19, 25, 32, 39, 47]
"""Where the degrees 0 to 9 of the Beaufort scale begin. Source: US National Weather Service."""
VISIBILITY_MILES = [0, 0.5, 1, 3, 5, 10]
"""Source: the flight categories of the US Aviation Weather Center, 10 miles being the most that is reported."""
RAIN_INCHES = [0, 0.01, 0.1, 0.3]
"""None, light, moderate, heavy. Source: American Meteorological Society, Glossary of Meteorology, "rain"."""


@extract_columns("wind_speed", "visib", "precip")
@tag(layer="intermediate", subject="weather")
def observed_weather(weather: pl.DataFrame) -> pl.DataFrame:
    """The three elements of the weather that delays are held against."""
    return weather.select("wind_speed", "visib", "precip")


@parameterize(
    wind_band={"element": source("wind_speed"), "edges": value(BEAUFORT_MPH)},
    visibility_band={"element": source("visib"), "edges": value(VISIBILITY_MILES)},
    rain_band={"element": source("precip"), "edges": value(RAIN_INCHES)},
)
def weather_band(element: pl.Series, edges: list[float]) -> pl.Series:
    """The lower edge of the band that each hour's {element} falls in."""
    return lower_edges(element, edges)


@tag(layer="intermediate", subject="weather")
def banded_weather(
    weather: pl.DataFrame, wind_band: pl.Series, visibility_band: pl.Series, rain_band: pl.Series
) -> pl.DataFrame:
    """The hours at each airport with the bands of their weather."""
    return weather.select("origin", "time_hour", wind=wind_band, visibility=visibility_band, rain=rain_band)


@tag(layer="intermediate", subject="weather")
def flight_weather_frame(judged_flights: pl.DataFrame, banded_weather: pl.DataFrame) -> pl.DataFrame:
    """Flights with the weather of the hour they were to leave in, where that hour was observed."""
    columns = ["date", "time_hour", "origin", "dest", "carrier", "flight", "is_cancelled", "delay"]
    return judged_flights.select(columns).join(banded_weather, on=["origin", "time_hour"])


@parameterize(
    delay_by_wind={"element": value("wind")},
    delay_by_visibility={"element": value("visibility")},
    delay_by_rain={"element": value("rain")},
)
@tag(layer="intermediate", subject="weather")
def delay_by_element(flight_weather_frame: pl.DataFrame, element: str) -> pl.DataFrame:
    """The punctuality of flights by the bands of {element}."""
    return (
        flight_weather_frame.drop_nulls(element)
        .group_by(band_from=element)
        .agg(*delay_measures())
        .select(pl.lit(element).alias("element"), pl.all())
    )


@tag(layer="mart", subject="weather")
def delay_against_weather_frame(
    delay_by_wind: pl.DataFrame, delay_by_visibility: pl.DataFrame, delay_by_rain: pl.DataFrame
) -> pl.DataFrame:
    """The punctuality of flights by the bands of each element of the weather, one below the other."""
    return pl.concat([delay_by_wind, delay_by_visibility, delay_by_rain]).sort("element", "band_from")


@tag(layer="intermediate", subject="weather")
def daily_weather(weather: pl.DataFrame) -> pl.DataFrame:
    """The worst hour of each local day at each airport, and the rain of the day in inches."""
    return weather.group_by("origin", date=pl.date("year", "month", "day")).agg(
        pl.col("wind_speed").max().round(1).alias("strongest_wind"),
        pl.col("visib").min().alias("poorest_visibility"),
        pl.col("precip").sum().round(2).alias("rain"),
    )
