"""Grouping: which nodes one task runs together in a dynamic execution.

A block is a task per item whatever the strategy; a strategy groups the nodes that run once. It is asked about one
*section* of the dataflow at a time: nodes between which there is no block, so that any groups made of them can run.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.node import Node


class NodeGroupPurpose(Enum):
    """What a task is for; the values are those that Apache Hamilton's hooks are told."""

    EXPAND_UNORDERED = "expand_unordered"
    GATHER = "gather"
    EXECUTE_BLOCK = "execute_block"
    EXECUTE_SINGLE = "execute_single"

    @classmethod
    def is_expander(cls, purpose: NodeGroupPurpose) -> bool:
        """Say whether the task gives the items of branches."""
        return purpose is cls.EXPAND_UNORDERED

    @classmethod
    def is_gatherer(cls, purpose: NodeGroupPurpose) -> bool:
        """Say whether the task gathers branches."""
        return purpose is cls.GATHER


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that one task runs.

    Attributes:
        base_id: The task's id, of which a branch's own is made.
        spawning_task_base_id: The task that gives the items, of a task that runs once per item.
        nodes: The nodes, each after what it reads.
        purpose: What the task is for.
    """

    base_id: str
    spawning_task_base_id: str | None
    nodes: list[Node]
    purpose: NodeGroupPurpose


class GroupingStrategy(abc.ABC):
    """Groups nodes that run once."""

    @abc.abstractmethod
    def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
        """Return every node in exactly one group.

        Args:
            nodes: The nodes of a section, each after what it reads. Groups must not read one another in a circle.
        """


class GroupNodesIndividually(GroupingStrategy):
    """Makes every node a task."""

    def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
        """Return a group per node."""
        return [NodeGroup(node.name, None, [node], NodeGroupPurpose.EXECUTE_SINGLE) for node in nodes]


class GroupByRepeatableBlocks(GroupNodesIndividually):
    """Makes a block's branch one task per item, and every other node one of its own."""


class GroupNodesByLevel(GroupingStrategy):
    """Makes the nodes a task that have the same number of nodes before them on the longest way."""

    def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
        """Return a group per level."""
        levels: dict[str, int] = {}
        by_level: dict[int, list[Node]] = {}
        for node in nodes:
            level = levels[node.name] = max((levels[name] + 1 for name in node.upstream if name in levels), default=0)
            by_level.setdefault(level, []).append(node)
        return [_together(f"level_{level}", group) for level, group in by_level.items()]


class GroupNodesAllAsOne(GroupingStrategy):
    """Makes all nodes of a section one task."""

    def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
        """Return one group."""
        return [_together("root", nodes)]


def _together(base_id: str, nodes: Sequence[Node]) -> NodeGroup:
    return NodeGroup(base_id, None, list(nodes), NodeGroupPurpose.EXECUTE_BLOCK)
