"""Records: the frozen rows that a run leaves, as the rest of the engine hands them to the store.

Nothing here knows a database. Times are UTC and aware; ids are UUIDv7 text, so that they sort by time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class RunState(StrEnum):
    """What became of a run."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    ABORTED = "aborted"


class NodeRunState(StrEnum):
    """What became of one node in a run."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    FRESH = "fresh"
    UNCHANGED = "unchanged"
    BLOCKED = "blocked"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParameter:
    """One input, configuration value or override of a run; ``value_json`` is None where it is secret or too large."""

    origin: str
    name: str
    value_hash: str
    value_json: str | None = None
    is_secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution, as it starts."""

    run_id: str
    project: str
    mode: str
    started_at: datetime
    environment: str = "default"
    parent_run_id: str | None = None
    command: str | None = None
    selection: str | None = None
    graph_hash: str | None = None
    parameters: tuple[RunParameter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeUnit:
    """One function, class, constant or SQL text that a node's code version is made of.

    Attributes:
        unit_hash: Hash of its normalised form.
        kind: ``function``, ``class``, ``constant``, ``sql`` or ``external``.
        reference: The name under which the node's code reaches it, such as ``clean_name`` or ``helpers.clean_name``.
        source: Its text, where there is one.
    """

    unit_hash: str
    kind: str
    qualname: str
    reference: str
    module: str | None = None
    source: str | None = None
    file_path: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeVersion:
    """A node with the code it has in this run."""

    name: str
    kind: str
    code_version: str
    scheme: int
    completeness: str = "complete"
    type: str | None = None
    doc: str | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)
    units: tuple[CodeUnit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why an output was, or was not, rebuilt.

    Attributes:
        code: One of the reason codes of docs/explanation/staleness.md: ``code``, ``input``, ``source``, ``upstream`` …
        subject: What it is about: a function, a table, an input.
        old: What it was, in few words, where that helps.
        new: What it is now.
    """

    code: str
    subject: str
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        moved = f" {self.old} → {self.new}" if self.old is not None and self.new is not None else ""
        return f"{self.code}: {self.subject}{moved}" if self.subject else self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A table, view, query or file, in OpenLineage's words: a namespace and a name in it."""

    namespace: str
    name: str
    dataset_type: str
    is_external: bool = False
    writer_node: str | None = None
    mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRead:
    """One version of a dataset, as a node read it.

    Attributes:
        param_name: The parameter or loader through which it came in.
        token_kind: How the token was found: ``ledger``, ``checksum``, ``content`` (a file).
        token: What the dataset was, at the moment of reading.
    """

    param_name: str
    dataset: Dataset
    token_kind: str
    token: str
    query_text: str | None = None
    read_columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRun:
    """One node in one run; written when it begins (outputs) or when it has ended (all others)."""

    node_run_id: str
    run_id: str
    node: str
    state: NodeRunState
    recipe_version: str | None = None
    commit_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: float | None = None
    rows: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    traceback: str | None = None
    attempt: int = 1
    partition_key: str = ""
    edges: tuple[tuple[str, str], ...] = ()
    """(upstream node_run_id, parameter name) pairs."""
    reasons: tuple[Reason, ...] = ()
    inputs: tuple[InputRead, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """A new version of a dataset that a saver committed, or found unchanged.

    ``record`` is the record of the ledger row (or, for a file, what it would have been); the keys this schema reads are
    ``node`` (the saver's name), ``project``, ``dataset`` (see `Dataset`), ``recipe`` (the manifest that the recipe
    version is the hash of), ``arrow_schema``, ``columns`` (name, type, nullable).
    """

    version_id: str
    dataset: Dataset
    seq: int
    token_kind: str
    token: str
    run_id: str
    node_run_id: str
    recipe_version: str
    committed_at: datetime
    record: Mapping[str, Any]
    change: str = "overwritten"
    content_hash: str | None = None
    schema_hash: str | None = None
    row_count: int | None = None
    size_bytes: int | None = None
    previous_version_id: str | None = None
    partition_key: str = ""
    changed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRecord:
    """The last known trace of an output: what the planner compares with.

    Attributes:
        output: The saver's name.
        recipe: The manifest the live version was made from: section name → key → token (see `engine.planning.recipe`).
        state: The state of the last node run of this output that did anything (success, unchanged, failed, aborted).
        version_state: live, superseded, tampered, dropped or lost.
        invalidations: Reasons of open invalidations.
    """

    output: str
    dataset: Dataset
    version_id: str
    recipe_version: str
    recipe: Mapping[str, Any]
    token: str
    content_hash: str | None
    schema_hash: str | None
    arrow_schema: str | None
    row_count: int | None
    committed_at: datetime
    run_id: str
    state: NodeRunState
    version_state: str = "live"
    error_message: str | None = None
    invalidations: tuple[str, ...] = ()
