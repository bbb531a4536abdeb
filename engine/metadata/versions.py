"""Versions: what observations and commits of datasets have in common.

Theory of operation. A version that a saver *committed* carries the sequence number of its ledger row; of these the
newest is live, in whatever order they are replayed. A version that a loader *observed* is what a dataset was found to
be; it is live as long as nothing newer was seen. A dataset has at most one live version per partition. Everything here
happens in a write transaction, in which nobody else writes; so to read the newest version and then add one is safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.metadata import schema
from engine.metadata.schema import identity

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from engine.metadata.records import Dataset

LEDGER = "ledger"
"""The kind of a token that a ledger row gives."""

OBSERVED = "observed"
"""The change of a version that was found, not made."""

LIVE, SUPERSEDED, LOST = "live", "superseded", "lost"


def dataset_id(dataset: Dataset) -> str:
    """Return the key of a dataset."""
    return identity("dataset", dataset.namespace, dataset.name)


def dataset_row(dataset: Dataset, writer_node_id: str | None, now: dt.datetime) -> dict[str, Any]:
    """Return the row of a dataset; only what the engine writes has a writer."""
    return {
        "dataset_id": dataset_id(dataset),
        "namespace": dataset.namespace,
        "name": dataset.name,
        "dataset_type": dataset.dataset_type,
        "is_external": dataset.is_external,
        "writer_node_id": writer_node_id,
        "mode": dataset.mode,
        "created_at": now,
    }


def move(connection: sa.Connection, version_ids: Iterable[str], state: str) -> None:
    """Give versions another state."""
    rows = [{"id": version_id} for version_id in version_ids]
    if rows:
        table = schema.dataset_version
        statement = sa.update(table).where(table.c.dataset_version_id == sa.bindparam("id"))
        connection.execute(statement.values(state=state), rows)
