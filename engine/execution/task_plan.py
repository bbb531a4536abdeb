"""Task plan: the tasks of one stage and which waits for which; it touches nothing and is made once per kind of call."""

from __future__ import annotations

import graphlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.bindings import sources_of
from engine.errors import ConfigurationError
from engine.execution.grouping import NodeGroup, NodeGroupPurpose
from engine.execution.scheduler import Stage
from engine.htypes import is_parallelizable

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from engine.execution.blocks import Block
    from engine.execution.grouping import GroupingStrategy
    from engine.node import Node


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Nodes that one task runs, or one task per item.

    Attributes:
        base: What the strategy said of them.
        stage: The nodes, ready to run.
        reads: The values that are taken in from outside, if they are there.
        gives: The values that are handed out.
        block: The block whose branches it runs; None for a group that runs once.
    """

    base: NodeGroup
    stage: Stage
    reads: tuple[str, ...]
    gives: tuple[str, ...]
    block: Block | None

    @property
    def id(self) -> str:
        """The task's id, without the branch's."""
        return self.base.base_id


@dataclass(frozen=True, slots=True, eq=False)
class TaskPlan:
    """The tasks of one stage.

    Attributes:
        groups: What the tasks run, in the order in which they begin where nothing else decides.
        waits: Per group, how many groups it waits for.
        readers: Per group, the groups that wait for it.
        releases: Per value that nobody needs after the stage, how many groups read it.
        taken: The nodes whose items are taken from them one at a time.
    """

    groups: tuple[Group, ...]
    waits: tuple[int, ...]
    readers: tuple[tuple[int, ...], ...]
    releases: Mapping[str, int]
    taken: frozenset[str]


def plan_tasks(stage: Stage, blocks: Iterable[Block], strategy: GroupingStrategy) -> TaskPlan:
    """Group the nodes of a stage.

    Raises:
        ConfigurationError: A strategy of the user's forgets a node, or makes groups that wait for one another.
    """
    made = {node.name for node in stage.nodes}
    # Without nodes of its own a block is its items, which the collector reads like any other value.
    present = {f"block-{b.expander}": b for b in blocks if b.nodes and b.collected in made}
    taken = frozenset(b.expander for b in present.values()) & stage.ends & made
    nodes = {node.name: node if node.name in taken else _as_list(node) for node in stage.nodes}
    bases = [*_block_groups(present.values(), nodes), *_once_groups(present.values(), nodes, strategy)]
    positions = {name: position for position, name in enumerate(nodes)}
    bases.sort(key=lambda base: min(positions[node.name] for node in base.nodes))
    maker: dict[str, int] = {}
    for index, base in enumerate(bases):
        block = present.get(base.base_id)
        maker |= dict.fromkeys([block.collected] if block else [node.name for node in base.nodes], index)
    if missing := nodes.keys() - maker.keys() - {name for block in present.values() for name in block.nodes}:
        raise ConfigurationError(
            f"{type(strategy).__name__} puts node {min(missing)!r} into no group", hint="return every node in one group"
        )
    waits = [_waits(stage, base, maker, index) for index, base in enumerate(bases)]
    _check_circle(waits, bases, strategy)
    reads = [_reads(stage, base, maker) for base in bases]
    readers = Counter(name for names in reads for name in names)
    groups = tuple(
        _group(stage, base, present.get(base.base_id), names, readers) for base, names in zip(bases, reads, strict=True)
    )
    after: list[list[int]] = [[] for _ in bases]
    for index, waited in enumerate(waits):
        for other in waited:
            after[other].append(index)
    return TaskPlan(
        groups=groups,
        waits=tuple(map(len, waits)),
        readers=tuple(map(tuple, after)),
        releases={name: count for name, count in readers.items() if name in stage.ends},
        taken=taken,
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """Give the items of a `Parallelizable` node as a list, which can be read more than once."""

    function: Callable[..., Iterable[Any]]

    def __call__(self, **arguments: Any) -> list[Any]:
        """Return the items."""
        return list(self.function(**arguments))


def _as_list(node: Node) -> Node:
    if type(node.type) is type or not is_parallelizable(node.type) or node.function is None:
        return node
    return replace(node, function=Listed(node.function))


def _block_groups(blocks: Iterable[Block], nodes: Mapping[str, Node]) -> Iterator[NodeGroup]:
    for block in blocks:
        members = [nodes[name] for name in block.nodes]
        yield NodeGroup(f"block-{block.expander}", f"expand-{block.expander}", members, NodeGroupPurpose.EXECUTE_BLOCK)


def _once_groups(blocks: Iterable[Block], nodes: Mapping[str, Node], strategy: GroupingStrategy) -> Iterator[NodeGroup]:
    """Give the ends of blocks as groups of their own, and what the strategy makes of all other nodes."""
    inside = {name for block in blocks for name in block.nodes}
    gathers, expands = {b.collector: b for b in blocks}, {b.expander for b in blocks}
    depths: dict[str, int] = {}
    sections: dict[int, list[Node]] = {}
    for name, node in nodes.items():
        depth = max((depths[read] for read in node.upstream if read in depths), default=0)
        if name in gathers:
            depth += 1
            yield NodeGroup(f"collect-{gathers[name].expander}", None, [node], NodeGroupPurpose.GATHER)
        elif name in expands:
            yield NodeGroup(f"expand-{name}", None, [node], NodeGroupPurpose.EXPAND_UNORDERED)
        elif name not in inside:
            sections.setdefault(depth, []).append(node)
        depths[name] = depth
    for depth, section in sections.items():
        for group in strategy.group_nodes(section):
            is_several = depth and group.purpose is NodeGroupPurpose.EXECUTE_BLOCK
            yield replace(group, base_id=f"{group.base_id}-{depth}") if is_several else group


def _waits(stage: Stage, base: NodeGroup, maker: Mapping[str, int], index: int) -> set[int]:
    return {maker[name] for node in base.nodes for name in stage.upstream[node.name] if name in maker} - {index}


def _check_circle(waits: Sequence[set[int]], bases: Sequence[NodeGroup], strategy: GroupingStrategy) -> None:
    try:
        graphlib.TopologicalSorter(dict(enumerate(waits))).prepare()
    except graphlib.CycleError as error:
        circle = ", ".join(repr(bases[index].base_id) for index in error.args[1])
        raise ConfigurationError(
            f"{type(strategy).__name__} makes groups that wait for one another: {circle}",
            hint="group no nodes that another group lies between",
        ) from error


def _reads(stage: Stage, base: NodeGroup, maker: Mapping[str, int]) -> tuple[str, ...]:
    """Return the values that a group takes in from outside, as far as there are any (a default may do)."""
    made = {node.name for node in base.nodes}
    sources = dict.fromkeys(s for node in base.nodes for binding in node.bindings.values() for s in sources_of(binding))
    return tuple(name for name in sources if name not in made and (name in maker or name in stage.at_hand))


def _group(
    stage: Stage, base: NodeGroup, block: Block | None, reads: tuple[str, ...], readers: Container[str]
) -> Group:
    made = [node.name for node in base.nodes]
    kept = (name for name in made if name in readers or name not in stage.ends)
    gives = tuple(kept) if block is None else (block.collected,)
    own = Stage(base.nodes, stage.upstream, frozenset(reads), {*made, *reads}.difference(gives))
    return Group(base, own, reads, gives, block)
