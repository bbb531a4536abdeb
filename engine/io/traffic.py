"""Traffic: what loaders read and savers write, and who therefore waits for whom.

Theory of operation. A loader of a place (`engine.io.places`) that a saver writes waits for that saver, unless the saver
depends on the loader (then the loader reads the version from before). A loader also waits where it reads the place
through a view, and where its SQL text mentions it: a mention that is no read only costs an ordering that was not
needed.
"""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import TYPE_CHECKING

from engine.dialects.base import TableName
from engine.errors import DuplicateNodeError
from engine.io.data_adapters import DataLoader, DataSaver, FileSource, TableSource, TableTarget
from engine.io.nodes import LoadData, SaveData, adapter_of
from engine.io.places import FILES, file_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from engine.io.data_adapters import DataSource, Target
    from engine.io.places import Place, Places, Views
    from engine.node import Node


class Traffic:
    """What the loaders and savers among some nodes touch, as far as it is known.

    Args:
        nodes: The nodes, by name.
        names: The loaders and savers among them that count.
        known: Values of inputs that options may come from.
        places: Knows where things live.

    Attributes:
        targets: What each saver writes, where its options say so.
        sources: What each loader reads, likewise.
        is_open: Some loader or saver has options that are not known yet.
    """

    def __init__(
        self, nodes: Mapping[str, Node], names: Iterable[str], known: Mapping[str, Any], places: Places
    ) -> None:
        self._nodes, self._places = nodes, places
        self.targets: dict[str, Target] = {}
        self.sources: dict[str, DataSource] = {}
        self.is_open = False
        for name in names:
            self._ask(nodes[name], known)
        self._written = {saver: place for saver, t in self.targets.items() if (place := places.of(t)) is not None}

    def _ask(self, node: Node, known: Mapping[str, Any]) -> None:
        adapter = adapter_of(node, known)
        self.is_open |= adapter is None and isinstance(node.function, LoadData | SaveData)
        if isinstance(adapter, DataSaver) and (target := adapter.target()) is not None:
            self.targets[node.name] = target
        elif isinstance(adapter, DataLoader) and (source := adapter.source()) is not None:
            self.sources[node.name] = source

    def check(self) -> None:
        """Refuse two savers of one place.

        Raises:
            DuplicateNodeError: There are two.
        """
        savers: dict[Place, str] = {}
        for saver, place in self._written.items():
            if (other := savers.setdefault(place, saver)) != saver:
                raise written_twice(other, saver, self.targets[saver])

    def shared_urls(self) -> list[str | None]:
        """Return the URLs of databases in which tables are both written and read, each database once."""
        written = {place.namespace for place in self._written.values()} - {FILES}
        urls: dict[str, str | None] = {}
        for source in self.sources.values() if written else ():
            if isinstance(source, TableSource):
                urls.setdefault(self._places.namespace(source.warehouse), source.warehouse)
        return [url for namespace, url in urls.items() if namespace in written]

    def waits(self, views: Views) -> dict[str, tuple[str, ...]]:
        """Return, per loader that reads what savers write, those of them that it does not wait for yet."""
        found: dict[str, tuple[str, ...]] = {}
        for loader, source in self.sources.items():
            there = self._nodes[loader].after
            savers = [s for s in self._read(source, views) if s not in there and not self._depends(s, loader)]
            if savers:
                found[loader] = tuple(savers)
        return found

    def _read(self, source: DataSource, views: Views) -> Iterator[str]:
        """Give the savers whose place a source reads."""
        if isinstance(source, FileSource):
            path = file_place(source.path).name
            yield from (s for s, place in self._written.items() if place.namespace == FILES and _holds(path, place))
            return
        if not isinstance(source, TableSource):
            return
        own = self._places.of(source)
        namespace = self._places.namespace(source.warehouse)
        starts = {own} if own is not None else {view for view in views if _mentions(source, view, namespace)}
        reached = _closure(starts, views)
        for saver, place in self._written.items():
            if place in reached or (own is None and _mentions(source, place, namespace)):
                yield saver

    def _depends(self, name: str, upstream: str) -> bool:
        seen: set[str] = set()
        queue = [name]
        while queue:
            current = queue.pop()
            if current == upstream:
                return True
            if current not in seen:
                seen.add(current)
                queue.extend(parent for parent in self._nodes[current].upstream if parent in self._nodes)
        return False


def written_twice(one: str, other: str, target: Target) -> DuplicateNodeError:
    """Return the error that says that two savers write one place."""
    what = f"table {target.write.table}" if isinstance(target, TableTarget) else f"file {target.path}"
    return DuplicateNodeError(
        f"the savers {one!r} and {other!r} both write {what}",
        hint="let one saver write it, joining the nodes with combine= or in a node of their own",
    )


def _closure(starts: set[Place], views: Views) -> set[Place]:
    reached: set[Place] = set()
    queue = list(starts)
    while queue:
        place = queue.pop()
        if place not in reached:
            reached.add(place)
            queue.extend(views.get(place, ()))
    return reached


def _holds(path: str, place: Place) -> bool:
    """Say whether a path is that of a file, of a folder around it, of a file in it, or a pattern that it matches."""
    within = place.name.startswith(path.rstrip("/") + "/") or path.startswith(place.name.rstrip("/") + "/")
    return path == place.name or within or fnmatch.fnmatchcase(place.name, path)


def _mentions(source: TableSource, place: Place, namespace: str) -> bool:
    """Say whether an SQL text mentions a table of its database, or a file."""
    if place.namespace not in {namespace, FILES}:
        return False
    name = Path(place.name).name if place.namespace == FILES else TableName.parse(place.name).name
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source.sql or "", re.IGNORECASE) is not None
