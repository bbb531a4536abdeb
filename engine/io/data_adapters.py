"""DataLoader and DataSaver: the contract of everything that brings a value in or takes one out.

A loader or saver is a dataclass: its fields are the options of ``from_.<name>(…)`` and ``to.<name>(…)``, fields without
a default are required. `engine.registry.register_adapter` offers a user's own class under its `name`.

Built-in loaders and savers also say, before anything runs, what they will touch (`DataLoader.source`,
`DataSaver.target`): from that the planner knows what an output depends on and whether it is still there. A class that
does not say it works all the same; its output cannot be proven fresh and is rebuilt every time.
"""

from __future__ import annotations

import abc
import dataclasses
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from engine.htypes import fits

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from engine.dialects.base import Write


@dataclass(frozen=True, slots=True)
class TableTarget:
    """A saver writes this table.

    Attributes:
        warehouse: A URL, or None for the driver's own.
        write: Where in it, and how.
        adopts: It may write over a table that the engine did not write.
    """

    warehouse: str | None = field(repr=False)
    write: Write
    adopts: bool = False


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A saver writes this file."""

    path: str


@dataclass(frozen=True, slots=True)
class TableSource:
    """A loader reads a table, some columns and rows of it (``sql`` is None), or a query (``table`` is None)."""

    warehouse: str | None = field(repr=False)
    table: str | None = None
    columns: tuple[str, ...] | None = None
    where: str | None = None
    sql: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileSource:
    """A loader reads this file, or the files of this glob pattern."""

    path: str


@dataclass(frozen=True, slots=True)
class ValueSource:
    """A loader gives this value, which is known beforehand."""

    value: Any


Target: TypeAlias = TableTarget | FileTarget
DataSource: TypeAlias = TableSource | FileSource | ValueSource


class AdapterCommon(abc.ABC):
    """What loaders and savers share: a name, the types they serve, and options that are dataclass fields.

    Attributes:
        may_leave_thread: It may work on another thread than the caller's, beside other nodes.
    """

    may_leave_thread: ClassVar[bool] = False

    @classmethod
    @abc.abstractmethod
    def name(cls) -> str:
        """Return the word in ``from_.<name>`` and ``to.<name>``."""

    @classmethod
    @abc.abstractmethod
    def applicable_types(cls) -> Collection[type]:
        """Return the types it loads or saves; `object` or `Any` means every type, used where nothing closer is."""

    @classmethod
    def get_required_arguments(cls) -> dict[str, Any]:
        """Return the options that must be given, with their types."""
        return {f.name: t for f, t in _options(cls) if not _has_default(f)}

    @classmethod
    def get_optional_arguments(cls) -> dict[str, Any]:
        """Return the options that have a default, with their types."""
        return {f.name: t for f, t in _options(cls) if _has_default(f)}

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Say whether it serves values of type ``type_``."""
        return any(t in (object, Any) or fits(t, type_) for t in cls.applicable_types())

    @classmethod
    def can_load(cls) -> bool:
        """Say whether it is a loader."""
        return False

    @classmethod
    def can_save(cls) -> bool:
        """Say whether it is a saver."""
        return False


class DataLoader(AdapterCommon):
    """Brings a value in."""

    @abc.abstractmethod
    def load_data(self, type_: type) -> tuple[Any, dict[str, Any]]:
        """Return the value, as a ``type_``, and metadata on where it came from (JSON values)."""

    @classmethod
    def can_load(cls) -> bool:
        """Say that it is a loader."""
        return True

    def source(self) -> DataSource | None:
        """Return what this loader will read, or None where that cannot be said beforehand."""
        return None


class DataSaver(AdapterCommon):
    """Takes a value out."""

    @abc.abstractmethod
    def save_data(self, data: Any) -> dict[str, Any]:
        """Save the value and return metadata on where it went (JSON values)."""

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Say whether it serves values of type ``type_``."""
        return any(t in (object, Any) or fits(type_, t) for t in cls.applicable_types())

    @classmethod
    def can_save(cls) -> bool:
        """Say that it is a saver."""
        return True

    def target(self) -> Target | None:
        """Return what this saver will write, or None where that cannot be said beforehand."""
        return None


def _options(cls: type[AdapterCommon]) -> list[tuple[dataclasses.Field[Any], Any]]:
    if not dataclasses.is_dataclass(cls):
        return []
    try:
        hints = typing.get_type_hints(cls)
    except NameError:  # a type imported for type checkers only: the option's name is what counts
        hints = {}
    return [(f, hints.get(f.name, Any)) for f in dataclasses.fields(cls) if f.init]


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
