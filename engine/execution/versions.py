"""Versions: what a saver committed, as the metadata records it; the same from a run and from a replayed ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.dialects.base import WriteMode
from engine.io.files import file_token
from engine.io.places import Place, file_place
from engine.metadata.records import Dataset, DatasetVersion

if TYPE_CHECKING:
    from engine.dialects.base import Intent, LedgerRow
    from engine.dialects.warehouse import Warehouse

_CHANGES = {
    WriteMode.REPLACE: "overwritten",
    WriteMode.VIEW: "overwritten",
    WriteMode.APPEND: "appended",
    WriteMode.UPSERT: "merged",
    WriteMode.DELETE_INSERT: "merged",
}


def table_dataset(place: Place, mode: WriteMode, saver: str) -> Dataset:
    """Return the dataset of a table or view that a saver writes."""
    kind = "view" if mode is WriteMode.VIEW else "table"
    return Dataset(namespace=place.namespace, name=place.name, dataset_type=kind, writer_node=saver, mode=mode.value)


def from_ledger(
    warehouse: Warehouse, row: LedgerRow, intent: Intent | None = None, *, changed: bool = True
) -> DatasetVersion:
    """Return the version that a ledger row proves.

    Args:
        warehouse: Where the ledger is.
        row: The ledger's row.
        intent: What the present run declared, where the content was found unchanged: its recipe and node run count.
        changed: False when nothing was written.
    """
    saver = str(row.record.get("node", ""))
    return DatasetVersion(
        version_id=row.commit_id,
        dataset=table_dataset(Place(warehouse.namespace, row.dataset), row.mode, saver),
        seq=row.seq,
        token_kind="ledger",  # noqa: S106 - a kind of token, not a password
        token=row.token,
        run_id=intent.run_id if intent else row.run_id,
        node_run_id=intent.node_run_id if intent else row.node_run_id,
        recipe_version=intent.recipe_version if intent else row.recipe_version,
        committed_at=row.committed_at,
        record=intent.record if intent else row.record,
        change="created" if row.seq == 1 else _CHANGES[row.mode],
        content_hash=row.content_hash,
        schema_hash=row.schema_hash,
        row_count=row.row_count,
        previous_version_id=row.previous_commit_id,
        partition_key=row.partition_key,
        changed=changed,
    )


def of_file(
    path: str, intent: Intent, metadata: dict[str, Any], previous: tuple[str, str, int] | None
) -> DatasetVersion:
    """Return the version of a file that a saver has just written.

    Args:
        path: The file.
        intent: What the run declared.
        metadata: What the saver returned.
        previous: Version id, token and seq of the live version, if there is one.
    """
    token = file_token(path) or ""
    changed = previous is None or previous[1] != token
    saver = str(intent.record.get("node", ""))
    place = file_place(path)
    rows = metadata.get("dataframe_metadata", {}).get("rows")
    return DatasetVersion(
        version_id=intent.commit_id if previous is None or changed else previous[0],
        dataset=Dataset(
            namespace=place.namespace, name=place.name, dataset_type="file", writer_node=saver, mode="replace"
        ),
        seq=1 if previous is None else previous[2] + changed,
        token_kind="content",  # noqa: S106 - a kind of token, not a password
        token=token,
        run_id=intent.run_id,
        node_run_id=intent.node_run_id,
        recipe_version=intent.recipe_version,
        committed_at=datetime.now(tz=UTC),
        record=intent.record,
        change="created" if previous is None else "overwritten",
        content_hash=token,
        row_count=rows if isinstance(rows, int) else None,
        size_bytes=Path(path).stat().st_size,
        previous_version_id=previous[0] if previous else None,
        changed=changed,
    )
