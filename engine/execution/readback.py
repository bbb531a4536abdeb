"""Read back: the value of a fresh output comes from its table, if it comes back exactly as it was.

The ledger keeps the Arrow schema that was written. Where the table's own types give that schema back, the frame is
rebuilt from it; in any other case the caller computes the node again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.frames import library_of_type
from engine.io.data_adapters import TableTarget
from engine.io.tables import lazy_value
from engine.io.utils import get_dataframe_metadata

if TYPE_CHECKING:
    from engine.io.session import Session
    from engine.node import Node
    from engine.planning.planner import Planner


def read_back(session: Session, planner: Planner, node: Node, keeper: str) -> tuple[Any, bool]:
    """Read a node's value from the table that ``keeper`` wrote.

    Returns:
        The value and True, or None and False where it would not be exactly the node's value.
    """
    target, head = planner.cones.targets[keeper], planner.head(keeper)
    library = library_of_type(node.type)
    if not isinstance(target, TableTarget) or head is None or library is None:
        return None, False
    warehouse = session.warehouse(target.warehouse)
    table = warehouse.name(str(target.write.table))
    if library.stays_in_database:
        return lazy_value(warehouse, warehouse.query_table(table), node.type), True
    from engine.dialects.recorded import recorded_schema

    schema = recorded_schema(head)
    if schema is None:
        return None, False
    batches, _ = warehouse.read(warehouse.query_table(table, columns=schema.names), recorded=schema)
    if batches.schema.types != schema.types:
        return None, False
    value = library.from_arrow(batches, node.type)
    types = get_dataframe_metadata(value)["dataframe_metadata"]["datatypes"]
    return (value, True) if types == head.record.get("frame_types") else (None, False)
