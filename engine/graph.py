"""FunctionGraph: nodes linked by the names of their parameters; immutable, so that a call may attach its requests.

Theory of operation. Building takes functions apart into nodes (`engine.function_modifiers.base.nodes_of`), then links:
a parameter that names no node becomes an external input; every edge is checked by ``fits``; a cycle is an error with
its path. Attaching requests gives a new graph that shares every node it does not change. All walks are iterative: a
chain of 100,000 nodes is walked like any other.

A loader runs after the savers of what it reads (`engine.io.traffic`). What inputs and views have to say of that is
known to a call only: `FunctionGraph.knowing` gives the graph for it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from engine.bindings import Source
from engine.errors import (
    AnnotationError,
    CycleError,
    DefinitionError,
    DuplicateNodeError,
    EdgeTypeError,
    UnknownNodeError,
)
from engine.function_modifiers.base import configured, functions_of, nodes_of
from engine.htypes import fits as types_fit
from engine.htypes import is_collect, is_parallelizable
from engine.io.materialization import LoadRequest, SaveRequest
from engine.io.nodes import loader_nodes, saver_nodes
from engine.io.places import Places
from engine.io.traffic import Traffic
from engine.layered import Layered
from engine.node import Node, NodeKind, where_is

if TYPE_CHECKING:
    from engine.io.places import Views

Fits: TypeAlias = Callable[[Any, Any], bool]
V = TypeVar("V")
_OUTSIDE = (NodeKind.LOADER, NodeKind.SAVER)
_NO_VIEWS: Views = MappingProxyType({})


@dataclass(frozen=True)
class FunctionGraph:
    """Linked nodes.

    Attributes:
        nodes: Every node by name, external inputs included.
        config: The configuration it was built with; its values also fill parameters of the same name.
        fits: Says whether a value of one type may fill a parameter of another.
        places: Knows where tables and files live.
        upstream: Per node, the nodes it reads or waits for, as walks over the graph want them.
        expanders: The nodes that are `Parallelizable`.
        collectors: Per node with a `Collect` parameter, the node that fills it.
        outside: The loaders and savers.
        on_top: The nodes that `attach` has put on top; None where it has changed what was there.
    """

    nodes: Mapping[str, Node]
    config: Mapping[str, Any] = field(default_factory=dict)
    fits: Fits = types_fit
    places: Places = field(default_factory=Places)
    upstream: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    expanders: frozenset[str] = frozenset()
    collectors: Mapping[str, str] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    on_top: tuple[Node, ...] | None = ()

    @classmethod
    def from_modules(
        cls,
        modules: Iterable[ModuleType],
        config: Mapping[str, Any] | None = None,
        *,
        allow_module_overrides: bool = False,
        fits: Fits = types_fit,
        places: Places | None = None,
    ) -> FunctionGraph:
        """Build the graph of all node functions of the modules.

        Raises:
            DefinitionError: The functions do not make a dataflow; what is wrong with each of them is told together.
        """
        config = dict(config or {})
        nodes: dict[str, Node] = {}
        module_of: dict[str, str] = {}
        faults: list[DefinitionError] = []
        for module in modules:
            for _, function in functions_of(module):
                try:
                    made = [configured(node, config) for node in nodes_of(function, config)]
                except DefinitionError as fault:
                    faults.append(fault)
                    continue
                for node in made:
                    overrides = allow_module_overrides and module_of.get(node.name) != module.__name__
                    if node.name in nodes and not overrides:
                        faults.append(_duplicate(node, nodes[node.name]))
                    nodes[node.name] = node
                    module_of[node.name] = module.__name__
        if faults:
            raise DefinitionError.together(faults)
        return cls({}, MappingProxyType(config), fits, places or Places())._with(nodes)  # noqa: SLF001 - an instance of this class

    def attach(self, requests: Iterable[LoadRequest | SaveRequest]) -> FunctionGraph:
        """Return a graph that also serves these requests to load and save.

        Raises:
            UnknownNodeError: A request names a node that is not there.
            DuplicateNodeError: An id is taken by a node or by another request.
            OptionError: A loader or saver does not exist, does not serve the type, or is given wrong options.
        """
        added: dict[str, Node] = {}
        requests = list(requests)
        if not requests:
            return self
        for request in requests:
            made = self._load(request) if isinstance(request, LoadRequest) else self._save(request, added)
            for node in made:
                replaces = isinstance(request, LoadRequest) and node.name == request.target
                if node.name in added or (node.name in self.nodes and not replaces):
                    raise DuplicateNodeError(
                        f"the name {node.name!r} is taken: a node or another materializer has it",
                        hint="give each to.…() an id of its own, and each target one from_.…()",
                    )
                added[node.name] = configured(node, self.config)
        return self._with(added)

    def _load(self, request: LoadRequest) -> list[Node]:
        target = self._asked(request.target, f"from_.{request.loader}(target={request.target!r})")
        return loader_nodes(
            request, data_name=request.target, loaded_name=f"load_data.{request.target}", type_=target.type
        )

    def _save(self, request: SaveRequest, added: Mapping[str, Node]) -> list[Node]:
        owner = f"to.{request.saver}(id={request.id!r})"
        saved = {name: added.get(name) or self._asked(name, owner) for name in request.dependencies}
        return saver_nodes(request, saved=saved)

    def _asked(self, name: str, owner: str) -> Node:
        try:
            return self.node(name)
        except UnknownNodeError as error:
            error.message = f"{owner}: {error.message}"
            raise

    def node(self, name: str) -> Node:
        """Return the node of this name.

        Raises:
            UnknownNodeError: There is none; the error names similar ones.
        """
        try:
            return self.nodes[name]
        except KeyError:
            raise UnknownNodeError.among(name, self.nodes) from None

    def _with(self, added: Mapping[str, Node]) -> FunctionGraph:
        """Link ``added`` nodes in: inputs made, edges checked, tables ordered, cycles refused.

        It costs what is added, not what is there: all else is shared with this graph.
        """
        nodes = _over(self.nodes)
        nodes.update(added)
        inputs, unlike = _inputs(nodes, added, self.fits)
        faults: list[DefinitionError] = [*unlike]
        nodes.update(inputs)
        outside = dict.fromkeys([*self.outside, *(n for n, node in added.items() if node.kind in _OUTSIDE)])
        waiting = _waiting(nodes, Traffic(nodes, outside, self.config, self.places))
        replaced = [name for name in added if name in self.nodes]
        faults += _mismatches(nodes, {**added, **self._readers_of(replaced, nodes)}, self.fits)
        faults += _double_collectors(added.values())
        if faults:
            raise DefinitionError.together(faults)
        # Of new nodes that no older one reads none can close a circle.
        suspects = [*replaced, *waiting] if self.nodes else [*added, *waiting]
        return self._linked({**added, **inputs, **waiting}, outside, suspects)

    def _linked(self, changed: Mapping[str, Node], outside: Iterable[str], suspects: Iterable[str]) -> FunctionGraph:
        nodes, upstream = _over(self.nodes), _over(self.upstream)
        nodes.update(changed)
        upstream.update({name: tuple(dict.fromkeys(node.upstream)) for name, node in changed.items()})
        graph = dataclasses.replace(
            self,
            nodes=nodes,
            upstream=upstream,
            expanders=self.expanders.difference(changed).union(_expanders(changed.values())),
            collectors={n: c for n, c in self.collectors.items() if n not in changed} | _collectors(changed.values()),
            outside=tuple(outside),
            on_top=None if any(name in self.nodes for name in changed) else tuple(changed.values()),
        )
        graph.order(suspects)
        return graph

    def _readers_of(self, names: Iterable[str], nodes: Mapping[str, Node]) -> dict[str, Node]:
        """Return the nodes of this graph that read one of these, as they are now."""
        return {reader: nodes[reader] for name in names for reader in self.readers.get(name, ())}

    def knowing(self, values: Mapping[str, Any], views: Callable[[Iterable[str | None]], Views]) -> FunctionGraph:
        """Return the graph with loaders after the savers of what they read, as only a call can tell.

        Args:
            values: Inputs and overrides, from which options of loaders and savers may come.
            views: Gives what each view of some databases reads.

        Raises:
            DuplicateNodeError: Two savers write one place.
            CycleError: Loaders and savers wait for one another in a circle.
        """
        traffic = Traffic(self.nodes, self.outside, {**self.config, **values}, self.places)
        waiting = _waiting(self.nodes, traffic, views(traffic.shared_urls()))
        return self._linked(waiting, self.outside, waiting) if waiting else self

    def order(self, targets: Iterable[str], stop: Callable[[str], bool] | None = None) -> list[str]:
        """Return the targets and everything upstream of them, each after what it reads.

        Args:
            targets: Names of nodes.
            stop: Nodes for which this is true are left out, with what only they need.

        Raises:
            UnknownNodeError: A target is not there.
            CycleError: Nodes depend on one another in a circle.
        """
        done: dict[str, bool] = {}  # False while the node's upstream is being walked
        ordered: list[str] = []
        upstream = self.upstream
        for target in targets:
            if target in done or (stop is not None and stop(target)):
                continue
            done[self.node(target).name] = False
            path, rest = [target], [iter(upstream[target])]
            while path:
                for parent in rest[-1]:
                    state = done.get(parent)
                    if state is None and (stop is None or not stop(parent)):
                        done[parent] = False
                        path.append(parent)
                        rest.append(iter(upstream[parent]))
                        break
                    if state is False:
                        raise CycleError([*path[path.index(parent) :], parent])
                else:
                    rest.pop()
                    done[path[-1]] = True
                    ordered.append(path.pop())
        return ordered

    def downstream_of(self, names: Iterable[str]) -> list[str]:
        """Return the nodes of these names and everything downstream of them, in the order of the graph."""
        found = {self.node(name).name for name in names}
        queue = list(found)
        while queue:
            for reader in self.readers.get(queue.pop(), ()):
                if reader not in found:
                    found.add(reader)
                    queue.append(reader)
        return [name for name in self.nodes if name in found]

    @functools.cached_property
    def readers(self) -> Mapping[str, list[str]]:
        """Per node, the nodes that read it or wait for it."""
        readers: dict[str, list[str]] = {}
        for name, parents in self.upstream.items():
            for parent in parents:
                readers.setdefault(parent, []).append(name)
        return readers

    def savers(self) -> list[str]:
        """Return the names of all saver nodes, in the order of the graph."""
        return [name for name in self.outside if self.nodes[name].kind is NodeKind.SAVER]


def _over(mapping: Mapping[str, V]) -> Layered[str, V] | dict[str, V]:
    return Layered(mapping) if mapping else {}


def _waiting(nodes: Mapping[str, Node], traffic: Traffic, views: Views = _NO_VIEWS) -> dict[str, Node]:
    """Return the loaders that are to wait for savers, changed to do so."""
    traffic.check()
    waits = traffic.waits(views)
    return {name: dataclasses.replace(nodes[name], after=(*nodes[name].after, *s)) for name, s in waits.items()}


def _duplicate(node: Node, other: Node) -> DuplicateNodeError:
    places = [where_is(n.origins[0]) if n.origins else n.name for n in (other, node)]
    return DuplicateNodeError(
        f"two functions make the node {node.name!r}: {places[0]} and {places[1]}",
        hint="rename one, or call Builder().allow_module_overrides() to let the later module win",
    )


def _inputs(
    nodes: Mapping[str, Node], added: Mapping[str, Node], fits: Fits
) -> tuple[dict[str, Node], list[EdgeTypeError]]:
    """Make an external input for every name that is read and that no node has; narrow the types of those there are.

    Returns:
        The inputs, and the faults: inputs whose readers want types of which none fits the other.
    """
    inputs: dict[str, Node] = {}
    faults = []
    for node in added.values():
        for parameter, name, type_ in node.edges():
            present = inputs.get(name) or nodes.get(name)
            # A default stands in for a whole parameter, not for one item of a group.
            optional = parameter in node.optional and isinstance(node.bindings[parameter], Source)
            if present is None:
                inputs[name] = Node.external_input(name, type_, optional=optional)
            elif present.kind is NodeKind.INPUT:
                if fits(type_, present.type):
                    narrow = type_
                elif fits(present.type, type_):
                    narrow = present.type
                else:
                    faults.append(_unlike(name, present, node, type_))
                    continue
                inputs[name] = Node.external_input(name, narrow, optional=optional and bool(present.optional))
    return inputs, faults


def _unlike(name: str, present: Node, node: Node, type_: Any) -> EdgeTypeError:
    return EdgeTypeError(
        f"the input {name!r} is asked for as {_shown(present.type)} and, by node {node.name!r}, as {_shown(type_)}",
        hint="annotate the parameter alike in every function that takes it",
    )


def _mismatches(nodes: Mapping[str, Node], affected: Mapping[str, Node], fits: Fits) -> Iterator[EdgeTypeError]:
    """Yield a fault for each edge of the affected nodes whose two types do not fit."""
    for node in affected.values():
        for parameter, name, wanted in node.edges():
            upstream = nodes[name]
            if upstream.kind is not NodeKind.INPUT and not fits(upstream.type, wanted):
                place = where_is(node.origins[0]) if node.origins else node.name
                yield EdgeTypeError(
                    f"node {node.name!r} of {place} takes {_shown(wanted)} for {parameter!r}, "
                    f"but {name!r} gives {_shown(upstream.type)}",
                    hint="make the two annotations agree, or put a converting node between",
                )


def _expanders(nodes: Iterable[Node]) -> Iterable[str]:
    # Nearly all types are plain classes, which need no closer look.
    return (node.name for node in nodes if type(node.type) is not type and is_parallelizable(node.type))


def _collectors(nodes: Iterable[Node]) -> dict[str, str]:
    collectors: dict[str, str] = {}
    for node in nodes:
        for parameter in _collected(node):
            binding = node.bindings.get(parameter)
            if isinstance(binding, Source):
                collectors[node.name] = binding.name
    return collectors


def _double_collectors(nodes: Iterable[Node]) -> Iterator[DefinitionError]:
    for node in nodes:
        collected = _collected(node)
        if len(collected) > 1:
            place = where_is(node.origins[0]) if node.origins else node.name
            yield AnnotationError(
                f"node {node.name!r} of {place} has several Collect parameters: {', '.join(collected)}",
                hint="let the branches give one value that holds them all, such as a tuple or a dictionary",
            )


def _collected(node: Node) -> list[str]:
    return [p for p, type_ in node.parameter_types.items() if type(type_) is not type and is_collect(type_)]


def _shown(type_: Any) -> str:
    return (
        type_.__module__ + "." + type_.__qualname__
        if isinstance(type_, type) and type_.__module__ != "builtins"
        else (type_.__name__ if isinstance(type_, type) else str(type_))
    )
