"""Effects: what importing a module does to what is not its own.

A node may depend on a statement that no name leads to: ``pandas.set_option(…)``, ``random.seed(1)``,
``json.dumps = mine``, an accessor registered with a frame library. Such statements of a module count for all of its
functions. What a module does to its own names, or to another module's of the project, is not listed here: that shows in
what they stand for.
"""

from __future__ import annotations

import ast
import sys
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.planning.fingerprint.project import is_engine
from engine.planning.fingerprint.references import MISSING, absolute_name
from engine.planning.fingerprint.scopes import uses_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.planning.fingerprint.project import Project
    from engine.planning.fingerprint.references import Namespace, Reference, Resolver
    from engine.planning.fingerprint.scopes import Use
    from engine.planning.fingerprint.sources import Source, Sources

_HARMLESS = ("builtins.print", "logging.", "warnings.", "faulthandler.", "typing.", "sys.path.", "sys.stdout.")
"""Third parties' calls that report, or that change nothing a node computes."""

_REGISTERS = "register"


class Effect(NamedTuple):
    """A statement with an effect outside its module.

    Attributes:
        statement: Its syntax.
        uses: The names whose code is part of the effect.
        defines: The function or class of the module that it hands to somebody else, by name.
    """

    statement: ast.stmt
    uses: tuple[Use, ...] = ()
    defines: str | None = None


def effects_of(source: Source, namespace: Namespace, resolver: Resolver) -> Iterator[Effect]:
    """Yield the statements of a module that reach outside it, in the order of the text."""
    for statement in source.statements:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            if _is_effective(statement.value.func, namespace, resolver):
                yield Effect(statement, tuple(uses_of(statement)))
        elif isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)):
            if any(_is_outside(target, namespace, resolver) for target in _targets(statement)):
                yield Effect(statement, tuple(uses_of(statement)))
        elif any(_hands_over(decorator, namespace, resolver) for decorator in getattr(statement, "decorator_list", ())):
            yield Effect(statement, defines=getattr(statement, "name", None))


class Imports:
    """Finds the project's modules that importing a module imports.

    Args:
        project: Tells the project's modules from others.
        sources: Gives the syntax of modules.
        always: Modules that are loaded together with any other, by name.
    """

    def __init__(self, project: Project, sources: Sources, always: Iterable[str] = ()) -> None:
        self._project, self._sources, self._always = project, sources, tuple(always)
        self._reached: dict[int, list[dict[str, Any]]] = {}
        self._named: dict[int, list[dict[str, Any]]] = {}

    def reached_from(self, variables: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the variables of a module and of all that is imported with it, by the modules' names."""
        if id(variables) not in self._reached:
            found = {id(module): module for module in (variables, *self._loaded(self._always))}
            queue = list(found.values())
            for module in queue:
                for other in self._imported_by(module):
                    if found.setdefault(id(other), other) is other and other not in queue:
                        queue.append(other)
            self._reached[id(variables)] = sorted(queue, key=lambda module: str(module.get("__name__")))
        return self._reached[id(variables)]

    def _imported_by(self, variables: dict[str, Any]) -> list[dict[str, Any]]:
        if id(variables) not in self._named:
            source = self._sources.of_file(variables.get("__file__") or "", variables)
            names = _parents(str(variables.get("__name__", "")))
            for statement in source.statements if source else ():
                names += _imported_names(statement, variables)
            self._named[id(variables)] = self._loaded(names)
        return self._named[id(variables)]

    def _loaded(self, names: Iterable[str]) -> list[dict[str, Any]]:
        modules = {name: sys.modules.get(name) for name in names}
        return [vars(m) for name, m in modules.items() if isinstance(m, types.ModuleType) and self._project.owns(name)]


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _imported_names(statement: ast.stmt, variables: dict[str, Any]) -> list[str]:
    """Return the modules that an import statement loads, as far as they may be modules."""
    if isinstance(statement, ast.Import):
        return [name for alias in statement.names for name in (*_parents(alias.name), alias.name)]
    if not isinstance(statement, ast.ImportFrom):
        return []
    base = absolute_name(statement.module or "", statement.level, variables)
    return [*_parents(base), base, *(f"{base}.{alias.name}" for alias in statement.names)]


def _targets(statement: ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete) -> list[ast.expr]:
    return statement.targets if isinstance(statement, (ast.Assign, ast.Delete)) else [statement.target]


def _reference(expression: ast.expr, namespace: Namespace, resolver: Resolver) -> Reference | None:
    used = uses_of(expression)
    return resolver.resolve(used[0], namespace) if used else None


def _is_effective(called: ast.expr, namespace: Namespace, resolver: Resolver) -> bool:
    """Say whether a call may change what is outside: by a third party's function, the project's own, or a registry."""
    if isinstance(called, ast.Attribute) and _REGISTERS in called.attr:
        return True
    reference = _reference(called, namespace, resolver)
    if reference is None:
        return False
    if reference.target is MISSING:
        return not is_engine(reference.path) and not f"{reference.path}.".startswith(_HARMLESS)
    return callable(reference.target) and not reference.rest


def _is_outside(target: ast.expr, namespace: Namespace, resolver: Resolver) -> bool:
    """Say whether an assignment changes what a third party owns."""
    if not isinstance(target, (ast.Attribute, ast.Subscript)):
        return False
    root: ast.expr = target
    while isinstance(root, (ast.Attribute, ast.Subscript, ast.Call)):
        root = root.func if isinstance(root, ast.Call) else root.value
    reference = _reference(root, namespace, resolver)
    return reference is not None and reference.target is MISSING and not is_engine(reference.path)


def _hands_over(decorator: ast.expr, namespace: Namespace, resolver: Resolver) -> bool:
    called = decorator
    while isinstance(called, ast.Call):
        called = called.func
    reference = _reference(called, namespace, resolver)
    return (
        reference is not None
        and reference.target is MISSING
        and not is_engine(reference.path)
        and _REGISTERS in reference.path
    )
