"""Syntax: the normal form of Python source, in which layout, comments, docstrings and annotations do not count.

The form is written by hand, because neither ``ast.dump`` nor ``ast.unparse`` says the same thing in every Python
version: a field that is empty is left out (newer versions add fields), and the pieces of an f-string are joined
(Python 3.12 cuts them in other places than 3.11). It is written without recursion, so that a sum of thousands of
terms has one too.
"""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING, Any

from engine.planning.values import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.Module

_IGNORED: dict[type, frozenset[str]] = {
    ast.FunctionDef: frozenset({"returns", "type_comment", "type_params"}),
    ast.AsyncFunctionDef: frozenset({"returns", "type_comment", "type_params"}),
    ast.arg: frozenset({"annotation", "type_comment"}),
    ast.Assign: frozenset({"type_comment"}),
    ast.For: frozenset({"type_comment"}),
    ast.AsyncFor: frozenset({"type_comment"}),
    ast.With: frozenset({"type_comment"}),
    ast.AsyncWith: frozenset({"type_comment"}),
    ast.Constant: frozenset({"kind"}),
    ast.Module: frozenset({"type_ignores"}),
    ast.Name: frozenset({"ctx"}),
    ast.Attribute: frozenset({"ctx"}),
    ast.Subscript: frozenset({"ctx"}),
    ast.Starred: frozenset({"ctx"}),
    ast.List: frozenset({"ctx"}),
    ast.Tuple: frozenset({"ctx"}),
}
_NOTHING: frozenset[str] = frozenset()
_STATEMENT_LISTS = frozenset({"body", "orelse", "finalbody"})


def syntax_hash(definition: ast.AST, decorators: Sequence[ast.expr] | None = None) -> str:
    """Hash the normal form of a definition.

    Args:
        definition: A function, class, lambda, module or statement.
        decorators: The decorators that count, where they are not all of its own.
    """
    if decorators is not None:
        definition = copy.copy(definition)
        definition.decorator_list = list(decorators)  # type: ignore[attr-defined] # given for functions and classes only
    return digest("".join(_pieces(definition)).encode("utf-8", "surrogatepass"))


def _pieces(definition: ast.AST) -> list[str]:
    """Write a tree depth first: every node says its name and its fields, every list its length, every text its own."""
    out: list[str] = []
    stack: list[tuple[Any, bool]] = [(definition, False)]
    while stack:
        item, in_class = stack.pop()
        if isinstance(item, ast.AST):
            _open_node(item, in_class, out, stack)
        elif isinstance(item, list):
            out.append(f"[{len(item)}")
            stack.extend((part, in_class) for part in reversed(item))
        elif item.__class__ is str:
            out.append(f"'{len(item)}:{item}")
        else:
            out.append(f"={item}")
    return out


def _open_node(node: ast.AST, in_class: bool, out: list[str], stack: list[tuple[Any, bool]]) -> None:
    if isinstance(node, ast.Constant):
        out.append(_constant(node.value))
        return
    if isinstance(node, ast.AnnAssign) and not in_class:
        node = _without_annotation(node)
    kind = node.__class__
    ignored = _IGNORED.get(kind, _NOTHING)
    # Inside a class the annotations are the declaration: dataclasses and pydantic read them.
    inside = kind is ast.ClassDef or (in_class and kind not in _SCOPES)
    out.append(f"({kind.__name__}")
    fields: list[tuple[Any, bool]] = []
    for name in kind._fields:
        value: Any = None if name in ignored else getattr(node, name, None)
        if name in _STATEMENT_LISTS and value.__class__ is list:
            value = [statement for statement in value if not _has_no_effect(statement)]
        elif kind is ast.JoinedStr:
            value = _joined(value)
        if value is not None and value != []:
            fields += [(f".{name}", inside), (value, inside)]
    out.append(str(len(fields) // 2))
    stack.extend(reversed(fields))


_SCOPES = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda})


def _constant(value: Any) -> str:
    kind = value.__class__
    if kind is str:
        return f"#str{len(value)}:{value}"
    if kind is int:  # in base 16, whose length Python does not limit
        return f"#int{value:x}"
    if kind is float:
        return f"#float{value.hex()}"
    if kind is bytes:
        return f"#bytes{value.hex()}"
    return f"#{value.real.hex()},{value.imag.hex()}" if kind is complex else f"#{value}"


def _has_no_effect(statement: ast.stmt) -> bool:
    """Say whether a statement is a docstring, an ellipsis, or ``pass``."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass)


def _without_annotation(node: ast.AnnAssign) -> ast.AST:
    """Return the plain assignment; a bare declaration stays one, since it makes the name a local one."""
    if node.value is None:
        node = copy.copy(node)
        del node.annotation
        return node
    return ast.Assign(targets=[node.target], value=node.value)


def _joined(values: Iterable[ast.expr]) -> list[ast.expr]:
    """Join neighbouring texts of an f-string and drop empty ones."""
    joined: list[ast.expr] = []
    texts: list[str] = []
    for value in [*values, None]:
        if isinstance(value, ast.Constant):
            texts.append(str(value.value))
            continue
        if whole := "".join(texts):
            joined.append(ast.Constant(value=whole))
        texts.clear()
        if value is not None:
            joined.append(value)
    return joined
