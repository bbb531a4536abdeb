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

from engine.planning.fingerprint.values import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
_FIELDS: dict[type, tuple[str, ...]] = {
    kind: tuple(name for name in kind._fields if name not in _IGNORED.get(kind, ()))
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
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
    """Write a tree depth first: a node says its name and fields, a list its length, a text its length and itself."""
    out: list[str] = []
    stack: list[Any] = [definition]
    declarations: set[int] = set()
    while stack:
        item = stack.pop()
        kind = item.__class__
        if kind is ast.Name:
            out.append(f"(Name{len(item.id)}:{item.id}")
        elif kind is ast.Constant:
            out.append(_constant(item.value))
        elif kind is list:
            out.append(f"[{len(item)}")
            stack.extend(reversed(item))
        elif kind is str:
            out.append(f"'{len(item)}:{item}")
        elif not isinstance(item, ast.AST):
            out.append(f"={item}")
        else:
            if isinstance(item, ast.ClassDef):
                declarations.update(_declarations(item))
            if isinstance(item, ast.AnnAssign) and id(item) not in declarations:
                _open_node(_without_annotation(item), out, stack)
            else:
                _open_node(item, out, stack)
    return out


def _open_node(node: ast.AST, out: list[str], stack: list[Any]) -> None:
    kind = node.__class__
    out.append(f"({kind.__name__}")
    values = []
    for name in _FIELDS[kind]:
        value: Any = getattr(node, name, None)
        if value.__class__ is list:
            if name in _STATEMENT_LISTS:
                value = [statement for statement in value if not _has_no_effect(statement)]
            elif kind is ast.JoinedStr:
                value = _joined(value)
            if not value:
                continue
        if value is not None:
            out.append(f".{name}")
            values.append(value)
    stack.extend(reversed(values))


def _declarations(node: ast.ClassDef) -> Iterator[int]:
    """Yield the annotated names of a class by identity: dataclasses and pydantic read these, so they count."""
    stack: list[ast.AST] = [*node.body]
    while stack:
        statement = stack.pop()
        if isinstance(statement, ast.AnnAssign):
            yield id(statement)
        elif isinstance(statement, (ast.If, ast.Try, ast.With, ast.For, ast.While, ast.ExceptHandler)):
            stack.extend(ast.iter_child_nodes(statement))


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
