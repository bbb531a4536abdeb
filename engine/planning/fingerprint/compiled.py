"""Compiled: what loaded functions and classes hold that their text does not show, and the form of code without text."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from engine.planning.fingerprint.objects import is_shown
from engine.planning.fingerprint.scopes import Use
from engine.planning.fingerprint.values import ValueEncoder, digest

if TYPE_CHECKING:
    import ast
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
    """Return the defaults of a function whose value its text does not show, those that were set later included."""
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    texts = dict(zip(reversed(positional), reversed(arguments.defaults), strict=False))
    texts |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None}
    held = dict(zip(reversed(positional), reversed(function.__defaults__ or ()), strict=False))
    held |= function.__kwdefaults__ or {}
    return [(name, value) for name, value in sorted(held.items()) if not is_shown(texts.get(name), value)]


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
