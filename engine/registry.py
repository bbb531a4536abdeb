"""Registry: one lazy table per entry-point group, and the loaders and savers registered by hand.

An extension is found by a word the value already carries (the scheme of a URL, the top module of a type, the suffix of
a file), and imported only when that word is met. Asking whether a name is known imports nothing but the index of
installed distributions.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from engine.errors import ExtensionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Generic[T]):
    """The extensions of one kind, by name.

    Args:
        group: The entry-point group, such as ``engine.dialects``.
        kind: What one of them is called in messages, such as ``dialect``.
    """

    def __init__(self, group: str, kind: str) -> None:
        self.group = group
        self.kind = kind
        self._by_hand: dict[str, T] = {}

    @functools.cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in _installed().select(group=self.group)}

    def names(self) -> Iterator[str]:
        """Yield the names of all extensions, those registered by hand first."""
        yield from self._by_hand
        yield from (name for name in self._entry_points if name not in self._by_hand)

    def __contains__(self, name: str) -> bool:
        return name in self._by_hand or name in self._entry_points

    def register(self, name: str, extension: T) -> None:
        """Add an extension by hand; it wins over an entry point of the same name."""
        self._by_hand[name] = extension

    def load(self, name: str) -> T:
        """Return the extension called ``name``, importing it on first use.

        Raises:
            ExtensionError: There is none of that name, or it does not import.
        """
        if name in self._by_hand:
            return self._by_hand[name]
        point = self._entry_points.get(name)
        if point is None:
            near = did_you_mean(name, self.names())
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(self.names()))}"
            raise ExtensionError(f"there is no {self.kind} named {name!r}", hint=hint)
        try:
            extension: T = point.load()
        except (ImportError, AttributeError) as error:  # a module whose import failed before may be there by halves
            raise ExtensionError(
                f"the {self.kind} {name!r} ({point.value}) does not import: {error}",
                hint="install the library it stands on",
            ) from error
        self._by_hand[name] = extension
        return extension


@functools.cache
def _installed() -> Any:
    """Return all entry points, to `select` from: the index of installed distributions is read once for all groups."""
    # Not before a name is first looked up: the module costs as much as all of the engine's words.
    import importlib.metadata

    return importlib.metadata.entry_points()


ADAPTERS: Registry[Any] = Registry("engine.adapters", "loader or saver")
"""Loaders and savers of other kinds than tables and files, offered by installed distributions."""

_REGISTERED: list[Any] = []


def register_adapter(adapter: Any) -> None:
    """Offer a user's loader or saver as ``from_.<name>`` or ``to.<name>``; the last one registered wins.

    Args:
        adapter: A subclass of `engine.io.data_adapters.DataLoader` or `DataSaver`.
    """
    if adapter in _REGISTERED:
        _REGISTERED.remove(adapter)
    _REGISTERED.append(adapter)


def registered_adapters() -> tuple[Any, ...]:
    """Return the classes registered by `register_adapter`, the last registered first."""
    return tuple(reversed(_REGISTERED))


def disable_autoload() -> None:
    """Do nothing: an extension is imported only when it is asked for. For scripts that say it to Apache Hamilton."""


def enable_autoload() -> None:
    """Do nothing, as `disable_autoload`."""


def load_extension(plugin_module: str) -> None:
    """Do nothing, as `disable_autoload`: what a value needs is found when it is met."""


def initialize() -> None:
    """Do nothing: there is nothing to load beforehand. For scripts that say it to Apache Hamilton."""
