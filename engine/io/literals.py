"""Literals: values in memory and in the environment, as loaders and savers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import LoadError
from engine.io.data_adapters import DataLoader, DataSaver, ValueSource

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass
class LiteralLoader(DataLoader):
    """Give a value as it is."""

    value: Any

    @classmethod
    def name(cls) -> str:
        """Return the word in ``from_.literal``."""
        return "literal"

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        """Return: any type."""
        return [object]

    def source(self) -> ValueSource:
        """Return the value itself: nothing outside is read."""
        return ValueSource(self.value)

    def load_data(self, type_: type) -> tuple[Any, dict[str, Any]]:
        """Return the value."""
        del type_
        return self.value, {"literal_metadata": {"type": type(self.value).__qualname__}}


@dataclass
class EnvironmentLoader(DataLoader):
    """Read environment variables into a dictionary."""

    names: tuple[str, ...]

    @classmethod
    def name(cls) -> str:
        """Return the word in ``from_.environment``."""
        return "environment"

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        """Return: dictionaries."""
        return [dict]

    def source(self) -> ValueSource:
        """Return the variables as they are now."""
        return ValueSource({name: os.environ.get(name) for name in self.names})

    def load_data(self, type_: type) -> tuple[dict[str, str], dict[str, Any]]:
        """Return the variables' values; the metadata holds their names only.

        Raises:
            LoadError: A variable is not set.
        """
        del type_
        missing = [name for name in self.names if name not in os.environ]
        if missing:
            raise LoadError(f"the environment variables {', '.join(missing)} are not set", hint="export them first")
        return {name: os.environ[name] for name in self.names}, {"environment_metadata": {"names": list(self.names)}}


@dataclass
class MemorySaver(DataSaver):
    """Hand the value itself back where other savers give metadata."""

    @classmethod
    def name(cls) -> str:
        """Return the word in ``to.memory``."""
        return "memory"

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        """Return: any type."""
        return [object]

    def save_data(self, data: Any) -> Any:
        """Return the value itself."""
        return data
