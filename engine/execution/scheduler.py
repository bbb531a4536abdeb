"""Scheduler: which steps an output needs, and when a value may be dropped. Pure: no executor, no database.

Theory of operation. The outputs of a plan are *stages*, in the planner's order; the values a caller asked for are the
last stage. A stage runs the nodes it needs whose values are not at hand, in topological order. A value is dropped after
its last reader, counted over all stages that may still come; a node that two stages need runs once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from engine.bindings import Group, Source, Value
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.bindings import Binding
    from engine.node import Node


class Ordered(Protocol):
    """What the scheduler needs of a graph."""

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every node by name."""

    def order(self, targets: Iterable[str], stop: Callable[[str], bool] | None = None) -> list[str]:
        """Return the targets and what is upstream of them, each after what it reads, without what ``stop`` names."""


@dataclass(frozen=True, slots=True)
class Step:
    """One node to run, and the values that nobody needs any more afterwards."""

    node: Node
    releases: tuple[str, ...] = ()


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

    def steps(self, stage: int, targets: Iterable[str], is_at_hand: Callable[[str], bool]) -> list[Step]:
        """Return the steps that give the targets, each after what it reads.

        Args:
            stage: The number of the stage.
            targets: What the stage is for.
            is_at_hand: Says whether a value is there already.
        """
        nodes = self.graph.nodes
        wanted = set(targets)

        def stop(name: str) -> bool:
            # Savers upstream are stages of their own.
            return is_at_hand(name) or (nodes[name].kind is NodeKind.SAVER and name not in wanted)

        order = [n for n in self.graph.order(targets, stop) if nodes[n].function is not None]
        released: set[str] = set()
        steps: list[Step] = []
        for name in reversed(order):
            node = nodes[name]
            droppable = [
                read
                for read in (name, *node.upstream)
                if read not in released and read not in self._keeps and self._last_use.get(read, stage) <= stage
            ]
            releases = tuple(dict.fromkeys(droppable))
            released.update(releases)
            steps.append(Step(node, tuple(n for n in releases if n not in wanted)))
        steps.reverse()
        return steps

    def is_done_with(self, name: str, stage: int) -> bool:
        """Say whether no later stage needs a value."""
        return name not in self._keeps and self._last_use.get(name, stage) <= stage


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
