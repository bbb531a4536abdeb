"""Recovery: what a run that died left open is settled before anything is planned.

A run is dead when its lock can be taken. For each output it had declared, the ledger of the warehouse says whether the
commit landed: then the ledger's row is replayed into the metadata; else the node run is marked aborted and the old
version stands. Every step is idempotent, so a crash in here is harmless too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.execution.versions import from_ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.io.session import Session
    from engine.metadata.records import DatasetVersion, OutputRecord
    from engine.metadata.store import MetadataStore
    from engine.planning.planner import Planner


def settle_dead_runs(store: MetadataStore, session: Session, project: str) -> int:
    """Settle every node run that dead runs of a project left open; return how many there were."""
    open_runs = store.unfinished(project)
    wanted = {run.commit_id: run for run in open_runs if run.commit_id}
    landed: list[DatasetVersion] = []
    if wanted:
        warehouses = session.opened() or ([session.warehouse()] if session.default_url else [])
        for warehouse in warehouses:
            rows = warehouse.commits(list(wanted))
            landed += [from_ledger(warehouse, row) for row in rows.values()]
    done = {version.version_id for version in landed}
    aborted = [run.node_run_id for run in open_runs if run.commit_id not in done]
    # Also where no output was left open: a run may have died before it declared any.
    store.settle(landed, aborted)
    return len(open_runs)


def replay_heads(
    store: MetadataStore, session: Session, planner: Planner, records: Mapping[str, OutputRecord]
) -> list[str]:
    """Replay the ledger's heads that the metadata does not have, because it was lost or restored from an older copy.

    Returns:
        The names of the outputs that were healed.
    """
    healed: dict[str, DatasetVersion] = {}
    for output in planner.outputs:
        head, record = planner.head(output), records.get(output)
        is_behind = head is not None and (record is None or record.version_id != head.commit_id)
        if is_behind and head is not None and head.record.get("node") == output:
            target = planner.cones.targets[output]
            healed[output] = from_ledger(session.warehouse(getattr(target, "warehouse", None)), head)
    if healed:
        store.settle(list(healed.values()), ())
    return list(healed)
