"""Store: every question to the metadata and every write to it; each method is one transaction.

What is written and asked lives in the files beside this one; here stand the transactions.
"""

from __future__ import annotations

import datetime as dt
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.errors import RunNotFoundError
from engine.identifiers import new_id
from engine.metadata import (
    commits,
    database,
    free_sql,
    lineage,
    locks,
    lookups,
    migrate,
    recording,
    schema,
    showing,
    statements,
    surroundings,
    versions,
)

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterable, Sequence

    from engine.metadata.database import Database
    from engine.metadata.records import DatasetVersion, NodeRun, NodeVersion, OutputRecord, Run, RunState


class MetadataStore:
    """The metadata database at a URL (``sqlite:///…`` or ``postgresql://…``); created and upgraded on first use.

    Args:
        url: Where the metadata lives.
        read_only: Look, and neither create nor upgrade: for faces that only show.
        folder: Where the project is, to ask git about; the working directory unless given.

    Attributes:
        url: Where the metadata lives, without password.

    Raises:
        MetadataError: The URL cannot be used.
    """

    def __init__(self, url: str, *, read_only: bool = False, folder: str | Path | None = None) -> None:
        self._unchecked = database.Database(url, read_only=read_only)
        self._folder = Path(folder or ".").absolute()
        self._projects: dict[str, str] = {}
        self._node_versions: dict[str, dict[str, str]] = {}
        self.url = self._unchecked.shown

    @functools.cached_property
    def _database(self) -> Database:
        migrate.ensure(self._unchecked)
        return self._unchecked

    def close(self) -> None:
        """Let go of the database; the next use opens it again."""
        self._unchecked.close()

    # --- one run -----------------------------------------------------------------------------------------------------

    def hold_run(self, run_id: str) -> contextlib.AbstractContextManager[None]:
        """Hold the lock that says this run is alive; taken before `start_run`, held past `end_run`.

        Raises:
            MetadataError: The lock is not to be had.
        """
        return locks.hold_run(self._database, run_id)

    def start_run(self, run: Run) -> int:
        """Insert the run as `running`, and return its epoch, which grows from run to run.

        Machine, user, git commit and package versions are gathered here.
        """
        packages, git = surroundings.packages(), surroundings.git(self._folder)
        with self._database.write() as connection:
            epoch = recording.start_run(connection, run, surroundings.process(), packages, git)
        self._projects[run.run_id] = run.project
        return epoch

    def declare(self, run_id: str, versions: Sequence[NodeVersion], intents: Sequence[NodeRun]) -> None:
        """Record what a run is about to do: the code of its nodes, and the node runs of all outputs to be written.

        Raises:
            RunNotFoundError: The run has not been started.
        """
        with self._database.write() as connection:
            project = self._project_of(connection, run_id)
            ids = recording.declare(connection, project, run_id, versions)
            recording.record(connection, project, intents, ids)
        self._node_versions.setdefault(run_id, {}).update(ids)

    def record(self, node_runs: Sequence[NodeRun]) -> None:
        """Insert or complete node runs with their edges, reasons and inputs: a handful of statements however many.

        Raises:
            RunNotFoundError: A run has not been started.
        """
        if not node_runs:
            return
        by_run: dict[str, list[NodeRun]] = {}
        for node_run in node_runs:
            by_run.setdefault(node_run.run_id, []).append(node_run)
        with self._database.write() as connection:
            for run_id, group in by_run.items():
                project = self._project_of(connection, run_id)
                recording.record(connection, project, group, self._node_versions.get(run_id, {}))

    def apply(self, versions: Sequence[DatasetVersion]) -> None:
        """Record versions that were committed or found unchanged, and complete their node runs; may be repeated.

        A version of which the store has never heard is recorded with as much of its run and node as its record tells,
        so a ledger can be replayed into an empty store.
        """
        if versions:
            with self._database.write() as connection:
                commits.apply(connection, versions)

    def end_run(self, run_id: str, state: RunState, *, built: int, fresh: int, failed: int, error: str | None) -> None:
        """Complete the run's row, and say of each output which dataset versions its upstream nodes read."""
        counts = {"outputs_built": built, "outputs_fresh": fresh, "outputs_failed": failed}
        with self._database.write() as connection:
            recording.end_run(connection, [run_id], state=state, error=error, **counts)
        self._projects.pop(run_id, None)
        self._node_versions.pop(run_id, None)

    # --- planning ----------------------------------------------------------------------------------------------------

    def latest(self, project: str, outputs: Iterable[str]) -> dict[str, OutputRecord]:
        """Return the last known trace of each output that has one, in a constant number of queries."""
        with self._database.read() as connection:
            return lookups.latest(connection, project, outputs)

    def file_hashes(self, paths: Iterable[str]) -> dict[str, tuple[int, int, int | None, str]]:
        """Return size in bytes, modification time in ns, inode and hash of the files whose hash can be relied upon.

        A file that was hashed within two seconds of its modification is not among them: it may have changed again
        without its time showing it.
        """
        with self._database.read() as connection:
            return lookups.file_hashes(connection, paths)

    def remember_files(
        self, rows: Sequence[tuple[str, int, int, int | None, str]], *, hashed_at_ns: int | None = None
    ) -> None:
        """Keep the hashes of files.

        Args:
            rows: Path, size in bytes, modification time in ns, inode, content hash.
            hashed_at_ns: When hashing began, in ns since 1970; now unless given.
        """
        moment = time.time_ns() if hashed_at_ns is None else hashed_at_ns
        names = ("path", "size_bytes", "mtime_ns", "inode", "content_hash")
        values = [dict(zip(names, row, strict=True), hashed_at_ns=moment) for row in rows]
        with self._database.write() as connection:
            update = statements.taking(*names[1:], "hashed_at_ns")
            statements.insert_or_update(connection, schema.file_cache, values, update)

    # --- healing -----------------------------------------------------------------------------------------------------

    def unfinished(self, project: str) -> list[NodeRun]:
        """Return the node runs that have not ended although their run is dead: what reconciling has to settle."""
        with self._database.read() as connection:
            found = lookups.unfinished(connection, project)
        alive = locks.alive(self._database, {node_run.run_id for node_run in found})
        return [node_run for node_run in found if node_run.run_id not in alive]

    def settle(self, landed: Sequence[DatasetVersion], aborted: Sequence[str]) -> None:
        """Record what was committed without a record, mark other node runs and every dead run aborted; may be repeated.

        Args:
            landed: The versions that a ledger tells of; each gets the reason ``reconciled``.
            aborted: The node runs whose were not.
        """
        with self._database.read() as connection:
            running = lookups.running(connection)
        dead = running - locks.alive(self._database, running)
        if not (landed or aborted or dead):
            return
        with self._database.write() as connection:
            commits.replay(connection, landed)
            recording.abort(connection, aborted)
            recording.abort_runs(connection, dead)

    def mark(self, version_ids: Sequence[str], state: str) -> None:
        """Say that versions are no longer what they were: ``tampered``, ``dropped`` or ``lost``."""
        with self._database.write() as connection:
            versions.move(connection, version_ids, state)

    def invalidate(self, project: str, output: str, *, reason: str, requested_by: str) -> None:
        """Ask that an output be rebuilt by the next run, whatever its recipe says.

        Raises:
            UnknownNodeError: The project has no such output.
        """
        with self._database.write() as connection:
            row = {
                "invalidation_id": new_id(),
                "dataset_id": lineage.find_dataset(connection, project, output),
                "requested_at": dt.datetime.now(dt.UTC),
                "requested_by": requested_by,
                "reason": reason,
            }
            connection.execute(sa.insert(schema.invalidation), [row])

    # --- looking -----------------------------------------------------------------------------------------------------

    def runs(self, project: str | None, *, limit: int = 20) -> list[dict[str, Any]]:
        """Return rows of the view ``run_summary``, newest first; of all projects if ``project`` is None."""
        with self._database.read() as connection:
            return showing.runs(connection, project, limit)

    def run(self, run_id: str) -> dict[str, Any]:
        """Return one run: its summary, ``parameters``, ``packages``, ``outputs``, ``nodes`` with reasons and inputs.

        Args:
            run_id: The id, or a beginning or an end of it that no other run has.

        Raises:
            RunNotFoundError: There is no such run, or more than one.
        """
        with self._database.read() as connection:
            return showing.run(connection, run_id)

    def run_diff(self, old_run: str, new_run: str) -> list[dict[str, Any]]:
        """Return what differs between two runs: rows of ``what`` (code, input, package …), name, old and new.

        Raises:
            RunNotFoundError: There is no such run, or more than one.
        """
        with self._database.read() as connection:
            return showing.run_diff(connection, old_run, new_run)

    def lineage(self, project: str, output: str) -> dict[str, Any]:
        """Return what an output (by saver or table name) was built from, transitively, and by which run.

        Raises:
            UnknownNodeError: There is no such output.
        """
        with self._database.read() as connection:
            return lineage.lineage(connection, project, output)

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one read-only statement and return the names of its columns and its rows.

        Raises:
            RequestError: It is not one statement, it would write, or the database does not understand it.
        """
        with self._database.read() as connection:
            return free_sql.run(connection, sql)

    def _project_of(self, connection: sa.Connection, run_id: str) -> str:
        project = self._projects.get(run_id)
        if project is None:
            c = schema.run.c
            project = connection.scalar(sa.select(c.project).where(c.run_id == run_id))
            if project is None:
                raise RunNotFoundError(f"there is no run {run_id!r}", hint="start it before recording what it does")
            self._projects[run_id] = project
        return project
