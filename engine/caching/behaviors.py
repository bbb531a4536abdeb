"""Behaviors: what a cache does about each node, from the driver's settings and ``@cache``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from engine.errors import ConfigurationError, UnknownNodeError
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from engine.node import Node

CACHING_BEHAVIORS: TypeAlias = Literal["default", "recompute", "ignore", "disable"]
"""The words for behaviors."""

BEHAVIOR_TAG, FORMAT_TAG = "cache.behavior", "cache.format"
"""The tags that ``@cache`` puts on nodes."""


class CachingBehavior(Enum):
    """What is done about a node.

    ``DEFAULT``: its value is taken from where it is kept, if that is possible. ``RECOMPUTE``: it is run always, and its
    value decides what downstream has to run. ``IGNORE``: it is run always, and its value decides nothing. ``DISABLE``:
    it is run always, and so is what reads it.
    """

    DEFAULT = 1
    RECOMPUTE = 2
    DISABLE = 3
    IGNORE = 4

    @classmethod
    def from_string(cls, word: str) -> CachingBehavior:
        """Return the behavior of a word.

        Raises:
            ConfigurationError: There is none.
        """
        if not isinstance(word, str) or word.upper() not in cls.__members__:
            words = ", ".join(repr(name.lower()) for name in cls.__members__)
            raise ConfigurationError(f"{word!r} is no behavior of a cache", hint=f"write one of {words}")
        return cls[word.upper()]


@dataclass(frozen=True, kw_only=True)
class Behaviors:
    """The settings of a driver.

    Attributes:
        named: Per behavior, the nodes it holds for, or True for all.
        general: What holds for a node that neither the settings nor ``@cache`` name.
        loaders: What holds for such a loader.
        savers: What holds for such a saver.
    """

    named: Mapping[CachingBehavior, Collection[str] | Literal[True] | None] = field(default_factory=dict)
    general: CachingBehavior = CachingBehavior.DEFAULT
    loaders: CachingBehavior = CachingBehavior.DEFAULT
    savers: CachingBehavior = CachingBehavior.DEFAULT

    def check(self, nodes: Mapping[str, Any]) -> None:
        """Check the settings against the nodes of a graph.

        Raises:
            ConfigurationError: A node is given two behaviors, or a text is given for a list.
            UnknownNodeError: A name is none of a node.
        """
        for behavior, names in self.named.items():
            if isinstance(names, str):
                word = behavior.name.lower()
                raise ConfigurationError(f"{word}={names!r} is a text", hint=f"write {word}=[{names!r}]")
            for name in names if names is not None and names is not True else ():
                if name not in nodes:
                    raise UnknownNodeError.among(name, nodes)
        for name in nodes:
            self._by_settings(name)

    def of(self, node: Node) -> CachingBehavior:
        """Return what holds for a node."""
        named = self._by_settings(node.name)
        if named is not None:
            return named
        if BEHAVIOR_TAG in node.tags:
            return CachingBehavior.from_string(node.tags[BEHAVIOR_TAG])
        if node.kind is NodeKind.INPUT:
            return CachingBehavior.DEFAULT
        return {NodeKind.LOADER: self.loaders, NodeKind.SAVER: self.savers}.get(node.kind, self.general)

    def _by_settings(self, name: str) -> CachingBehavior | None:
        found = [b for b, names in self.named.items() if names is True or (names is not None and name in names)]
        if len(found) > 1:
            words = " and ".join(behavior.name.lower() for behavior in found)
            raise ConfigurationError(
                f"node {name!r} is given the behaviors {words}", hint="name it under one of them in with_cache()"
            )
        return found[0] if found else None

    @classmethod
    def of_words(cls, named: Mapping[str, Any], words: Iterable[str | None]) -> Behaviors:
        """Make settings of the words that `Builder.with_cache` takes.

        Raises:
            ConfigurationError: A word is no behavior.
        """
        general, loaders, savers = (CachingBehavior.from_string(word or "default") for word in words)
        return cls(
            named={CachingBehavior.from_string(word): names for word, names in named.items()},
            general=general,
            loaders=loaders,
            savers=savers,
        )
