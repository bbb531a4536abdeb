"""Course: the stages of a call that builds every output and stops at the first failure, known before it begins.

Theory of operation. Where nothing is decided on the way, what each stage runs follows from the names alone: from which
values are given, and what the stages before have made. So it is worked out once for all calls of a shape. The nodes
that a call lays on top of the driver's graph are made anew by each; they are left out of the stages, which therefore
serve the next call as well, and what is left out is run after them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.execution.scheduler import Stage, last_uses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from engine.graph import FunctionGraph


@dataclass(frozen=True, slots=True)
class Course:
    """What a call runs.

    Attributes:
        outputs: The savers that run, in order.
        stages: Per output what it needs, and last what the asked-for values need; without the nodes on top.
        are_whole: Per stage, whether no node on top is left out of it.
        last_use: Per name, the number of the last stage that needs it.
    """

    outputs: tuple[str, ...]
    stages: tuple[Stage, ...]
    are_whole: tuple[bool, ...]
    last_use: Mapping[str, int]


def direct(graph: FunctionGraph, order: Iterable[str], final_vars: Collection[str], given: frozenset[str]) -> Course:
    """Return the course of a call that only asks for values.

    Args:
        graph: The graph.
        order: The nodes that are needed, in order.
        final_vars: What is asked for.
        given: The names of the values that the caller gives.
    """
    nodes = [node for node in map(graph.nodes.__getitem__, order) if node.function is not None]
    ends = {node.name for node in nodes}.difference(final_vars)
    return Course((), (Stage(nodes, graph.upstream, given, ends),), (True,), {})


def course_of(
    graph: FunctionGraph,
    outputs: Sequence[str],
    final_vars: Collection[str],
    given: frozenset[str],
    on_top: Collection[str],
) -> Course:
    """Return the course of a call.

    Args:
        graph: The graph, requests attached.
        outputs: The savers that run, in order.
        final_vars: What is asked for.
        given: The names of the values that the caller gives.
        on_top: The nodes that the call itself brings.
    """
    wanted = [*(graph.upstream[output] for output in outputs), final_vars]
    walks = list(_walks(graph, wanted, outputs, given))
    last_use = last_uses((*order, *read) for order, read in walks)
    keeps = given.union(final_vars)
    stages, are_whole = [], []
    for number, (targets, (order, read)) in enumerate(zip(wanted, walks, strict=True)):
        needed = [node for node in map(graph.nodes.__getitem__, order) if node.function is not None]
        nodes = [node for node in needed if node.name not in on_top]
        there = {node.name for node in needed}.union(read)  # not the inputs that have a default and no value
        ends = {name for name in there if last_use[name] == number and name not in keeps}
        ends.difference_update(targets, *(graph.upstream[name] for name in order if name in on_top))
        stages.append(Stage(nodes, graph.upstream, read, ends))
        are_whole.append(len(nodes) == len(needed))
    return Course(tuple(outputs), tuple(stages), tuple(are_whole), last_use)


def _walks(
    graph: FunctionGraph, wanted: Iterable[Iterable[str]], outputs: Sequence[str], given: Iterable[str]
) -> Iterable[tuple[list[str], frozenset[str]]]:
    """Give, per stage, what it runs in order, and what it finds at hand."""
    savers, at_hand, read = frozenset(graph.savers()), set(given), set[str]()

    def stop(name: str) -> bool:
        if name in at_hand:
            read.add(name)
            return True
        return name in savers

    for number, targets in enumerate(wanted):
        read.clear()
        order = graph.order(targets, stop)
        yield order, frozenset(read)
        at_hand.update(name for name in order if graph.nodes[name].function is not None)
        at_hand.update(outputs[number : number + 1])
