"""The tables as they were first released."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

views = "1d76f010bb8ea9ac"
"""What ``engine.metadata.views.digest()`` gives when this revision is written."""

_TYPES = {
    "sqlite": {"moment": "DATETIME", "json": "JSON", "double": "DOUBLE", "compact": " WITHOUT ROWID"},
    "postgresql": {"moment": "TIMESTAMP WITH TIME ZONE", "json": "JSONB", "double": "DOUBLE PRECISION", "compact": ""},
}

_RUNS = """
CREATE TABLE package_set (
    package_set_hash TEXT NOT NULL,
    python_version TEXT NOT NULL,
    platform TEXT NOT NULL,
    engine_version TEXT NOT NULL,
    CONSTRAINT pk_package_set PRIMARY KEY (package_set_hash)
);
CREATE TABLE package_version (
    package_set_hash TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    CONSTRAINT pk_package_version PRIMARY KEY (package_set_hash, name),
    CONSTRAINT fk_package_version_package_set_hash FOREIGN KEY(package_set_hash)
        REFERENCES package_set (package_set_hash)
){compact};
CREATE TABLE run (
    run_id TEXT NOT NULL,
    parent_run_id TEXT,
    epoch BIGINT,
    project TEXT NOT NULL,
    environment TEXT DEFAULT 'default' NOT NULL,
    mode TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at {moment} NOT NULL,
    ended_at {moment},
    heartbeat_at {moment},
    user_name TEXT NOT NULL,
    host TEXT NOT NULL,
    boot_id TEXT,
    pid INTEGER NOT NULL,
    process_start_ticks BIGINT,
    command TEXT,
    git_commit TEXT,
    git_branch TEXT,
    git_dirty BOOLEAN,
    package_set_hash TEXT,
    graph_hash TEXT,
    selection TEXT,
    outputs_built INTEGER,
    outputs_fresh INTEGER,
    outputs_failed INTEGER,
    error TEXT,
    CONSTRAINT pk_run PRIMARY KEY (run_id),
    CONSTRAINT uq_run_epoch UNIQUE (epoch),
    CONSTRAINT fk_run_parent_run_id FOREIGN KEY(parent_run_id) REFERENCES run (run_id),
    CONSTRAINT fk_run_package_set_hash FOREIGN KEY(package_set_hash) REFERENCES package_set (package_set_hash)
);
CREATE INDEX ix_run_project_started_at ON run (project, started_at);
CREATE INDEX ix_run_state ON run (state);
CREATE TABLE run_param (
    run_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    name TEXT NOT NULL,
    value_hash TEXT NOT NULL,
    value_json TEXT,
    is_secret BOOLEAN NOT NULL,
    CONSTRAINT pk_run_param PRIMARY KEY (run_id, origin, name),
    CONSTRAINT fk_run_param_run_id FOREIGN KEY(run_id) REFERENCES run (run_id) ON DELETE CASCADE
){compact}
"""
"""Runs and their surroundings."""

_NODES = """
CREATE TABLE node (
    node_id TEXT NOT NULL,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    current_node_version_id TEXT,
    created_at {moment} NOT NULL,
    retired_at {moment},
    CONSTRAINT pk_node PRIMARY KEY (node_id),
    CONSTRAINT uq_node_project_name UNIQUE (project, name)
);
CREATE TABLE code_unit (
    unit_hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    module TEXT,
    qualname TEXT NOT NULL,
    source TEXT,
    file_path TEXT,
    line INTEGER,
    first_seen_at {moment} NOT NULL,
    CONSTRAINT pk_code_unit PRIMARY KEY (unit_hash)
);
CREATE TABLE node_version (
    node_version_id TEXT NOT NULL,
    node_id TEXT NOT NULL,
    code_version TEXT NOT NULL,
    scheme INTEGER NOT NULL,
    completeness TEXT NOT NULL,
    type TEXT,
    doc TEXT,
    tags_json {json},
    first_seen_run_id TEXT,
    created_at {moment} NOT NULL,
    CONSTRAINT pk_node_version PRIMARY KEY (node_version_id),
    CONSTRAINT uq_node_version_node_id_scheme_code_version UNIQUE (node_id, scheme, code_version),
    CONSTRAINT fk_node_version_node_id FOREIGN KEY(node_id) REFERENCES node (node_id),
    CONSTRAINT fk_node_version_first_seen_run_id FOREIGN KEY(first_seen_run_id) REFERENCES run (run_id)
);
CREATE TABLE node_version_unit (
    node_version_id TEXT NOT NULL,
    unit_hash TEXT NOT NULL,
    ref_name TEXT NOT NULL,
    CONSTRAINT pk_node_version_unit PRIMARY KEY (node_version_id, unit_hash, ref_name),
    CONSTRAINT fk_node_version_unit_node_version_id FOREIGN KEY(node_version_id)
        REFERENCES node_version (node_version_id),
    CONSTRAINT fk_node_version_unit_unit_hash FOREIGN KEY(unit_hash) REFERENCES code_unit (unit_hash)
){compact};
CREATE INDEX ix_node_version_unit_unit_hash ON node_version_unit (unit_hash);
CREATE TABLE recipe (
    recipe_version TEXT NOT NULL,
    manifest_json {json} NOT NULL,
    CONSTRAINT pk_recipe PRIMARY KEY (recipe_version)
)
"""
"""Nodes and their code."""

_NODE_RUNS = """
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
    started_at {moment},
    ended_at {moment},
    duration_s {double},
    rows BIGINT,
    error_type TEXT,
    error_message TEXT,
    traceback TEXT,
    CONSTRAINT pk_node_run PRIMARY KEY (node_run_id),
    CONSTRAINT uq_node_run_run_id_node_id_partition_key_attempt UNIQUE (run_id, node_id, partition_key, attempt),
    CONSTRAINT fk_node_run_run_id FOREIGN KEY(run_id) REFERENCES run (run_id) ON DELETE CASCADE,
    CONSTRAINT fk_node_run_node_id FOREIGN KEY(node_id) REFERENCES node (node_id),
    CONSTRAINT fk_node_run_node_version_id FOREIGN KEY(node_version_id) REFERENCES node_version (node_version_id)
);
CREATE INDEX ix_node_run_done
    ON node_run (node_id, node_run_id)
    WHERE state IN ('success', 'unchanged', 'failed', 'aborted');
CREATE INDEX ix_node_run_node_id_started_at ON node_run (node_id, started_at);
CREATE INDEX ix_node_run_unsettled ON node_run (run_id) WHERE state = 'running';
CREATE TABLE node_run_edge (
    node_run_id TEXT NOT NULL,
    upstream_node_run_id TEXT NOT NULL,
    param_name TEXT NOT NULL,
    CONSTRAINT pk_node_run_edge PRIMARY KEY (node_run_id, upstream_node_run_id, param_name),
    CONSTRAINT fk_node_run_edge_node_run_id FOREIGN KEY(node_run_id)
        REFERENCES node_run (node_run_id) ON DELETE CASCADE
){compact};
CREATE INDEX ix_node_run_edge_upstream_node_run_id ON node_run_edge (upstream_node_run_id);
CREATE TABLE node_run_reason (
    node_run_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    code TEXT NOT NULL,
    subject TEXT NOT NULL,
    old_value TEXT,
    new_value TEXT,
    root_node_run_id TEXT,
    CONSTRAINT pk_node_run_reason PRIMARY KEY (node_run_id, seq),
    CONSTRAINT fk_node_run_reason_node_run_id FOREIGN KEY(node_run_id)
        REFERENCES node_run (node_run_id) ON DELETE CASCADE
){compact};
CREATE TABLE check_result (
    node_run_id TEXT NOT NULL,
    name TEXT NOT NULL,
    column_name TEXT,
    severity TEXT NOT NULL,
    passed BOOLEAN NOT NULL,
    expected TEXT,
    observed TEXT,
    CONSTRAINT pk_check_result PRIMARY KEY (node_run_id, name),
    CONSTRAINT fk_check_result_node_run_id FOREIGN KEY(node_run_id)
        REFERENCES node_run (node_run_id) ON DELETE CASCADE
){compact}
"""
"""Node runs."""

_DATASETS = """
CREATE TABLE dataset (
    dataset_id TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    dataset_type TEXT NOT NULL,
    is_external BOOLEAN NOT NULL,
    writer_node_id TEXT,
    mode TEXT,
    created_at {moment} NOT NULL,
    retired_at {moment},
    CONSTRAINT pk_dataset PRIMARY KEY (dataset_id),
    CONSTRAINT uq_dataset_namespace_name UNIQUE (namespace, name),
    CONSTRAINT fk_dataset_writer_node_id FOREIGN KEY(writer_node_id) REFERENCES node (node_id)
);
CREATE INDEX ix_dataset_writer_node_id ON dataset (writer_node_id);
CREATE TABLE dataset_field (
    schema_hash TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    nullable BOOLEAN,
    CONSTRAINT pk_dataset_field PRIMARY KEY (schema_hash, ordinal)
){compact};
CREATE TABLE dataset_version (
    dataset_version_id TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    partition_key TEXT DEFAULT '' NOT NULL,
    seq BIGINT NOT NULL,
    token_kind TEXT NOT NULL,
    token TEXT NOT NULL,
    content_hash TEXT,
    schema_hash TEXT,
    arrow_schema TEXT,
    row_count BIGINT,
    size_bytes BIGINT,
    change TEXT NOT NULL,
    run_id TEXT,
    node_run_id TEXT,
    previous_version_id TEXT,
    state TEXT NOT NULL,
    committed_at {moment} NOT NULL,
    verified_at {moment},
    CONSTRAINT pk_dataset_version PRIMARY KEY (dataset_version_id),
    CONSTRAINT fk_dataset_version_dataset_id FOREIGN KEY(dataset_id) REFERENCES dataset (dataset_id),
    CONSTRAINT fk_dataset_version_run_id FOREIGN KEY(run_id) REFERENCES run (run_id),
    CONSTRAINT fk_dataset_version_node_run_id FOREIGN KEY(node_run_id) REFERENCES node_run (node_run_id)
);
CREATE INDEX ix_dataset_version_dataset_id_committed_at ON dataset_version (dataset_id, committed_at);
CREATE INDEX ix_dataset_version_dataset_id_partition_key_seq ON dataset_version (dataset_id, partition_key, seq);
CREATE INDEX ix_dataset_version_dataset_id_token ON dataset_version (dataset_id, token);
CREATE UNIQUE INDEX ix_dataset_version_live ON dataset_version (dataset_id, partition_key) WHERE state = 'live';
CREATE INDEX ix_dataset_version_run_id ON dataset_version (run_id);
CREATE TABLE invalidation (
    invalidation_id TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    partition_key TEXT DEFAULT '' NOT NULL,
    requested_at {moment} NOT NULL,
    requested_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    cleared_by_node_run_id TEXT,
    CONSTRAINT pk_invalidation PRIMARY KEY (invalidation_id),
    CONSTRAINT fk_invalidation_dataset_id FOREIGN KEY(dataset_id) REFERENCES dataset (dataset_id)
);
CREATE INDEX ix_invalidation_dataset_id ON invalidation (dataset_id)
"""
"""Datasets and their versions."""

_LINEAGE = """
CREATE TABLE node_run_input (
    node_run_id TEXT NOT NULL,
    param_name TEXT NOT NULL,
    dataset_version_id TEXT NOT NULL,
    token TEXT NOT NULL,
    query_text TEXT,
    read_columns TEXT,
    role TEXT DEFAULT 'data' NOT NULL,
    CONSTRAINT pk_node_run_input PRIMARY KEY (node_run_id, param_name, dataset_version_id),
    CONSTRAINT fk_node_run_input_node_run_id FOREIGN KEY(node_run_id)
        REFERENCES node_run (node_run_id) ON DELETE CASCADE,
    CONSTRAINT fk_node_run_input_dataset_version_id FOREIGN KEY(dataset_version_id)
        REFERENCES dataset_version (dataset_version_id)
){compact};
CREATE INDEX ix_node_run_input_dataset_version_id ON node_run_input (dataset_version_id);
CREATE TABLE node_run_output (
    node_run_id TEXT NOT NULL,
    dataset_version_id TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    partition_key TEXT DEFAULT '' NOT NULL,
    recipe_version TEXT NOT NULL,
    changed BOOLEAN NOT NULL,
    CONSTRAINT pk_node_run_output PRIMARY KEY (node_run_id, dataset_version_id),
    CONSTRAINT fk_node_run_output_node_run_id FOREIGN KEY(node_run_id)
        REFERENCES node_run (node_run_id) ON DELETE CASCADE,
    CONSTRAINT fk_node_run_output_dataset_version_id FOREIGN KEY(dataset_version_id)
        REFERENCES dataset_version (dataset_version_id),
    CONSTRAINT fk_node_run_output_dataset_id FOREIGN KEY(dataset_id) REFERENCES dataset (dataset_id)
){compact};
CREATE INDEX ix_node_run_output_dataset_id_partition_key_recipe_version
    ON node_run_output (dataset_id, partition_key, recipe_version);
CREATE INDEX ix_node_run_output_dataset_version_id ON node_run_output (dataset_version_id);
CREATE TABLE column_lineage (
    node_version_id TEXT NOT NULL,
    output_dataset_id TEXT NOT NULL,
    output_field TEXT NOT NULL,
    input_dataset_id TEXT NOT NULL,
    input_field TEXT NOT NULL,
    transformation TEXT,
    CONSTRAINT pk_column_lineage PRIMARY KEY
        (node_version_id, output_dataset_id, output_field, input_dataset_id, input_field),
    CONSTRAINT fk_column_lineage_node_version_id FOREIGN KEY(node_version_id)
        REFERENCES node_version (node_version_id),
    CONSTRAINT fk_column_lineage_output_dataset_id FOREIGN KEY(output_dataset_id) REFERENCES dataset (dataset_id),
    CONSTRAINT fk_column_lineage_input_dataset_id FOREIGN KEY(input_dataset_id) REFERENCES dataset (dataset_id)
){compact}
"""
"""What read and wrote what."""

_FILES = """
CREATE TABLE file_cache (
    path TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    inode BIGINT,
    content_hash TEXT NOT NULL,
    hashed_at_ns BIGINT NOT NULL,
    CONSTRAINT pk_file_cache PRIMARY KEY (path)
)
"""
"""What is known of files."""

_TABLES = (
    "package_set",
    "package_version",
    "run",
    "run_param",
    "node",
    "code_unit",
    "node_version",
    "node_version_unit",
    "recipe",
    "node_run",
    "node_run_edge",
    "node_run_reason",
    "check_result",
    "dataset",
    "dataset_field",
    "dataset_version",
    "invalidation",
    "node_run_input",
    "node_run_output",
    "column_lineage",
    "file_cache",
)


def upgrade() -> None:
    """Make the tables."""
    types = _TYPES[op.get_context().dialect.name]
    for group in (_RUNS, _NODES, _NODE_RUNS, _DATASETS, _LINEAGE, _FILES):
        for statement in group.format_map(types).split(";"):
            op.execute(statement.strip())


def downgrade() -> None:
    """Drop the tables, those that refer to others first."""
    for table in reversed(_TABLES):
        op.drop_table(table)
