"""Read-only views of a graph, for users and hooks."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from engine.bindings import Source, sources_of
from engine.errors import RequestError
from engine.htypes import type_name
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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
        optional_dependencies_default_values: Those defaults.
    """

    name: str
    type: Any
    tags: dict[str, Any]
    is_external_input: bool
    originating_functions: tuple[Callable[..., Any], ...] | None
    documentation: str
    required_dependencies: set[str]
    optional_dependencies: set[str]
    optional_dependencies_default_values: dict[str, Any] = field(default_factory=dict)

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
            documentation=node.doc,
            required_dependencies=required,
            optional_dependencies=optional,
            optional_dependencies_default_values=_defaults(node) if optional else {},
        )

    @functools.cached_property
    def version(self) -> str | None:
        """A hash of the code of its functions; docstrings, comments and layout do not count. None for an input.

        It knows nothing of what these functions call: whether an output is stale is decided by `engine.planning`.
        """
        if self.originating_functions is None:
            return None
        code = "\0".join(_code(function) for function in self.originating_functions)
        return hashlib.sha256(code.encode()).hexdigest()

    def as_dict(self, include_optional_dependencies_default_values: bool = False) -> dict[str, Any]:
        """Return the node as plain values that can be written as JSON, but for the defaults."""
        defaults = {"optional_dependencies_default_values": self.optional_dependencies_default_values}
        return {
            "name": self.name,
            "tags": dict(self.tags),
            "output_type": type_name(self.type),
            "required_dependencies": sorted(self.required_dependencies),
            "optional_dependencies": sorted(self.optional_dependencies),
            "source": _source(self.originating_functions[0]) if self.originating_functions else None,
            "documentation": self.documentation or "",
            "version": self.version,
        } | (defaults if include_optional_dependencies_default_values else {})


class HamiltonGraph:
    """A graph as users see it; its nodes are looked at when they are asked for.

    Args:
        nodes: The nodes.
    """

    def __init__(self, nodes: Iterable[HamiltonNode]) -> None:
        self._given = nodes

    @classmethod
    def from_graph(cls, graph: FunctionGraph) -> Self:
        """Make the view of a graph."""
        return cls(HamiltonNode.from_node(node) for node in graph.nodes.values())

    @functools.cached_property
    def nodes(self) -> list[HamiltonNode]:
        """The nodes, in the order of the graph."""
        return list(self._given)

    @functools.cached_property
    def _by_name(self) -> dict[str, HamiltonNode]:
        return {node.name: node for node in self.nodes}

    def __getitem__(self, name: str) -> HamiltonNode:
        return self._by_name[name]

    def __repr__(self) -> str:
        return f"HamiltonGraph({[node.name for node in self.nodes]})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.nodes,)

    @functools.cached_property
    def version(self) -> str:
        """A hash of the versions of all nodes, whatever their order."""
        versions = sorted(f"{node.name}={node.version}" for node in self.nodes)
        return hashlib.sha256("\n".join(versions).encode()).hexdigest()

    def filter_nodes(self, filter: Callable[[HamiltonNode], bool]) -> list[HamiltonNode]:  # noqa: A002 - Hamilton's
        """Return the nodes for which a function is true."""
        return [node for node in self.nodes if filter(node)]

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


def _defaults(node: Node) -> dict[str, Any]:
    """Return the defaults of a node's function by the names of the nodes that could fill them."""
    parameters: Mapping[str, inspect.Parameter] = {}
    for function in (node.function, *node.origins):
        if callable(function):
            parameters = {**inspect.signature(function).parameters, **parameters}
    return {
        binding.name: parameters[parameter].default
        for parameter, binding in node.bindings.items()
        if parameter in node.optional
        and isinstance(binding, Source)
        and parameter in parameters
        and parameters[parameter].default is not inspect.Parameter.empty
    }


def _source(function: Any) -> str | None:
    try:
        return textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    except (OSError, TypeError):
        return None


def _code(function: Any) -> str:
    """Return what a function does as text that docstrings, comments and layout do not change."""
    source = _source(function)
    try:
        tree = ast.parse(source or "")
    except SyntaxError:  # a lambda in the middle of an expression
        source = None
    if source is None:
        code = getattr(inspect.unwrap(function), "__code__", None)
        return f"{code.co_code.hex()} {code.co_names} {code.co_varnames}" if code else repr(type(function))
    for inner in ast.walk(tree):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(inner):
            inner.body = inner.body[1:]
    return ast.dump(tree)
