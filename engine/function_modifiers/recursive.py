"""A dataflow inside a node: ``@subdag`` and ``@parameterized_subdag``.

The inner functions become nodes named ``<namespace>.<node>``; so do the inputs and the configuration that are said for
them. What they read and nobody inside makes comes from the outer dataflow under its own name.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from engine.bindings import Binding, Configuration, Group, Source, Value
from engine.function_modifiers.base import Creator, configured, functions_of, nodes_of
from engine.htypes import fits
from engine.node import Node, where_is

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from engine.errors import ModifierError
    from engine.function_modifiers.base import Definition, Modifier

    Functions = tuple[types.ModuleType | Callable[..., Any], ...]

NON_FINAL = "hamilton.non_final_node"
"""Tag of the nodes inside. Source: Apache Hamilton's `subdag`."""


class SubdagParams(TypedDict, total=False):
    """What one output of `parameterized_subdag` says for itself."""

    inputs: Mapping[str, Binding]
    config: Mapping[str, Any]
    external_inputs: Collection[str]


def constant(value: Any) -> Any:
    """Give a value that is written down."""
    return value


def input_value(value: Any) -> Any:
    """Give what fills an input of the inner dataflow."""
    return value


@dataclass(frozen=True)
class InnerDataflow:
    """Functions, and what is said for them.

    Attributes:
        functions: Functions, and modules of functions.
        inputs: What fills inputs of the functions.
        config: Configuration besides the outer one; its values also fill inputs.
        external_inputs: Parameters of the outer function that are no nodes inside.
    """

    functions: Functions
    inputs: Mapping[str, Binding] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    external_inputs: tuple[str, ...] = ()

    def faults(self) -> Iterator[str]:
        """Yield a fault for whatever cannot be part of an inner dataflow."""
        yield from function_faults(self.functions)
        for name, binding in self.inputs.items():
            if not isinstance(binding, Source | Value):
                yield f"the input {name!r} is given {binding!r}: write source('…') or value(…)"
        for key, given in self.config.items():
            if isinstance(given, Source | Group):
                yield f"the configuration key {key!r} is given {given!r}: write a literal or configuration('…')"
        shared = sorted(self.inputs.keys() & self.config.keys())
        if shared:
            yield f"{', '.join(map(repr, shared))} stands in inputs= and in config=: leave it out of inputs="

    def nodes(self, name: str, namespace: str, modifier: Modifier, definition: Definition) -> list[Node]:
        """Return the nodes of the inner dataflow, and the node ``name`` of the function that reads them."""
        function = definition.function
        own = self._resolved_config(name, modifier, definition)
        inner = inner_nodes(self.functions, {**definition.config, **own}, modifier, function)
        clash = sorted({node.name for node in inner} & (self.inputs.keys() | own.keys()))
        if clash:
            raise modifier.error(
                function,
                f"a function inside makes the node {clash[0]!r}, which inputs= or config= fills as well",
                hint="leave the function out, or the input",
            )
        wanted = _wanted_types(inner)
        given = [_input(key, binding, wanted[key]) for key, binding in self.inputs.items() if key in wanted]
        given += [_literal(key, literal) for key, literal in own.items()]
        names = {node.name: f"{namespace}.{node.name}" for node in (*given, *inner)}
        inside = [replace(node, name=names[node.name], origins=(function,)) for node in given]
        inside += [renamed(node, names) for node in inner]
        final = Node.from_function(function, name)
        bindings = {p: Source(p if p in self.external_inputs else f"{namespace}.{p}") for p in final.bindings}
        return [*map(as_non_final, inside), replace(final, bindings=bindings)]

    def _resolved_config(self, name: str, modifier: Modifier, definition: Definition) -> dict[str, Any]:
        resolved: dict[str, Any] = {}
        for key, given in self.config.items():
            if isinstance(given, Configuration):
                if given.key not in definition.config:
                    raise modifier.error(
                        definition.function,
                        f"the configuration has no key {given.key!r}, which {key!r} inside {name!r} is to have",
                        hint=f"Builder().with_config({{{given.key!r}: …}})",
                    )
                resolved[key] = definition.config[given.key]
            else:
                resolved[key] = given.value if isinstance(given, Value) else given
        return resolved


@dataclass(frozen=True)
class Subdag(Creator):
    """The function reads the nodes of an inner dataflow.

    Attributes:
        dataflow: The inner dataflow.
        namespace: The first part of the names inside; the node's name unless given.
        name: The node's name; the function's unless given.
    """

    label: ClassVar[str] = "@subdag"

    dataflow: InnerDataflow
    namespace: str | None = None
    name: str | None = None

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for whatever cannot be part of an inner dataflow."""
        return self.dataflow.faults()

    def create(self, name: str, definition: Definition) -> list[Node]:
        """Return the nodes inside, and the function's node."""
        namespace = name if self.namespace is None else self.namespace
        return self.dataflow.nodes(self.name or name, namespace, self, definition)


@dataclass(frozen=True)
class ParameterizedSubdag(Creator):
    """The function reads the nodes of several inner dataflows, once each.

    Attributes:
        dataflows: The inner dataflow by the name of the node that reads it.
        odd: Faults of what single outputs say for themselves.
    """

    label: ClassVar[str] = "@parameterized_subdag"

    dataflows: Mapping[str, InnerDataflow]
    odd: tuple[str, ...] = ()

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for whatever cannot be part of an inner dataflow."""
        if not self.dataflows:
            yield from self.odd or ["it makes no node: give it name={'inputs': {…}, 'config': {…}}"]
        yield from dict.fromkeys(fault for dataflow in self.dataflows.values() for fault in dataflow.faults())

    def create(self, name: str, definition: Definition) -> list[Node]:  # noqa: ARG002 - the protocol's signature
        """Return the nodes inside, and the function's node, once per output."""
        return [node for key, dataflow in self.dataflows.items() for node in dataflow.nodes(key, key, self, definition)]


def subdag(
    *load_from: types.ModuleType | Callable[..., Any],
    inputs: Mapping[str, Binding] | None = None,
    config: Mapping[str, Any] | None = None,
    namespace: str | None = None,
    final_node_name: str | None = None,
    external_inputs: Collection[str] | None = None,
) -> Subdag:
    """Make the function read the nodes of a dataflow of its own, whose names do not meet those outside.

    Args:
        load_from: The functions of the inner dataflow, or modules of them.
        inputs: What fills its inputs: `source` (of the outer dataflow) or `value`.
        config: Its configuration besides the outer one: literals, `value`, or `configuration` of an outer key.
        namespace: The first part of the names inside; the node's name unless given.
        final_node_name: The name of the function's node; the function's name unless given.
        external_inputs: Parameters of the function that are read from the outer dataflow.
    """
    dataflow = InnerDataflow(load_from, dict(inputs or {}), dict(config or {}), tuple(external_inputs or ()))
    return Subdag(dataflow, namespace, final_node_name)


def parameterized_subdag(
    *load_from: types.ModuleType | Callable[..., Any],
    inputs: Mapping[str, Binding] | None = None,
    config: Mapping[str, Any] | None = None,
    external_inputs: Collection[str] | None = None,
    **parameterization: SubdagParams,
) -> ParameterizedSubdag:
    """Make several nodes of one function, each reading an inner dataflow of its own (see `subdag`).

    Args:
        load_from: The functions of the inner dataflows, or modules of them.
        inputs: What fills inputs of all.
        config: The configuration of all.
        external_inputs: Parameters of the function that are read from the outer dataflow.
        parameterization: By the name of a node, a dictionary of ``inputs``, ``config`` and ``external_inputs`` that it
            says for itself.
    """
    dataflows: dict[str, InnerDataflow] = {}
    odd: list[str] = []
    allowed = SubdagParams.__annotations__.keys()
    for name, own in parameterization.items():
        if not isinstance(own, Mapping) or own.keys() - allowed:
            odd.append(f"{name}={own!r} must be a dictionary of {', '.join(map(repr, allowed))}")
            continue
        dataflows[name] = InnerDataflow(
            load_from,
            {**(inputs or {}), **own.get("inputs", {})},
            {**(config or {}), **own.get("config", {})},
            (*(external_inputs or ()), *own.get("external_inputs", ())),
        )
    return ParameterizedSubdag(dataflows, tuple(odd))


def function_faults(functions: Iterable[Any]) -> Iterator[str]:
    """Yield a fault where there are no functions, or where something else is given."""
    functions = tuple(functions)
    if not functions:
        yield "it names no function: give it functions, or modules of functions"
    for given in functions:
        if not isinstance(given, types.ModuleType | types.FunctionType):
            yield f"{given!r} is neither a function nor a module"


def inner_nodes(
    functions: Functions, config: Mapping[str, Any], modifier: Modifier, outer: Callable[..., Any]
) -> list[Node]:
    """Return the nodes of functions and modules under a configuration, still under their own names.

    Raises:
        ModifierError: Two functions make a node of the same name.
    """
    nodes: dict[str, Node] = {}
    for given in functions:
        inside = functions_of(given) if isinstance(given, types.ModuleType) else [(given.__name__, given)]
        for _, function in inside:
            for node in nodes_of(function, config):
                if node.name in nodes:
                    raise _twice(node, nodes[node.name], modifier, outer)
                nodes[node.name] = configured(node, config)
    return list(nodes.values())


def renamed(node: Node, names: Mapping[str, str]) -> Node:
    """Return the node with its own name, and those it reads, changed where ``names`` has another."""

    def changed(binding: Binding) -> Binding:
        if isinstance(binding, Source):
            return Source(names.get(binding.name, binding.name))
        if isinstance(binding, Group):
            return Group(tuple(map(changed, binding.items)), binding.keys)
        return binding

    return replace(
        node,
        name=names.get(node.name, node.name),
        bindings={parameter: changed(binding) for parameter, binding in node.bindings.items()},
        after=tuple(names.get(name, name) for name in node.after),
    )


def as_non_final(node: Node) -> Node:
    """Return the node as one inside: later modifiers of the outer function leave it alone."""
    return replace(node, refined=True, tags={**node.tags, NON_FINAL: True})


def _wanted_types(nodes: Iterable[Node]) -> dict[str, Any]:
    """Return, per name that is read, the narrowest type that a reader asks for."""
    wanted: dict[str, Any] = {}
    for node in nodes:
        for parameter, binding in node.bindings.items():
            type_ = node.parameter_types.get(parameter, Any) if isinstance(binding, Source) else Any
            items = binding.items if isinstance(binding, Group) else (binding,)
            for item in items:
                if isinstance(item, Source) and fits(type_, wanted.get(item.name, Any)):
                    wanted[item.name] = type_
    return wanted


def _input(name: str, binding: Binding, type_: Any) -> Node:
    if isinstance(binding, Value):
        return _literal(name, binding.value)
    return Node(
        name=name, type=type_, function=input_value, bindings={"value": binding}, parameter_types={"value": type_}
    )


def _literal(name: str, value: Any) -> Node:
    type_ = Any if value is None else type(value)
    return Node(name=name, type=type_, function=constant, bindings={"value": Value(value)})


def _twice(node: Node, other: Node, modifier: Modifier, outer: Callable[..., Any]) -> ModifierError:
    places = " and ".join(where_is(n.origins[0]) if n.origins else n.name for n in (other, node))
    return modifier.error(outer, f"two functions inside make the node {node.name!r}: {places}", hint="leave one out")
