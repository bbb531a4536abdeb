"""Units: the functions, classes and constants that code is made of, and the version of each with all it reaches.

Theory of operation. Units and their references form a graph, with circles where functions call one another. A unit's
own hash says nothing of what it refers to; its version folds that in. Where units form a circle (a strongly connected
component, found by Tarjan's algorithm without recursion), their versions are found together: each starts from its own
hash and its references out of the circle, and then takes up its neighbours' round by round until no round tells more
of them apart. No step depends on where the walk began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.metadata.records import CodeUnit
from engine.planning.fingerprint.values import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMPLETENESS = ("complete", "no_source", "dynamic", "opaque")
"""How airtight a hash is, from best to worst."""


@dataclass(slots=True, eq=False, kw_only=True)
class Unit:
    """One function, class, constant, module or third party's object.

    Attributes:
        own: Hash of the unit alone, without what it refers to.
        look: Finds what the unit refers to; None once that is done.
        references: The units it refers to, under the names it uses for them.
        version: Hash of the unit and of all it reaches, once known.
        completeness: How airtight `own` is.
        warnings: What makes it less than complete, or nondeterministic.
    """

    kind: str
    qualname: str
    own: str
    module: str | None = None
    source: str | None = None
    path: str | None = None
    line: int | None = None
    look: Callable[[Unit], None] | None = None
    references: dict[str, Unit] = field(default_factory=dict)
    version: str = ""
    completeness: str = "complete"
    warnings: list[str] = field(default_factory=list)

    def refer(self, name: str, target: Unit) -> None:
        """Note that the unit refers to another under a name; one name may mean two things in two nested scopes."""
        while self.references.setdefault(name, target) is not target:
            name += "'"

    def doubt(self, completeness: str, warning: str) -> None:
        """Note what makes the hash less than airtight; the worst counts."""
        self.completeness = max(self.completeness, completeness, key=COMPLETENESS.index)
        self.warnings.append(warning)

    def targets(self) -> Iterator[Unit]:
        """Yield the units this one refers to, looking for them at the first time."""
        if self.look is not None:
            look, self.look = self.look, None
            look(self)
        yield from self.references.values()

    def record(self, reference: str) -> CodeUnit:
        """Return the row that the metadata keeps."""
        return CodeUnit(
            unit_hash=self.own,
            kind=self.kind,
            qualname=self.qualname,
            reference=reference,
            module=self.module,
            source=self.source,
            file_path=self.path,
            line=self.line,
        )


def reached_from(root: Unit) -> dict[Unit, str]:
    """Return all units reached from one, nearest first, each with the name under which it is first reached."""
    found = {root: root.qualname}
    queue = [root]
    for unit in queue:
        for name, target in zip(unit.references, unit.targets(), strict=True):
            if target not in found:
                found[target] = target.qualname if name.startswith("[") else name
                queue.append(target)
    return found


def assign_versions(root: Unit) -> None:
    """Give a version to a unit and to all it reaches."""
    index: dict[Unit, int] = {}
    low: dict[Unit, int] = {}
    open_units: list[Unit] = []
    path: list[tuple[Unit, Iterator[Unit]]] = []

    def enter(unit: Unit) -> None:
        index[unit] = low[unit] = len(index)
        open_units.append(unit)
        path.append((unit, unit.targets()))

    if not root.version:
        enter(root)
    while path:
        unit, targets = path[-1]
        for target in targets:
            if target.version:
                continue
            if target not in index:
                enter(target)
                break
            low[unit] = min(low[unit], index[target])  # not finished, so still in an open component
        else:
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[unit])
            if low[unit] == index[unit]:
                position = open_units.index(unit, _from_the_end(open_units, unit))
                _assign_component(open_units[position:])
                del open_units[position:]


def _from_the_end(units: list[Unit], unit: Unit) -> int:
    position = len(units) - 1
    while units[position] is not unit:
        position -= 1
    return position


def _assign_component(component: list[Unit]) -> None:
    members = set(component)
    inner = {
        u: sorted((n, t) for n, t in u.references.items() if t in members) for u in component if len(component) > 1
    }
    labels: dict[Unit, str] = {}
    for unit in component:
        outer = sorted((name, target.version) for name, target in unit.references.items() if target not in members)
        own = sorted(name for name, target in unit.references.items() if target is unit)
        labels[unit] = fold(unit.kind, unit.own, own, outer)
    if len(component) > 1:
        labels = _refined(labels, inner)
        circle = fold("circle", sorted(labels.values()))
        labels = {unit: fold(circle, label) for unit, label in labels.items()}
    for unit, label in labels.items():
        unit.version = label


def _refined(labels: dict[Unit, str], inner: dict[Unit, list[tuple[str, Unit]]]) -> dict[Unit, str]:
    """Take up the neighbours' labels until a round tells no more units apart."""
    apart = 0
    while True:
        labels = {
            unit: fold(label, [(name, labels[target]) for name, target in inner[unit]])
            for unit, label in labels.items()
        }
        if len(set(labels.values())) <= apart:
            return labels
        apart = len(set(labels.values()))
