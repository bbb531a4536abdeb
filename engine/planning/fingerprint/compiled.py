"""Compiled: what loaded functions and classes hold that their text does not show, and the form of code without text."""

from __future__ import annotations

import ast
import enum
import types
from typing import TYPE_CHECKING, Any

from engine.planning.fingerprint.scopes import Use
from engine.planning.fingerprint.values import ValueEncoder, digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.planning.fingerprint.references import Namespace


def captured(function: Any) -> Mapping[str, Any]:
    """Return the captured variables of a function that have a value by now."""
    found: dict[str, Any] = {}
    if isinstance(function, types.FunctionType):
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                found[name] = cell.cell_contents
            except ValueError:
                continue  # assigned later: a function defined after this one
    return found


def computed_defaults(function: types.FunctionType, arguments: ast.arguments) -> list[tuple[str, Any]]:
    """Return the defaults whose value their text does not show."""
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    values = function.__defaults__ or ()
    found = []
    if len(values) == len(arguments.defaults):
        names = positional[len(positional) - len(values) :]
        found += [
            (name, value)
            for name, node, value in zip(names, arguments.defaults, values, strict=True)
            if _is_computed(node)
        ]
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None and _is_computed(default) and argument.arg in (function.__kwdefaults__ or {}):
            found.append((argument.arg, (function.__kwdefaults__ or {})[argument.arg]))
    return found


def _is_computed(node: ast.expr) -> bool:
    return any(isinstance(part, (ast.Name, ast.Call)) for part in ast.walk(node))


def computed_attributes(cls: type, node: ast.ClassDef) -> list[tuple[str, Any]]:
    """Return the variables of a class whose value their text does not show."""
    found = []
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        if statement.value is None or not _is_computed(statement.value):
            continue
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        found += [(name, vars(cls)[name]) for name in names if name in vars(cls)]
    # Python versions keep the members of an enumeration in different ways; their text is enough.
    return [] if issubclass(cls, enum.Enum) else found


def uses_in_code(code: types.CodeType, namespace: Namespace) -> list[Use]:
    """Return what compiled code may use; it does not tell variables from attributes, so every match counts."""
    names: dict[str, None] = {}
    stack = [code]
    while stack:
        current = stack.pop()
        names.update(dict.fromkeys((*current.co_names, *current.co_freevars)))
        stack.extend(constant for constant in current.co_consts if isinstance(constant, types.CodeType))
    uses = []
    for name in names:
        value = namespace.closure.get(name, namespace.variables.get(name))
        parts = [part for part in names if part in vars(value)] if isinstance(value, types.ModuleType) else []
        uses += [Use((name, part)) for part in parts] or [Use((name,))]
    return uses


def code_form(code: types.CodeType, doc: str | None = None) -> list[Any]:
    """Return compiled code as plain data, without its places and its docstring."""
    constants = [
        code_form(constant) if isinstance(constant, types.CodeType) else digest(ValueEncoder().encode(constant))
        for constant in code.co_consts
        if doc is None or constant != doc
    ]
    shape = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
    return [shape, code.co_code, list(code.co_names), list(code.co_varnames), list(code.co_freevars), constants]
