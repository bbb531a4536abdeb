"""The commands, one after the other, as a newcomer meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Engine = Callable[..., Result]

OUTPUTS = ["large_orders_table", "revenue_table", "best_country_table"]


def test_init_makes_a_project_that_works_and_overwrites_nothing(engine: Engine, project: Path) -> None:
    """`init` writes a project once; a second time is refused, and a .gitignore of the user's own stays."""
    assert {"engine.toml", "dataflow.py", ".gitignore"} <= {path.name for path in project.iterdir()}
    again = engine("init")
    assert again.exit_code == 2
    assert "exist already" in again.stderr
    (project / "new").mkdir()
    (project / "new" / ".gitignore").write_text("mine")
    assert engine("init", "new").exit_code == 0
    assert (project / "new" / ".gitignore").read_text() == "mine"
    assert engine("plan", "--project", "new").exit_code == 0


def test_first_run_builds_and_second_finds_all_fresh(engine: Engine, project: Path) -> None:
    """The first run builds every output with its reason, the second none, and a plan says so beforehand."""
    del project
    planned = engine("plan")
    assert planned.exit_code == 0
    assert planned.stdout.splitlines()[-1] == "3 missing"
    first = engine("run")
    assert first.exit_code == 0
    lines = first.stdout.splitlines()
    assert lines[0].split() == ["output", "state", "rows", "time", "reason"]
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["large_orders_table", "built", "4"],
        ["revenue_table", "built", "3"],
        ["best_country_table", "built", "1"],
    ]
    assert all("no_record" in line for line in lines[1:4])
    assert lines[-1].startswith("3 built in ")
    assert "nothing to do: 3 outputs, all fresh" in engine("plan").stdout
    assert engine("run").stdout.splitlines()[-1].startswith("3 fresh in ")


def test_editing_a_helper_rebuilds_what_depends_on_it(engine: Engine, edit: Callable[..., None]) -> None:
    """After an edit, plan and run name the helper, and an equal result stops the rebuild there."""
    assert engine("run").exit_code == 0
    edit(".strip().upper()", ".upper().strip()")
    planned = engine("plan").stdout
    assert "stale    large_orders_table" in planned
    assert "code: _tidy() in dataflow.py" in planned
    assert planned.splitlines()[-1] == "1 stale, 2 maybe"
    ran = engine("run").stdout.splitlines()
    assert ran[1].split()[:2] == ["large_orders_table", "unchanged"]
    assert ran[-1].startswith("1 unchanged, 2 fresh in ")


def test_run_takes_outputs_and_full_refresh(engine: Engine, project: Path) -> None:
    """Named outputs are built with what they read, and --full-refresh builds what is fresh."""
    del project
    assert engine("run").exit_code == 0
    ran = json.loads(engine("run", "best_country_table", "--full-refresh", "--json").stdout)
    assert ran["succeeded"]
    states = {output["output"]: output["state"] for output in ran["outputs"]}
    assert states["best_country_table"] == "unchanged"


def test_json_is_all_there_is_on_standard_output(engine: Engine, project: Path) -> None:
    """Every command that reads prints JSON and nothing else when asked to."""
    del project
    planned = json.loads(engine("plan", "--json").stdout)
    assert [output["output"] for output in planned["outputs"]] == OUTPUTS
    ran = json.loads(engine("run", "--json").stdout)
    assert [output["rows"] for output in ran["outputs"]] == [4, 3, 1]
    assert ran["outputs"][0]["reasons"][0]["code"] == "no_record"
    runs = json.loads(engine("runs", "--json").stdout)
    assert [run["run_id"] for run in runs] == [ran["run_id"]]
    shown = json.loads(engine("show", ran["run_id"][-8:], "--json").stdout)
    assert shown["run_id"] == ran["run_id"]
    assert json.loads(engine("sql", "select 1 as one", "--json").stdout) == [{"one": 1}]
    assert json.loads(engine("lineage", "revenue_table", "--json").stdout)["output"] == "revenue_table"
    assert set(json.loads(engine("db", "current", "--json").stdout)) == {"revision", "wanted"}


def test_show_tells_a_run_by_the_end_of_its_id(engine: Engine, project: Path) -> None:
    """`show` takes `latest` and short ids, and prints outputs, reasons, parameters and nodes."""
    del project
    short = engine("run").stdout.split()[-1]
    shown = engine("show", "latest")
    assert shown.exit_code == 0
    assert shown.stdout == engine("show", short).stdout
    for expected in (
        f"run {short}  complete",
        "input minimum_amount",
        "20.0",
        "built",
        "4 rows",
        "no_record",
        "orders",
    ):
        assert expected in shown.stdout
    assert engine("show", "zzz").exit_code == 2


def test_nothing_has_run_yet(engine: Engine, project: Path) -> None:
    """Looking before the first run is answered kindly and makes no file."""
    listed = engine("runs")
    assert (listed.exit_code, listed.stdout) == (0, "no runs yet; make the first one: engine run\n")
    for command in (["show", "latest"], ["lineage", "revenue_table"], ["sql", "select 1"]):
        result = engine(*command)
        assert result.exit_code == 2
        assert "has no runs yet" in result.stderr
    assert "no metadata yet" in engine("db", "current").stdout
    assert not (project / ".engine").exists()


def test_db_upgrade_makes_the_schema(engine: Engine, project: Path) -> None:
    """`db upgrade` makes the metadata, and `db current` then finds it up to date."""
    del project
    assert engine("db", "upgrade").exit_code == 0
    assert "up to date" in engine("db", "current").stdout


def test_sql_cannot_change_anything(engine: Engine, project: Path) -> None:
    """A statement that would write is refused, and what it would have deleted is still there."""
    del project
    assert engine("run").exit_code == 0
    refused = engine("sql", "delete from run")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("error: only one statement that reads can be asked\nhint: ")
    wrong = engine("sql", "select * from rns")
    assert wrong.exit_code == 2
    assert "no such table: rns" in wrong.stderr
    assert engine("sql", "select count(*) as runs from run").stdout.split() == ["runs", "1"]


def test_lineage_names_files_and_readers(engine: Engine, edit: Callable[..., None], project: Path) -> None:
    """`lineage` shows the file an output was made from, by its path in the project, and the run that made it."""
    (project / "orders.csv").write_text("order_id,country,amount\n1,de,30.5\n2,fr,50.0\n")
    edit("import to", "import from_, to")
    edit("materializers = [", 'materializers = [\n    from_.csv(target="orders", path="orders.csv"),')
    short = engine("run").stdout.split()[-1]
    lines = engine("lineage", "large_orders_table").stdout.splitlines()
    assert lines[0].startswith("main.large_orders  2 rows")
    assert short in lines[0]
    assert lines[1].startswith("└── orders.csv")


def test_viz_draws_by_suffix(engine: Engine, project: Path) -> None:
    """`viz` writes an SVG unless told otherwise, DOT by suffix, and a part of the graph where outputs are named."""
    assert engine("viz").exit_code == 0
    [drawing] = project.glob("*.svg")
    assert "best_country_table" in drawing.read_text()
    assert engine("viz", "large_orders_table", "-o", "part.dot").exit_code == 0
    part = (project / "part.dot").read_text()
    assert "large_orders_table" in part
    assert "best_country" not in part
    assert ET.fromstring(engine("viz", "-o", "-").stdout).tag.endswith("svg")  # noqa: S314 - our own text
    assert engine("viz", "-o", "x.docx").exit_code == 2


def test_viz_prints_the_graph_as_json(engine: Engine, project: Path) -> None:
    """`viz --json` writes no file; it prints each node with its kind, its type and the nodes it reads."""
    before = set(project.iterdir())
    graph = json.loads(engine("viz", "--json", "large_orders_table").stdout)
    nodes = {node["name"]: node for node in graph["nodes"]}
    assert set(nodes) == {"orders", "minimum_amount", "large_orders", "large_orders_table"}
    assert nodes["large_orders_table"]["kind"] == "saver"
    assert nodes["large_orders"]["reads"] == ["orders", "minimum_amount"]
    assert nodes["minimum_amount"] | {"documentation": ""} == {
        "name": "minimum_amount",
        "kind": "input",
        "type": "float",
        "reads": [],
        "waits_for": [],
        "documentation": "",
    }
    hidden = json.loads(engine("viz", "--json", "--hide-inputs", "large_orders_table").stdout)["nodes"]
    assert "minimum_amount" not in {node["name"] for node in hidden}
    assert engine("viz", "--json", "-o", "x.svg").exit_code == 2
    assert {path.name for path in set(project.iterdir()) - before} <= {".engine"}


def test_project_option_means_the_same_from_anywhere(engine: Engine, project: Path) -> None:
    """Relative paths of the settings start at the project folder wherever the command is called from."""
    del project
    assert engine("init", "deep/er").exit_code == 0
    assert engine("run", "--project", "deep/er").exit_code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_interrupt_leaves_with_130_and_a_word(engine: Engine, edit: Callable[..., None], project: Path) -> None:
    """Ctrl-C ends the command with status 130; the run is recorded as aborted."""
    edit("    large = ", '    import pathlib, time; pathlib.Path("at_work").touch(); time.sleep(60)\n    large = ')
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "run"],
        cwd=project,
        env=os.environ,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    while not (project / "at_work").exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "error: interrupted" in stderr
    assert "Traceback" not in stderr
    assert json.loads(engine("runs", "--json").stdout)[0]["state"] == "aborted"


def test_a_foreign_table_is_shown_as_blocked_and_adopted_on_request(
    engine: Callable[..., Result], project: Path
) -> None:
    """The plan shows the output as blocked, with the remedy; the run fails with 1; with --adopt it writes."""
    import duckdb

    (output, *_) = json.loads(engine("plan", "--json").stdout)["outputs"]
    with duckdb.connect(project / "warehouse.duckdb") as warehouse:
        schema, _, _ = output["location"].rpartition(".")
        warehouse.execute(f"CREATE SCHEMA IF NOT EXISTS {schema or 'main'}")
        warehouse.execute(f"CREATE TABLE {output['location']} (mine INTEGER)")
    (blocked, *_) = json.loads(engine("plan", "--json").stdout)["outputs"]
    assert (blocked["state"], blocked["reasons"][0]["code"]) == ("blocked", "output_foreign")
    assert "--adopt" in blocked["hint"]
    shown = engine("plan").stdout
    assert f"blocked  {output['output']}" in shown
    assert "hint: " in shown
    refused = engine("run")
    assert refused.exit_code == 1
    assert "was not written by the engine" in refused.stdout
    assert "--adopt" in refused.stdout
    assert engine("run", output["output"], "--adopt").exit_code == 0
    assert engine("run").exit_code == 0
