"""Request: one call of a driver, checked as a whole before anything runs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.bindings import Group, Source, sources_of
from engine.errors import BlockError, InputError, RequestError, UnknownNodeError, did_you_mean
from engine.execution.blocks import Block, blocks_of, parallel_nodes
from engine.execution.course import Course, course_of, direct
from engine.htypes import fits_value
from engine.node import NodeKind
from engine.planning.selection import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence

    from engine.bindings import Binding
    from engine.graph import FunctionGraph
    from engine.io.places import Views
    from engine.node import Node


_HOW = "pass them as inputs={'name': value}"


class Shape(NamedTuple):
    """What a request asks for, which names it gives values for, and what it brings: all but the values."""

    final_vars: tuple[str, ...]
    outputs: tuple[str, ...]
    inputs: frozenset[str]
    overrides: frozenset[str]
    is_straight: bool
    on_top: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is worked out once for all requests of one shape.

    Attributes:
        graph: The graph, requests attached.
        outputs: The savers that run: those asked for, and those whose words the asked-for values are made from.
        loaders: The loaders among all nodes that are needed.
        final_order: The nodes that the asked-for values need, in order; where there is no course.
        course: What runs, where nothing is decided on the way.
        blocks: What runs once per item.
    """

    graph: FunctionGraph
    outputs: tuple[str, ...]
    loaders: tuple[str, ...]
    final_order: tuple[str, ...] = ()
    course: Course | None = None
    blocks: tuple[Block, ...] = ()

    @property
    def size(self) -> int:
        """How many nodes keeping this keeps ready."""
        stages = self.course.stages if self.course else ()
        return len(self.final_order) + sum(len(stage.nodes) for stage in stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller wants.

    Attributes:
        final_vars: Nodes whose values are asked for.
        outputs: Savers that are to be brought up to date.
        inputs: Values for external inputs.
        overrides: Values for nodes, which then do not run.
        rerun: ``all`` runs what is asked for, ``stale`` only what is not fresh.
        brings_upstream: Outputs that the asked-for ones read are brought up to date first.
        adopts: Outputs asked for may write over tables that the engine did not write.
        stops_at_failure: The first failure ends the run and is raised; else independent outputs go on.
        mode: What the record calls it: execute or materialize.
        accepts: Says whether a value may be given for an input of a type.
        runs_blocks: What is Parallelizable may run once per item.
    """

    final_vars: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    rerun: str = "all"
    brings_upstream: bool = False
    adopts: bool = False
    stops_at_failure: bool = True
    mode: str = "execute"
    accepts: Callable[[Any, Any], bool] = fits_value
    runs_blocks: bool = False

    @property
    def is_straight(self) -> bool:
        """Whether nothing is decided on the way: every output is built, and the first failure ends the run."""
        return self.rerun == "all" and self.stops_at_failure

    def shape(self, on_top: Iterable[Node] = ()) -> Shape:
        """Return what two requests share that need the same nodes.

        Args:
            on_top: The nodes that this request brings.
        """
        given, replaced = frozenset(self.inputs), frozenset(self.overrides)
        return Shape(self.final_vars, self.outputs, given, replaced, self.is_straight, tuple(map(_outline, on_top)))

    def check_values(self, graph: FunctionGraph) -> None:
        """Check the values of inputs.

        Raises:
            InputError: Inputs are of the wrong type, or given twice; all faults together.
        """
        faults = [*self._double(graph), *self._mistyped(graph)]
        if faults:
            raise InputError(faults, hint=_HOW)

    def prepare(self, graph: FunctionGraph, on_top: Iterable[Node] = ()) -> Prepared:
        """Check names and inputs against a graph, all faults of one kind together, and order what is needed.

        Args:
            graph: The graph, requests attached.
            on_top: The nodes in it that this request alone brings, and that are not to be kept for the next.

        Raises:
            RequestError: The rerun mode is unknown.
            UnknownNodeError: A name is not in the graph.
            InputError: Inputs are missing, of the wrong type, or given twice.
            BlockError: What is to run once per item cannot.
        """
        if self.rerun not in {"all", "stale"}:
            raise RequestError(f"rerun={self.rerun!r} is unknown", hint='write rerun="all" or rerun="stale"')
        for name in self.outputs:
            if name not in graph.nodes or graph.nodes[name].kind is not NodeKind.SAVER:
                raise UnknownNodeError.among(name, graph.savers(), what="output")
        for name in (*self.final_vars, *self.overrides):
            graph.node(name)
        given = frozenset(self.inputs.keys() | graph.config.keys() | self.overrides.keys())
        order = graph.order((*self.final_vars, *self.outputs), stop=given.__contains__)
        faults = [*self._double(graph), *self._missing(graph, order), *self._mistyped(graph)]
        if faults:
            raise InputError(faults, hint=_HOW)
        savers = {name for name in order if graph.nodes[name].kind is NodeKind.SAVER}.difference(self.outputs)
        outputs = (*self.outputs, *_read_by_nodes(graph, order, savers))
        prepared = Prepared(
            graph=graph,
            outputs=outputs,
            loaders=tuple(name for name in order if graph.nodes[name].kind is NodeKind.LOADER),
            blocks=self._blocks(graph, order, given, outputs),
        )
        names = {node.name for node in on_top}
        if not self.is_straight:
            # What is merely waited for does not run, nor does what only that needs.
            stop = given.union(() if outputs else savers).__contains__
            return dataclasses.replace(prepared, final_order=tuple(graph.order(self.final_vars, stop)))
        if outputs or savers or names:
            course = course_of(graph, in_order(graph, outputs), self.final_vars, given, names)
        else:
            course = direct(graph, order, self.final_vars, given)
        return dataclasses.replace(prepared, course=course)

    def settled(self, prepared: Prepared, views: Callable[[Iterable[str | None]], Views] = lambda _: {}) -> Prepared:
        """Order what is written before what reads it, as the values of this very request have it.

        Args:
            prepared: What was worked out for the request's shape.
            views: Gives what each view of some databases reads.

        Raises:
            DuplicateNodeError: Two savers write one place.
        """
        graph = prepared.graph
        known = graph.knowing({**self.inputs, **self.overrides}, views) if prepared.outputs else graph
        return prepared if known is graph else self.prepare(known)

    def _blocks(
        self, graph: FunctionGraph, order: Sequence[str], given: frozenset[str], outputs: Sequence[str]
    ) -> tuple[Block, ...]:
        parallel = parallel_nodes(graph, order, given)
        if not parallel:
            return ()
        if not self.runs_blocks:
            raise BlockError(
                f"node {parallel[0]!r} is Parallelizable, or collects what is, and this driver runs no branches",
                hint="build it with Builder().enable_dynamic_execution(allow_experimental_mode=True)",
            )
        targets = (*self.final_vars, *outputs)
        return blocks_of(graph, order, given, targets, graph.savers() if outputs else ())

    def _double(self, graph: FunctionGraph) -> list[str]:
        return [
            f"input {n!r} is given both as input and in the configuration" for n in self.inputs if n in graph.config
        ]

    def _missing(self, graph: FunctionGraph, order: Sequence[str]) -> list[str]:
        """Return a fault for each input that is not given and that a node of this request cannot do without."""
        missing = [name for name in order if graph.nodes[name].kind is NodeKind.INPUT]
        needy = _needy_readers(graph, order) if missing else {}
        faults = []
        for name in missing:
            if name in needy:
                faults.append(f"input {name!r}, which node {needy[name]!r} reads, is missing{self._near(name, graph)}")
            elif name in self.final_vars and not graph.nodes[name].optional:
                faults.append(f"input {name!r} is missing{self._near(name, graph)}")
        return faults

    def _near(self, name: str, graph: FunctionGraph) -> str:
        """Say what a missing name may have been meant to be: an input that was given, or a node."""
        if near := did_you_mean(name, self.inputs.keys() - graph.nodes.keys()):
            return f"; {near[0]!r} was given, which nothing reads"
        near = did_you_mean(name, graph.nodes.keys() - {name})
        return f"; did you mean {near[0]!r}?" if near else ""

    def _mistyped(self, graph: FunctionGraph) -> list[str]:
        faults = []
        for name, value in self.inputs.items():
            node = graph.nodes.get(name)
            if node is not None and value is not None and not self.accepts(value, node.type):
                wanted = getattr(node.type, "__name__", str(node.type))
                faults.append(f"input {name!r} is to be of type {wanted}, but is of type {type(value).__name__}")
        return faults


def _needy_readers(graph: FunctionGraph, order: Sequence[str]) -> dict[str, str]:
    """Return, per name that a node has no default for, the first such node."""
    needy = {}
    for reader in reversed(order):
        node = graph.nodes[reader]
        for parameter, name, _ in node.edges():
            # A default stands in for a whole parameter, not for one item of a group.
            if parameter not in node.optional or not isinstance(node.bindings[parameter], Source):
                needy[name] = reader
    return needy


def inputs_of(graph: FunctionGraph, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the inputs that count: a value named like a node that computes or loads something does not replace it.

    Only ``overrides`` replace nodes. What no node knows stays, so that messages can say what a name may have meant.
    """
    nodes, config = graph.nodes, graph.config
    return {n: v for n, v in (given or {}).items() if n not in nodes or n in config or nodes[n].function is None}


def names_of(wanted: Sequence[Any]) -> list[str]:
    """Return the names of nodes that are given by name, as views or as functions, each once.

    >>> names_of(["total", "count", "total"])
    ['total', 'count']

    Raises:
        RequestError: A text is given instead of a list.
    """
    if isinstance(wanted, str):
        raise RequestError(f"{wanted!r} is a text where a list of names is needed", hint=f"write [{wanted!r}]")
    return list(dict.fromkeys(w if isinstance(w, str) else getattr(w, "name", None) or w.__name__ for w in wanted))


def _read_by_nodes(graph: FunctionGraph, order: Sequence[str], savers: Collection[str]) -> list[str]:
    """Return the savers that nodes read what they say from, in order."""
    if not savers:
        return []
    bindings = (binding for name in order for binding in graph.nodes[name].bindings.values())
    read = {name for binding in bindings for name in sources_of(binding)}
    return [name for name in order if name in savers and name in read]


def _outline(node: Node) -> Hashable:
    """Return what a node is but for its values: two nodes of one outline are run in the same place."""
    bindings = tuple((parameter, _reads(binding)) for parameter, binding in node.bindings.items())
    return node.name, node.kind, bindings, node.optional, node.after


def _reads(binding: Binding) -> Hashable:
    if isinstance(binding, Group):
        return binding.keys, tuple(map(_reads, binding.items))
    return binding.name if isinstance(binding, Source) else None
