"""Words on nodes: ``@tag`` and ``@tag_outputs``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.function_modifiers.base import Decorator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.function_modifiers.base import Definition, Target
    from engine.node import Node

RESERVED_NAMESPACES = frozenset({"hamilton", "data_quality", "gdpr", "ccpa", "dag", "module", "ray_remote"})
"""First words of tags that are spoken for. Source: Apache Hamilton's `tag`."""


@dataclass(frozen=True)
class Tag(Decorator):
    """Puts words on nodes.

    Attributes:
        tags: A key may have parts separated by dots; a value is a string or a list of different strings.
        target: The nodes to tag; the final ones unless given.
        is_free: Reserved first words are allowed.
    """

    label: ClassVar[str] = "@tag"

    tags: Mapping[str, str | list[str]]
    target: Target = None
    is_free: bool = False

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for each tag that cannot be one."""
        return _faults_of(self.tags, is_free=self.is_free)

    def decorate(self, node: Node, definition: Definition) -> Node:  # noqa: ARG002 - the protocol's signature
        """Return the node with the tags added."""
        return replace(node, tags={**node.tags, **self.tags})


@dataclass(frozen=True)
class TagOutputs(Decorator):
    """Puts other words on each node; names that the function makes no node of are passed over."""

    label: ClassVar[str] = "@tag_outputs"

    tags_by_node: Mapping[str, Mapping[str, str | list[str]]]
    target: Target = field(default=..., init=False)

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for each tag that cannot be one."""
        for name, tags in self.tags_by_node.items():
            if isinstance(tags, Mapping):
                yield from _faults_of(tags, is_free=False)
            else:
                yield f"the tags of {name!r} are no dictionary: {tags!r}"

    def decorate(self, node: Node, definition: Definition) -> Node:  # noqa: ARG002 - the protocol's signature
        """Return the node with its tags added."""
        return replace(node, tags={**node.tags, **self.tags_by_node.get(node.name, {})})


def tag(*, target_: Target = None, bypass_reserved_namespaces_: bool = False, **tags: str | list[str]) -> Tag:
    """Put words on the nodes of a function, for people, hooks and `Driver.list_available_variables`.

    Args:
        target_: The nodes to tag: the final ones (None), all (``...``), or those named.
        bypass_reserved_namespaces_: Allow keys whose first word is reserved.
        tags: The words; a key may have parts separated by dots, a value is a string or a list of different strings.
    """
    return Tag(tags, target_, bypass_reserved_namespaces_)


def tag_outputs(**tag_mapping: Mapping[str, str | list[str]]) -> TagOutputs:
    """Put words on each of the nodes that a function makes.

    Args:
        tag_mapping: By the name of a node, its tags.
    """
    return TagOutputs(tag_mapping)


def _faults_of(tags: Mapping[str, Any], *, is_free: bool) -> Iterator[str]:
    for key, value in tags.items():
        parts = key.split(".")
        if not all(part.isidentifier() for part in parts):
            yield f"the tag's key {key!r} must be words separated by dots, such as 'team.owner'"
        elif parts[0] in RESERVED_NAMESPACES and not is_free:
            yield f"the tag's key {key!r} begins with the reserved word {parts[0]!r}: choose another word"
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(one, str) for one in values) or len(set(values)) < len(values):
            yield f"the value of tag {key!r} must be a string or a list of different strings, not {value!r}"
