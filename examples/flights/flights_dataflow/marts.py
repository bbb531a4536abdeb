"""Marts by day and month, and what can be asked of tables that already stand in the warehouse.

A node that takes and returns a `sqlalchemy.Select` never sees a row: the engine hands it a query, and writes what comes
back with ``CREATE TABLE AS`` or ``CREATE VIEW``. The functions name no database, so they run on each.
"""

from typing import Any

import polars as pl
import sqlalchemy as sa

from engine.function_modifiers import tag
from flights_dataflow.measures import delay_measures

BUSIEST = 25
"""How many routes the view of the busiest ones shows."""


def _share(part: sa.ColumnElement[int], whole: sa.ColumnElement[int]) -> sa.ColumnElement[Any]:
    """Divide two counts; without the cast, PostgreSQL would divide whole numbers."""
    return sa.cast(part, sa.Double) / sa.cast(whole, sa.Double)


def _total(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """Sum counts as a count; databases otherwise widen a sum, each to a type of its own."""
    return sa.cast(sa.func.sum(column), sa.BigInteger)


@tag(layer="mart", subject="time")
def daily_performance_frame(
    judged_flights: pl.DataFrame, daily_weather: pl.DataFrame, holidays: pl.DataFrame
) -> pl.DataFrame:
    """The punctuality of each day at each airport, with its weather and the holiday it may have been."""
    return (
        judged_flights.group_by("date", "origin")
        .agg(*delay_measures())
        .join(daily_weather, on=["date", "origin"], how="left")
        .join(holidays, on="date", how="left")
        .sort("date", "origin")
    )


@tag(layer="mart", subject="time")
def monthly_performance_query(daily_performance_table: sa.Select) -> sa.Select:
    """The punctuality of each month at each airport, in the database from the daily mart."""
    day = daily_performance_table.subquery("day")
    month = sa.cast(sa.extract("month", day.c.date), sa.Integer)
    return (
        sa.select(
            month.label("month"),
            day.c.origin,
            sa.cast(sa.func.count(), sa.BigInteger).label("days"),
            _total(day.c.flights).label("flights"),
            _total(day.c.cancelled).label("cancelled"),
            _share(_total(day.c.on_time), _total(day.c.flights)).label("on_time_share"),
            _share(_total(day.c.delay_minutes), _total(day.c.arrived)).label("mean_delay"),
            sa.func.min(day.c.on_time_share).label("worst_day_on_time_share"),
        )
        .group_by(month, day.c.origin)
        .order_by(month, day.c.origin)
    )


@tag(layer="mart", subject="airline")
def airline_ranking_query(airline_punctuality_table: sa.Select) -> sa.Select:
    """The rank of each airline by punctuality and by size, in the database."""
    airline = airline_punctuality_table.subquery("airline")
    by_punctuality = sa.func.rank().over(order_by=airline.c.on_time_share.desc())
    by_size = sa.func.rank().over(order_by=airline.c.flights.desc())
    return sa.select(
        airline.c.carrier,
        airline.c.airline,
        sa.cast(by_punctuality, sa.Integer).label("rank_by_punctuality"),
        sa.cast(by_size, sa.Integer).label("rank_by_flights"),
    )


@tag(layer="mart", subject="route")
def busiest_routes_query(route_statistics_table: sa.Select) -> sa.Select:
    """The busiest routes; kept as a view, it always shows the table of routes as it stands."""
    route = route_statistics_table.subquery("route")
    return (
        sa.select(route.c.origin, route.c.dest, route.c.flights, route.c.airlines, route.c.on_time_share)
        .order_by(route.c.flights.desc(), route.c.origin, route.c.dest)
        .limit(BUSIEST)
    )
