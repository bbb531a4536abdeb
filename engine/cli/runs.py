"""`engine runs`: the runs of a project."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.options import common_options
from engine.cli.output import duration, echo, echo_json, local_time, print_table, short_id
from engine.cli.project import enter_project, open_store
from engine.errors import RunNotFoundError


@click.command()
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@common_options
def runs(limit: int, directory: str, as_json: bool) -> None:
    """List the last runs, the newest first."""
    settings = enter_project(directory)
    try:
        with open_store(settings) as store:
            found = store.runs(settings.project, limit=limit)
    except RunNotFoundError:
        found = []
    if as_json:
        echo_json(found)
    elif not found:
        echo("no runs yet; make the first one: engine run")
    else:
        columns = ("run", "started", "mode", "state", "outputs", "time")
        print_table(columns, [_row(run) for run in found], right=("time",))


def _row(run: dict[str, Any]) -> tuple[str, ...]:
    return (
        short_id(run["run_id"]),
        local_time(run["started_at"]),
        run["mode"],
        run["state"],
        outputs_of(run),
        duration(run.get("duration_s")),
    )


def outputs_of(run: dict[str, Any]) -> str:
    """Say how many outputs a run built, found fresh and failed at."""
    counts = ((run.get(f"outputs_{word}"), word) for word in ("built", "fresh", "failed"))
    return ", ".join(f"{count} {word}" for count, word in counts if count)
