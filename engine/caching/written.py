"""Written: whether what a saver has written is still there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.dialects.base import WriteMode
from engine.io.data_adapters import FileTarget, TableTarget
from engine.io.files import file_token
from engine.planning.planner import table_presence
from engine.planning.staleness import Presence

if TYPE_CHECKING:
    from engine.io.data_adapters import Target
    from engine.io.session import Session


def written_token(session: Session, target: Target | None, metadata: Any) -> str | None:
    """Return what stands where a saver writes, or None where nothing does or that cannot be known.

    Args:
        session: The open warehouses.
        target: What the saver says it writes.
        metadata: What it says it has written.
    """
    if isinstance(target, TableTarget):
        # What is appended is appended again at every call, so no earlier commit stands for the next one.
        return _table_token(session, target) if target.write.mode is not WriteMode.APPEND else None
    path = target.path if isinstance(target, FileTarget) else None
    if path is None and isinstance(metadata, dict):
        path = metadata.get("file_metadata", {}).get("path")
    return file_token(path) if isinstance(path, str) and "://" not in path else None


def _table_token(session: Session, target: TableTarget) -> str | None:
    warehouse = session.warehouse(target.warehouse)
    name = warehouse.name(str(target.write.table))
    tables, heads = warehouse.standing([name])
    head = heads[name]
    presence, _ = table_presence(tables[name], head)
    return head.commit_id if head is not None and presence is Presence.OURS else None
