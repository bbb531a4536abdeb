"""Showing: runs and their differences as dictionaries, for people and their tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.errors import RunNotFoundError
from engine.metadata import schema
from engine.metadata.records import Reason
from engine.metadata.schema import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SUMMARY_TYPES: Mapping[str, Any] = {"started_at": Moment(), "ended_at": Moment(), "git_dirty": sa.Boolean()}

_NODE_RUNS = """
    SELECT nr.node_run_id, n.name AS node, n.kind, nr.state, nr.partition_key, nr.attempt, nr.started_at, nr.ended_at,
           nr.duration_s, nr.rows, nr.recipe_version, nv.code_version, nr.error_type, nr.error_message, nr.traceback
      FROM node_run nr
      JOIN node n ON n.node_id = nr.node_id
      LEFT JOIN node_version nv ON nv.node_version_id = nr.node_version_id
     WHERE nr.run_id = :run_id
     ORDER BY nr.node_run_id"""

_INPUTS = """
    SELECT i.node_run_id, i.param_name, d.namespace, d.name AS dataset, v.token_kind, i.token, i.query_text,
           i.read_columns
      FROM node_run_input i
      JOIN node_run nr ON nr.node_run_id = i.node_run_id
      JOIN dataset_version v ON v.dataset_version_id = i.dataset_version_id
      JOIN dataset d ON d.dataset_id = v.dataset_id
     WHERE nr.run_id = :run_id AND i.role = 'data'
     ORDER BY i.node_run_id, i.param_name"""

_OUTPUTS = """
    SELECT o.node_run_id, n.name AS output, d.namespace, d.name AS dataset, o.changed, nr.state,
           v.state AS version_state,
           v.row_count AS rows, nr.duration_s, v.seq, o.dataset_version_id, o.recipe_version
      FROM node_run_output o
      JOIN node_run nr ON nr.node_run_id = o.node_run_id
      JOIN node n ON n.node_id = nr.node_id
      JOIN dataset_version v ON v.dataset_version_id = o.dataset_version_id
      JOIN dataset d ON d.dataset_id = v.dataset_id
     WHERE nr.run_id = :run_id
     ORDER BY o.node_run_id"""

_REASONS = """
    SELECT x.node_run_id, x.code, x.subject, x.old_value, x.new_value
      FROM node_run_reason x
      JOIN node_run nr ON nr.node_run_id = x.node_run_id
     WHERE nr.run_id = :run_id
     ORDER BY x.node_run_id, x.seq"""

_PARAMETERS = (
    "SELECT origin, name, value_hash, value_json, is_secret FROM run_param WHERE run_id = :run_id ORDER BY origin, name"
)

_PACKAGES = """
    SELECT p.name, p.version
      FROM run r
      JOIN package_version p ON p.package_set_hash = r.package_set_hash
     WHERE r.run_id = :run_id
     ORDER BY p.name"""


def runs(connection: sa.Connection, project: str | None, limit: int) -> list[dict[str, Any]]:
    """Return rows of ``run_summary``, newest first."""
    where, order = ("WHERE project = :project", "started_at") if project is not None else ("", "run_id")
    sql = f"SELECT * FROM run_summary {where} ORDER BY {order} DESC, run_id DESC LIMIT :limit"  # noqa: S608 - fixed parts
    values = {"limit": limit} | ({"project": project} if project is not None else {})
    return _rows(connection, sql, _SUMMARY_TYPES, **values)


def run(connection: sa.Connection, run_id: str) -> dict[str, Any]:
    """Return one run with its parameters, packages, node runs (reasons and inputs with each) and outputs."""
    key = find_run(connection, run_id)
    [summary] = _rows(connection, "SELECT * FROM run_summary WHERE run_id = :run_id", _SUMMARY_TYPES, run_id=key)
    times = {"started_at": Moment(), "ended_at": Moment()}
    reasons = _by_node_run(
        {"node_run_id": row["node_run_id"], **_reason(row)} for row in _rows(connection, _REASONS, {}, run_id=key)
    )
    inputs = _by_node_run(_rows(connection, _INPUTS, {}, run_id=key))
    nodes = _rows(connection, _NODE_RUNS, times, run_id=key)
    outputs = _rows(connection, _OUTPUTS, {"changed": sa.Boolean()}, run_id=key)
    return summary | {
        "parameters": _rows(connection, _PARAMETERS, {"is_secret": sa.Boolean()}, run_id=key),
        "packages": {row["name"]: row["version"] for row in _rows(connection, _PACKAGES, {}, run_id=key)},
        "nodes": [
            node | {"reasons": reasons.get(node["node_run_id"], []), "inputs": inputs.get(node["node_run_id"], [])}
            for node in nodes
        ],
        "outputs": [output | {"reasons": reasons.get(output["node_run_id"], [])} for output in outputs],
    }


def find_run(connection: sa.Connection, text: str) -> str:
    """Return the id of the run that ``text`` is, or is the only one's beginning or end.

    Raises:
        RunNotFoundError: There is none, or more than one.
    """
    c = schema.run.c
    near = sa.or_(c.run_id.startswith(text, autoescape=True), c.run_id.endswith(text, autoescape=True))
    found = list(connection.scalars(sa.select(c.run_id).where(near).order_by(c.run_id.desc()).limit(4))) if text else []
    if text in found or len(found) == 1:
        return text if text in found else str(found[0])
    if found:
        raise RunNotFoundError(f"{text!r} is more than one run: {', '.join(found)}", hint="give more of the id")
    raise RunNotFoundError(f"there is no run {text!r}", hint="list the runs there are with `engine runs`")


def run_diff(connection: sa.Connection, old_run: str, new_run: str) -> list[dict[str, Any]]:
    """Return what differs between two runs, as rows of what, name, old and new."""
    old, new = (_facts(run(connection, key)) for key in (old_run, new_run))
    return [
        {"what": what, "name": name, "old": old[what].get(name), "new": new[what].get(name)}
        for what in old
        for name in sorted(old[what].keys() | new[what].keys())
        if old[what].get(name) != new[what].get(name)
    ]


def _facts(shown: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    nodes = shown["nodes"]
    return {
        "git": {"commit": shown["git_commit"], "branch": shown["git_branch"]},
        "code": {node["node"]: node["code_version"] for node in nodes},
        "input": {f"{read['dataset']} → {node['node']}": read["token"] for node in nodes for read in node["inputs"]},
        "parameter": {f"{p['origin']} {p['name']}": p["value_json"] or p["value_hash"] for p in shown["parameters"]},
        "package": shown["packages"],
        "output": {output["output"]: output["dataset_version_id"] for output in shown["outputs"]},
        "rows": {node["node"]: node["rows"] for node in nodes},
        "state": {node["node"]: node["state"] for node in nodes},
        "duration": {node["node"]: node["duration_s"] for node in nodes},
    }


def _reason(row: Mapping[str, Any]) -> dict[str, Any]:
    reason = Reason(code=row["code"], subject=row["subject"], old=row["old_value"], new=row["new_value"])
    return {"code": reason.code, "subject": reason.subject, "old": reason.old, "new": reason.new, "text": str(reason)}


def _by_node_run(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row.pop("node_run_id"), []).append(row)
    return grouped


def _rows(connection: sa.Connection, sql: str, types: Mapping[str, Any], **values: Any) -> list[dict[str, Any]]:
    statement = sa.text(sql)
    result = connection.execute(statement.columns(**types) if types else statement, values)
    return [dict(row) for row in result.mappings()]
