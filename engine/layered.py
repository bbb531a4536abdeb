"""Layered: a mapping laid over another one that it shares, so that a change costs what it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Layered(Mapping[K, V]):
    """The items of another mapping, in their order, with own ones in their place or behind them.

    The other mapping is not copied and must not change any more.

    >>> layered = Layered({"a": 1, "b": 2})
    >>> layered.update({"c": 3, "a": 4})
    >>> dict(layered)
    {'a': 4, 'b': 2, 'c': 3}
    """

    __slots__ = ("_base", "_own")
    _base: Mapping[K, V]
    _own: dict[K, V]

    def __init__(self, base: Mapping[K, V]) -> None:
        self._base, self._own = base, {}
        if isinstance(base, Layered):
            # However often something is laid over, a look-up passes two mappings.
            self._base, self._own = base._base, dict(base._own)  # noqa: SLF001 - of this class

    def update(self, items: Mapping[K, V]) -> None:
        """Lay items over what there is."""
        self._own.update(items)

    def __getitem__(self, key: K) -> V:
        own = self._own
        return own[key] if key in own else self._base[key]

    def __contains__(self, key: object) -> bool:
        return key in self._own or key in self._base

    def __iter__(self) -> Iterator[K]:
        yield from self._base
        yield from (key for key in self._own if key not in self._base)

    def __len__(self) -> int:
        return len(self._base) + sum(key not in self._base for key in self._own)

    def __repr__(self) -> str:
        return repr(dict(self))
