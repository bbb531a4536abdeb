"""Schemas: the columns of every frame that nodes give, kept in files and compared from run to run."""

from __future__ import annotations

import json
import logging
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow as pa

from engine.errors import DataQualityError, LoadError
from engine.frames import library_of
from engine.io.files import written_aside
from engine.lifecycle.api import GraphExecutionHook, NodeExecutionHook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.graph_types import HamiltonGraph, HamiltonNode

_logger = logging.getLogger(__name__)
_METADATA = "__metadata"


class SchemaNotFoundError(LoadError, FileNotFoundError):
    """There is no schema to compare with."""


class Diff(Enum):
    """How one thing compares with the reference."""

    ADDED = "+"
    REMOVED = "-"
    EQUAL = "=="
    UNEQUAL = "!="


class DiffResult(NamedTuple):
    """How one thing compares with the reference, and the thing itself or how its parts compare."""

    diff: Diff
    value: Any


class SchemaValidator(NodeExecutionHook, GraphExecutionHook):
    """Compares the schema of each frame that a node gives with the one in a file.

    A schema that is not there yet is written at the end of a run that succeeds. Frames that stay in their database are
    not looked at.

    Args:
        schema_dir: The folder of the schemas, one file per node; ``schemas.json`` there is for people to read.
        check: Compare; without it, the schemas seen become the reference.
        must_exist: Refuse a frame that has no reference.
        importance: What a difference does: ``warn`` logs it, ``fail`` ends the run.
        check_schema_metadata: Compare what the schema says beside the columns.
        check_field_metadata: Compare what each column says beside its type.
    """

    def __init__(
        self,
        schema_dir: str = "./schemas",
        check: bool = True,
        must_exist: bool = False,
        importance: Literal["warn", "fail"] = "warn",
        check_schema_metadata: bool = False,
        check_field_metadata: bool = False,
    ) -> None:
        self.schema_dir = schema_dir
        self.check = check
        self.must_exist = must_exist
        self.importance = importance
        self.check_schema_metadata = check_schema_metadata
        self.check_field_metadata = check_field_metadata
        self.schemas: dict[str, pa.Schema] = {}
        self.reference_schemas: dict[str, pa.Schema] = {}
        self.schema_diffs: dict[str, dict[str, DiffResult]] = {}
        self._graph: HamiltonGraph | None = None

    @property
    def json_schemas(self) -> dict[str, dict[str, Any]]:
        """The schemas seen in the last run, as plain values."""
        return {name: pyarrow_schema_to_json(schema) for name, schema in self.schemas.items()}

    def get_schema_path(self, node_name: str) -> Path:
        """Return where the schema of a node is kept."""
        return Path(self.schema_dir, node_name).with_name(f"{node_name}.schema")

    def run_before_graph_execution(self, *, graph: HamiltonGraph, **future_kwargs: Any) -> None:
        """Begin anew."""
        del future_kwargs
        self._graph = graph
        self.schemas, self.reference_schemas, self.schema_diffs = {}, {}, {}

    def run_before_node_execution(self, **future_kwargs: Any) -> None:
        """Do nothing."""

    def run_after_node_execution(self, *, node_name: str, result: Any, success: bool, **future_kwargs: Any) -> None:
        """Compare the schema of a frame.

        Raises:
            SchemaNotFoundError: There is none to compare with, and there must be.
            DataQualityError: It differs, and that is to end the run.
        """
        del future_kwargs
        if not success or self._graph is None or not _has_schema(result):
            return
        schema = get_dataframe_schema(result, self._graph[node_name])
        self.schemas[node_name] = schema
        path = self.get_schema_path(node_name)
        if not self.check:
            return
        if path.exists():
            self._compare(node_name, schema, load_schema(path))
        elif self.must_exist:
            raise SchemaNotFoundError(
                f"node {node_name!r} has no schema to compare with: {path} is not there",
                location=str(path),
                hint="write it with check=False, or let it be written with must_exist=False",
            )

    def _compare(self, node_name: str, schema: pa.Schema, reference: pa.Schema) -> None:
        self.reference_schemas[node_name] = reference
        checks = {"schema": self.check_schema_metadata, "field": self.check_field_metadata}
        diff = diff_schemas(
            schema, reference, check_schema_metadata=checks["schema"], check_field_metadata=checks["field"]
        )
        if not diff:
            return
        self.schema_diffs[node_name] = diff
        message = f"the schema of node {node_name!r} is not the one in {self.get_schema_path(node_name)}: "
        message += json.dumps(human_readable_diff(diff))
        if self.importance == "fail":
            raise DataQualityError(message, hint="correct the node, or accept its schema by a run with check=False")
        _logger.warning(message)

    def run_after_graph_execution(self, *, success: bool, **future_kwargs: Any) -> None:
        """Write the schemas that are new, or all of them where nothing was compared."""
        del future_kwargs
        self._graph = None
        if not success or not self.schemas:
            return
        Path(self.schema_dir).mkdir(parents=True, exist_ok=True)
        for name, schema in self.schemas.items():
            path = self.get_schema_path(name)
            if not self.check or not path.exists():
                save_schema(path, schema)
        with written_aside(Path(self.schema_dir, "schemas.json")) as path:
            path.write_text(json.dumps(self.json_schemas, indent=1), encoding="utf-8")


def _has_schema(value: Any) -> bool:
    library = library_of(value)
    return library is not None and (not library.stays_in_database or hasattr(value, "collect_schema"))


def get_dataframe_schema(df: Any, node: HamiltonNode) -> pa.Schema:
    """Return a frame's schema, which also says which node gave it: name, documentation and version.

    Args:
        df: A frame of any library.
        node: The node that gave it.
    """
    # A lazy frame is not computed, and of others no rows are converted.
    some = df.head(0) if hasattr(df, "head") else df
    library = library_of(some)
    if library is None:
        raise DataQualityError(f"node {node.name!r} gives no frame", hint="give a pandas, polars or Arrow frame")
    schema = library.to_arrow(some).schema
    said = {"name": node.name, "documentation": node.documentation or "", "version": node.version or ""}
    return schema.with_metadata(said)


def load_schema(path: str | Path) -> pa.Schema:
    """Read a schema from a file.

    Raises:
        LoadError: The file holds none.
    """
    try:
        return pa.ipc.read_schema(pa.py_buffer(Path(path).read_bytes()))
    except (OSError, pa.ArrowInvalid) as error:
        raise LoadError(f"{path} holds no schema: {error}", location=str(path), hint="write it again") from error


def save_schema(path: str | Path, schema: pa.Schema) -> None:
    """Write a schema to a file."""
    with written_aside(Path(path)) as aside:
        aside.write_bytes(schema.serialize().to_pybytes())


def pyarrow_schema_to_json(schema: pa.Schema) -> dict[str, Any]:
    """Return a schema as plain values, by column.

    >>> pyarrow_schema_to_json(pa.schema({"a": pa.int64()}))
    {'a': {'name': 'a', 'type': 'int64', 'nullable': True, 'metadata': {}}}
    """
    columns = {
        field.name: {
            "name": field.name,
            "type": str(field.type),
            "nullable": field.nullable,
            "metadata": _text(field.metadata),
        }
        for field in schema
    }
    return ({_METADATA: _text(schema.metadata)} if schema.metadata else {}) | columns


def _text(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): value.decode(errors="replace") for key, value in (metadata or {}).items()}


def diff_schemas(
    current_schema: pa.Schema,
    reference_schema: pa.Schema,
    check_schema_metadata: bool = False,
    check_field_metadata: bool = False,
) -> dict[str, DiffResult]:
    """Compare two schemas.

    Args:
        current_schema: What is there now.
        reference_schema: What it is compared with.
        check_schema_metadata: Compare what the schemas say beside the columns.
        check_field_metadata: Compare what the columns say beside their types.

    Returns:
        Per column how it compares; nothing at all if the schemas are equal.
    """
    current, reference = pyarrow_schema_to_json(current_schema), pyarrow_schema_to_json(reference_schema)
    if not check_schema_metadata:
        current.pop(_METADATA, None)
        reference.pop(_METADATA, None)
    if not check_field_metadata:
        for name, column in (*current.items(), *reference.items()):
            if name != _METADATA:
                column["metadata"] = {}
    diff = _diff(current, reference)
    return diff if any(result.diff is not Diff.EQUAL for result in diff.values()) else {}


def _diff(current: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, DiffResult]:
    diff: dict[str, DiffResult] = {}
    for key in {**current, **reference}:
        if key not in reference:
            diff[key] = DiffResult(Diff.ADDED, current[key])
        elif key not in current:
            diff[key] = DiffResult(Diff.REMOVED, reference[key])
        elif current[key] == reference[key]:
            diff[key] = DiffResult(Diff.EQUAL, current[key])
        elif isinstance(current[key], dict):
            diff[key] = DiffResult(Diff.UNEQUAL, _diff(current[key], reference[key]))
        else:
            diff[key] = DiffResult(Diff.UNEQUAL, {"cur": current[key], "ref": reference[key]})
    return diff


def human_readable_diff(diff: Mapping[str, DiffResult]) -> dict[str, Any]:
    """Return only what differs: ``+`` and ``-`` for columns, the two values for what changed in one."""
    readable: dict[str, Any] = {}
    for key, result in diff.items():
        if result.diff in {Diff.ADDED, Diff.REMOVED}:
            readable[key] = result.diff.value
        elif result.diff is Diff.UNEQUAL:
            is_leaf = not all(isinstance(part, DiffResult) for part in result.value.values())
            readable[key] = result.value if is_leaf else human_readable_diff(result.value)
    return readable
