"""Schema: the metadata's tables in SQLAlchemy Core; the migrations are compared with this.

Keys of what happens (runs, node runs, versions, invalidations) are UUIDv7 text, so that they sort by time; keys of what
*is* (nodes, node versions, datasets) are UUIDv5 text of its natural key (`identity`), so that two processes, or a
replay into another database, give one thing one key without asking.

A change here needs a new revision in ``migrations/versions`` and the new number in `HEAD`.
"""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from engine.dialects.secrets import scrub
from engine.masking import masked

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect

HEAD = "0002"
"""The newest revision in ``migrations/versions``; revisions are numbered, so that newer is larger."""

SCHEMA = "engine"
"""The schema on PostgreSQL."""

APPLICATION_ID = 0x454E474D
"""The ``application_id`` in the header of a SQLite file that is ours: ``ENGM``."""

MAX_TEXT_BYTES = 64 * 1024
"""Longer texts (tracebacks, SQL, sources) are cut, so that the size of the metadata is bounded."""

DONE = ("success", "unchanged", "failed", "aborted")
"""States of a node run that did something, or tried to."""

LAST_OF_OUTPUT = f"coalesce(recipe_version, commit_id) IS NOT NULL AND state IN {DONE}"
"""Which node runs tell how an output's last build ended: an index holds these alone, so a question has to say it so."""

_IDENTITIES = uuid.uuid5(uuid.NAMESPACE_URL, "https://materialization-engine/metadata")

Value: TypeAlias = str | int | None


@functools.lru_cache(maxsize=100_000)
def identity(kind: str, *parts: Value) -> str:
    """Return the key of the thing of this kind with this natural key.

    >>> identity("node", "flights", "daily") == identity("node", "flights", "daily")
    True
    >>> identity("node", "a", "b.c") == identity("node", "a.b", "c")
    False
    """
    return str(uuid.uuid5(_IDENTITIES, "".join(f"{len(text)}:{text}" for text in (kind, *map(str, parts)))))


def storable_text(value: str, max_bytes: int = MAX_TEXT_BYTES) -> str:
    r"""Return the text as a record may hold it: no password of a URL, no NUL, no lone surrogate, not too long.

    >>> storable_text("a\0b")
    'a\ufffdb'
    >>> storable_text("x" * 100, max_bytes=60)
    'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… (100 bytes in all)'
    """
    value = masked(value) if "://" in value else value
    if len(value) <= max_bytes and value.isascii() and "\0" not in value:
        return value
    encoded = value.replace("\0", "\ufffd").encode("utf-8", "replace")
    if len(encoded) <= max_bytes:
        return encoded.decode()
    return f"{encoded[: max_bytes // 2].decode('utf-8', 'ignore')}… ({len(encoded)} bytes in all)"


def storable(value: Any) -> Any:
    """Return a JSON value whose texts a record may hold."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {storable_text(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(item) for item in value]
    return value


class Moment(sa.TypeDecorator[dt.datetime]):
    """An aware time in UTC; SQLite holds it as text in ISO order, without zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Return what makes a parameter; SQLite's text in a fifth of the time that SQLAlchemy takes for the same."""
        return _text_in_utc if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Turn an aware time into UTC."""
        del dialect
        return None if value is None else value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Make the time aware again."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if dialect.name == "sqlite" else value.astimezone(dt.UTC)


def _text_in_utc(value: dt.datetime | None) -> str | None:
    if value is None:
        return None
    moment = value.astimezone(dt.UTC)  # without its zone by the quickest way there is
    return dt.datetime.combine(moment.date(), moment.time()).isoformat(" ", "microseconds")


class _Words(sa.TypeDecorator[str]):
    """Text from outside: cleaned of what a database refuses, and bounded."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else storable_text(value)


class _Message(_Words):
    """Text in which somebody else may have put a password: a command, an error, a query."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return super().process_bind_param(None if value is None else scrub(value), dialect)


class _Structure(sa.TypeDecorator[Any]):
    """A JSON value: ``JSONB`` on PostgreSQL, JSON text on SQLite."""

    impl = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        del dialect
        return storable(value)


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


_IS_KEPT_TWICE = False
"""A table whose rows are little more than their key is stored in its key's order, and not beside it once more."""


def _column(
    name: str, *more: Any, of: Any = sa.Text, null: bool = False, key: bool = False, **options: Any
) -> sa.Column[Any]:
    return sa.Column(name, of, *more, nullable=null, primary_key=key, **options)


def _key(name: str, *more: Any) -> sa.Column[Any]:
    return _column(name, *more, key=True)


def _partition(*, key: bool = False) -> sa.Column[Any]:
    return _column("partition_key", key=key, server_default=sa.text("''"))


def _node_run_child() -> sa.Column[Any]:
    return _key("node_run_id", sa.ForeignKey("node_run.node_run_id", ondelete="CASCADE"))


def _partial_index(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    condition = sa.text(where)
    return sa.Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


package_set = sa.Table(
    "package_set",
    metadata,
    _key("package_set_hash"),
    _column("python_version"),
    _column("platform"),
    _column("engine_version"),
)
package_version = sa.Table(
    "package_version",
    metadata,
    _key("package_set_hash", sa.ForeignKey("package_set.package_set_hash")),
    _key("name"),
    _column("version"),
    sqlite_with_rowid=_IS_KEPT_TWICE,
)
run = sa.Table(
    "run",
    metadata,
    _key("run_id"),
    _column("parent_run_id", sa.ForeignKey("run.run_id"), null=True),
    _column("epoch", of=sa.BigInteger, null=True),
    _column("project"),
    _column("environment", server_default=sa.text("'default'")),
    _column("mode"),
    _column("state"),
    _column("started_at", of=Moment),
    _column("ended_at", of=Moment, null=True),
    _column("heartbeat_at", of=Moment, null=True),
    _column("user_name"),
    _column("host"),
    _column("boot_id", null=True),
    _column("pid", of=sa.Integer),
    _column("process_start_ticks", of=sa.BigInteger, null=True),
    _column("command", of=_Message, null=True),
    _column("git_commit", null=True),
    _column("git_branch", of=_Words, null=True),
    _column("git_dirty", of=sa.Boolean, null=True),
    _column("package_set_hash", sa.ForeignKey("package_set.package_set_hash"), null=True),
    _column("graph_hash", null=True),
    _column("selection", of=_Message, null=True),
    _column("outputs_built", of=sa.Integer, null=True),
    _column("outputs_fresh", of=sa.Integer, null=True),
    _column("outputs_failed", of=sa.Integer, null=True),
    _column("error", of=_Message, null=True),
    sa.UniqueConstraint("epoch"),
    sa.Index(None, "project", "started_at"),
    sa.Index(None, "state"),
)
run_param = sa.Table(
    "run_param",
    metadata,
    _key("run_id", sa.ForeignKey("run.run_id", ondelete="CASCADE")),
    _key("origin"),
    _key("name"),
    _column("value_hash"),
    _column("value_json", of=_Words, null=True),
    _column("is_secret", of=sa.Boolean),
    sqlite_with_rowid=_IS_KEPT_TWICE,
)
node = sa.Table(
    "node",
    metadata,
    _key("node_id"),
    _column("project"),
    _column("name"),
    _column("kind"),
    _column("current_node_version_id", null=True),
    _column("created_at", of=Moment),
    _column("retired_at", of=Moment, null=True),
    sa.UniqueConstraint("project", "name"),
)
code_unit = sa.Table(
    "code_unit",
    metadata,
    _key("unit_hash"),
    _column("kind"),
    _column("module", null=True),
    _column("qualname", of=_Words),
    _column("source", of=_Words, null=True),
    _column("file_path", of=_Words, null=True),
    _column("line", of=sa.Integer, null=True),
    _column("first_seen_at", of=Moment),
)
node_version = sa.Table(
    "node_version",
    metadata,
    _key("node_version_id"),
    _column("node_id", sa.ForeignKey("node.node_id")),
    _column("code_version"),
    _column("scheme", of=sa.Integer),
    _column("completeness"),
    _column("type", of=_Words, null=True),
    _column("doc", of=_Words, null=True),
    _column("tags_json", of=_Structure, null=True),
    _column("first_seen_run_id", sa.ForeignKey("run.run_id"), null=True),
    _column("created_at", of=Moment),
    sa.UniqueConstraint("node_id", "scheme", "code_version"),
)
node_version_unit = sa.Table(
    "node_version_unit",
    metadata,
    _key("node_version_id", sa.ForeignKey("node_version.node_version_id")),
    _key("unit_hash", sa.ForeignKey("code_unit.unit_hash")),
    _key("ref_name"),
    sa.Index(None, "unit_hash"),
    sqlite_with_rowid=_IS_KEPT_TWICE,
)
recipe = sa.Table(
    "recipe",
    metadata,
    _key("recipe_version"),
    _column("manifest_json", of=_Structure),
)
dataset = sa.Table(
    "dataset",
    metadata,
    _key("dataset_id"),
    _column("namespace"),
    _column("name"),
    _column("dataset_type"),
    _column("is_external", of=sa.Boolean),
    _column("writer_node_id", sa.ForeignKey("node.node_id"), null=True),
    _column("mode", null=True),
    _column("created_at", of=Moment),
    _column("retired_at", of=Moment, null=True),
    sa.UniqueConstraint("namespace", "name"),
    sa.Index(None, "writer_node_id"),
)
dataset_field = sa.Table(
    "dataset_field",
    metadata,
    _key("schema_hash"),
    _column("ordinal", of=sa.Integer, key=True, autoincrement=False),
    _column("name", of=_Words),
    _column("type"),
    _column("nullable", of=sa.Boolean, null=True),
    sqlite_with_rowid=_IS_KEPT_TWICE,
)
node_run = sa.Table(
    "node_run",
    metadata,
    _key("node_run_id"),
    _column("run_id"),
    _column("node_id"),
    _column("node_version_id", null=True),
    _partition(),
    _column("attempt", of=sa.Integer, server_default=sa.text("1")),
    _column("state"),
    _column("recipe_version", null=True),
    _column("commit_id", null=True),
    _column("started_at", of=Moment, null=True),
    _column("ended_at", of=Moment, null=True),
    _column("duration_s", of=sa.Double, null=True),
    _column("rows", of=sa.BigInteger, null=True),
    _column("error_type", null=True),
    _column("error_message", of=_Message, null=True),
    _column("traceback", of=_Message, null=True),
    sa.UniqueConstraint("run_id", "node_id", "partition_key", "attempt"),
    sa.Index(None, "node_id"),
    _partial_index("ix_node_run_unsettled", "run_id", where="state = 'running'"),
    _partial_index("ix_node_run_done", "node_id", "node_run_id", where=LAST_OF_OUTPUT),
)
node_run_edge = sa.Table(
    "node_run_edge",
    metadata,
    _key("node_run_id"),
    _key("upstream_node_run_id"),
    _key("param_name"),
    sa.Index(None, "upstream_node_run_id"),
    sqlite_with_rowid=_IS_KEPT_TWICE,
)
node_run_reason = sa.Table(
    "node_run_reason",
    metadata,
    _node_run_child(),
    _column("seq", of=sa.Integer, key=True, autoincrement=False),
    _column("code"),
    _column("subject", of=_Words),
    _column("old_value", of=_Words, null=True),
    _column("new_value", of=_Words, null=True),
    _column("root_node_run_id", null=True),
    sqlite_with_rowid=_IS_KEPT_TWICE,
)
dataset_version = sa.Table(
    "dataset_version",
    metadata,
    _key("dataset_version_id"),
    _column("dataset_id", sa.ForeignKey("dataset.dataset_id")),
    _partition(),
    _column("seq", of=sa.BigInteger),
    _column("token_kind"),
    _column("token"),
    _column("content_hash", null=True),
    _column("schema_hash", null=True),
    _column("arrow_schema", null=True),
    _column("row_count", of=sa.BigInteger, null=True),
    _column("size_bytes", of=sa.BigInteger, null=True),
    _column("change"),
    _column("run_id", sa.ForeignKey("run.run_id"), null=True),
    _column("node_run_id", sa.ForeignKey("node_run.node_run_id"), null=True),
    _column("previous_version_id", null=True),
    _column("state"),
    _column("committed_at", of=Moment),
    _column("verified_at", of=Moment, null=True),
    sa.Index(None, "dataset_id", "partition_key", "seq"),
    sa.Index(None, "dataset_id", "committed_at"),
    sa.Index(None, "dataset_id", "token"),
    sa.Index(None, "run_id"),
    _partial_index("ix_dataset_version_live", "dataset_id", "partition_key", where="state = 'live'", unique=True),
)
node_run_input = sa.Table(
    "node_run_input",
    metadata,
    _node_run_child(),
    _key("param_name"),
    _key("dataset_version_id", sa.ForeignKey("dataset_version.dataset_version_id")),
    _column("token"),
    _column("query_text", of=_Message, null=True),
    _column("read_columns", of=_Words, null=True),
    _column("role", server_default=sa.text("'data'")),
    sa.Index(None, "dataset_version_id"),
    sqlite_with_rowid=_IS_KEPT_TWICE,
)
node_run_output = sa.Table(
    "node_run_output",
    metadata,
    _node_run_child(),
    _key("dataset_version_id", sa.ForeignKey("dataset_version.dataset_version_id")),
    _column("dataset_id", sa.ForeignKey("dataset.dataset_id")),
    _partition(),
    _column("recipe_version"),
    _column("changed", of=sa.Boolean),
    sa.Index(None, "dataset_id", "partition_key", "recipe_version"),
    sa.Index(None, "dataset_version_id"),
    sqlite_with_rowid=_IS_KEPT_TWICE,
)
column_lineage = sa.Table(
    "column_lineage",
    metadata,
    _key("node_version_id", sa.ForeignKey("node_version.node_version_id")),
    _key("output_dataset_id", sa.ForeignKey("dataset.dataset_id")),
    _key("output_field"),
    _key("input_dataset_id", sa.ForeignKey("dataset.dataset_id")),
    _key("input_field"),
    _column("transformation", of=_Words, null=True),
    sqlite_with_rowid=_IS_KEPT_TWICE,
)
check_result = sa.Table(
    "check_result",
    metadata,
    _node_run_child(),
    _key("name"),
    _column("column_name", null=True),
    _column("severity"),
    _column("passed", of=sa.Boolean),
    _column("expected", of=_Words, null=True),
    _column("observed", of=_Words, null=True),
    sqlite_with_rowid=_IS_KEPT_TWICE,
)
invalidation = sa.Table(
    "invalidation",
    metadata,
    _key("invalidation_id"),
    _column("dataset_id", sa.ForeignKey("dataset.dataset_id")),
    _partition(),
    _column("requested_at", of=Moment),
    _column("requested_by"),
    _column("reason", of=_Words),
    _column("cleared_by_node_run_id", null=True),
    sa.Index(None, "dataset_id"),
)
file_cache = sa.Table(
    "file_cache",
    metadata,
    _key("path"),
    _column("size_bytes", of=sa.BigInteger),
    _column("mtime_ns", of=sa.BigInteger),
    _column("inode", of=sa.BigInteger, null=True),
    _column("content_hash"),
    _column("hashed_at_ns", of=sa.BigInteger),
)
