"""Read back: the value of a fresh output comes from its table, if it comes back exactly as it was.

The ledger keeps the Arrow schema that was written. Where the table's own types give that schema back by changes that
lose nothing (a string stored as another kind of string), the frame is rebuilt from it; in any other case the caller
computes the node again.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from engine.frames import library_of_type
from engine.io.data_adapters import TableTarget
from engine.io.utils import get_dataframe_metadata

if TYPE_CHECKING:
    import pyarrow as pa

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
    query = warehouse.query_table(warehouse.name(str(target.write.table)), columns=None, where=None, params={})
    if library.stays_in_database:
        return warehouse.lazy(query, node.type), True
    encoded = head.record.get("arrow_schema")
    if not encoded:
        return None, False
    schema = _schema(encoded)
    batches, _ = warehouse.read(query)
    if not _gives_back(batches.schema, schema):
        return None, False
    import pyarrow as pa

    table = pa.Table.from_batches(list(batches), batches.schema).select(schema.names).cast(schema)
    table = table.replace_schema_metadata(schema.metadata)
    value = library.from_arrow(table.to_reader(), node.type)
    types = get_dataframe_metadata(value)["dataframe_metadata"]["datatypes"]
    return (value, True) if types == head.record.get("frame_types") else (None, False)


def _schema(encoded: str) -> pa.Schema:
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(encoded)))


def _gives_back(stored: pa.Schema, written: pa.Schema) -> bool:
    """Say whether every column can be cast back to the type it was written with, losing nothing."""
    if set(stored.names) != set(written.names):
        return False
    return all(_is_same(stored.field(field.name).type, field.type) for field in written)


def _is_same(stored: pa.DataType, written: pa.DataType) -> bool:
    import pyarrow.types as kinds

    if stored == written:
        return True
    strings = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
    binaries = (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view)
    return any(any(k(stored) for k in family) and any(k(written) for k in family) for family in (strings, binaries))
