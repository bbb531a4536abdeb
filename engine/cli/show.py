"""`engine show`: one run, and why it did what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.cli.options import common_options
from engine.cli.output import counted, duration, echo, echo_json, local_time, number, print_table, short_id, styled
from engine.cli.project import enter_project, open_store
from engine.errors import RunNotFoundError

if TYPE_CHECKING:
    from engine.metadata.store import MetadataStore

LATEST = "latest"


@click.command()
@click.argument("run")
@common_options
def show(run: str, directory: str, as_json: bool) -> None:
    """Show a run: its outputs, their reasons, its nodes and inputs.

    RUN is an id from `engine runs`, or `latest`.
    """
    settings = enter_project(directory)
    with open_store(settings) as store:
        found = store.run(_latest(store, settings.project) if run == LATEST else run)
    if as_json:
        echo_json(found)
        return
    _print_head(found)
    _print_outputs(found)
    _print_nodes(found)


def _latest(store: MetadataStore, project: str) -> str:
    newest = store.runs(project, limit=1)
    if not newest:
        raise RunNotFoundError(f"project {project!r} has no runs yet", hint="make the first one: engine run")
    return str(newest[0]["run_id"])


def _print_head(run: dict[str, Any]) -> None:
    echo(f"run {click.style(short_id(run['run_id']), bold=True)}  {styled(run['state'], run['state'])}")
    commit = (run["git_commit"] or "")[:10] + (" with changes" if run["git_dirty"] else "")
    facts = {
        "id": run["run_id"],
        "started": f"{local_time(run['started_at'])} by {run['user_name']} on {run['host']}",
        "took": duration(run["duration_s"]),
        "command": run["command"],
        "git": f"{commit} on {run['git_branch']}" if run["git_branch"] else commit,
        "versions": f"Python {run['python_version']}, engine {run['engine_version']}" if run["python_version"] else "",
        "error": run["error"],
    }
    for parameter in run["parameters"]:
        value = "(secret)" if parameter["is_secret"] else parameter["value_json"] or "(not kept)"
        facts[f"{parameter['origin']} {parameter['name']}"] = value
    width = max(map(len, facts))
    for name, fact in facts.items():
        if fact:
            echo(f"  {name:{width}}  {fact}")


def _print_outputs(run: dict[str, Any]) -> None:
    savers = [node for node in run["nodes"] if node["kind"] == "saver"]
    if not savers:
        return
    places = {output["output"]: output["dataset"] for output in run["outputs"]}
    echo("\n" + click.style("outputs", bold=True))
    for node in savers:
        size = counted(node["rows"], "row") if node["rows"] is not None else ""
        parts = (places.get(node["node"], ""), size, duration(node["duration_s"]))
        state = "built" if node["state"] == "success" else node["state"]
        echo("  ".join((f"  {styled(f'{state:9}', state)} {node['node']}", *(part for part in parts if part))))
        for reason in node["reasons"]:
            echo(f"            {reason['text']}")
        if node["error_message"]:
            echo(f"            {click.style(node['error_message'], fg='red')}")


def _print_nodes(run: dict[str, Any]) -> None:
    others = [node for node in run["nodes"] if node["kind"] != "saver"]
    if not others:
        return
    echo()
    columns = ("node", "kind", "state", "rows", "time", "read")
    rows = [
        (
            node["node"],
            node["kind"],
            node["state"],
            number(node["rows"]),
            duration(node["duration_s"]),
            ", ".join(dict.fromkeys(read["dataset"] for read in node["inputs"])),
        )
        for node in others
    ]
    print_table(columns, rows, right=("rows", "time"))
