"""Functions whose body another function provides: ``@does``."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.function_modifiers.base import Creator
from engine.function_modifiers.pipes import NotSameModuleError, SingleTargetError
from engine.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from engine.function_modifiers.base import Definition

__all__ = ["Does", "NotSameModuleError", "Replacement", "SingleTargetError", "does"]


@dataclass(frozen=True)
class Replacement:
    """Call another function in a function's place.

    Attributes:
        function: Called instead.
        names: By the name of one of its parameters, the parameter (or parameters, as a list) that fills it.
        defaults: The values of parameters that are left out.
    """

    function: Callable[..., Any]
    names: Mapping[str, str | list[str]]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, **arguments: Any) -> Any:
        """Call the other function with the arguments under its own names."""
        given = {**self.defaults, **arguments}
        used = {name for names in self.names.values() for name in ([names] if isinstance(names, str) else names)}
        renamed = {
            theirs: given[ours] if isinstance(ours, str) else [given[name] for name in ours]
            for theirs, ours in self.names.items()
        }
        return self.function(**renamed, **{name: value for name, value in given.items() if name not in used})


@dataclass(frozen=True)
class Does(Creator):
    """The function's body is another function.

    Attributes:
        function: Called instead.
        names: By the name of one of its parameters, the parameter (or parameters) that fills it.
    """

    label: ClassVar[str] = "@does"

    function: Callable[..., Any]
    names: Mapping[str, str | list[str]]

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:
        """Yield a fault where the other function cannot be called with this one's parameters."""
        parameters = inspect.signature(function).parameters
        probe = Replacement(_bind(self.function), self.names)
        try:
            probe(**dict.fromkeys(parameters))
        except KeyError as error:
            yield f"the function has no parameter {error}"
        except TypeError as error:
            yield f"{self.function.__qualname__} cannot be called with its parameters: {error}"

    def create(self, name: str, definition: Definition) -> list[Node]:
        """Return the function's node, with the other function inside."""
        node = Node.from_function(definition.function, name)
        parameters = inspect.signature(definition.function).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        called = Replacement(self.function, self.names, defaults)
        return [replace(node, function=called, origins=(*node.origins, self.function))]


def does(replacing_function: Callable[..., Any], **argument_mapping: str | list[str]) -> Does:
    """Give a function the body of another one; its own is ``pass``.

    Args:
        replacing_function: Called with the function's parameters by name.
        argument_mapping: By the name of one of its parameters, the parameter (or list of parameters) that fills it.
    """
    return Does(replacing_function, argument_mapping)


def _bind(function: Callable[..., Any]) -> Callable[..., Any]:
    return inspect.signature(function).bind
