"""Commits: the versions that savers committed or found unchanged, recorded as often as they are told."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.metadata import schema
from engine.metadata.observations import observe
from engine.metadata.records import Dataset, DatasetVersion, InputRead, NodeRunState, RunState
from engine.metadata.schema import Moment, identity
from engine.metadata.statements import insert_new, insert_or_update, select_in, taking
from engine.metadata.versions import LEDGER, LIVE, LOST, OBSERVED, SUPERSEDED, dataset_id, dataset_row, move

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def apply(connection: sa.Connection, versions: Sequence[DatasetVersion]) -> None:
    """Record versions that were committed, or found unchanged, and complete their node runs.

    Where the database has never heard of the run or the node (it was lost, or restored from a backup), as much of them
    is inserted as the versions tell.
    """
    if not versions:
        return
    now = dt.datetime.now(dt.UTC)
    ordered = sorted(versions, key=lambda version: (version.seq, version.version_id))
    writers = _ensure_writers(connection, ordered, now)
    _insert_descriptions(connection, ordered, writers, now)
    _complete_node_runs(connection, ordered, writers, now)
    line = _line_of(connection, ordered)
    outputs = [_output_row(version, line.place(version)) for version in ordered]
    _write_line(connection, line, now)
    insert_new(connection, schema.node_run_output, outputs)
    _clear_invalidations(connection, ordered, now)


def replay(connection: sa.Connection, versions: Sequence[DatasetVersion]) -> None:
    """Record versions whose own record was lost, as the warehouse's ledger tells of them: what they read, too."""
    apply(connection, versions)
    reads = [(v.node_run_id, v.run_id, read) for v in versions for read in _reads_in(v.record)]
    observe(connection, reads, dt.datetime.now(dt.UTC), is_told_late=True)
    reason = {"seq": 0, "code": "reconciled", "subject": "found in the warehouse's ledger"}
    insert_new(connection, schema.node_run_reason, [reason | {"node_run_id": v.node_run_id} for v in versions])


class _Line:
    """The versions of some datasets in the order they were committed, as more and more are told.

    Args:
        known: The ids of versions that are recorded.
        live: The rows of versions that are live.

    Attributes:
        new: Rows of versions that were not known.
        moved: By state, the versions that were live and have that state now.
        verified: Versions that were found unchanged.
    """

    def __init__(self, known: Iterable[str], live: Iterable[sa.Row[Any]]) -> None:
        self.new: list[dict[str, Any]] = []
        self.moved: dict[str, list[str]] = {SUPERSEDED: [], LOST: []}
        self.verified: list[str] = []
        self._known = set(known)
        self._live = {(row.dataset_id, row.partition_key): dict(row._mapping) for row in live}  # noqa: SLF001 - public name

    def place(self, version: DatasetVersion) -> str:
        """Make the version's row if it is new, and return the id of the version its node run stands for."""
        pair = dataset_id(version.dataset), version.partition_key
        live = self._live.get(pair)
        target = version.version_id
        if target not in self._known:
            if not version.changed and live is not None and live["change"] != OBSERVED:
                target = live["dataset_version_id"]
            else:
                self._insert(version, pair, live)
        if not version.changed:
            self.verified.append(target)
        return target

    def _insert(self, version: DatasetVersion, pair: tuple[str, str], live: dict[str, Any] | None) -> None:
        row = _version_row(version)
        self._known.add(version.version_id)
        self.new.append(row)
        is_ahead = live is None or live["change"] == OBSERVED or row["seq"] > live["seq"]
        if not is_ahead and live is not None:
            if row["committed_at"] <= live["committed_at"]:
                return  # told late: it was superseded long ago
            if version.token_kind != LEDGER:  # only a ledger counts its versions
                row["seq"], is_ahead = live["seq"] + 1, True
        if live is not None:  # a ledger that counts backwards is of a warehouse made anew, or restored from a backup
            live["state"] = SUPERSEDED if is_ahead else LOST
            self.moved[live["state"]].append(live["dataset_version_id"])
        row["state"] = LIVE
        self._live[pair] = row


def _line_of(connection: sa.Connection, versions: Sequence[DatasetVersion]) -> _Line:
    c = schema.dataset_version.c
    ids = sa.select(c.dataset_version_id)
    known = select_in(connection, ids, c.dataset_version_id, (version.version_id for version in versions))
    query = sa.select(c.dataset_version_id, c.dataset_id, c.partition_key, c.seq, c.state, c.change, c.committed_at)
    live = select_in(
        connection, query.where(c.state == LIVE), c.dataset_id, (dataset_id(version.dataset) for version in versions)
    )
    return _Line((row[0] for row in known), live)


def _write_line(connection: sa.Connection, line: _Line, now: dt.datetime) -> None:
    for state, version_ids in line.moved.items():
        move(connection, version_ids, state)
    insert_new(connection, schema.dataset_version, line.new)
    if line.verified:
        table = schema.dataset_version
        statement = sa.update(table).where(table.c.dataset_version_id == sa.bindparam("id")).values(verified_at=now)
        connection.execute(statement, [{"id": version_id} for version_id in line.verified])


def _version_row(version: DatasetVersion) -> dict[str, Any]:
    return {
        "dataset_version_id": version.version_id,
        "dataset_id": dataset_id(version.dataset),
        "partition_key": version.partition_key,
        "seq": version.seq,
        "token_kind": version.token_kind,
        "token": version.token,
        "content_hash": version.content_hash,
        "schema_hash": version.schema_hash,
        "arrow_schema": version.record.get("arrow_schema"),
        "row_count": version.row_count,
        "size_bytes": version.size_bytes,
        "change": version.change,
        "run_id": version.run_id,
        "node_run_id": version.node_run_id,
        "previous_version_id": version.previous_version_id,
        "state": SUPERSEDED,
        "committed_at": version.committed_at,
        "verified_at": version.committed_at,
    }


def _ensure_writers(connection: sa.Connection, versions: Sequence[DatasetVersion], now: dt.datetime) -> dict[str, str]:
    """Return the saver's node id by node run, inserting the runs and nodes that are not known."""
    c = schema.node_run.c
    query = sa.select(c.node_run_id, c.node_id)
    found = select_in(connection, query, c.node_run_id, (version.node_run_id for version in versions))
    known: dict[str, str] = {row.node_run_id: row.node_id for row in found}
    missing = [version for version in versions if version.node_run_id not in known]
    insert_new(connection, schema.run, [_run_stub(version) for version in missing])
    insert_new(connection, schema.node, [_node_stub(version, now) for version in missing])
    return known | {version.node_run_id: _node_stub(version, now)["node_id"] for version in missing}


def _run_stub(version: DatasetVersion) -> dict[str, Any]:
    return {
        "run_id": version.run_id,
        "project": version.record.get("project", ""),
        "mode": "materialize",
        "state": RunState.COMPLETE,
        "started_at": version.committed_at,
        "ended_at": version.committed_at,
        "user_name": "unknown",
        "host": "unknown",
        "pid": 0,
        "error": "the record of this run was lost; what the warehouse's ledger tells was put back",
    }


def _node_stub(version: DatasetVersion, now: dt.datetime) -> dict[str, Any]:
    project, name = version.record.get("project", ""), version.record.get("node", version.dataset.name)
    node_id = identity("node", project, name)
    return {"node_id": node_id, "project": project, "name": name, "kind": "saver", "created_at": now}


def _insert_descriptions(
    connection: sa.Connection, versions: Sequence[DatasetVersion], writers: Mapping[str, str], now: dt.datetime
) -> None:
    """Insert what is said of datasets, columns and recipes."""
    insert_or_update(
        connection,
        schema.dataset,
        [dataset_row(version.dataset, writers[version.node_run_id], now) for version in versions],
        taking("dataset_type", "is_external", "writer_node_id", "mode", "retired_at"),
    )
    recipes = {v.recipe_version: v.record["recipe"] for v in versions if v.record.get("recipe") is not None}
    insert_new(
        connection,
        schema.recipe,
        [{"recipe_version": key, "manifest_json": manifest} for key, manifest in recipes.items()],
    )
    schemas = {v.schema_hash: v.record.get("columns") or () for v in versions if v.schema_hash is not None}
    fields = [
        {"schema_hash": key, "ordinal": ordinal, "name": name, "type": str(type_), "nullable": nullable}
        for key, columns in schemas.items()
        for ordinal, (name, type_, nullable) in enumerate(columns)
    ]
    insert_new(connection, schema.dataset_field, fields)


def _complete_node_runs(
    connection: sa.Connection, versions: Sequence[DatasetVersion], writers: Mapping[str, str], now: dt.datetime
) -> None:
    rows = [
        {
            "node_run_id": version.node_run_id,
            "run_id": version.run_id,
            "node_id": writers[version.node_run_id],
            "partition_key": version.partition_key,
            "state": NodeRunState.SUCCESS if version.changed else NodeRunState.UNCHANGED,
            "recipe_version": version.recipe_version,
            "commit_id": version.version_id if version.changed else None,
            "ended_at": version.committed_at if version.changed else now,
            "rows": version.row_count,
        }
        for version in versions
    ]
    insert_or_update(connection, schema.node_run, rows, _committed)


def _committed(new: Any) -> dict[str, Any]:
    """Say what a node run that is there becomes: what it says of itself stays, but for its state and recipe."""
    old = schema.node_run.c
    stays = {name: sa.func.coalesce(old[name], new[name]) for name in ("commit_id", "ended_at", "rows")}
    return {"state": new["state"], "recipe_version": new["recipe_version"], **stays}


def _output_row(version: DatasetVersion, version_id: str) -> dict[str, Any]:
    return {
        "node_run_id": version.node_run_id,
        "dataset_version_id": version_id,
        "dataset_id": dataset_id(version.dataset),
        "partition_key": version.partition_key,
        "recipe_version": version.recipe_version,
        "changed": version.changed,
    }


def _clear_invalidations(connection: sa.Connection, versions: Sequence[DatasetVersion], now: dt.datetime) -> None:
    table = schema.invalidation
    statement = sa.update(table).where(
        table.c.dataset_id == sa.bindparam("dataset"),
        table.c.partition_key == sa.bindparam("partition"),
        table.c.cleared_by_node_run_id.is_(None),
        table.c.requested_at <= sa.bindparam("made_at", type_=Moment()),
    )
    rows = [
        {
            "dataset": dataset_id(version.dataset),
            "partition": version.partition_key,
            "made_at": version.committed_at if version.changed else now,
            "node_run": version.node_run_id,
        }
        for version in versions
    ]
    connection.execute(statement.values(cleared_by_node_run_id=sa.bindparam("node_run")), rows)


def _reads_in(record: Mapping[str, Any]) -> Iterable[InputRead]:
    """Yield what a ledger's record says was read, if it says so: `InputRead` as JSON values."""
    for read in record.get("inputs") or ():
        yield InputRead(
            param_name=read["param_name"],
            dataset=Dataset(**read["dataset"]),
            token_kind=read["token_kind"],
            token=read["token"],
        )
