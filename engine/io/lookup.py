"""Lookup: a name and a type give the loader or saver that serves them.

Classes registered by hand come first (the last registered wins), then the classes of installed distributions, then
tables, queries and literals, then file formats and databases. What serves any type comes after what serves this one.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import OptionError, did_you_mean
from engine.formats import FORMATS
from engine.frames import FRAMES, library_of_type
from engine.io.databases import FACES, DatabaseLoader, DatabaseSaver
from engine.io.files import PATH, FileLoader, FileSaver, find_route
from engine.io.literals import EnvironmentLoader, LiteralLoader, MemorySaver
from engine.io.tables import QueryLoader, TableLoader, TableSaver
from engine.objects import format_names as object_formats
from engine.registry import ADAPTERS, registered_adapters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from engine.io.data_adapters import AdapterCommon
    from engine.io.files import Route

_BUILT_IN: tuple[type[AdapterCommon], ...] = (
    TableLoader,
    QueryLoader,
    LiteralLoader,
    EnvironmentLoader,
    TableSaver,
    MemorySaver,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The loader or saver that serves a name and a type.

    Attributes:
        make: Called with the options, gives the loader or saver.
        classname: What its class is called, for tags.
        required: The options that must be given.
        known: All options.
        is_open: Other options are taken as well.
        is_general: It serves values of any type.
    """

    make: Callable[..., Any]
    classname: str
    required: frozenset[str]
    known: frozenset[str]
    is_open: bool = False
    is_general: bool = False

    def check(self, options: Mapping[str, Any], owner: str) -> None:
        """Check the names of the options before anything runs.

        Raises:
            OptionError: One is unknown or missing.
        """
        for option in options:
            if option not in self.known and not self.is_open:
                raise OptionError.unknown(option, owner, self.known)
        missing = sorted(self.required - set(options))
        if self.required == {PATH} and missing:
            raise OptionError(f"{owner} needs the option 'path'", hint="pass path='…'")
        if missing:
            raise OptionError(
                f"{owner} needs the option {missing[0]!r}", hint=f"it takes: {', '.join(sorted(self.known))}"
            )


def loader_names(wanted: str = "") -> set[str]:
    """Return the names of all loaders; frame libraries are asked only when ``wanted`` is not found without them."""
    return _names(wanted, loads=True)


def saver_names(wanted: str = "") -> set[str]:
    """Return the names of all savers; frame libraries are asked only when ``wanted`` is not found without them."""
    return _names(wanted, loads=False)


def find_loader(name: str, type_: Any) -> Choice:
    """Return the loader called ``name`` that gives values of ``type_``.

    Raises:
        OptionError: None does.
    """
    return _find(name, type_, loads=True)


def find_saver(name: str, type_: Any) -> Choice:
    """Return the saver called ``name`` that takes values of ``type_``.

    Raises:
        OptionError: None does.
    """
    return _find(name, type_, loads=False)


def _classes(*, loads: bool) -> Iterable[type[AdapterCommon]]:
    """Give every class of the wanted direction, in order of precedence but for those that serve any type."""
    for cls in registered_adapters():
        if cls.can_load() if loads else cls.can_save():
            yield cls
    for point in ADAPTERS.names():
        cls = ADAPTERS.load(point)
        if cls.can_load() if loads else cls.can_save():
            yield cls
    for cls in _BUILT_IN:
        if cls.can_load() if loads else cls.can_save():
            yield cls


def _names(wanted: str, *, loads: bool) -> set[str]:
    names = {cls.name() for cls in _classes(loads=loads)} | set(FORMATS.names()) | object_formats() | set(FACES)
    # Libraries that the dataflow has imported are asked first: the answer is nearly always theirs.
    for library in sorted(FRAMES.names(), key=lambda name: name not in sys.modules):
        if wanted in names:
            return names
        if library not in sys.modules and importlib.util.find_spec(library) is None:
            continue  # nobody has frames of it
        table = FRAMES.load(library)
        for functions in (table.readers if loads else table.writers).values():
            names.update(functions)
    return names


def _find(name: str, type_: Any, *, loads: bool) -> Choice:
    named = [cls for cls in _classes(loads=loads) if cls.name() == name]
    serving = [cls for cls in named if cls.applies_to(type_)]
    closest = [cls for cls in serving if not any(t in (object, Any) for t in cls.applicable_types())]
    route = None if closest else find_route(name, type_, writes=not loads)
    if route is not None and (route.serves_closely or not serving):
        return _file_choice(route, loads=loads)
    for cls in closest or serving:
        required, optional = frozenset(cls.get_required_arguments()), frozenset(cls.get_optional_arguments())
        return Choice(cls, cls.__qualname__, required, required | optional, is_general=not closest)
    choice = _database_choice(name, type_, loads=loads)
    if choice is not None:
        return choice
    raise _unserved(name, type_, named, loads=loads)


def _file_choice(route: Route, *, loads: bool) -> Choice:
    options, is_open = route.options(writes=not loads)
    adapter = FileLoader if loads else FileSaver
    known = frozenset(options) | {*route.path_names}
    return Choice(
        functools.partial(adapter.of, route),
        adapter.__qualname__,
        frozenset(),
        known,
        is_open=is_open,
        is_general=not route.serves_closely,
    )


def _database_choice(name: str, type_: Any, *, loads: bool) -> Choice | None:
    library = library_of_type(type_)
    if name not in FACES or library is None:
        return None
    face = FACES[name]
    adapter = DatabaseLoader if loads else DatabaseSaver
    known = frozenset(face.options(library, loads=loads))
    return Choice(functools.partial(adapter.of, face, library), adapter.__qualname__, face.required(loads=loads), known)


def _unserved(name: str, type_: Any, named: list[type[AdapterCommon]], *, loads: bool) -> OptionError:
    face, verb = ("from_", "load into") if loads else ("to", "save")
    shown = getattr(type_, "__qualname__", None) or str(type_)
    names = _names("", loads=loads)
    if name not in names:
        near = did_you_mean(name, names)
        return OptionError(
            f"there is no {'loader' if loads else 'saver'} named {name!r}",
            hint=f"did you mean {face}.{near[0]}?" if near else f"there are: {', '.join(sorted(names))}",
        )
    types = sorted({getattr(t, "__qualname__", str(t)) for cls in named for t in cls.applicable_types()})
    return OptionError(
        f"{face}.{name} cannot {verb} a value of type {shown}",
        hint=f"it serves {', '.join(types)}"
        if types
        else "annotate the node with a pandas, polars or Arrow frame type",
    )
