"""Recipe: everything an output is made from, as a manifest whose hash is the output's recipe version.

Theory of operation. The *boundary* of an output is what outlives a run: other outputs, what loaders read, inputs and
configuration. Its *cone* is the in-memory nodes between it and its boundary. The manifest lists both, section by
section:

* ``nodes``: per node of the cone, the fold of its code version and of its bindings; the adapter that runs every node,
  where there is one, is one of them;
* ``units``: per function, class and constant that those nodes reach, its hash (to name what changed; not hashed again);
* ``config``, ``inputs``, ``overrides``: per name, the canonical hash of the value;
* ``sql``: per query loader, the hash of its normalised text;
* ``upstream``: per output it reads, that output's token; ``sources``: per dataset a loader reads, its token;
* ``write``: the saver's options.

Two recipes with equal versions give equal outputs; where they differ, the differing keys are the reasons. A token that
is `PENDING` belongs to an upstream output that may still run; `UNKNOWN` is never equal to anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.metadata.records import Reason
from engine.planning.fingerprint import SCHEME, fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PENDING = "?pending"
UNKNOWN = "?unknown"

_HASHED = ("nodes", "config", "inputs", "overrides", "sql", "upstream", "sources", "write")
_CODES = {
    "config": "config",
    "inputs": "input",
    "overrides": "input",
    "sql": "sql_text",
    "upstream": "upstream",
    "sources": "source",
    "write": "write_spec",
}
_SHOWN_CHARACTERS = 10


@dataclass(frozen=True, slots=True)
class Recipe:
    """A manifest, section by section.

    Attributes:
        sections: Section name → key → token, as the theory above lists them.
        unknowable: What cannot be fingerprinted, in words; such an output is never fresh.
        written: The sources that outputs of this dataflow write: to people they are outputs upstream.
    """

    sections: Mapping[str, Mapping[str, str]]
    unknowable: tuple[str, ...] = field(default=())
    written: frozenset[str] = frozenset()

    @property
    def version(self) -> str:
        """The recipe version: a fold of every section that decides.

        A recipe with unknown parts has a version too (it names what was made), but `is_comparable` is false.
        """
        return fold(SCHEME, {name: dict(self.sections.get(name, {})) for name in _HASHED})

    @property
    def is_pending(self) -> bool:
        """Whether a token depends on an upstream output that may still run."""
        return any(PENDING in self.sections.get(name, {}).values() for name in ("upstream", "sources"))

    @property
    def is_comparable(self) -> bool:
        """Whether an equal version proves an equal output."""
        tokens = (t for name in ("upstream", "sources") for t in self.sections.get(name, {}).values())
        return not self.unknowable and UNKNOWN not in tokens

    def manifest(self) -> dict[str, Any]:
        """Return the manifest as JSON values."""
        return {"scheme": SCHEME, **{name: dict(entries) for name, entries in self.sections.items()}}


def differences(recipe: Recipe, manifest: Mapping[str, Any]) -> tuple[Reason, ...]:
    """Return why ``recipe`` is not the one that ``manifest`` lists: the narrowest names that moved, code first."""
    return tuple(_differences(recipe, manifest))


def _differences(recipe: Recipe, manifest: Mapping[str, Any]) -> Iterator[Reason]:
    yield from _code_differences(recipe, manifest)
    for section, code in _CODES.items():
        old, new = manifest.get(section, {}), recipe.sections.get(section, {})
        for key in sorted(old.keys() | new.keys()):
            before, now = old.get(key), new.get(key)
            if now in {before, PENDING}:
                continue
            if now == UNKNOWN:
                yield Reason(code="unknowable", subject=key)
            else:
                said = "upstream" if section == "sources" and key in recipe.written else _file_code(code, now)
                yield Reason(code=said, subject=key, old=_shown(before), new=_shown(now))


def _code_differences(recipe: Recipe, manifest: Mapping[str, Any]) -> Iterator[Reason]:
    old, new = manifest.get("nodes", {}), recipe.sections.get("nodes", {})
    moved = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    units_old, units_new = manifest.get("units", {}), recipe.sections.get("units", {})
    units = sorted(key for key in units_old.keys() | units_new.keys() if units_old.get(key) != units_new.get(key))
    if moved and units:
        for key in units:
            subject = key + (" (new)" if key not in units_old else " (gone)" if key not in units_new else "")
            yield Reason(code="code", subject=subject)
    elif moved:
        for name in moved:
            yield Reason(code="code", subject=_called(name))
    for name in sorted(new.keys() - old.keys()):
        yield Reason(code="graph", subject=f"{_called(name)} is new in what it is made from")
    for name in sorted(old.keys() - new.keys()):
        yield Reason(code="graph", subject=f"{_called(name)} is no longer part of what it is made from")


def _called(name: str) -> str:
    return name if " " in name else f"node {name}"


def _file_code(code: str, token: str | None) -> str:
    return "source_file" if code == "source" and (token or "").startswith("xxh3") else code


def _shown(token: str | None) -> str:
    if token is None:
        return "absent"
    hashed, _, said = token.partition(" ")
    if said and ":" not in hashed:
        return said
    return token.rsplit(":", 1)[-1][:_SHOWN_CHARACTERS]


def pending_upstream(recipe: Recipe) -> Iterable[Reason]:
    """Return one reason per upstream output that may still change this one."""
    for section in ("upstream", "sources"):
        for key, token in sorted(recipe.sections.get(section, {}).items()):
            if token == PENDING:
                yield Reason(code="upstream", subject=key)
