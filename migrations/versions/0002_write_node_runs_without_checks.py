"""Node runs and their edges refer without foreign keys, and have the indexes that are asked; see decision 17.

SQLite can change neither in a table that is there: the two are made anew under their names, with their rows.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

views = "1d76f010bb8ea9ac"
"""What ``engine.metadata.views.digest()`` gives when this revision is written."""

_NODE_RUN = """
CREATE TABLE node_run (
    node_run_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    node_id TEXT NOT NULL,
    node_version_id TEXT,
    partition_key TEXT DEFAULT '' NOT NULL,
    attempt INTEGER DEFAULT 1 NOT NULL,
    state TEXT NOT NULL,
    recipe_version TEXT,
    commit_id TEXT,
    started_at DATETIME,
    ended_at DATETIME,
    duration_s DOUBLE,
    rows BIGINT,
    error_type TEXT,
    error_message TEXT,
    traceback TEXT,
    CONSTRAINT pk_node_run PRIMARY KEY (node_run_id),
    CONSTRAINT uq_node_run_run_id_node_id_partition_key_attempt UNIQUE (run_id, node_id, partition_key, attempt){keys}
)
"""
_NODE_RUN_EDGE = """
CREATE TABLE node_run_edge (
    node_run_id TEXT NOT NULL,
    upstream_node_run_id TEXT NOT NULL,
    param_name TEXT NOT NULL,
    CONSTRAINT pk_node_run_edge PRIMARY KEY (node_run_id, upstream_node_run_id, param_name){keys}
) WITHOUT ROWID
"""
"""The tables on SQLite, but for the keys that differ."""

_REFERENCES = (
    "CONSTRAINT fk_node_run_run_id FOREIGN KEY(run_id) REFERENCES run (run_id) ON DELETE CASCADE",
    "CONSTRAINT fk_node_run_node_id FOREIGN KEY(node_id) REFERENCES node (node_id)",
    "CONSTRAINT fk_node_run_node_version_id FOREIGN KEY(node_version_id) REFERENCES node_version (node_version_id)",
)
_REFERENCE_OF_EDGE = (
    "CONSTRAINT fk_node_run_edge_node_run_id FOREIGN KEY(node_run_id)"
    " REFERENCES node_run (node_run_id) ON DELETE CASCADE"
)
_DONE = "state IN ('success', 'unchanged', 'failed', 'aborted')"
_UNSETTLED = "CREATE INDEX ix_node_run_unsettled ON node_run (run_id) WHERE state = 'running'"
_UPSTREAM = "CREATE INDEX ix_node_run_edge_upstream_node_run_id ON node_run_edge (upstream_node_run_id)"

_OLD_INDEXES = (
    f"CREATE INDEX ix_node_run_done ON node_run (node_id, node_run_id) WHERE {_DONE}",
    "CREATE INDEX ix_node_run_node_id_started_at ON node_run (node_id, started_at)",
)
_NEW_INDEXES = (
    _OLD_INDEXES[0].replace(_DONE, f"coalesce(recipe_version, commit_id) IS NOT NULL AND {_DONE}"),
    "CREATE INDEX ix_node_run_node_id ON node_run (node_id)",
)


def upgrade() -> None:
    """Take the foreign keys away, and what is not asked for out of two indexes."""
    if op.get_context().dialect.name == "sqlite":
        _make_anew("node_run", _NODE_RUN.format(keys=""), *_NEW_INDEXES, _UNSETTLED)
        _make_anew("node_run_edge", _NODE_RUN_EDGE.format(keys=""), _UPSTREAM)
        return
    gone = ", ".join(f"DROP {_name_of(key)}" for key in _REFERENCES)
    _execute(
        f"ALTER TABLE node_run_edge DROP {_name_of(_REFERENCE_OF_EDGE)}",
        f"ALTER TABLE node_run {gone}",
        "DROP INDEX ix_node_run_done, ix_node_run_node_id_started_at",
        *_NEW_INDEXES,
    )


def downgrade() -> None:
    """Put them back."""
    if op.get_context().dialect.name == "sqlite":
        keys = "".join(f",\n    {key}" for key in _REFERENCES)
        _make_anew("node_run", _NODE_RUN.format(keys=keys), *_OLD_INDEXES, _UNSETTLED)
        _make_anew("node_run_edge", _NODE_RUN_EDGE.format(keys=f",\n    {_REFERENCE_OF_EDGE}"), _UPSTREAM)
        return
    back = ", ".join(f"ADD {key}" for key in _REFERENCES)
    _execute(
        f"ALTER TABLE node_run {back}",
        f"ALTER TABLE node_run_edge ADD {_REFERENCE_OF_EDGE}",
        "DROP INDEX ix_node_run_done, ix_node_run_node_id",
        *_OLD_INDEXES,
    )


def _make_anew(table: str, statement: str, *indexes: str) -> None:
    """Make a table of SQLite with the rows that it has; who refers to it goes on doing so by its name."""
    _execute(
        "PRAGMA legacy_alter_table = ON",  # else the foreign keys of others would follow the old table to its new name
        f"ALTER TABLE {table} RENAME TO old_{table}",
        "PRAGMA legacy_alter_table = OFF",
        statement.strip(),
        f"INSERT INTO {table} SELECT * FROM old_{table}",  # noqa: S608 - our own names
        f"DROP TABLE old_{table}",
        *indexes,
    )


def _name_of(constraint: str) -> str:
    return " ".join(constraint.split()[:2])


def _execute(*statements: str) -> None:
    for statement in statements:
        op.execute(statement)
