"""Step: one node to run, what fills its parameters, and what is said of one that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from engine.bindings import Group, Source, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.bindings import Binding
    from engine.node import Node


class Step(NamedTuple):
    """One node to run.

    Attributes:
        node: The node.
        releases: The values that nobody needs any more afterwards.
    """

    node: Node
    releases: tuple[str, ...]

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    @property
    def function(self) -> Callable[..., Any]:
        """The node's function; every step has one."""
        assert self.node.function is not None, self.name  # noqa: S101 - inputs, which have none, make no steps
        return self.node.function


def note(error: BaseException, name: str) -> None:
    """Say on an exception which node raised it."""
    text = f"while running node {name!r}"
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
