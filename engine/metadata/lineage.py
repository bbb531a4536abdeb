"""Lineage: what a table was built from, version by version, as a tree.

The tree goes back from one version of an output to the versions its nodes read, and from those to what they were built
from, level by level: two queries per level, one more for the nodes of all. A dataset that was met before is not
followed again (``repeated``), so a table that reads its own last version does not unroll its whole history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.errors import UnknownNodeError
from engine.metadata import schema
from engine.metadata.statements import MAX_PARAMETERS, select_in
from engine.metadata.versions import LIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NODES = sa.text(
    """
    WITH RECURSIVE cone (saver_run_id, node_run_id) AS (
        SELECT node_run_id, node_run_id FROM node_run WHERE node_run_id IN :node_run_ids
        UNION
        SELECT cone.saver_run_id, e.upstream_node_run_id
          FROM cone
          JOIN node_run_edge e ON e.node_run_id = cone.node_run_id
          JOIN node_run u ON u.node_run_id = e.upstream_node_run_id
          JOIN node un ON un.node_id = u.node_id AND un.kind <> 'saver'
    )
    SELECT cone.saver_run_id, n.name AS node, n.kind, nv.code_version, nr.state, nr.duration_s
      FROM cone
      JOIN node_run nr ON nr.node_run_id = cone.node_run_id
      JOIN node n ON n.node_id = nr.node_id
      LEFT JOIN node_version nv ON nv.node_version_id = nr.node_version_id
     ORDER BY cone.saver_run_id, n.name
    """
).bindparams(sa.bindparam("node_run_ids", expanding=True))


def lineage(connection: sa.Connection, project: str, output: str) -> dict[str, Any]:
    """Return what the newest version of an output was built from, transitively, and by which run.

    Args:
        connection: A read transaction.
        project: Whose output it is.
        output: The saver's name, or the table's (with or without its schema).

    Raises:
        UnknownNodeError: No output or dataset has this name.
    """
    version_id = _newest_version(connection, find_dataset(connection, project, output))
    if version_id is None:
        raise UnknownNodeError(output, what="output that was ever built")
    entries = _expand(connection, version_id)
    _add_nodes(connection, entries)
    return entries[0]


def find_dataset(connection: sa.Connection, project: str, name: str) -> str:
    """Return the key of the dataset that is meant by an output's name or a table's, with or without its schema.

    Raises:
        UnknownNodeError: No output or dataset has this name.
    """
    d, n = schema.dataset.c, schema.node.c
    query = sa.select(d.dataset_id, d.name, n.name.label("output"), n.project).join(
        schema.node, n.node_id == d.writer_node_id, isouter=True
    )
    own = list(
        connection.execute(query.where(sa.or_(n.project == project, n.project.is_(None))).order_by(d.created_at.desc()))
    )
    meant = (
        [row for row in own if row.output == name]
        or [row for row in own if row.name == name]
        or [row for row in own if row.name.rpartition(".")[2] == name]
    )
    if meant:
        return str(meant[0].dataset_id)
    names = {row.output for row in own if row.output} | {row.name for row in own}
    raise UnknownNodeError.among(name, sorted(names), what="output")


def _newest_version(connection: sa.Connection, dataset_id: str) -> str | None:
    c = schema.dataset_version.c
    query = sa.select(c.dataset_version_id).where(c.dataset_id == dataset_id)
    newest = query.order_by((c.state == LIVE).desc(), c.committed_at.desc()).limit(1)
    found: str | None = connection.scalar(newest)
    return found


def _expand(connection: sa.Connection, version_id: str) -> list[dict[str, Any]]:
    """Return the entries of the tree, root first, each linked to its inputs."""
    entries: list[dict[str, Any]] = []
    followed: set[str] = set()
    level: list[tuple[dict[str, Any], str]] = [({}, version_id)]
    while level:
        described = _describe(connection, {key for _, key in level})
        fresh = []
        for entry, key in level:
            row = described[key]
            entry.update(_entry(row))
            entries.append(entry)
            if row["dataset_id"] in followed:
                entry["repeated"] = True
            elif row["node_run_id"] is not None:
                fresh.append(entry)
            followed.add(row["dataset_id"])
        level = _inputs(connection, fresh)
    return entries


def _entry(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "output": row["output"],
        "table": row["name"],
        "namespace": row["namespace"],
        "is_external": row["is_external"],
        "version_id": row["dataset_version_id"],
        "state": row["state"],
        "token": row["token"],
        "rows": row["row_count"],
        "run_id": row["trace_run_id"],
        "node_run_id": row["node_run_id"],
        "committed_at": row["committed_at"],
        "inputs": [],
        "nodes": [],
    }


def _describe(connection: sa.Connection, version_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what is known of versions and of the last node run that stands for each."""
    v, d, r, n = schema.dataset_version, schema.dataset, schema.node_run, schema.node
    o = schema.node_run_output.alias("newest")
    trace = (
        sa.select(sa.func.max(o.c.node_run_id))
        .where(o.c.dataset_version_id == v.c.dataset_version_id)
        .scalar_subquery()
    )
    query = (
        sa.select(
            *(
                v.c[name]
                for name in ("dataset_version_id", "dataset_id", "state", "token", "row_count", "committed_at")
            ),
            *(d.c[name] for name in ("namespace", "name", "is_external")),
            n.c.name.label("output"),
            r.c.run_id.label("trace_run_id"),
            r.c.node_run_id,
        )
        .select_from(v)
        .join(d, d.c.dataset_id == v.c.dataset_id)
        .join(r, r.c.node_run_id == trace, isouter=True)
        .join(n, n.c.node_id == r.c.node_id, isouter=True)
    )
    rows = select_in(connection, query, v.c.dataset_version_id, version_ids)
    return {row.dataset_version_id: dict(row._mapping) for row in rows}  # noqa: SLF001 - SQLAlchemy's public name


def _inputs(connection: sa.Connection, entries: Iterable[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """Give the entries their inputs, still empty, and return those with the versions they stand for."""
    by_node_run = {entry["node_run_id"]: entry for entry in entries}
    c = schema.node_run_input.c
    query = sa.select(c.node_run_id, c.dataset_version_id, sa.func.min(c.param_name).label("param_name"))
    query = query.group_by(c.node_run_id, c.dataset_version_id).order_by(c.node_run_id, sa.func.min(c.param_name))
    level = []
    for row in select_in(connection, query, c.node_run_id, by_node_run):
        entry = {"param_name": row.param_name}
        by_node_run[row.node_run_id]["inputs"].append(entry)
        level.append((entry, row.dataset_version_id))
    return level


def _add_nodes(connection: sa.Connection, entries: Iterable[dict[str, Any]]) -> None:
    made = {entry["node_run_id"]: entry for entry in entries if entry["node_run_id"] and not entry.get("repeated")}
    keys = list(made)
    for start in range(0, len(keys), MAX_PARAMETERS):
        for row in connection.execute(_NODES, {"node_run_ids": keys[start : start + MAX_PARAMETERS]}).mappings():
            node = dict(row)
            made[node.pop("saver_run_id")]["nodes"].append(node)
