"""Observations: which versions of which datasets the nodes of a run read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.identifiers import new_id
from engine.metadata import schema
from engine.metadata.statements import insert_new, select_in
from engine.metadata.versions import LEDGER, LIVE, OBSERVED, SUPERSEDED, dataset_id, dataset_row, move

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from engine.metadata.records import InputRead

_DERIVE = sa.text(
    """
    INSERT INTO node_run_input (node_run_id, param_name, dataset_version_id, token, query_text, read_columns, role)
    WITH RECURSIVE cone (output_run_id, node_run_id) AS (
        SELECT o.node_run_id, o.node_run_id
          FROM node_run r JOIN node_run_output o ON o.node_run_id = r.node_run_id
         WHERE r.run_id IN :run_ids
        UNION
        SELECT cone.output_run_id, e.upstream_node_run_id
          FROM cone
          JOIN node_run_edge e ON e.node_run_id = cone.node_run_id
          JOIN node_run u ON u.node_run_id = e.upstream_node_run_id
          JOIN node n ON n.node_id = u.node_id AND n.kind <> 'saver'
         WHERE NOT EXISTS (SELECT 1 FROM node_run_input kept
                            WHERE kept.node_run_id = cone.output_run_id AND kept.param_name = n.name
                              AND kept.role = 'data')
    )
    SELECT cone.output_run_id, i.param_name, i.dataset_version_id, i.token, i.query_text, i.read_columns, 'derived'
      FROM cone JOIN node_run_input i ON i.node_run_id = cone.node_run_id
     WHERE i.role = 'data' AND cone.node_run_id <> cone.output_run_id
        ON CONFLICT DO NOTHING
    """
).bindparams(sa.bindparam("run_ids", expanding=True))


def derive_inputs(connection: sa.Connection, run_ids: Sequence[str]) -> None:
    """Say for every output of these runs which dataset versions its upstream nodes read: lineage without recursion.

    One output ends where the next begins, so what was read to make another output is not counted: neither behind its
    saver nor behind the node whose value it keeps, which this output has read as that output's version.
    """
    if run_ids:
        connection.execute(_DERIVE, {"run_ids": list(run_ids)})


def observe(
    connection: sa.Connection,
    reads: Sequence[tuple[str, str, InputRead]],
    now: dt.datetime,
    *,
    is_told_late: bool = False,
) -> None:
    """Record what node runs read.

    Args:
        connection: A write transaction.
        reads: (node run id, run id, what was read), in the order of reading.
        now: The time of versions that are seen for the first time.
        is_told_late: They were read some time ago, so a version that was committed is not thought to have passed.
    """
    if not reads:
        return
    insert_new(connection, schema.dataset, [dataset_row(read.dataset, None, now) for _, _, read in reads])
    seen = _Seen(_versions_like(connection, [read for _, _, read in reads]), is_told_late=is_told_late)
    rows = [
        {
            "node_run_id": node_run_id,
            "param_name": read.param_name,
            "dataset_version_id": seen.version_of(read, run_id, node_run_id, now),
            "token": read.token,
            "query_text": read.query_text,
            "read_columns": None if read.read_columns is None else ", ".join(read.read_columns),
            "role": "data",
        }
        for node_run_id, run_id, read in reads
    ]
    move(connection, seen.superseded, SUPERSEDED)
    insert_new(connection, schema.dataset_version, seen.new)
    insert_new(connection, schema.node_run_input, rows)


class _Seen:
    """The versions of some datasets that matter for finding what was read, as more and more is read.

    Attributes:
        new: Rows of versions that were not known.
        superseded: Versions that are no longer live.
    """

    def __init__(self, rows: Iterable[sa.Row[Any]], *, is_told_late: bool) -> None:
        self._is_told_late = is_told_late
        self.new: list[dict[str, Any]] = []
        self.superseded: list[str] = []
        self._by_token: dict[tuple[str, str, str], str] = {}
        self._live: dict[str, dict[str, Any]] = {}
        for row in rows:
            self._by_token[row.dataset_id, row.token_kind, row.token] = row.dataset_version_id
            if row.state == LIVE:
                self._live[row.dataset_id] = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it

    def version_of(self, read: InputRead, run_id: str, node_run_id: str, now: dt.datetime) -> str:
        """Return the id of the version that was read, making its row if it is new, or back again."""
        key = dataset_id(read.dataset)
        live = self._live.get(key)
        found = self._by_token.get((key, read.token_kind, read.token))
        if found is not None and not _is_back_again(found, live, read):
            return found
        version_id = new_id()
        version: dict[str, Any] = {
            "dataset_version_id": version_id,
            "dataset_id": key,
            "seq": 1 if live is None else live["seq"] + 1,
            "token_kind": read.token_kind,
            "token": read.token,
            "change": OBSERVED,
            "run_id": run_id,
            "node_run_id": node_run_id,
            "previous_version_id": None if live is None else live["dataset_version_id"],
            "state": SUPERSEDED,
            "committed_at": now,
            "verified_at": now,
        }
        if self._takes_over(read, live):
            version["state"] = LIVE
            self._live[key] = version
            if live is not None:
                live["state"] = SUPERSEDED
                self.superseded.append(live["dataset_version_id"])
        self.new.append(version)
        self._by_token[key, read.token_kind, read.token] = version_id
        return version_id

    def _takes_over(self, read: InputRead, live: dict[str, Any] | None) -> bool:
        """Whether what was seen becomes the live version: one that we committed gives way to a ledger only."""
        if live is None or live["change"] == OBSERVED:
            return True
        return read.token_kind == live["token_kind"] == LEDGER and not self._is_told_late


def _is_back_again(found: str, live: dict[str, Any] | None, read: InputRead) -> bool:
    """Whether an external dataset has left the version that was found, and has now returned to the same content."""
    return (
        live is not None
        and live["change"] == OBSERVED
        and live["dataset_version_id"] != found
        and live["token_kind"] == read.token_kind
        and read.token_kind != LEDGER
    )


def _versions_like(connection: sa.Connection, reads: Sequence[InputRead]) -> Iterable[sa.Row[Any]]:
    """Find the live versions of what was read and all that have its token; the committed and newest ones last."""
    c = schema.dataset_version.c
    tokens = list({read.token for read in reads})
    query = (
        sa.select(c.dataset_version_id, c.dataset_id, c.token_kind, c.token, c.seq, c.state, c.change)
        .where(c.partition_key == "", sa.or_(c.state == LIVE, c.token.in_(tokens)))
        .order_by(c.change != OBSERVED, c.seq)
    )
    return select_in(connection, query, c.dataset_id, (dataset_id(read.dataset) for read in reads))
