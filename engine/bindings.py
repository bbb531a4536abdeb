"""Bindings: how one parameter of a node's function is filled.

A binding is frozen data, so that a node can be compared, pickled and fingerprinted: a parameter is filled by another
node (`Source`), by a literal (`Value`), by a list or dictionary of those (`Group`), or by a key of the configuration
(`Configuration`), which the graph turns into a literal when it is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Source:
    """Fill the parameter with the value of the node or input of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Value:
    """Fill the parameter with this literal."""

    value: Any

    def __repr__(self) -> str:
        return f"Value(value={masked(repr(self.value))})"


@dataclass(frozen=True, slots=True)
class Group:
    """Fill the parameter with a list (``keys`` is None) or a dictionary of other bindings."""

    items: tuple[Binding, ...]
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Fill the parameter with the configuration's value at ``key``; known when the graph is built."""

    key: str


Binding: TypeAlias = Source | Value | Group | Configuration


def source(dependency_on: Any) -> Source:
    """Bind a parameter to the node or input named ``dependency_on`` (a name or a node function).

    >>> source("flights")
    Source(name='flights')
    """
    return Source(dependency_on if isinstance(dependency_on, str) else dependency_on.__name__)


def value(literal_value: Any) -> Value:
    """Bind a parameter to a literal.

    >>> value(3)
    Value(value=3)
    """
    return Value(literal_value)


def group(*dependency_args: Binding, **dependency_kwargs: Binding) -> Group:
    """Bind a parameter to a list of bindings (given by position) or a dictionary of them (given by name).

    >>> group(source("a"), value(1)).keys is None
    True

    Raises:
        ValueError: Both positional and named bindings are given, or none at all.
    """
    if bool(dependency_args) == bool(dependency_kwargs):
        msg = "group() takes either positional bindings (a list) or named ones (a dictionary), at least one"
        raise ValueError(msg)
    if dependency_args:
        return Group(dependency_args)
    return Group(tuple(dependency_kwargs.values()), tuple(dependency_kwargs))


def configuration(dependency_on: str) -> Configuration:
    """Bind a parameter to the configuration's value at key ``dependency_on``."""
    return Configuration(dependency_on)


def sources_of(binding: Binding) -> Iterator[str]:
    """Yield the names of the nodes that a binding reads, in order.

    >>> list(sources_of(group(source("a"), value(1), source("b"))))
    ['a', 'b']
    """
    if isinstance(binding, Source):
        yield binding.name
    elif isinstance(binding, Group):
        for item in binding.items:
            yield from sources_of(item)
