"""Who is on time: airlines, hours of the day, aircraft, routes and airports."""

import pandas as pd
import polars as pl

from engine.function_modifiers import save_to, tag, value
from flights_dataflow.measures import delay_measures, summarise_delays

PLANE_AGE_BANDS = [0, 5, 10, 15, 20, 25, 100]
"""Years; each band begins at one number and ends before the next."""


@tag(layer="mart", subject="airline")
def airline_punctuality_frame(flight_log: pd.DataFrame, airlines: pd.DataFrame) -> pd.DataFrame:
    """How punctual each airline is, the best first."""
    summary = summarise_delays(flight_log, ["carrier"])
    named = airlines.rename(columns={"name": "airline"}).merge(summary, on="carrier", validate="one_to_one")
    return named.sort_values("on_time_share", ascending=False, ignore_index=True)


@tag(layer="mart", subject="airline")
def airline_month_frame(flight_log: pd.DataFrame, report_month: int) -> pd.DataFrame:
    """How punctual each airline was in the month of the report.

    Args:
        flight_log: Judged flights.
        report_month: 1 to 12, an input of the run.
    """
    return summarise_delays(flight_log[flight_log["month"] == report_month], ["month", "carrier"])


@tag(layer="mart", subject="time")
def hourly_delay_frame(flight_log: pd.DataFrame) -> pd.DataFrame:
    """How delays build up during the day, by the scheduled hour at each airport."""
    return summarise_delays(flight_log, ["origin", "hour"])


@tag(layer="intermediate", subject="plane")
def plane_flights(flight_log: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Flights whose aircraft is known, with what is known of it and its age in years on that day."""
    known = flight_log.merge(planes, on="tailnum", validate="many_to_one")
    return known.assign(age=pd.to_datetime(known["date"]).dt.year - known["built"])


@tag(layer="mart", subject="plane")
def plane_statistics_frame(plane_flights: pd.DataFrame) -> pd.DataFrame:
    """How much each aircraft flew, and how punctually."""
    aircraft = ["tailnum", "manufacturer", "model"]
    miles = plane_flights[~plane_flights["is_cancelled"]].groupby("tailnum")["distance"].sum().rename("miles")
    statistics = summarise_delays(plane_flights, aircraft).merge(miles, on="tailnum", how="left")
    return statistics.fillna({"miles": 0}).astype({"miles": "int64"})


@tag(layer="mart", subject="plane")
def plane_age_delay_frame(plane_flights: pd.DataFrame) -> pd.DataFrame:
    """Whether older aircraft are later: delays by age band, ``age_from`` up to the next band's years."""
    dated = plane_flights.dropna(subset=["age"])
    age_from = pd.cut(dated["age"].astype("int64"), PLANE_AGE_BANDS, right=False, labels=PLANE_AGE_BANDS[:-1])
    return summarise_delays(dated.assign(age_from=age_from.astype("int64")), ["age_from"])


@tag(layer="mart", subject="route")
def route_statistics_frame(judged_flights: pl.DataFrame) -> pl.DataFrame:
    """How busy and how punctual each route is, with the distance in miles and the time in the air in minutes."""
    return (
        judged_flights.group_by("origin", "dest")
        .agg(
            pl.col("carrier").n_unique().cast(pl.Int64).alias("airlines"),
            pl.col("distance").max(),
            pl.col("air_time").mean().round(1).alias("mean_air_time"),
            *delay_measures(),
        )
        .sort("origin", "dest")
    )


@tag(layer="mart", subject="airport")
def airport_frame(flights: pl.DataFrame, airports: pl.DataFrame) -> pl.DataFrame:
    """The airports flown to, with their place; four of them, in the Caribbean, are known by their code only."""
    served = flights.group_by(faa="dest").agg(
        pl.len().cast(pl.Int64).alias("flights"),
        pl.col("date").min().alias("first_flight"),
        pl.col("date").max().alias("last_flight"),
    )
    places = airports.select("faa", airport="name", latitude="lat", longitude="lon", time_zone="tzone")
    return served.join(places, on="faa", how="left").sort("faa")


@save_to.json(path=value("out/overview.json"), output_name_="overview_json")
@tag(layer="report")
def overview(airline_punctuality_frame: pd.DataFrame, route_statistics_frame: pl.DataFrame) -> dict[str, object]:
    """The figures one would put at the head of a page."""
    flights = int(airline_punctuality_frame["flights"].sum())
    on_time = int(airline_punctuality_frame["on_time"].sum())
    return {
        "flights": flights,
        "on_time_share": round(on_time / flights, 4),
        "most_punctual_airline": str(airline_punctuality_frame["airline"].iloc[0]),
        "routes": len(route_statistics_frame),
    }
