"""Ownership: whose table it is that stands where one is to be written, and whether it may be written over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.dialects.base import WriteMode
from engine.errors import SaveError

if TYPE_CHECKING:
    from engine.dialects.base import LedgerRow, PhysicalTable, Write

_ADOPT = "engine run OUTPUT --adopt, refresh([output], adopt=True), or adopt=True in to.table"


def refusal(write: Write, head: LedgerRow | None, before: PhysicalTable | None) -> SaveError | None:
    """Return why a table may not be written over unless it is adopted, or None: it is absent, or the engine's own."""
    table = write.table
    if before is None or before.was_published_by(head):
        return None
    if head is None:
        return SaveError(
            f"{table} exists and was not written by the engine",
            location=str(table),
            hint=f"choose another name, drop it, or adopt it: {_ADOPT}",
        )
    if write.mode in {WriteMode.REPLACE, WriteMode.VIEW}:
        return None
    return SaveError(
        f"{table} was recreated outside the engine since its last save; {write.mode} would mix its rows",
        location=str(table),
        hint=f"rebuild it with mode replace, or adopt it: {_ADOPT}",
    )
