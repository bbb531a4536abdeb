"""Selection: which outputs a call is about, and in which order."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.bindings import Source
from engine.io.nodes import SaveData
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.graph import FunctionGraph

_NONE: Mapping[str, str] = MappingProxyType({})


def in_order(graph: FunctionGraph, asked: Iterable[str], keepers: Mapping[str, str] = _NONE) -> list[str]:
    """Return the outputs asked for and those they wait for or read, ordered by the places of the nodes they keep.

    Args:
        graph: The graph, requests attached.
        asked: The outputs that are asked for.
        keepers: Per node, the output that keeps it and comes first where the node is needed.
    """
    nodes, chosen = graph.nodes, list(dict.fromkeys(asked))
    while True:
        order = graph.order(chosen)
        found = [name for name in order if nodes[name].kind is NodeKind.SAVER]
        if keepers:
            own = {kept_node(graph, output) for output in found}
            found += [keepers[name] for name in order if name in keepers and name not in own]
        missing = [output for output in dict.fromkeys(found) if output not in chosen]
        if not missing:
            break
        chosen += missing
    if len(chosen) == 1:
        return chosen
    place = {name: index for index, name in enumerate(order)}
    return sorted(chosen, key=lambda output: (place[kept_node(graph, output) or output], place[output]))


def kept_node(graph: FunctionGraph, output: str) -> str | None:
    """Return the node whose value an output keeps; None for a saver that is a function of the user's."""
    node = graph.nodes[output]
    if not isinstance(node.function, SaveData):
        return None
    binding = node.bindings[node.function.data]
    return binding.name if isinstance(binding, Source) else None
