"""Every run leaves a record that plain SQL can ask: who wrote what, from what, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.io.materialization import to
from tests.fixtures.dataflows import ask, states

if TYPE_CHECKING:
    from tests.fixtures.dataflows import Project

FLOW = """
import pandas as pd


def _scaled(value: int, factor: int) -> int:
    return value * factor


def raw(number: int) -> pd.DataFrame:
    return pd.DataFrame({"id": range(number)})


def scaled(raw: pd.DataFrame, factor: int) -> pd.DataFrame:
    return raw.assign(id=raw["id"].map(lambda value: _scaled(value, factor)))


def counted(scaled: pd.DataFrame, password: str) -> pd.DataFrame:
    return pd.DataFrame({"rows": [len(scaled)]})


def broken(scaled: pd.DataFrame) -> pd.DataFrame:
    raise ValueError("no such luck")
"""
INPUTS = {"number": 3, "password": "C4n@ry"}


@pytest.fixture
def recorded(project: Project) -> Project:
    """A project with two tables, run once."""
    project.write("flow", FLOW)
    project.config = {"factor": 2}
    result = project.driver(*requests()).refresh(inputs=INPUTS)
    assert states(result) == {"scaled_table": "built", "counted_table": "built"}
    return project


def requests() -> list[Any]:
    """Two tables in a chain."""
    return [to.table(id=f"{name}_table", dependencies=[name], table=name) for name in ("scaled", "counted")]


def test_a_run_is_recorded_with_its_parameters(recorded: Project) -> None:
    """The run, its inputs and configuration are rows; what looks like a secret has no value there."""
    assert ask(recorded, "SELECT project, mode, state, outputs_built FROM run") == [
        ("test", "materialize", "complete", 2)
    ]
    parameters = ask(recorded, "SELECT origin, name, value_json, is_secret FROM run_param ORDER BY origin, name")
    assert [(o, n, v, bool(s)) for o, n, v, s in parameters] == [
        ("config", "factor", "2", False),
        ("input", "number", "3", False),
        ("input", "password", None, True),
    ]


def test_nodes_edges_and_outputs_are_recorded(recorded: Project) -> None:
    """Every node that ran is a row with its edges, and each output knows its table and rows."""
    nodes = ask(
        recorded, "SELECT n.name, r.state, r.rows FROM node_run r JOIN node n ON n.node_id = r.node_id ORDER BY 1"
    )
    assert nodes == [
        ("counted", "success", 1),
        ("counted_table", "success", 1),
        ("raw", "success", 3),
        ("scaled", "success", 3),
        ("scaled_table", "success", 3),
    ]
    edges = ask(
        recorded,
        """SELECT up.name, down.name FROM node_run_edge e
           JOIN node_run u ON u.node_run_id = e.upstream_node_run_id JOIN node up ON up.node_id = u.node_id
           JOIN node_run d ON d.node_run_id = e.node_run_id JOIN node down ON down.node_id = d.node_id ORDER BY 1, 2""",
    )
    assert edges == [
        ("counted", "counted_table"),
        ("raw", "scaled"),
        ("scaled", "counted"),
        ("scaled", "scaled_table"),
    ]


def test_lineage_between_tables_is_recorded(recorded: Project) -> None:
    """A table made from another through memory depends on it in the record."""
    edges = ask(recorded, "SELECT * FROM lineage_edge")
    assert len(edges) == 1
    assert any("scaled" in str(value) for value in edges[0])
    assert any("counted" in str(value) for value in edges[0])


def test_reasons_are_recorded(recorded: Project) -> None:
    """Why an output was rebuilt can be asked afterwards."""
    recorded.edit("flow", "value * factor", "value * factor + 1")
    recorded.driver(*requests()).refresh(inputs=INPUTS)
    reasons = ask(
        recorded,
        """SELECT n.name, w.code, w.subject FROM node_run_reason w JOIN node_run r ON r.node_run_id = w.node_run_id
           JOIN node n ON n.node_id = r.node_id WHERE w.code <> 'no_record' ORDER BY 1""",
    )
    assert ("scaled_table", "code", "_scaled() in flow.py") in reasons


def test_a_failure_is_recorded(project: Project) -> None:
    """A run that fails says so, with the error and the node."""
    project.write("flow", FLOW)
    project.config = {"factor": 2}
    driver = project.driver()
    with pytest.raises(ValueError, match="no such luck"):
        driver.materialize(to.table(id="out", dependencies=["broken"], table="broken"), inputs={"number": 1})
    assert ask(project, "SELECT state, error FROM run") == [("failed", "no such luck")]
    failed = ask(
        project,
        """SELECT n.name, r.error_type FROM node_run r JOIN node n ON n.node_id = r.node_id
           WHERE r.state = 'failed' ORDER BY 1""",
    )
    assert failed == [("broken", "ValueError"), ("out", "ValueError")]


def test_execute_is_recorded_too(recorded: Project) -> None:
    """A plain execute is a run with its nodes, and writes nothing."""
    recorded.driver().execute(["counted"], inputs=INPUTS)
    run_id, mode = ask(recorded, "SELECT run_id, mode FROM run ORDER BY run_id DESC LIMIT 1")[0]
    assert mode == "execute"
    assert ask(recorded, f"SELECT COUNT(*) FROM node_run WHERE run_id = '{run_id}'") == [(3,)]


def test_a_fresh_run_is_recorded_as_such(recorded: Project) -> None:
    """A run that had nothing to do leaves its decisions."""
    recorded.driver(*requests()).refresh(inputs=INPUTS)
    counts = ask(recorded, "SELECT outputs_built, outputs_fresh FROM run ORDER BY run_id DESC LIMIT 1")
    assert counts == [(0, 2)]


def test_without_a_store_nothing_is_recorded(project: Project) -> None:
    """A driver without metadata works and leaves only the ledger."""
    from engine.driver import Builder

    project.write("flow", FLOW)
    driver = (
        Builder()
        .with_modules(*project.load("flow"))
        .with_config({"factor": 1})
        .with_warehouse(project.warehouse)
        .build()
    )
    saved, _ = driver.materialize(to.table(id="out", dependencies=["scaled"], table="scaled"), inputs={"number": 2})
    assert saved["out"]["commit"]["changed"] is True
    driver.close()
