"""ObjectFiles: how the values of one library are kept in one file format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.frames.base import FileFunction


@dataclass(frozen=True, slots=True)
class ObjectFiles:
    """The functions that read and write one file format, by the type of the value; a subclass counts as its base.

    Attributes:
        readers: Called with the path and options, each gives a value.
        writers: Called with the value, the path and options.
    """

    readers: Mapping[type, FileFunction] = field(default_factory=dict)
    writers: Mapping[type, FileFunction] = field(default_factory=dict)
