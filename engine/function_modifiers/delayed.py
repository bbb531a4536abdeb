"""Modifiers that the configuration chooses: ``@resolve`` and ``@resolve_from_config``."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from engine.function_modifiers.base import Delayed, Modifier
from engine.settings import ENABLE_POWER_USER_MODE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class ResolveAt(Enum):
    """When a modifier is chosen."""

    CONFIG_AVAILABLE = "config_available"


@dataclass(frozen=True)
class Resolve(Delayed):
    """Is replaced by the modifier that a function of the configuration gives.

    Attributes:
        when: When it is chosen.
        decorate_with: Its parameters are keys of the configuration.
    """

    label: ClassVar[str] = "@resolve"

    when: ResolveAt
    decorate_with: Callable[..., Modifier]

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault where the configuration could not be passed by name."""
        if self.when is not ResolveAt.CONFIG_AVAILABLE:
            yield f"when={self.when!r} is no point in time: write when=ResolveAt.CONFIG_AVAILABLE"
        if not callable(self.decorate_with):
            yield f"decorate_with={self.decorate_with!r} is no function of the configuration"
            return
        for parameter in inspect.signature(self.decorate_with).parameters.values():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                yield f"decorate_with has the parameter {str(parameter)!r}: name each key of the configuration"

    def modifier(self, function: Callable[..., Any], config: Mapping[str, Any]) -> Modifier:
        """Return what the configuration asks for.

        Raises:
            ModifierError: The configuration lacks a key or does not allow this, or what comes out is no modifier.
        """
        if not config.get(ENABLE_POWER_USER_MODE):
            raise self.error(
                function,
                "which nodes there are is decided by the configuration, which must be allowed",
                hint=f"Builder().with_config({{{ENABLE_POWER_USER_MODE!r}: True}})",
            )
        parameters = inspect.signature(self.decorate_with).parameters
        missing = [n for n, p in parameters.items() if n not in config and p.default is p.empty]
        if missing:
            raise self.error(
                function,
                f"the configuration has no {', '.join(map(repr, missing))}",
                hint=f"Builder().with_config({{{missing[0]!r}: …}})",
            )
        made: Any = self.decorate_with(**{name: config[name] for name in parameters if name in config})
        if not isinstance(made, Modifier):
            raise self.error(
                function,
                f"decorate_with gives {made!r}, which is no function modifier",
                hint="return one, such as extract_columns(*columns)",
            )
        faults = list(made.faults(function))
        if faults:
            raise made.error(function, "; ".join(faults))
        return made.modifier(function, config) if isinstance(made, Delayed) else made


def resolve(*, when: ResolveAt, decorate_with: Callable[..., Modifier]) -> Resolve:
    """Choose a modifier when the configuration is known.

    Args:
        when: Always ``ResolveAt.CONFIG_AVAILABLE``.
        decorate_with: Gives the modifier; its parameters are keys of the configuration, those with a default optional.
    """
    return Resolve(when, decorate_with)


def resolve_from_config(*, decorate_with: Callable[..., Modifier]) -> Resolve:
    """Choose a modifier when the configuration is known; `resolve` for short.

    Args:
        decorate_with: Gives the modifier; its parameters are keys of the configuration, those with a default optional.
    """
    return Resolve(ResolveAt.CONFIG_AVAILABLE, decorate_with)
