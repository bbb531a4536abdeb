"""Scheduler: which steps an output needs, in which order, and when a value may be dropped; it touches nothing.

Theory of operation. The outputs of a plan are *stages*, in the planner's order; the values a caller asked for are the
last stage. A stage runs the nodes it needs whose values are not at hand, in topological order. A value is dropped after
its last reader, counted over all stages that may still come; a node that two stages need runs once.

Where somebody watches, a stage is run step by step; where nobody does, as `engine.execution.calls`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Protocol

from engine.execution.calls import Calls
from engine.execution.steps import Step
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from engine.node import Node


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


class Stage:
    """The nodes that one stage runs.

    Args:
        nodes: The nodes that have a function, in the order of execution.
        upstream: Per node, the nodes it reads or waits for.
        at_hand: The names of the values there are before.
        ends: The names of the values, made here or at hand, that nobody needs after the stage.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        upstream: Mapping[str, tuple[str, ...]],
        at_hand: Container[str],
        ends: AbstractSet[str],
    ) -> None:
        self.nodes = nodes
        self.at_hand = at_hand
        self.upstream = upstream
        self.ends = ends

    def steps(self) -> list[Step]:
        """Return the steps in order, each with the values that it is the last to read."""
        return list(self._backwards())[::-1]

    @functools.cached_property
    def calls(self) -> Calls:
        """The steps, compiled."""
        return Calls(self._backwards(), {node.name for node in self.nodes}, self.at_hand)

    def _backwards(self) -> Iterator[Step]:
        ends, upstream = set(self.ends), self.upstream
        for node in reversed(self.nodes):
            name = node.name
            releases = [read for read in upstream[name] if read in ends]
            if name in ends:
                releases.append(name)  # nobody reads it
            ends.difference_update(releases)
            yield Step(node, tuple(releases))


def last_uses(uses: Iterable[Iterable[str]]) -> dict[str, int]:
    """Return, per name, the number of the last stage that uses it."""
    return {name: number for number, names in enumerate(uses) for name in names}


class Schedule:
    """The stages of one call.

    Args:
        graph: The graph, requests attached.
        last_use: Per name, the number of the last stage that may need it.
        keeps: Names whose values are held to the end.
    """

    def __init__(self, graph: Ordered, last_use: Mapping[str, int], keeps: Iterable[str]) -> None:
        self.graph = graph
        self._keeps = frozenset(keeps)
        self._last_use = last_use

    def stage(self, number: int, targets: Collection[str], at_hand: Collection[str]) -> Stage:
        """Return the stage that gives the targets.

        Args:
            number: The number of the stage.
            targets: What the stage is for; savers among them are stages of their own.
            at_hand: The names of the values there are already.
        """
        kinds = self.graph.nodes

        def stop(name: str) -> bool:
            return name in at_hand or kinds[name].kind is NodeKind.SAVER

        order = self.graph.order(targets, stop)
        nodes = [node for node in map(kinds.__getitem__, order) if node.function is not None]
        made = [node.name for node in nodes]
        ends = {name for name in (*made, *at_hand) if self.is_done_with(name, number)}
        return Stage(nodes, self.graph.upstream, at_hand, ends.difference(targets))

    def saver(self, number: int, output: str, at_hand: Collection[str]) -> tuple[Stage, Step]:
        """Return the stage that gives what a saver reads, and the step of the saver itself."""
        reads = self.graph.upstream[output]
        stage = self.stage(number, reads, at_hand)
        made = {node.name for node in stage.nodes}
        last = [n for n in reads if self.is_done_with(n, number) and (n in made or n in at_hand)]
        return stage, Step(self.graph.nodes[output], tuple(last))

    def is_done_with(self, name: str, stage: int) -> bool:
        """Say whether no later stage needs a value."""
        return name not in self._keeps and self._last_use.get(name, stage) <= stage
