"""Words on nodes: ``@tag``, ``@tag_outputs``, ``@cache`` and ``@schema.output``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, get_origin

from engine.function_modifiers.base import Decorator
from engine.htypes import plain, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.function_modifiers.base import Definition, Target
    from engine.node import Node

RESERVED_NAMESPACES = frozenset({"hamilton", "data_quality", "gdpr", "ccpa", "dag", "module", "ray_remote"})
"""First words of tags that are spoken for. Source: Apache Hamilton's `tag`."""
SCHEMA_TAG = "hamilton.internal.schema_output"
"""Tag that lists the columns of a frame. Source: Apache Hamilton's `schema.output`."""


@dataclass(frozen=True)
class Tag(Decorator):
    """Puts words on nodes.

    Attributes:
        tags: A key may have parts separated by dots; a value is a string or a list of different strings.
        target: The nodes to tag; the final ones unless given.
        is_free: Reserved first words are allowed.
    """

    label: ClassVar[str] = "@tag"

    reaches_savers: ClassVar[bool] = True

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
        target_: The nodes to tag: the final ones and their savers (None), all (``...``), or those named.
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


CACHE_BEHAVIORS = ("default", "recompute", "ignore", "disable")
"""What `cache` may say of a node's rerun. Source: Apache Hamilton's `cache`."""


@dataclass(frozen=True)
class Cache(Decorator):
    """Says how a node's value is kept from one run to the next.

    Attributes:
        behavior: One of `CACHE_BEHAVIORS`; the driver's settings say it unless given.
        format: The file format.
        target: The nodes; all unless given.
    """

    label: ClassVar[str] = "@cache"

    behavior: str | None = None
    format: str | None = None
    target: Target = ...

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for a word that is no behavior or no format."""
        if self.behavior is not None and self.behavior not in CACHE_BEHAVIORS:
            yield f"behavior={self.behavior!r} is none of {', '.join(map(repr, CACHE_BEHAVIORS))}"
        if self.format is not None and not isinstance(self.format, str):
            yield f"format={self.format!r} is no name of a format, such as 'parquet'"

    def decorate(self, node: Node, definition: Definition) -> Node:  # noqa: ARG002 - the protocol's signature
        """Return the node with tags that say it."""
        said = {"cache.behavior": self.behavior, "cache.format": self.format}
        return replace(node, tags={**node.tags, **{key: word for key, word in said.items() if word is not None}})


@dataclass(frozen=True)
class SchemaOutput(Decorator):
    """Says which columns a frame has, for people.

    Attributes:
        fields: Names and types.
        target: The nodes of the frames; the final ones unless given.
    """

    label: ClassVar[str] = "@schema.output"

    fields: tuple[tuple[str, Any], ...]
    target: Target = None

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for what is no pair of a name and a type."""
        for pair in self.fields:
            if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):  # noqa: PLR2004 - a pair
                yield f"{pair!r} is no column: write ('name', 'type')"

    def decorate(self, node: Node, definition: Definition) -> Node:
        """Return the node with a tag that lists the columns."""
        from engine.frames import library_of_type

        library = library_of_type(node.type)
        if library is None or _is_column(node.type, library.column_type):
            raise self.error(
                definition.function,
                f"{node.name!r} is annotated {type_name(node.type)}, which is no frame",
                hint="name the node of the frame: target_='…'",
            )
        text = ",".join(f"{name}={kind}" for name, kind in self.fields)
        return replace(node, tags={**node.tags, SCHEMA_TAG: text})


def _is_column(type_: Any, column_type: type | None) -> bool:
    class_ = get_origin(plain(type_)) or plain(type_)
    return column_type is not None and isinstance(class_, type) and issubclass(class_, column_type)


class _SchemaFace:
    """``@schema.output``: which columns a frame has."""

    @staticmethod
    def output(*fields: tuple[str, Any], target_: Target = None) -> SchemaOutput:
        """Say which columns the frame of a node has, for people and drawings; nothing is checked.

        Args:
            fields: Tuples of a name and a type.
            target_: The nodes of the frames: the final ones (None), all (``...``), or those named.
        """
        return SchemaOutput(fields, target_)


def cache(*, behavior: str | None = None, format: str | None = None, target_: Target = ...) -> Cache:
    """Say how the values of a function's nodes are kept from one run to the next.

    Args:
        behavior: ``default``, ``recompute`` (run always), ``ignore`` (its value decides nothing downstream) or
            ``disable`` (keep nothing); the driver's settings say it unless given.
        format: The file format, such as ``parquet``.
        target_: The nodes: all (``...``), the final ones (None), or those named.
    """
    return Cache(behavior, format, target_)


schema = _SchemaFace()


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
