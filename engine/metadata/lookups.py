"""Lookups: what planning and healing ask, in a constant number of queries however much is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from engine.metadata import schema
from engine.metadata.records import Dataset, NodeRun, NodeRunState, OutputRecord
from engine.metadata.schema import LAST_OF_OUTPUT, identity
from engine.metadata.statements import select_in
from engine.metadata.versions import LIVE, OBSERVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

MIN_AGE_NS = 2_000_000_000
"""A file hashed sooner than this after its last change may have changed again within one tick of its clock."""


def latest(connection: sa.Connection, project: str, outputs: Iterable[str]) -> dict[str, OutputRecord]:
    """Return the last known trace of each output that has one, by the saver's name."""
    nodes = {identity("node", project, output): output for output in outputs}
    traces = list(select_in(connection, _traces(), schema.dataset.c.writer_node_id, nodes))
    newest = {row.writer_node_id: row for row in sorted(traces, key=lambda row: row.node_run_id)}
    done = {row.node_id: row for row in select_in(connection, _last_done(), schema.node.c.node_id, newest)}
    invalid = _invalidations(connection, [row.dataset_id for row in newest.values()])
    return {
        nodes[node_id]: _output_record(nodes[node_id], row, done[node_id], invalid.get(row.dataset_id, ()))
        for node_id, row in newest.items()
    }


def unfinished(connection: sa.Connection, project: str) -> list[NodeRun]:
    """Return the node runs that have not ended, dead or alive, in the order they were declared."""
    r = schema.node_run.c
    query = (
        sa.select(schema.node_run, schema.node.c.name)
        .join(schema.run, schema.run.c.run_id == r.run_id)
        .join(schema.node, schema.node.c.node_id == r.node_id)
        .where(r.state == NodeRunState.RUNNING, schema.run.c.project == project)
        .order_by(r.node_run_id)
    )
    return [
        NodeRun(
            node_run_id=row.node_run_id,
            run_id=row.run_id,
            node=row.name,
            state=NodeRunState.RUNNING,
            recipe_version=row.recipe_version,
            commit_id=row.commit_id,
            started_at=row.started_at,
            attempt=row.attempt,
            partition_key=row.partition_key,
        )
        for row in connection.execute(query)
    ]


def running(connection: sa.Connection) -> set[str]:
    """Return the runs that have not ended, dead or alive."""
    c = schema.run.c
    return set(connection.scalars(sa.select(c.run_id).where(c.state == NodeRunState.RUNNING)))


def file_hashes(connection: sa.Connection, paths: Iterable[str]) -> dict[str, tuple[int, int, int | None, str]]:
    """Return size, modification time, inode and content hash of the files whose hash can be relied upon."""
    c = schema.file_cache.c
    query = sa.select(schema.file_cache).where(c.hashed_at_ns - c.mtime_ns >= MIN_AGE_NS)
    rows = select_in(connection, query, c.path, paths)
    return {row.path: (row.size_bytes, row.mtime_ns, row.inode, row.content_hash) for row in rows}


def _traces() -> sa.Select[Any]:
    """Select, per dataset that a node writes, its newest committed version and the last node run that stands for it."""
    d, o = schema.dataset, schema.node_run_output
    v, newest_version = schema.dataset_version, schema.dataset_version.alias("newest_version")
    newest_output = schema.node_run_output.alias("newest_output")
    own = sa.and_(
        newest_version.c.dataset_id == d.c.dataset_id,
        newest_version.c.partition_key == "",
        newest_version.c.change != OBSERVED,
    )
    version_id = sa.select(newest_version.c.dataset_version_id).where(own)
    live = version_id.where(newest_version.c.state == LIVE).limit(1).scalar_subquery()
    last = version_id.order_by(newest_version.c.committed_at.desc()).limit(1).scalar_subquery()
    trace = (
        sa.select(sa.func.max(newest_output.c.node_run_id))
        .where(newest_output.c.dataset_version_id == v.c.dataset_version_id)
        .scalar_subquery()
    )
    return (
        sa.select(
            *(d.c[name] for name in ("dataset_id", "namespace", "name", "dataset_type", "is_external", "mode")),
            *(v.c[name] for name in _VERSION_COLUMNS),
            v.c.state.label("version_state"),
            d.c.writer_node_id,
            o.c.node_run_id,
            o.c.recipe_version,
            schema.node_run.c.run_id,
            schema.recipe.c.manifest_json,
        )
        .select_from(d)
        .join(v, v.c.dataset_version_id == sa.func.coalesce(live, last))
        .join(o, sa.and_(o.c.dataset_version_id == v.c.dataset_version_id, o.c.node_run_id == trace))
        .join(schema.node_run, schema.node_run.c.node_run_id == o.c.node_run_id)
        .join(schema.recipe, schema.recipe.c.recipe_version == o.c.recipe_version, isouter=True)
    )


_VERSION_COLUMNS = (
    "dataset_version_id",
    "token",
    "content_hash",
    "schema_hash",
    "arrow_schema",
    "row_count",
    "committed_at",
)


def _last_done() -> sa.Select[Any]:
    """Select, per node, how its last node run that did anything ended."""
    n, r = schema.node, schema.node_run
    inner = r.alias("last_run")
    last = (
        sa.select(inner.c.node_run_id)
        .where(inner.c.node_id == n.c.node_id, sa.text(LAST_OF_OUTPUT))
        .order_by(inner.c.node_run_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return sa.select(n.c.node_id, r.c.state, r.c.error_message).select_from(n).join(r, r.c.node_run_id == last)


def _invalidations(connection: sa.Connection, dataset_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    c = schema.invalidation.c
    query = sa.select(c.dataset_id, c.reason).where(c.cleared_by_node_run_id.is_(None)).order_by(c.invalidation_id)
    found: dict[str, tuple[str, ...]] = {}
    for row in select_in(connection, query, c.dataset_id, dataset_ids):
        found[row.dataset_id] = (*found.get(row.dataset_id, ()), row.reason)
    return found


def _output_record(output: str, row: sa.Row[Any], done: sa.Row[Any], invalidations: tuple[str, ...]) -> OutputRecord:
    return OutputRecord(
        output=output,
        dataset=Dataset(
            namespace=row.namespace,
            name=row.name,
            dataset_type=row.dataset_type,
            is_external=row.is_external,
            writer_node=output,
            mode=row.mode,
        ),
        version_id=row.dataset_version_id,
        recipe_version=row.recipe_version,
        recipe=row.manifest_json or {},
        token=row.token,
        content_hash=row.content_hash,
        schema_hash=row.schema_hash,
        arrow_schema=row.arrow_schema,
        row_count=row.row_count,
        committed_at=row.committed_at,
        run_id=row.run_id,
        state=NodeRunState(done.state),
        version_state=row.version_state,
        error_message=done.error_message,
        invalidations=invalidations,
    )
