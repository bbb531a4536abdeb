"""The table of built-in loaders and savers, and what is written from it: the reference page, and the stub for editors.

``python -m engine.testing.adapters`` writes both anew; it needs every optional library, or the files would lose what
only that library can say.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa

from engine.errors import ExtensionError, OptionError
from engine.formats import FORMATS
from engine.frames.base import PATH_NAMES
from engine.io.files import PATH
from engine.io.lookup import Choice, find_loader, find_saver, loader_names, saver_names
from engine.objects import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ROOT = Path(__file__).parents[2]
PAGE = _ROOT / "docs/reference/adapters.md"
STUB = _ROOT / "engine/io/signatures.pyi"
_COLUMNS = {
    pd.DataFrame: "pandas",
    pl.DataFrame: "polars",
    pl.LazyFrame: "polars, lazy",
    pa.Table: "pyarrow",
    pa.RecordBatchReader: "streams",
}
_BEGIN, _END = "<!-- the table -->", "<!-- end of the table -->"
_STUB_HEAD = """# What each `from_.<name>` and `to.<name>` takes, for editors and type checkers.
# Written by `python -m engine.testing.adapters` from the signatures of {versions}.

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, TypeAlias

from engine.bindings import Source, Value
from engine.io.materialization import LoadRequest, SaveRequest

_Node: TypeAlias = str | Callable[..., Any]
_Path: TypeAlias = str | PathLike[str] | Source | Value
"""
_WRITTEN_BY_HAND = {"table", "query"}
"""The engine's own, whose signatures are in `engine.io.materialization`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One name and one type: what loads and what saves such values.

    Attributes:
        name: The word after ``from_.`` and ``to.``.
        type: The type of the value.
        loader: What loads it, or None.
        saver: What saves it, or None.
    """

    name: str
    type: Any
    loader: Choice | None
    saver: Choice | None


def cells() -> list[Cell]:
    """Return the cells of the libraries that are installed, by name and then by type as users think of them."""
    found = []
    for name in sorted(loader_names() | saver_names()):
        for type_ in _types(name):
            cell = Cell(name, type_, _find(find_loader, name, type_), _find(find_saver, name, type_))
            if cell.loader or cell.saver:
                found.append(cell)
    return found


def absent() -> list[str]:
    """Return the names whose optional library is not installed here: the table lacks their cells."""
    missing = []
    for registry in (FORMATS, OBJECTS):
        for word in registry.names():
            try:
                registry.load(word)
            except ExtensionError:
                missing.append(word.rpartition(".")[2])
    return missing


def _types(name: str) -> Iterator[Any]:
    yield from _COLUMNS
    for word in OBJECTS.names():
        if word.endswith(f".{name}"):
            try:
                files = OBJECTS.load(word)
            except ExtensionError:
                continue
            yield from (t for t in {**files.writers, **files.readers} if _is_word_of(t, word))
    if name in FORMATS and name not in absent():
        yield from (t for t in FORMATS.load(name).value_types if t is not object)
        if object in FORMATS.load(name).value_types:
            yield object
    if name in {"literal", "memory"}:
        yield object
    if name == "environment":
        yield dict


def _is_word_of(type_: type, word: str) -> bool:
    return type_.__module__.partition(".")[0].lstrip("_") == word.partition(".")[0]


def _find(find: Callable[[str, Any], Choice], name: str, type_: Any) -> Choice | None:
    try:
        found = find(name, type_)
    except OptionError:
        return None
    return found if type_ is object or not found.is_general else None  # what serves any type is shown once


def page() -> str:
    """Return the reference page."""
    rows: dict[str, dict[str, set[str]]] = {}
    for cell in cells():
        column = _COLUMNS.get(cell.type, "other")
        shown = "" if column != "other" else f" {_shown(cell.type)}"
        words = (["`from_`"] if cell.loader else []) + (["`to`"] if cell.saver else [])
        rows.setdefault(cell.name, {}).setdefault(column, set()).add(" ".join(words) + shown)
    columns = [*_COLUMNS.values(), "other"]
    lines = [
        f"| `{name}` | " + " | ".join(", ".join(sorted(cells_.get(c, ()))) for c in columns) + " |"
        for name, cells_ in rows.items()
    ]
    head = ["| name | " + " | ".join([*_COLUMNS.values(), "other types"]) + " |", "|---|" + "---|" * len(columns)]
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    return "\n".join([f"{before}{_BEGIN}", "", *head, *lines, "", f"{_END}{rest.partition(_END)[2]}"])


def stub() -> str:
    """Return the stub for editors and type checkers."""
    faces = []
    for face, loads in (("Loaders", True), ("Savers", False)):
        methods = []
        for name in sorted((loader_names() if loads else saver_names()) - _WRITTEN_BY_HAND):
            choices = [c for cell in cells() if cell.name == name and (c := cell.loader if loads else cell.saver)]
            methods += _method(name, choices, loads=loads) if choices else []
        faces.append("\n".join([f"class {face}:", *methods]))
    return _STUB_HEAD.format(versions=versions()) + "\n" + "\n\n".join(faces) + "\n"


def versions() -> str:
    """Return the versions of the libraries whose signatures stand in the stub."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("pandas", "polars", "pyarrow"))


def _method(name: str, choices: Sequence[Choice], *, loads: bool) -> list[str]:
    own = ["target: str"] if loads else ["id: str", "dependencies: Sequence[_Node]", "combine: Any = None"]
    required = sorted(frozenset.intersection(*(choice.required for choice in choices)))
    known = frozenset().union(*(choice.known for choice in choices)) - set(required)
    known -= {"target"} if loads else {"id", "dependencies", "combine"}
    paths = {PATH} & known and known & set(PATH_NAMES)
    options = [f"{option}: {'_Path' if option in paths else 'Any'} = ..." for option in sorted(known)]
    options = [f"{option}: Any" for option in required] + options
    options += ["**options: Any"] if any(choice.is_open for choice in choices) else []
    star = [] if not options or options[0].startswith("**") else ["*"]
    request = "LoadRequest" if loads else "SaveRequest"
    lines = [f"        {argument}," for argument in ("self", *own, *star, *options)]
    return [f"    def {name}(", *lines, f"    ) -> {request}: ..."]


def _shown(type_: Any) -> str:
    if type_ is object:
        return "any value"
    top = type_.__module__.partition(".")[0]
    return f"`{type_.__name__}`" if top in {"builtins", "_io"} else f"`{top}.{type_.__name__}`"


def main() -> None:
    """Write the page and the stub."""
    if absent():
        raise ExtensionError(f"the libraries of {', '.join(absent())} are not installed", hint="install them first")
    PAGE.write_text(page())
    STUB.write_text(stub())


if __name__ == "__main__":
    main()
