"""Scheduler: which steps an output needs, in which order, and when a value may be dropped; it touches nothing.

Theory of operation. The outputs of a plan are *stages*, in the planner's order; the values a caller asked for are the
last stage. A stage runs the nodes it needs whose values are not at hand, in topological order. A value is dropped after
its last reader, counted over all stages that may still come; a node that two stages need runs once.

A step knows beforehand how its function will be called: the common case, one or two values by position, costs hardly
more than the call itself (`run`).
"""

from __future__ import annotations

import types
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.bindings import Group, Source, Value
from engine.node import NodeKind, parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, MutableMapping, Sequence

    from engine.bindings import Binding
    from engine.node import Node

_BY_NAME, _NONE, _ONE, _TWO, _MANY = range(5)
_MOST_NAMED = 2


class Ordered(Protocol):
    """What the scheduler needs of a graph."""

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every node by name."""

    @property
    def upstream(self) -> Mapping[str, tuple[str, ...]]:
        """Per node, the nodes it reads or waits for."""

    def order(self, targets: Iterable[str], stop: Callable[[str], bool] | None = None) -> list[str]:
        """Return the targets and what is upstream of them, each after what it reads, without what ``stop`` names."""


class Step(NamedTuple):
    """One node to run.

    Attributes:
        form: How the function is called: by name, or with no, one, two or many values by position.
        function: The node's function.
        first: The name of the first value (`_ONE`, `_TWO`), or what takes all values out of a mapping (`_MANY`).
        second: The name of the second value.
        name: The node's name.
        releases: The values that nobody needs any more afterwards.
        node: The node.
    """

    form: int
    function: Callable[..., Any]
    first: Any
    second: str
    name: str
    releases: tuple[str, ...]
    node: Node


class Schedule:
    """The stages of one call.

    Args:
        graph: The graph, requests attached.
        uses: Per stage, the nodes it may need, in the order of execution.
        keeps: Names whose values are held to the end.
    """

    def __init__(self, graph: Ordered, uses: Sequence[Iterable[str]], keeps: Iterable[str]) -> None:
        self.graph = graph
        self._keeps = frozenset(keeps)
        self._last_use: dict[str, int] = {name: index for index, names in enumerate(uses) for name in names}

    def steps(self, stage: int, targets: Sequence[str], at_hand: Container[str]) -> list[Step]:
        """Return the steps that give the targets, each after what it reads.

        Args:
            stage: The number of the stage.
            targets: What the stage is for.
            at_hand: The names of the values there are already.
        """
        nodes, wanted = self.graph.nodes, frozenset(targets)

        def stop(name: str) -> bool:
            # Savers upstream are stages of their own.
            return name in at_hand or (nodes[name].kind is NodeKind.SAVER and name not in wanted)

        order = [name for name in self.graph.order(targets, stop) if nodes[name].function is not None]
        made, last_use, keeps = set(order), self._last_use, self._keeps | wanted
        released: set[str] = set()
        steps: list[Step] = []
        for name in reversed(order):
            releases = [
                read
                for read in (name, *self.graph.upstream[name])
                if read not in released
                and read not in keeps
                and last_use.get(read, stage) <= stage
                and (read in made or read in at_hand)
            ]
            released.update(releases)
            steps.append(_step(nodes[name], tuple(releases), made, at_hand))
        steps.reverse()
        return steps

    def is_done_with(self, name: str, stage: int) -> bool:
        """Say whether no later stage needs a value."""
        return name not in self._keeps and self._last_use.get(name, stage) <= stage


def _step(node: Node, releases: tuple[str, ...], made: Container[str], at_hand: Container[str]) -> Step:
    function = node.function
    assert function is not None, node.name  # noqa: S101 - inputs, which have no function, make no steps
    names = _positions(node, function, made, at_hand)
    if names is None:
        return Step(_BY_NAME, function, None, "", node.name, releases, node)
    if len(names) > _MOST_NAMED:
        return Step(_MANY, function, itemgetter(*names), "", node.name, releases, node)
    first, second = (*names, "", "")[:_MOST_NAMED]
    return Step((_NONE, _ONE, _TWO)[len(names)], function, first, second, node.name, releases, node)


def _positions(
    node: Node, function: Callable[..., Any], made: Container[str], at_hand: Container[str]
) -> list[str] | None:
    """Return the values a function takes by position, or None where it cannot be called so."""
    if type(function) is not types.FunctionType or function.__code__.co_kwonlyargcount:
        return None
    names = []
    for binding in node.bindings.values():
        if type(binding) is not Source or not (binding.name in made or binding.name in at_hand):
            return None
        names.append(binding.name)
    return names if tuple(node.bindings) == parameters_of(function)[0] else None


def run(steps: Iterable[Step], values: MutableMapping[str, Any]) -> None:
    """Run steps that nobody watches, putting their values into ``values`` and dropping those that are done with.

    Raises:
        Exception: What a node raised, with a note on the node.
    """
    step = None
    try:
        for step in steps:
            form, function, first, second, name, releases, node = step
            if form == _TWO:
                values[name] = function(values[first], values[second])
            elif form == _ONE:
                values[name] = function(values[first])
            elif form == _MANY:
                values[name] = function(*first(values))
            elif form == _NONE:
                values[name] = function()
            else:
                values[name] = function(**fill(node, values))
            for dropped in releases:
                del values[dropped]
    except Exception as error:
        if step is not None:
            note(error, step.node)
        raise


def note(error: BaseException, node: Node) -> None:
    """Say on an exception which node raised it."""
    text = f"while running node {node.name!r}"
    if text not in getattr(error, "__notes__", ()):
        error.add_note(text)


def fill(node: Node, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a node's function; an optional parameter without a value is left out."""
    arguments: dict[str, Any] = {}
    for parameter, binding in node.bindings.items():
        if type(binding) is Source:
            if binding.name in values:
                arguments[parameter] = values[binding.name]
            elif parameter not in node.optional:
                raise KeyError(binding.name)
        else:
            arguments[parameter] = _filled(binding, values)
    return arguments


def _filled(binding: Binding, values: Mapping[str, Any]) -> Any:
    if isinstance(binding, Value):
        return binding.value
    if isinstance(binding, Source):
        return values[binding.name]
    if isinstance(binding, Group):
        items = [_filled(item, values) for item in binding.items]
        return items if binding.keys is None else dict(zip(binding.keys, items, strict=True))
    message = f"{binding} was not resolved when the graph was built"
    raise TypeError(message)
