"""References: what a name in a piece of source stands for, looked up where Python would look.

Closure cells first, then the module's variables, then Python's builtins; attributes are followed through the
project's own modules, so that ``helpers.clean`` means ``clean`` and not all of ``helpers``. Names inside a third
party's modules are not looked up: their dotted name is all that counts.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import sys
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.planning.fingerprint.project import is_engine
from engine.planning.fingerprint.values import external_name, wrapped_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.planning.fingerprint.project import Project
    from engine.planning.fingerprint.scopes import Import, Use
    from engine.planning.fingerprint.sources import Sources

_OF_THE_IMPORT = frozenset(
    {"__name__", "__file__", "__doc__", "__package__", "__spec__", "__loader__", "__path__", "__cached__"}
) | {"__builtins__", "__debug__", "__class__", "__annotations__"}
"""Names that Python itself puts into a module, or gives a function."""

MISSING: Any = type("Missing", (), {"__repr__": lambda _: "MISSING"})()
"""Stands for no object."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """Where names are looked up.

    Attributes:
        closure: The variables of the functions around, as far as they are captured.
        variables: The variables of the module.
        filename: What the code gives as its file.
    """

    closure: Mapping[str, Any]
    variables: Mapping[str, Any]
    filename: str = ""

    @property
    def module(self) -> str:
        """The name of the module."""
        return str(self.variables.get("__name__", ""))


@dataclass(frozen=True, slots=True)
class Reference:
    """What a use stands for.

    Attributes:
        name: The names that lead to the target: ``helpers.clean``.
        path: The dotted name, of a third party's object; empty for the project's own.
        target: The project's object.
        module: The module in which the target's last name is a variable.
        rest: Attributes taken of the target.
        is_lost: The path is one of the project's own, whose module does not import.
    """

    name: str
    path: str = ""
    target: Any = MISSING
    module: str = ""
    rest: tuple[str, ...] = ()
    is_lost: bool = False


class Resolver:
    """Finds what uses stand for.

    Args:
        project: Tells project code from others'.
        sources: Tells how a module's names were imported.
    """

    def __init__(self, project: Project, sources: Sources) -> None:
        self._project = project
        self._sources = sources

    def resolve(self, use: Use, namespace: Namespace) -> Reference | None:
        """Return what a use stands for, or None for a name that stands for nothing."""
        head, *rest = use.names
        if use.origin is not None:
            return self._imported(use.origin, head, rest, namespace)
        if head in namespace.closure:
            return self._follow(namespace.closure[head], head, rest, "")
        if head in namespace.variables:
            return self._variable(head, rest, namespace)
        if hasattr(builtins, head):
            return Reference(head, ".".join(["builtins", *use.names]))
        return None

    def is_external(self, target: Any) -> bool:
        """Say whether an object with code is no project code."""
        if isinstance(target, types.ModuleType):
            return not self._project.owns(target.__name__)
        if isinstance(target, types.FunctionType):
            return not self._project.owns(module_of(target), target.__code__.co_filename)
        if not isinstance(target, type):
            return False
        is_made = target.__module__ == "types" and not hasattr(types, target.__name__)  # by a call that was not told
        return not is_made and not self._project.owns(target.__module__)

    def _variable(self, head: str, rest: list[str], namespace: Namespace) -> Reference | None:
        target = namespace.variables[head]
        if head in _OF_THE_IMPORT:
            return None  # they say where the code is, not what it does
        if not isinstance(target, types.ModuleType) and (path := self._import_path(head, target, namespace)):
            return Reference(".".join([head, *rest]), ".".join([path, *rest]))
        return self._follow(target, head, rest, self._home(head, target, namespace))

    def _home(self, head: str, target: Any, namespace: Namespace) -> str:
        """Return the module of the project in which a variable was made, following imports by name and by star."""
        module, name, variables, filename = namespace.module, head, namespace.variables, namespace.filename
        seen: set[tuple[str, str]] = set()
        while (module, name) not in seen:
            seen.add((module, name))
            source = self._sources.of_file(filename, variables)
            places = (*source.imports.get(name, ()), *source.imports.get("*", ())) if source else ()
            for imported, level, attribute in places:
                origin = absolute_name(imported, level, variables)
                found = name if attribute == "*" else attribute
                if getattr(sys.modules.get(origin), found, MISSING) is target and self._project.owns(origin):
                    module, name, variables = origin, found, vars(sys.modules[origin])
                    filename = str(variables.get("__file__") or "")
                    break
        return module

    def _import_path(self, head: str, target: Any, namespace: Namespace) -> str:
        """Return the third party's name under which a variable was imported; it tells more than the object does."""
        source = self._sources.of_file(namespace.filename, namespace.variables)
        for module, level, attribute in source.imports.get(head, ()) if source else ():
            if (
                level == 0
                and getattr(sys.modules.get(module), attribute, MISSING) is target
                and not self._project.owns(module)
            ):
                return f"{module}.{attribute}"
        return ""

    def _imported(self, origin: Import, head: str, rest: list[str], namespace: Namespace) -> Reference | None:
        """Resolve a name bound by an import inside a body; only the project's own modules are loaded for it."""
        name = absolute_name(origin.module, origin.level, namespace.variables)
        path = ".".join([name, *([origin.attribute] if origin.attribute else []), *rest])
        if not self._project.owns(name):
            return Reference(".".join([head, *rest]), path)
        try:
            target: Any = importlib.import_module(name)
            if origin.attribute is not None:
                if not hasattr(target, origin.attribute):
                    importlib.import_module(f"{name}.{origin.attribute}")
                target = getattr(target, origin.attribute)
        except Exception:  # noqa: BLE001 - whatever the user's module raises, its code cannot be found
            return Reference(head, path, is_lost=True)
        return self._follow(target, head, rest, name)

    def _follow(self, target: Any, name: str, rest: list[str], module: str) -> Reference | None:
        """Follow attributes as long as they lead through modules."""
        rest = list(rest)
        while isinstance(target, types.ModuleType):
            if not self._project.owns(target.__name__):
                return Reference(".".join([name, *rest]), ".".join([target.__name__, *rest]))
            if not rest:
                break
            if rest[0] == "__dict__":
                break  # any of its variables
            module = target.__name__
            attribute = rest.pop(0)
            name = f"{name}.{attribute}"
            target = _attribute(target, attribute)
            if target is MISSING:
                return None
        if self.is_external(target) and not _wraps_project(target):
            return Reference(".".join([name, *rest]), ".".join([full_name(target), *rest]))
        if is_builtin(target):
            if (home := sys.modules.get(str(getattr(target, "__module__", None)))) and self._project.owns(
                home.__name__
            ):
                return Reference(name, "", home, home.__name__, tuple(rest))  # compiled by the project: no text to read
            return Reference(".".join([name, *rest]), ".".join([full_name(target), *rest]))
        return Reference(name, "", target, module, tuple(rest))


def _attribute(module: types.ModuleType, name: str) -> Any:
    """Return an attribute of a project's module; a part of a package is loaded if it is not yet."""
    if not hasattr(module, name) and hasattr(module, "__path__"):
        with contextlib.suppress(Exception):  # whatever the user's module raises, there is no such part
            return importlib.import_module(f"{module.__name__}.{name}")
    return getattr(module, name, MISSING)


def absolute_name(module: str, level: int, variables: Mapping[str, Any]) -> str:
    """Return the full name of a module that is imported by name and level, as ``from ..name import`` does."""
    if not level:
        return module
    package = str(variables.get("__package__") or str(variables.get("__name__", "")).rpartition(".")[0])
    base = package.rsplit(".", level - 1)[0] if level > 1 else package
    return f"{base}.{module}" if module else base


def is_builtin(target: Any) -> bool:
    """Say whether an object is a function written in C that stands by itself, and so has nothing but a name."""
    if isinstance(target, types.BuiltinFunctionType):
        return target.__self__ is None or isinstance(target.__self__, (types.ModuleType, type))
    return isinstance(
        target, (types.MethodDescriptorType, types.ClassMethodDescriptorType, types.WrapperDescriptorType)
    )


def _wraps_project(target: Any) -> bool:
    return isinstance(target, types.FunctionType) and wrapped_by(target) is not None


def module_of(function: types.FunctionType) -> str:
    """Return the module whose code a function is: ``functools.wraps`` makes ``__module__`` say another."""
    return str(function.__globals__.get("__name__", function.__module__))


def full_name(target: Any) -> str:
    """Return the dotted name of an object that is no project code."""
    module = module_of(target) if isinstance(target, types.FunctionType) else getattr(target, "__module__", None)
    return f"{module}.{target.__qualname__}" if module and is_engine(module) else external_name(target)
