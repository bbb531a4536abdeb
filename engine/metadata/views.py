"""Views: the questions an audit asks, as names; the same columns on every database.

The views are public API: add columns at the end, never take one away. They are made anew by every upgrade, so that this
file is the one place they are written down; a change here needs a new revision in ``migrations/versions``, whose
``views`` is the `digest` of the SQL.
"""

from __future__ import annotations

import hashlib

_SECONDS = {
    "sqlite": "round((julianday({end}) - julianday({start})) * 86400.0, 3)",
    "postgresql": "round(extract(epoch from {end} - {start}), 3)::double precision",
}
"""Seconds between two times, in the words of each database."""

_FRAGMENTS = {
    "trace": """(SELECT max(newest.node_run_id) FROM node_run_output newest
                  WHERE newest.dataset_version_id = v.dataset_version_id)""",
}
"""What stands in braces below. ``trace``: the last node run that made the version ``v``, or found it unchanged."""

VIEWS = {
    "output_writer": """
        SELECT d.namespace, d.name AS dataset, d.dataset_type, v.partition_key, v.seq, v.state, v.change,
               v.committed_at,
               n.project, n.name AS output, o.changed, r.run_id, r.mode, r.user_name, r.host, r.pid, r.command,
               r.git_commit, r.git_branch, r.git_dirty, nv.code_version, o.recipe_version,
               nr.started_at, nr.ended_at, nr.duration_s, v.row_count, v.size_bytes, v.content_hash, v.token,
               r.package_set_hash, v.dataset_version_id, o.node_run_id
          FROM dataset_version v
          JOIN dataset d ON d.dataset_id = v.dataset_id
          JOIN node_run_output o ON o.dataset_version_id = v.dataset_version_id
          JOIN node_run nr ON nr.node_run_id = o.node_run_id
          JOIN node n ON n.node_id = nr.node_id
          JOIN run r ON r.run_id = nr.run_id
          LEFT JOIN node_version nv ON nv.node_version_id = nr.node_version_id""",
    "output_input": """
        SELECT d.namespace, d.name AS dataset, v.partition_key, v.seq, v.state, v.committed_at, n.project,
               n.name AS output,
               nr.run_id, i.param_name, i.role, u.namespace AS input_namespace, u.name AS input_dataset,
               u.is_external AS input_is_external, iv.seq AS input_seq, iv.token_kind AS input_token_kind,
               i.token AS input_token, iv.committed_at AS input_committed_at, iv.run_id AS input_run_id,
               i.read_columns, i.query_text, v.dataset_version_id, i.dataset_version_id AS input_version_id,
                      o.node_run_id
          FROM dataset_version v
          JOIN dataset d ON d.dataset_id = v.dataset_id
          JOIN node_run_output o ON o.dataset_version_id = v.dataset_version_id
          JOIN node_run nr ON nr.node_run_id = o.node_run_id
          JOIN node n ON n.node_id = nr.node_id
          JOIN node_run_input i ON i.node_run_id = o.node_run_id
          JOIN dataset_version iv ON iv.dataset_version_id = i.dataset_version_id
          JOIN dataset u ON u.dataset_id = iv.dataset_id""",
    "lineage_edge": """
        SELECT DISTINCT n.project, n.name AS output, u.namespace AS input_namespace, u.name AS input_dataset,
               d.namespace AS output_namespace, d.name AS output_dataset,
               u.dataset_id AS input_dataset_id, d.dataset_id AS output_dataset_id
          FROM dataset_version v
          JOIN dataset d ON d.dataset_id = v.dataset_id
          JOIN node_run_output o ON o.dataset_version_id = v.dataset_version_id AND o.node_run_id = {trace}
          JOIN node_run nr ON nr.node_run_id = o.node_run_id
          JOIN node n ON n.node_id = nr.node_id
          JOIN node_run_input i ON i.node_run_id = o.node_run_id
          JOIN dataset_version iv ON iv.dataset_version_id = i.dataset_version_id
          JOIN dataset u ON u.dataset_id = iv.dataset_id
         WHERE v.state = 'live'""",
    "version_edge": """
        SELECT i.dataset_version_id AS input_version_id, o.dataset_version_id AS output_version_id,
               i.token AS input_token, i.param_name, o.node_run_id
          FROM node_run_output o
          JOIN node_run_input i ON i.node_run_id = o.node_run_id
         WHERE o.changed""",
    "node_lineage": """
        SELECT nr.run_id, 'node' AS from_kind, un.name AS from_name, 'node' AS to_kind, n.name AS to_name,
               e.param_name, e.upstream_node_run_id AS from_id, e.node_run_id AS to_id
          FROM node_run_edge e
          JOIN node_run nr ON nr.node_run_id = e.node_run_id
          JOIN node n ON n.node_id = nr.node_id
          JOIN node_run ur ON ur.node_run_id = e.upstream_node_run_id
          JOIN node un ON un.node_id = ur.node_id
        UNION ALL
        SELECT nr.run_id, 'dataset', d.name, 'node', n.name, i.param_name, i.dataset_version_id, i.node_run_id
          FROM node_run_input i
          JOIN node_run nr ON nr.node_run_id = i.node_run_id
          JOIN node n ON n.node_id = nr.node_id
          JOIN dataset_version v ON v.dataset_version_id = i.dataset_version_id
          JOIN dataset d ON d.dataset_id = v.dataset_id
         WHERE i.role = 'data'
        UNION ALL
        SELECT nr.run_id, 'node', n.name, 'dataset', d.name, NULL, o.node_run_id, o.dataset_version_id
          FROM node_run_output o
          JOIN node_run nr ON nr.node_run_id = o.node_run_id
          JOIN node n ON n.node_id = nr.node_id
          JOIN dataset d ON d.dataset_id = o.dataset_id""",
    "run_summary": """
        SELECT r.run_id, r.project, r.environment, r.mode, r.state, r.started_at, r.ended_at,
               {duration} AS duration_s, r.user_name, r.host, r.pid, r.command, r.git_commit, r.git_branch, r.git_dirty,
               r.selection, r.outputs_built, r.outputs_fresh, r.outputs_failed, r.error, p.python_version,
               p.engine_version, r.package_set_hash, r.parent_run_id, r.epoch
          FROM run r
          LEFT JOIN package_set p ON p.package_set_hash = r.package_set_hash""",
    "output_node": """
        WITH RECURSIVE cone (dataset_version_id, saver_run_id, node_run_id) AS (
            SELECT v.dataset_version_id, o.node_run_id, o.node_run_id
              FROM dataset_version v
              JOIN node_run_output o ON o.dataset_version_id = v.dataset_version_id AND o.node_run_id = {trace}
             WHERE v.state = 'live'
            UNION
            SELECT cone.dataset_version_id, cone.saver_run_id, e.upstream_node_run_id
              FROM cone
              JOIN node_run_edge e ON e.node_run_id = cone.node_run_id
              JOIN node_run u ON u.node_run_id = e.upstream_node_run_id
              JOIN node un ON un.node_id = u.node_id AND un.kind <> 'saver'
        )
        SELECT n.project, s.name AS output, d.namespace, d.name AS dataset, n.name AS node, n.kind, nv.code_version,
               nv.completeness, nr.run_id, nr.node_version_id, n.current_node_version_id, n.node_id, cone.node_run_id,
               cone.dataset_version_id, d.dataset_id, v.partition_key
          FROM cone
          JOIN node_run nr ON nr.node_run_id = cone.node_run_id
          JOIN node n ON n.node_id = nr.node_id
          JOIN node_run sr ON sr.node_run_id = cone.saver_run_id
          JOIN node s ON s.node_id = sr.node_id
          JOIN dataset_version v ON v.dataset_version_id = cone.dataset_version_id
          JOIN dataset d ON d.dataset_id = v.dataset_id
          LEFT JOIN node_version nv ON nv.node_version_id = nr.node_version_id""",
    "stale_output": """
        SELECT n.project, n.name AS output, d.namespace, d.name AS dataset, v.partition_key,
               CASE WHEN u.is_external THEN 'source' ELSE 'upstream' END AS reason, u.name AS subject,
               i.token AS old_value, w.token AS new_value
          FROM dataset_version v
          JOIN dataset d ON d.dataset_id = v.dataset_id
          JOIN node_run_output o ON o.dataset_version_id = v.dataset_version_id AND o.node_run_id = {trace}
          JOIN node_run nr ON nr.node_run_id = o.node_run_id
          JOIN node n ON n.node_id = nr.node_id
          JOIN node_run_input i ON i.node_run_id = o.node_run_id
          JOIN dataset_version iv ON iv.dataset_version_id = i.dataset_version_id
          JOIN dataset u ON u.dataset_id = iv.dataset_id
          JOIN dataset_version w ON w.dataset_id = iv.dataset_id AND w.partition_key = iv.partition_key
               AND w.state = 'live' AND w.token_kind = iv.token_kind AND w.token <> i.token
         WHERE v.state = 'live' AND iv.dataset_id <> v.dataset_id
        UNION
        SELECT c.project, c.output, c.namespace, c.dataset, c.partition_key, 'code', c.node, c.code_version,
               now.code_version
          FROM output_node c
          JOIN node_version now ON now.node_version_id = c.current_node_version_id
         WHERE now.node_version_id <> c.node_version_id
        UNION
        SELECT n.project, n.name, d.namespace, d.name, x.partition_key, 'invalidated', x.requested_by, NULL, x.reason
          FROM invalidation x
          JOIN dataset d ON d.dataset_id = x.dataset_id
          JOIN node n ON n.node_id = d.writer_node_id
         WHERE x.cleared_by_node_run_id IS NULL
        UNION
        SELECT n.project, n.name, d.namespace, d.name, v.partition_key, v.state, d.name, NULL, v.token
          FROM dataset_version v
          JOIN dataset d ON d.dataset_id = v.dataset_id
          JOIN node n ON n.node_id = d.writer_node_id
         WHERE v.state IN ('tampered', 'dropped', 'lost')
           AND NOT EXISTS (SELECT 1 FROM dataset_version later WHERE later.dataset_id = v.dataset_id
                              AND later.partition_key = v.partition_key AND later.state = 'live'
                              AND later.committed_at > v.committed_at)""",
    "node_duration": """
        SELECT n.project, n.name AS node, n.kind, nr.run_id, nr.state, nr.started_at, nr.duration_s, nr.rows,
               nv.code_version, nr.partition_key, nr.attempt, nr.node_run_id
          FROM node_run nr
          JOIN node n ON n.node_id = nr.node_id
          LEFT JOIN node_version nv ON nv.node_version_id = nr.node_version_id""",
    "code_impact": """
        SELECT c.project, c.output, c.namespace, c.dataset, c.node, u.kind AS unit_kind, u.module, u.qualname,
               x.ref_name,
               u.file_path, u.line, c.run_id, u.unit_hash, c.dataset_version_id
          FROM output_node c
          JOIN node_version_unit x ON x.node_version_id = c.node_version_id
          JOIN code_unit u ON u.unit_hash = x.unit_hash""",
}
"""By name, in the order in which they can be made: a later one may stand on an earlier one."""


def create_statements(dialect: str) -> list[str]:
    """Return the statements that make the views on a database.

    Args:
        dialect: ``sqlite`` or ``postgresql``.
    """
    duration = _SECONDS[dialect].format(end="r.ended_at", start="r.started_at")
    fragments = {**_FRAGMENTS, "duration": duration}
    return [f"CREATE VIEW {name} AS {sql.format_map(fragments).strip()}" for name, sql in VIEWS.items()]


def drop_statements() -> list[str]:
    """Return the statements that take the views away, whether or not they are there."""
    return [f"DROP VIEW IF EXISTS {name}" for name in reversed(VIEWS)]


def digest() -> str:
    """Return a hash of all views, by which a revision says which views it leaves."""
    return hashlib.sha256(
        "\n".join(create_statements("sqlite") + create_statements("postgresql")).encode()
    ).hexdigest()[:16]
