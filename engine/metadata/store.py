"""Store: every question to the metadata and every write to it, and nothing else.

(Skeleton: the public surface that `engine.execution`, `engine.driver` and the command rely on.)
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from engine.metadata.records import DatasetVersion, NodeRun, NodeVersion, OutputRecord, Run, RunState


class MetadataStore:
    """The metadata database at a URL (``sqlite:///…`` or ``postgresql://…``); created and upgraded on first use.

    Args:
        url: Where the metadata lives.
        read_only: Look, and neither create nor upgrade: for faces that only show.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None: ...

    def close(self) -> None: ...

    # --- one run -----------------------------------------------------------------------------------------------------
    def hold_run(self, run_id: str) -> AbstractContextManager[None]:
        """Hold the kernel's or server's lock that says this run is alive (flock / session advisory lock)."""

    def start_run(self, run: Run) -> int:
        """Insert the run row as `running` (with host, pid, user, git, packages gathered here); return its epoch."""

    def declare(self, run_id: str, versions: Sequence[NodeVersion], intents: Sequence[NodeRun]) -> None:
        """M1: node versions and the node runs of all outputs to be written, in one transaction."""

    def record(self, node_runs: Sequence[NodeRun]) -> None:
        """Insert or complete node runs with their edges, reasons and inputs: one transaction, a handful of statements."""

    def apply(self, versions: Sequence[DatasetVersion]) -> None:
        """M2: idempotently record committed versions and complete their node runs; also replays ledger rows."""

    def end_run(self, run_id: str, state: RunState, *, built: int, fresh: int, failed: int, error: str | None) -> None: ...

    # --- planning ----------------------------------------------------------------------------------------------------
    def latest(self, project: str, outputs: Iterable[str]) -> dict[str, OutputRecord]:
        """The live trace of each output, a constant number of queries."""

    def file_hashes(self, paths: Iterable[str]) -> dict[str, tuple[int, int, int | None, str]]: ...

    def remember_files(self, rows: Sequence[tuple[str, int, int, int | None, str]]) -> None: ...

    # --- healing -----------------------------------------------------------------------------------------------------
    def unfinished(self, project: str) -> list[NodeRun]:
        """Node runs still `running` whose run is dead (its lock is free): what reconciling has to settle."""

    def settle(self, landed: Sequence[DatasetVersion], aborted: Sequence[str]) -> None:
        """Replay what landed, mark the other node runs and their dead runs aborted; idempotent."""

    # --- looking (rows as dictionaries, newest first) ------------------------------------------------------------------
    def runs(self, project: str | None, *, limit: int = 20) -> list[dict[str, Any]]: ...

    def run(self, run_id: str) -> dict[str, Any]:
        """One run with its node runs, reasons and outputs; `run_id` may be a unique prefix or suffix. RunNotFoundError."""

    def lineage(self, project: str, output: str) -> dict[str, Any]:
        """What an output (by saver or table name) was built from, transitively, and by which run."""

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one read-only statement of the user's: column names and rows."""
