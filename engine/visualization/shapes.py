"""Shapes: what is to be seen of a graph, before anything has a place.

A loader's two nodes (what it loads, and the value taken out of that) are one thing to the eye: they become one shape.
"""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass, field, replace
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.bindings import Value
from engine.function_modifiers.metadata import SCHEMA_TAG
from engine.graph_types import HamiltonNode
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.node import Node

    StyleFunction: TypeAlias = Callable[..., tuple[Mapping[str, str], str | None, str | None]]
    """Called with ``node`` (a `HamiltonNode`) and ``node_class`` (a kind of shape), gives attributes of Graphviz such
    as ``fillcolor``, another kind or None, and what the legend says of it or None."""

_PLACES = ("table", "path", "sql", "filepath_or_buffer", "file", "source", "url")
"""Options of loaders and savers that say where, the first one given counts."""

_IN_DATABASE = {"table", "query"}
_ALIASES = {"pandas": "pd", "polars": "pl", "pyarrow": "pa", "numpy": "np", "sqlalchemy": "sa", "duckdb": "duckdb"}
_PLACE_LENGTH = 40

_BETWEEN_COLUMNS = re.compile(r",(?=[^,=]*=)(?![^\[\]]*\])")
"""The commas of a schema's tag that part columns; those within the brackets of a type do not."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing of a drawing.

    Attributes:
        name: The node's name.
        label: What is written large.
        detail: What is written small below: a type, a table or a file.
        kind: ``input``, ``function``, ``loader``, ``saver`` or ``check``.
        in_database: Whether a loader or saver works on a table rather than a file or anything else.
        doc: What the node means.
        columns: The columns of a frame, where they are declared.
        style: Attributes of Graphviz that the user gives it.
        legend: What the legend says of that style.
    """

    name: str
    label: str
    detail: str
    kind: str
    in_database: bool = False
    doc: str = ""
    columns: tuple[str, ...] = ()
    style: Mapping[str, str] = field(default_factory=dict)
    legend: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """One shape reads another; ``is_order`` if it only waits for it."""

    tail: str
    head: str
    is_order: bool = False


def shapes_of(
    nodes: Mapping[str, Node],
    *,
    hide_inputs: bool = False,
    show_schema: bool = True,
    style: StyleFunction | None = None,
) -> tuple[list[Shape], list[Edge]]:
    """Return the shapes and edges of these nodes; what lies outside of them is not drawn."""
    folded = _folded(nodes)
    behind = {loader: value for value, loader in folded.items()}
    shapes = []
    edges: dict[tuple[str, str], Edge] = {}
    for node in nodes.values():
        if node.name in behind or (hide_inputs and node.kind is NodeKind.INPUT):
            continue
        loader = nodes[folded[node.name]] if node.name in folded else None
        shape = _shape(node, loader, show_schema=show_schema)
        shapes.append(shape if style is None else _styled(shape, node, style))
        after = {*node.after, *(loader.after if loader else ())}
        for tail in [*node.upstream, *(loader.upstream if loader else ())]:
            seen = behind.get(tail, tail)
            if seen in nodes and seen != node.name:
                edges.setdefault((seen, node.name), Edge(seen, node.name, is_order=tail in after))
    drawn = {shape.name for shape in shapes}
    return shapes, [edge for edge in edges.values() if edge.tail in drawn]


def _folded(nodes: Mapping[str, Node]) -> dict[str, str]:
    """Return, per value node of a loader, the loader that it alone reads."""
    readers: dict[str, int] = {}
    for node in nodes.values():
        for name in node.upstream:
            readers[name] = readers.get(name, 0) + 1
    folded = {}
    for node in nodes.values():
        upstream = list(node.upstream)
        if node.tags.get("hamilton.data_loader") and node.kind is not NodeKind.LOADER and len(upstream) == 1:
            loader = nodes.get(upstream[0])
            if loader is not None and loader.kind is NodeKind.LOADER and readers[loader.name] == 1:
                folded[node.name] = loader.name
    return folded


def _shape(node: Node, loader: Node | None, *, show_schema: bool) -> Shape:
    outside = loader or (node if node.kind in {NodeKind.LOADER, NodeKind.SAVER} else None)
    kind = str(loader.kind if loader else node.kind)
    label = node.tags.get("display_name")
    detail = _place(outside) if outside else ""
    return Shape(
        name=node.name,
        label=label if isinstance(label, str) else _label(node.name, loader),
        detail=detail or type_name(node.type),
        kind=kind,
        in_database=outside is not None and _sort(outside) in _IN_DATABASE,
        doc=node.doc,
        columns=_columns(node) if show_schema else (),
    )


def _columns(node: Node) -> tuple[str, ...]:
    declared = node.tags.get(SCHEMA_TAG)
    columns = _BETWEEN_COLUMNS.split(declared) if isinstance(declared, str) and declared else []
    return tuple(": ".join(column.split("=", 1)) for column in columns)


def _styled(shape: Shape, node: Node, style: StyleFunction) -> Shape:
    attributes, kind, legend = style(node=HamiltonNode.from_node(node), node_class=shape.kind)
    kind = kind if kind in set(NodeKind) else shape.kind
    return replace(shape, kind=str(kind), style=dict(attributes), legend=legend)


def _label(name: str, loader: Node | None) -> str:
    # `planes.select_data.plane_records` is, to the eye, `plane_records`.
    return name.rpartition(".select_data.")[2] if loader else name


def _sort(node: Node) -> str:
    """Return what kind of loader or saver this is: ``table``, ``csv`` …."""
    key = "hamilton.data_loader.source" if node.kind is NodeKind.LOADER else "hamilton.data_saver.sink"
    return str(node.tags.get(key, ""))


def _place(node: Node) -> str:
    """Say which table or file a loader or saver is about, as far as its options say it."""
    options = {name: binding.value for name, binding in node.bindings.items() if isinstance(binding, Value)}
    place = next((str(options[name]) for name in _PLACES if options.get(name) is not None), "")
    place = " ".join(place.split())
    if len(place) > _PLACE_LENGTH:
        place = place[: _PLACE_LENGTH - 1] + "…"
    mode = str(options.get("mode") or "")
    parts = (_sort(node), place, mode if mode != "replace" else "")
    return " · ".join(part for part in parts if part) if place else ""


def type_name(annotation: Any) -> str:
    """Write a type as people write it in code.

    >>> type_name(dict[str, int]), type_name(int | None)
    ('dict[str, int]', 'int | None')
    """
    if annotation is type(None) or annotation is None:
        return "None"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_name(arguments[0])
    if origin in {typing.Union, UnionType}:
        return " | ".join(type_name(argument) for argument in arguments)
    if origin is not None and arguments:
        return f"{type_name(origin)}[{', '.join('…' if a is ... else type_name(a) for a in arguments)}]"
    if not isinstance(annotation, type):
        return str(annotation).removeprefix("typing.")
    alias = _ALIASES.get(annotation.__module__.partition(".")[0])
    return f"{alias}.{annotation.__qualname__}" if alias else annotation.__qualname__
