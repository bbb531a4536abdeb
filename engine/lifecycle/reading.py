"""What a node reads, by the names of the nodes it reads: how hooks are told of arguments.

A function's parameters need not be named like the nodes that fill them: modifiers fill them from elsewhere, from
several nodes, or with literals. Hooks are told of nodes, so they see what these gave; literals are not among it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from engine.bindings import Group, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from engine.bindings import Binding
    from engine.node import Node


def values_read(node: Node, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the values among a node's arguments that come from nodes, by the names of those."""
    if _is_plain(node):
        return arguments
    bindings = node.bindings
    return {name: value for p, given in arguments.items() for name, value in _read(bindings[p], given)}


def called_by_nodes(node: Node, arguments: dict[str, Any]) -> Callable[..., Any]:
    """Return a node's function as one that takes what `values_read` gives; the other arguments stay."""
    function: Callable[..., Any] = node.function  # type: ignore[assignment]  # inputs, which have none, do not run
    if _is_plain(node):
        return function
    return functools.update_wrapper(functools.partial(_call, function, node, arguments), function)


def _is_plain(node: Node) -> bool:
    return all(type(binding) is Source and binding.name == p for p, binding in node.bindings.items())


def _call(function: Callable[..., Any], node: Node, arguments: dict[str, Any], /, **read: Any) -> Any:
    return function(**{p: _renewed(node.bindings[p], given, read) for p, given in arguments.items()})


def _read(binding: Binding, given: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(binding, Source):
        yield binding.name, given
    elif isinstance(binding, Group):
        for item, value in zip(binding.items, given if binding.keys is None else given.values(), strict=True):
            yield from _read(item, value)


def _renewed(binding: Binding, given: Any, read: Mapping[str, Any]) -> Any:
    if isinstance(binding, Source):
        return read.get(binding.name, given)
    if not isinstance(binding, Group):
        return given
    old = given if binding.keys is None else given.values()
    items = [_renewed(item, value, read) for item, value in zip(binding.items, old, strict=True)]
    return items if binding.keys is None else dict(zip(binding.keys, items, strict=True))
