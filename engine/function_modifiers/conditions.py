"""Functions that are there only under a configuration: ``@config.when(…)`` and its kin, ``@hamilton_exclude``."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from engine.function_modifiers.base import Resolver, name_before_suffix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping


class Comparison(StrEnum):
    """How a value of the configuration is held against the one wanted."""

    WHEN = "when"
    WHEN_NOT = "when_not"
    WHEN_IN = "when_in"
    WHEN_NOT_IN = "when_not_in"


@dataclass(frozen=True)
class Condition:
    """Holds when every key of the configuration compares as wanted; a key that is not there reads as None."""

    comparison: Comparison
    wanted: Mapping[str, Any]

    def __call__(self, config: Mapping[str, Any]) -> bool:
        """Say whether the condition holds under this configuration."""
        return all(self._holds(config.get(key), wanted) for key, wanted in self.wanted.items())

    def _holds(self, present: Any, wanted: Any) -> bool:
        match self.comparison:
            case Comparison.WHEN:
                return bool(present == wanted)
            case Comparison.WHEN_NOT:
                return bool(present != wanted)
            case Comparison.WHEN_IN:
                return present in wanted
            case Comparison.WHEN_NOT_IN:
                return present not in wanted


@dataclass(frozen=True)
class Config(Resolver):
    """The function is there where the condition holds.

    Attributes:
        holds: Called with the configuration.
        name: The node's name; the function's name up to its last ``__`` unless given.
        config_keys: The keys that the condition looks at, as far as known.
    """

    label: ClassVar[str] = "@config"

    holds: Callable[[Mapping[str, Any]], bool]
    name: str | None = None
    config_keys: tuple[str, ...] = field(default=())

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for each group of values that is none."""
        if not callable(self.holds):
            yield f"it takes a function of the configuration, not {self.holds!r}"
        if isinstance(self.holds, Condition) and self.holds.comparison.endswith("_in"):
            for key, wanted in self.holds.wanted.items():
                if not isinstance(wanted, Container):
                    yield f"{self.holds.comparison} compares with several values: write {key}=[{wanted!r}]"

    def resolve(self, function: Callable[..., Any], config: Mapping[str, Any]) -> str | None:
        """Return the name of the function's node where the condition holds."""
        return (self.name or name_before_suffix(function)) if self.holds(config) else None


class _ConfigFace:
    """``@config``: which of several functions makes a node is a matter of configuration.

    ``@config.when(region="us")`` above ``rate__us`` and ``@config.when_not(region="us")`` above ``rate__elsewhere``
    make one node ``rate``.
    """

    def __call__(
        self,
        resolves: Callable[[Mapping[str, Any]], bool],
        target_name: str | None = None,
        config_used: Collection[str] | None = None,
    ) -> Config:
        """Keep the function where ``resolves``, called with the configuration, is true.

        Args:
            resolves: Called with the configuration.
            target_name: The node's name; the function's name up to its last ``__`` unless given.
            config_used: The keys it looks at, for people.
        """
        return Config(resolves, target_name, tuple(config_used or ()))

    def when(self, name: str | None = None, **key_value_pairs: Any) -> Config:
        """Keep the function where every key has this value."""
        return self._compare(Comparison.WHEN, name, key_value_pairs)

    def when_not(self, name: str | None = None, **key_value_pairs: Any) -> Config:
        """Keep the function where every key has another value than this."""
        return self._compare(Comparison.WHEN_NOT, name, key_value_pairs)

    def when_in(self, name: str | None = None, **key_value_group_pairs: Collection[Any]) -> Config:
        """Keep the function where every key has one of these values."""
        return self._compare(Comparison.WHEN_IN, name, key_value_group_pairs)

    def when_not_in(self, name: str | None = None, **key_value_group_pairs: Collection[Any]) -> Config:
        """Keep the function where every key has none of these values."""
        return self._compare(Comparison.WHEN_NOT_IN, name, key_value_group_pairs)

    @staticmethod
    def _compare(comparison: Comparison, name: str | None, wanted: Mapping[str, Any]) -> Config:
        return Config(Condition(comparison, dict(wanted)), name, tuple(wanted))


@dataclass(frozen=True)
class Exclude(Resolver):
    """The function is no node although its name says so."""

    label: ClassVar[str] = "@hamilton_exclude"

    def resolve(self, function: Callable[..., Any], config: Mapping[str, Any]) -> str | None:  # noqa: ARG002 - as above
        """Return None: the function is never there."""
        return None


config = _ConfigFace()
hamilton_exclude = Exclude()
