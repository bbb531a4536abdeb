"""Places: where tables and files live, however their addresses are spelled.

Theory of operation. A `Place` is one name for one thing outside: a table in its database, a file on its disk. One URL
or another, ``t`` or ``main.t``, ``M.T`` or ``m.t`` where the database cannot tell them apart, a relative path, a link:
whatever is the same thing has the same place. The order of a graph, the refusal of two savers of one table, the plan's
questions and the datasets of the record all compare places, and nothing else.

What cannot be seen: that two host names are one server.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from engine.io.data_adapters import FileSource, FileTarget, TableSource, TableTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.dialects.warehouse import Warehouse
    from engine.io.data_adapters import DataSource, Target

FILES = "file"
"""The namespace of files."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a table or file lives, in OpenLineage's words: a namespace and a name in it."""

    namespace: str
    name: str


Views: TypeAlias = "Mapping[Place, frozenset[Place]]"
"""What each view of a database reads."""


@dataclass(frozen=True, slots=True)
class Places:
    """Knows the place of whatever a loader reads or a saver writes; asks no database.

    Args:
        default_url: The warehouse of loaders and savers that name none.
    """

    default_url: str | None = field(default=None, repr=False)

    def of(self, thing: Target | DataSource | None) -> Place | None:
        """Return the place of a table or file; None for a query, a value, and what cannot be said beforehand.

        >>> Places().of(FileTarget("out/../out/a.csv")) == Places().of(FileSource("out/a.csv"))
        True
        """
        if isinstance(thing, TableTarget):
            return self.of_table(thing.warehouse, str(thing.write.table))
        if isinstance(thing, TableSource):
            return None if thing.table is None else self.of_table(thing.warehouse, thing.table)
        return file_place(thing.path) if isinstance(thing, FileTarget | FileSource) else None

    def of_table(self, url: str | None, table: str) -> Place:
        """Return the place of a table.

        Raises:
            RequestError: It is no URL of a database, or no name of a table there.
        """
        url = url or self.default_url
        if url is None:
            return Place("", table)
        warehouse = _database(url, Path.cwd())
        return Place(warehouse.namespace, warehouse.key(warehouse.name(table)))

    def namespace(self, url: str | None) -> str:
        """Return the database that a URL means; the same text for every way to write it."""
        url = url or self.default_url
        return _database(url, Path.cwd()).namespace if url else ""

    def is_default(self, url: str | None) -> bool:
        """Say whether a URL means the warehouse of those that name none."""
        return url is None or self.namespace(url) == self.namespace(None)


@functools.lru_cache(maxsize=64)
def _database(url: str, folder: Path) -> Warehouse:
    """Return the database of a URL, never opened: it tells its name, and how it takes the names of tables."""
    del folder  # where a relative path starts
    from engine.dialects.warehouse import Warehouse

    return Warehouse(url)


def file_place(path: str) -> Place:
    """Return the place of a file, or of the files of a pattern; links are followed, whether or not it exists."""
    return Place(FILES, path if "://" in path else str(Path(path).resolve()))
