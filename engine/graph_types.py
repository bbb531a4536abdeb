"""Read-only views of a graph, for users and hooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from engine.bindings import sources_of
from engine.errors import RequestError
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.graph import FunctionGraph
    from engine.node import Node


@dataclass(frozen=True)
class HamiltonNode:
    """A node as users see it.

    Attributes:
        name: Its name.
        type: The type of its value.
        tags: Its tags.
        is_external_input: The caller gives its value.
        originating_functions: The functions it was made from.
        documentation: What it means.
        required_dependencies: The nodes it cannot do without.
        optional_dependencies: The nodes it has a default for.
    """

    name: str
    type: Any
    tags: dict[str, Any]
    is_external_input: bool
    originating_functions: tuple[Callable[..., Any], ...] | None
    documentation: str | None
    required_dependencies: set[str]
    optional_dependencies: set[str]

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Make the view of a node."""
        required: set[str] = set()
        optional: set[str] = set()
        for parameter, binding in node.bindings.items():
            (optional if parameter in node.optional else required).update(sources_of(binding))
        return cls(
            name=node.name,
            type=node.type,
            tags=dict(node.tags),
            is_external_input=node.kind is NodeKind.INPUT,
            originating_functions=node.origins or None,
            documentation=node.doc or None,
            required_dependencies=required,
            optional_dependencies=optional,
        )


@dataclass(frozen=True)
class HamiltonGraph:
    """A graph as users see it."""

    nodes: list[HamiltonNode]

    @classmethod
    def from_graph(cls, graph: FunctionGraph) -> Self:
        """Make the view of a graph."""
        return cls([HamiltonNode.from_node(node) for node in graph.nodes.values()])

    def filtered(self, tag_filter: Mapping[str, Any]) -> list[HamiltonNode]:
        """Return the nodes whose tags match every entry: a value, one of a list of values, or None for any value.

        Raises:
            RequestError: A list is empty.
        """
        for tag, wanted in tag_filter.items():
            if isinstance(wanted, list) and not wanted:
                raise RequestError(f"the list of values for tag {tag!r} is empty", hint="pass None for any value")
        return [node for node in self.nodes if all(_matches(node.tags, t, w) for t, w in tag_filter.items())]


def _matches(tags: Mapping[str, Any], tag: str, wanted: Any) -> bool:
    if tag not in tags:
        return False
    if wanted is None:
        return True
    have = tags[tag] if isinstance(tags[tag], list) else [tags[tag]]
    return any(value in have for value in (wanted if isinstance(wanted, list) else [wanted]))
