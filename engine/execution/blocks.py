"""Blocks: the parts of a dataflow that run once per item of a `Parallelizable`, up to the `Collect` that gathers them.

Theory of operation. A node annotated `Parallelizable` is an *expander*: whoever reads it, and whoever reads those, runs
once per item, in a *branch*. A parameter annotated `Collect` ends that: its node, the *collector*, runs once, with the
list of what every branch gave for the node it names. What a branch reads from outside is the same for all branches.

There is one level: no expander inside a branch, one collector per expander and per request. A node whose value the
caller gives is outside every branch; if that is the collected node, nothing is left to run in branches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import BlockError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from engine.graph import FunctionGraph

_ONE_LEVEL = "gather the branches with a Collect parameter first; blocks can follow one another, but not be nested"


@dataclass(frozen=True, slots=True)
class Block:
    """What runs once per item.

    Attributes:
        expander: The node that gives the items.
        nodes: The nodes that run once per item, in order; none if the items themselves are collected.
        collected: The node whose values are gathered.
        collector: The node that gathers them.
    """

    expander: str
    nodes: tuple[str, ...]
    collected: str
    collector: str


def parallel_nodes(graph: FunctionGraph, order: Iterable[str], given: Container[str]) -> list[str]:
    """Return the nodes that expand into branches, and those that gather branches."""
    if not graph.expanders and not graph.collectors:
        return []
    gathering = {name for name, collected in graph.collectors.items() if collected not in given}
    return [name for name in order if name in graph.expanders or name in gathering]


def blocks_of(
    graph: FunctionGraph, order: Sequence[str], given: Container[str], targets: Iterable[str], savers: Iterable[str]
) -> tuple[Block, ...]:
    """Find the blocks among the nodes that a request needs.

    Args:
        graph: The graph.
        order: The nodes that are needed, each after what it reads.
        given: The nodes whose values the caller gives.
        targets: The nodes that are asked for.
        savers: The savers that may run.

    Raises:
        BlockError: The branches cannot be run as they are asked for; all that is wrong is told together.
    """
    branch_of: dict[str, str] = {}
    collectors: dict[str, list[str]] = {}
    faults: list[str] = []
    for name in order:
        expanders = _expanders_read(graph, name, branch_of, given)
        collected = graph.collectors.get(name)
        if collected is not None and collected not in given:
            expander = collected if collected in graph.expanders else branch_of.get(collected)
            if expander is None:
                faults.append(f"{name!r} collects {collected!r}, but nothing upstream of that is Parallelizable")
                continue
            collectors.setdefault(expander, []).append(name)
        if expanders:
            branch_of[name] = next(iter(expanders))
            faults += _misplaced(graph, name, expanders, collected)
    faults += _unreachable(graph, branch_of, targets, savers)
    faults += [
        f"{', '.join(map(repr, names))} each collect branches of {expander!r}, but only one node can"
        for expander, names in collectors.items()
        if len(names) > 1
    ]
    if faults:
        raise BlockError("\n".join(faults), hint=_ONE_LEVEL)
    return tuple(_block(graph, expander, name, branch_of) for expander, (name,) in collectors.items())


def _block(graph: FunctionGraph, expander: str, collector: str, branch_of: Mapping[str, str]) -> Block:
    nodes = tuple(name for name, of in branch_of.items() if of == expander)
    return Block(expander, nodes, graph.collectors[collector], collector)


def _expanders_read(
    graph: FunctionGraph, name: str, branch_of: Mapping[str, str], given: Container[str]
) -> dict[str, None]:
    """Return the expanders whose branches a node reads other than by collecting them."""
    collected = graph.collectors.get(name)
    expanders: dict[str, None] = {}
    for read in graph.upstream[name]:
        if read == collected:
            continue
        if read in graph.expanders:
            expanders[read] = None
        elif read in branch_of and read not in given:
            expanders[branch_of[read]] = None
    return expanders


def _misplaced(graph: FunctionGraph, name: str, expanders: Mapping[str, None], collected: str | None) -> Iterable[str]:
    inside = f"is in the branches of {next(iter(expanders))!r}"
    if collected is not None:
        yield f"{name!r} collects {collected!r}, but reads another node that {inside}"
    elif len(expanders) > 1:
        yield f"{name!r} reads branches of {' and of '.join(map(repr, expanders))}"
    if name in graph.expanders:
        yield f"{name!r} is Parallelizable and {inside}"


def _unreachable(
    graph: FunctionGraph, branch_of: Mapping[str, str], targets: Iterable[str], savers: Iterable[str]
) -> Iterable[str]:
    """Give the nodes in branches that somebody wants one value of."""
    for name in targets:
        if name in branch_of:
            yield f"{name!r} is asked for, but has a value in every branch of {branch_of[name]!r}"
    for saver in savers if branch_of else ():
        inside = next((read for read in graph.upstream[saver] if read in branch_of or read in graph.expanders), None)
        if inside is not None:
            yield f"{saver!r} saves {inside!r}, which has a value in every branch"
