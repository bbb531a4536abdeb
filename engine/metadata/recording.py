"""Recording: a run's rows as it goes: itself, the code of its nodes, its node runs.

Every function works inside a transaction that the caller owns, writes in bulk, and may be repeated with the same
values.
"""

from __future__ import annotations

import datetime as dt
import itertools
import operator
import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.metadata import observations, schema
from engine.metadata.records import NodeRun, NodeRunState, RunState
from engine.metadata.schema import identity
from engine.metadata.statements import insert_new, insert_or_update, select_in, taking
from engine.metadata.surroundings import keyed_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.metadata.records import NodeVersion, Run, RunParameter
    from engine.metadata.surroundings import Git, PackageSet, Process


def start_run(connection: sa.Connection, run: Run, process: Process, packages: PackageSet, git: Git) -> int:
    """Insert the run as `running`, and return its epoch.

    The epoch is the clock in milliseconds, or one more than the largest there is: it grows from run to run, and goes on
    growing when the metadata is lost or restored from a backup.
    """
    _insert_packages(connection, packages)
    largest = connection.scalar(sa.select(sa.func.max(schema.run.c.epoch))) or 0
    epoch = max(largest + 1, time.time_ns() // 1_000_000)
    row = {
        "run_id": run.run_id,
        "parent_run_id": run.parent_run_id,
        "epoch": epoch,
        "project": run.project,
        "environment": run.environment,
        "mode": run.mode,
        "state": RunState.RUNNING,
        "started_at": run.started_at,
        "heartbeat_at": run.started_at,
        "user_name": process.user,
        "host": process.host,
        "boot_id": process.boot_id,
        "pid": process.pid,
        "process_start_ticks": process.start_ticks,
        "command": run.command,
        "git_commit": git.commit,
        "git_branch": git.branch,
        "git_dirty": git.dirty,
        "package_set_hash": packages.hash,
        "graph_hash": run.graph_hash,
        "selection": run.selection,
    }
    connection.execute(sa.insert(schema.run), [row])
    insert_new(connection, schema.run_param, [_parameter_row(run.run_id, parameter) for parameter in run.parameters])
    return epoch


def end_run(connection: sa.Connection, run_ids: Sequence[str], **columns: Any) -> None:
    """Complete the rows of runs, and say for each of their outputs what all of its upstream nodes read."""
    table = schema.run
    values = {"ended_at": dt.datetime.now(dt.UTC), **columns}
    connection.execute(sa.update(table).where(table.c.run_id.in_(run_ids)).values(values))
    observations.derive_inputs(connection, run_ids)


def declare(connection: sa.Connection, project: str, run_id: str, nodes: Sequence[NodeVersion]) -> dict[str, str]:
    """Insert the code that nodes have now, where it is new; return the node version ids by node name."""
    now = dt.datetime.now(dt.UTC)
    known = _ensure_nodes(connection, project, {node.name: node.kind for node in nodes}, now)
    ids = {n.name: identity("node_version", _node_id(project, n.name), n.scheme, n.code_version) for n in nodes}
    column = schema.node_version.c.node_version_id
    there = {row[0] for row in select_in(connection, sa.select(column), column, ids.values())}
    new = [node for node in nodes if ids[node.name] not in there]
    insert_new(
        connection, schema.node_version, [_version_row(project, run_id, node, ids[node.name], now) for node in new]
    )
    _insert_units(connection, new, ids, now)
    _move_current(connection, project, {name: id for name, id in ids.items() if known.get(name) != id})
    return ids


def record(
    connection: sa.Connection, project: str, node_runs: Sequence[NodeRun], version_ids: Mapping[str, str]
) -> None:
    """Insert or complete node runs with their edges, reasons and inputs.

    Args:
        connection: A write transaction.
        project: The project of the run.
        node_runs: What happened.
        version_ids: By node name, the node version that ran.
    """
    now = dt.datetime.now(dt.UTC)
    others = {r.node: "" for r in node_runs if r.node not in version_ids}
    current = _ensure_nodes(connection, project, others, now) | dict(version_ids)
    there = insert_or_update(connection, schema.node_run, _node_run_columns(project, node_runs, current), _completed)
    # Edges are written with their node run: where that was not there, they were not.
    insert_new(connection, schema.node_run_edge, _edge_columns([r for r in node_runs if r.node_run_id in there]))
    new_edges = _edge_columns([r for r in node_runs if r.node_run_id not in there])
    insert_new(connection, schema.node_run_edge, new_edges, is_sure=True)
    insert_or_update(
        connection,
        schema.node_run_reason,
        _reason_rows(node_runs),
        taking("code", "subject", "old_value", "new_value"),
    )
    observations.observe(connection, [(r.node_run_id, r.run_id, read) for r in node_runs for read in r.inputs], now)


def abort(connection: sa.Connection, node_run_ids: Iterable[str]) -> None:
    """Mark node runs that never ended as aborted."""
    table = schema.node_run
    rows = [{"id": node_run_id} for node_run_id in node_run_ids]
    if rows:
        is_open = sa.and_(table.c.node_run_id == sa.bindparam("id"), table.c.state == NodeRunState.RUNNING)
        aborted = {"state": NodeRunState.ABORTED, "ended_at": dt.datetime.now(dt.UTC)}
        connection.execute(sa.update(table).where(is_open).values(aborted), rows)


def abort_runs(connection: sa.Connection, run_ids: Iterable[str]) -> None:
    """Mark dead runs as aborted, but for those that have node runs still to be settled."""
    unsettled = schema.node_run.c
    open_runs = sa.select(unsettled.run_id).where(unsettled.state == NodeRunState.RUNNING)
    c = schema.run.c
    done = [
        row.run_id
        for row in select_in(connection, sa.select(c.run_id).where(c.run_id.not_in(open_runs)), c.run_id, run_ids)
    ]
    if done:
        end_run(connection, done, state=RunState.ABORTED, error="its process ended before the run did")


def _insert_packages(connection: sa.Connection, packages: PackageSet) -> None:
    key = schema.package_set.c.package_set_hash
    if connection.scalar(sa.select(key).where(key == packages.hash)) is not None:
        return
    row = {
        "package_set_hash": packages.hash,
        "python_version": packages.python_version,
        "platform": packages.platform,
        "engine_version": packages.engine_version,
    }
    connection.execute(sa.insert(schema.package_set), [row])
    versions_of = [{"package_set_hash": packages.hash, "name": n, "version": v} for n, v in packages.versions]
    insert_new(connection, schema.package_version, versions_of)


def _parameter_row(run_id: str, parameter: RunParameter) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "origin": parameter.origin,
        "name": parameter.name,
        "value_hash": keyed_hash(parameter.value_hash) if parameter.is_secret else parameter.value_hash,
        "value_json": None if parameter.is_secret else parameter.value_json,
        "is_secret": parameter.is_secret,
    }


def _node_id(project: str, name: str) -> str:
    return identity("node", project, name)


def _ensure_nodes(
    connection: sa.Connection, project: str, kinds: Mapping[str, str], now: dt.datetime
) -> dict[str, str | None]:
    """Insert the nodes that are new, and return the current version of each; an empty kind is not known."""
    table = schema.node
    query = sa.select(table.c.name, table.c.kind, table.c.current_node_version_id).where(table.c.project == project)
    known = {row.name: row for row in select_in(connection, query, table.c.name, kinds)}
    rows = [
        {
            "node_id": _node_id(project, name),
            "project": project,
            "name": name,
            "kind": kind or "function",
            "created_at": now,
            "retired_at": None,
        }
        for name, kind in kinds.items()
        if name not in known or (kind and kind != known[name].kind)
    ]
    insert_or_update(connection, table, rows, taking("kind", "retired_at"))
    return {name: row.current_node_version_id for name, row in known.items()}


def _version_row(project: str, run_id: str, node: NodeVersion, key: str, now: dt.datetime) -> dict[str, Any]:
    return {
        "node_version_id": key,
        "node_id": _node_id(project, node.name),
        "code_version": node.code_version,
        "scheme": node.scheme,
        "completeness": node.completeness,
        "type": node.type,
        "doc": node.doc,
        "tags_json": dict(node.tags),
        "first_seen_run_id": run_id,
        "created_at": now,
    }


def _insert_units(
    connection: sa.Connection, nodes: Sequence[NodeVersion], ids: Mapping[str, str], now: dt.datetime
) -> None:
    units = {unit.unit_hash: unit for node in nodes for unit in node.units}
    rows = [
        {
            "unit_hash": unit.unit_hash,
            "kind": unit.kind,
            "module": unit.module,
            "qualname": unit.qualname,
            "source": unit.source,
            "file_path": unit.file_path,
            "line": unit.line,
            "first_seen_at": now,
        }
        for unit in units.values()
    ]
    insert_new(connection, schema.code_unit, rows)
    links = [
        {"node_version_id": ids[node.name], "unit_hash": unit.unit_hash, "ref_name": unit.reference}
        for node in nodes
        for unit in node.units
    ]
    insert_new(connection, schema.node_version_unit, links)


def _move_current(connection: sa.Connection, project: str, moved: Mapping[str, str]) -> None:
    if moved:
        table = schema.node
        statement = sa.update(table).where(table.c.node_id == sa.bindparam("id"))
        statement = statement.values(current_node_version_id=sa.bindparam("version"))
        rows = [{"id": _node_id(project, name), "version": version} for name, version in moved.items()]
        connection.execute(statement, rows)


_TOLD_LATER = (
    "recipe_version",
    "commit_id",
    "started_at",
    "ended_at",
    "duration_s",
    "rows",
    "error_type",
    "error_message",
    "traceback",
)
"""What may be known only when a node run ends."""
_TOLD = ("node_run_id", "run_id", "partition_key", "attempt", *_TOLD_LATER)
"""What a node run and its row have by the same name."""


def _node_run_columns(
    project: str, node_runs: Sequence[NodeRun], version_ids: Mapping[str, str | None]
) -> dict[str, Sequence[Any]]:
    told = zip(*map(operator.attrgetter(*_TOLD), node_runs), strict=True)
    return dict(zip(_TOLD, told, strict=False)) | {
        "node_id": [_node_id(project, node_run.node) for node_run in node_runs],
        "node_version_id": [version_ids.get(node_run.node) for node_run in node_runs],
        "state": [str(node_run.state) for node_run in node_runs],
    }


def _completed(new: Any) -> dict[str, Any]:
    """Say what a row that is there becomes: what is new wins, but an end is never undone by a belated beginning."""
    old = schema.node_run.c
    ended = sa.case((new["state"] == NodeRunState.RUNNING, old.state), else_=new["state"])
    return {"state": ended} | {
        name: sa.func.coalesce(new[name], old[name]) for name in ("node_version_id", *_TOLD_LATER)
    }


def _edge_columns(node_runs: Sequence[NodeRun]) -> dict[str, Sequence[Any]]:
    edges = [dict.fromkeys(node_run.edges) for node_run in node_runs]
    ids = map(itertools.repeat, (node_run.node_run_id for node_run in node_runs), map(len, edges))
    upstream, parameters = list(zip(*itertools.chain.from_iterable(edges), strict=True)) or ((), ())
    return {
        "node_run_id": list(itertools.chain.from_iterable(ids)),
        "upstream_node_run_id": upstream,
        "param_name": parameters,
    }


def _reason_rows(node_runs: Sequence[NodeRun]) -> list[dict[str, Any]]:
    return [
        {
            "node_run_id": node_run.node_run_id,
            "seq": seq,
            "code": reason.code,
            "subject": reason.subject,
            "old_value": reason.old,
            "new_value": reason.new,
        }
        for node_run in node_runs
        for seq, reason in enumerate(node_run.reasons)
    ]
