"""Reads: which version of which dataset a loader read, as the record and the planner take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.execution.versions import table_dataset
from engine.io.data_adapters import FileSource, TableSource
from engine.io.files import file_token
from engine.io.places import file_place
from engine.io.tables import LEDGER
from engine.metadata.records import Dataset, InputRead
from engine.planning.planner import source_name

if TYPE_CHECKING:
    from engine.io.data_adapters import DataSource, TableTarget
    from engine.io.session import Session

_LOADED = 2
CONTENT = "content"


def metadata_of(value: Any) -> dict[str, Any]:
    """Return the metadata out of what a loader gives, which is a pair of value and metadata."""
    is_pair = isinstance(value, tuple) and len(value) == _LOADED and isinstance(value[1], dict)
    return value[1] if is_pair else {}


def input_read(session: Session, loader: str, source: DataSource | None, metadata: dict[str, Any]) -> InputRead | None:
    """Return what a loader read, or None where it does not say.

    A loader of the user's, which cannot say beforehand what it will read, says so afterwards when its metadata
    describes a file (`engine.io.utils.get_file_metadata`).

    Args:
        session: The open warehouses.
        loader: The name of the loader's node.
        source: What it said it would read.
        metadata: What it says it has read.
    """
    token = metadata.get("token")
    name = loader.removeprefix("load_data.")
    if isinstance(source, TableSource) and token is not None:
        return InputRead(
            param_name=name,
            dataset=_table_dataset(session, source, loader, is_external=token["kind"] != LEDGER),
            token_kind=token["kind"],
            token=token["value"],
            query_text=source.sql,
            read_columns=source.columns,
        )
    path = source.path if isinstance(source, FileSource) else metadata.get("file_metadata", {}).get("path")
    if path is None or (source is not None and token is None):
        return None
    content = token["value"] if token else file_token(path)
    if content is None:
        return None
    place = file_place(path)
    dataset = Dataset(namespace=place.namespace, name=place.name, dataset_type="file", is_external=True)
    return InputRead(param_name=name, dataset=dataset, token_kind=CONTENT, token=content)


def _table_dataset(session: Session, source: TableSource, loader: str, *, is_external: bool) -> Dataset:
    place = session.places.of(source)
    if place is None:
        namespace, name = session.places.namespace(source.warehouse), source_name(session.places, source, loader)
        return Dataset(namespace=namespace, name=name, dataset_type="query", is_external=True)
    return Dataset(namespace=place.namespace, name=place.name, dataset_type="table", is_external=is_external)


def output_read(session: Session, target: TableTarget, node: str, keeper: str, token: str) -> InputRead:
    """Return the version of another output's table that a node's value is, as something that was read."""
    place = session.places.of_table(target.warehouse, str(target.write.table))
    dataset = table_dataset(place, target.write.mode, keeper)
    return InputRead(param_name=node, dataset=dataset, token_kind=LEDGER, token=token)


def as_record(read: InputRead) -> dict[str, Any]:
    """Return what was read as JSON values, as the ledger keeps it for a metadata store that lost its own record."""
    dataset = read.dataset
    return {
        "param_name": read.param_name,
        "dataset": {
            "namespace": dataset.namespace,
            "name": dataset.name,
            "dataset_type": dataset.dataset_type,
            "is_external": dataset.is_external,
        },
        "token_kind": read.token_kind,
        "token": read.token,
    }


def boundary_key(session: Session, source: DataSource | None, read: InputRead, loader: str) -> str:
    """Return the key under which recipes list what was read."""
    if isinstance(source, TableSource):
        return source_name(session.places, source, loader)
    return source.path if isinstance(source, FileSource) else read.dataset.name
