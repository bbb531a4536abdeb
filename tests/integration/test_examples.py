"""The examples run as their READMEs say, from a copy, by the command and in processes of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import psycopg
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
OUTPUTS = 14

# The figures, asked of the files by other means than the dataflow's.
AIRLINES = """
    SELECT carrier, count(*) AS flights, count(*) FILTER (dep_time IS NULL) AS cancelled, count(arr_delay) AS arrived,
           count(*) FILTER (arr_delay < 15) AS on_time, sum(arr_delay)::BIGINT AS delay_minutes
      FROM '{flights}' GROUP BY carrier"""
ROUTES = """
    SELECT origin, dest, count(DISTINCT carrier) AS airlines, count(*) AS flights,
           count(*) FILTER (arr_delay < 15) AS on_time
      FROM '{flights}' GROUP BY origin, dest"""
MONTHS = """
    SELECT month::INTEGER AS month, origin, count(DISTINCT day) AS days, count(*) AS flights,
           count(*) FILTER (dep_time IS NULL) AS cancelled
      FROM '{flights}' GROUP BY month, origin"""
RAIN = """
    SELECT max(b.lower) AS band_from, f.flights, f.on_time
      FROM (SELECT precip, count(*) AS flights, count(*) FILTER (arr_delay < 15) AS on_time
              FROM '{flights}' JOIN read_csv('{weather}', nullstr = 'NA') w USING (origin, time_hour) GROUP BY precip) f
      JOIN (VALUES (0.0::DOUBLE), (0.01), (0.1), (0.3)) b (lower) ON f.precip >= b.lower
     GROUP BY f.precip, f.flights, f.on_time"""


def run_command(*arguments: str, cwd: Path, **variables: str) -> str:
    """Run `engine` in a process of its own and return what it printed."""
    environment = {k: v for k, v in os.environ.items() if k not in {"ENGINE_WAREHOUSE", "ENGINE_METADATA"}} | variables
    command = [sys.executable, "-m", "engine", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built_flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flights example, copied and run once."""
    folder = tmp_path_factory.mktemp("example") / "flights"
    shutil.copytree(
        EXAMPLES / "flights", folder, ignore=shutil.ignore_patterns("*.duckdb*", ".engine", "out", "__pycache__")
    )
    printed = run_command("run", cwd=folder)
    assert re.search(rf"^{OUTPUTS} built\b", printed, re.MULTILINE), printed
    return folder


@pytest.fixture
def flights(built_flights: Path, tmp_path: Path) -> Path:
    """A copy of the run example, for a test to change."""
    return Path(shutil.copytree(built_flights, tmp_path / "flights"))


def stale_outputs(folder: Path) -> dict[str, str]:
    """Return the outputs that a plan finds stale, each with its reasons as one text."""
    plan = json.loads(run_command("plan", "--json", cwd=folder))
    return {d["output"]: json.dumps(d["reasons"]) for d in plan["outputs"] if d["state"] != "fresh"}


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that stands in a file exactly once."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("table", "columns", "query"),
    [
        ("airline_punctuality", "carrier, flights, cancelled, arrived, on_time, delay_minutes", AIRLINES),
        ("route_statistics", "origin, dest, airlines, flights, on_time", ROUTES),
        ("monthly_performance", "month, origin, days, flights, cancelled", MONTHS),
        (
            "delay_against_weather WHERE element = 'rain'",
            "band_from, flights, on_time",
            f"SELECT band_from, sum(flights)::BIGINT, sum(on_time)::BIGINT FROM ({RAIN}) GROUP BY band_from",
        ),
    ],
)
def test_the_marts_hold_what_the_files_say(built_flights: Path, table: str, columns: str, query: str) -> None:
    """The marts equal the same figures computed from the files by plain SQL."""
    files = {"flights": built_flights / "data/flights.parquet", "weather": built_flights / "data/weather.csv.gz"}
    with duckdb.connect(str(built_flights / "flights.duckdb"), read_only=True) as con:
        found = con.sql(f"SELECT {columns} FROM marts.{table}").fetchall()
        expected = con.sql(query.format(**files)).fetchall()
    assert sorted(found) == sorted(expected)


def test_files_are_written_beside_the_tables(built_flights: Path) -> None:
    """The parquet and JSON outputs are there, with the figures of the tables."""
    overview = json.loads((built_flights / "out/overview.json").read_text())
    assert overview["flights"] == 336_776
    assert overview["routes"] == 224
    with duckdb.connect() as con:
        assert con.sql(f"SELECT count(*) FROM '{built_flights}/out/flight_weather.parquet'").fetchall() == [(335_220,)]


def test_a_second_run_builds_nothing(flights: Path) -> None:
    """Run again, every output is fresh."""
    assert re.search(rf"^{OUTPUTS} fresh\b", run_command("run", cwd=flights), re.MULTILINE)


def test_a_comment_makes_nothing_stale(flights: Path) -> None:
    """What only people read is no reason to compute."""
    measures = flights / "flights_dataflow/measures.py"
    edit(measures, "ON_TIME_MINUTES = 15\n", "ON_TIME_MINUTES = 15  # a quarter of an hour\n")
    assert stale_outputs(flights) == {}


def test_editing_a_helper_rebuilds_exactly_what_uses_it(flights: Path) -> None:
    """The bands of the weather are known to three outputs; the reason names the helper."""
    edit(flights / "flights_dataflow/measures.py", "left_closed=True", "left_closed=False")
    stale = stale_outputs(flights)
    assert set(stale) == {"delay_against_weather", "flight_weather"}
    assert all("lower_edges" in reasons for reasons in stale.values())


def test_editing_a_constant_rebuilds_what_judges_by_it(flights: Path) -> None:
    """What "on time" means is known to all outputs but the airports and the flights with their weather."""
    edit(flights / "flights_dataflow/measures.py", "ON_TIME_MINUTES = 15", "ON_TIME_MINUTES = 30")
    assert not set(stale_outputs(flights)) & {"airport", "flight_weather"}
    printed = run_command("run", cwd=flights)
    assert re.search(r"^\d+ built\b.*\b2 fresh\b", printed, re.MULTILINE), printed
    assert re.search(rf"^{OUTPUTS} fresh\b", run_command("run", cwd=flights), re.MULTILINE)


def test_another_month_is_added_to_the_report(flights: Path) -> None:
    """With another input only its output runs, and the rows of other months stay."""
    edit(flights / "engine.toml", "report_month = 12", "report_month = 11")
    stale = stale_outputs(flights)
    assert set(stale) == {"airline_month"}
    assert "report_month" in stale["airline_month"]
    run_command("run", cwd=flights)
    with duckdb.connect(str(flights / "flights.duckdb"), read_only=True) as con:
        assert con.sql("SELECT DISTINCT month FROM marts.airline_month ORDER BY 1").fetchall() == [(11,), (12,)]


def test_a_dropped_table_is_made_again(flights: Path) -> None:
    """What is gone is stale, whatever the record says."""
    with duckdb.connect(str(flights / "flights.duckdb")) as con:
        con.sql("DROP TABLE marts.hourly_delay")
    stale = stale_outputs(flights)
    assert set(stale) == {"hourly_delay"}
    assert "output_missing" in stale["hourly_delay"]


def test_the_same_dataflow_runs_on_postgresql(flights: Path, postgresql_url: str) -> None:
    """With another URL and nothing else changed, the tables are made in PostgreSQL, equal row for row."""
    first = run_command("run", cwd=flights, ENGINE_WAREHOUSE=postgresql_url)
    assert re.search(rf"^{OUTPUTS} built\b", first, re.MULTILINE), first
    second = run_command("run", cwd=flights, ENGINE_WAREHOUSE=postgresql_url)
    assert re.search(rf"^{OUTPUTS} fresh\b", second, re.MULTILINE), second
    with duckdb.connect(str(flights / "flights.duckdb"), read_only=True) as con, psycopg.connect(postgresql_url) as pg:
        tables = con.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'").fetchall()
        assert len(tables) == 12
        for (table,) in tables:
            relation = con.sql(f"FROM marts.{table}")
            columns = ", ".join(f'"{column}"' for column in relation.columns)
            rows = pg.execute(f"SELECT {columns} FROM marts.{table}".encode()).fetchall()
            assert sorted(rows, key=repr) == sorted(relation.fetchall(), key=repr), table


def test_the_xgboost_example_loads_the_model_it_saved(tmp_path: Path) -> None:
    """A user's own loader and saver serve a model: what was loaded forecasts as what was trained."""
    pytest.importorskip("xgboost")
    script = EXAMPLES / "xgboost_adapter" / "run.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr
    assert "none differs by more than 0.0" in done.stdout
    assert (tmp_path / "lateness.json").is_file()
    assert (tmp_path / "forecast.parquet").is_file()
