"""Scopes: which names a piece of source takes from outside itself, and how it uses them.

The rules are Python's own: a name bound anywhere in a function is local to it, a class body's names are not seen by
its methods, a comprehension has a scope of its own. Read from the syntax and not from bytecode, whose names differ
between Python versions and do not tell a variable from an attribute.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Import(NamedTuple):
    """What an import statement inside a body binds a name to: a module, or an attribute of one."""

    module: str
    attribute: str | None = None
    level: int = 0


class Use(NamedTuple):
    """One use of a name from outside.

    Attributes:
        names: The name and the attributes taken of it, as far as they are plain: ``("helpers", "clean")``.
        origin: The import inside the body that binds the name, if that is how it is bound.
        arguments: How many arguments it is called with; None where it is not called.
    """

    names: tuple[str, ...]
    origin: Import | None = None
    arguments: int | None = None


@dataclass(slots=True, eq=False)
class _Scope:
    parent: _Scope | None
    is_class: bool = False
    is_comprehension: bool = False
    bound: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)
    imports: dict[str, Import] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)


_Item = tuple[ast.AST, _Scope]

_FIELDS: dict[type, tuple[str, ...]] = {
    kind: tuple(name for name in kind._fields if name not in {"ctx", "op", "ops", "type_params"})
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
"""The fields of each kind of node that may hold names."""


def uses_of(definition: ast.AST, decorators: Iterable[ast.expr] | None = None) -> list[Use]:
    """Return the uses of names that a definition takes from outside, in the order of the text, each once.

    Args:
        definition: A function, class, lambda, module or statement. Of a module, the names it binds itself
            count as well.
        decorators: The decorators that count, where they are not all of its own.
    """
    outside = _Scope(None)
    scopes = [outside]
    stack: list[_Item] = [(definition, outside)]
    skipped: set[int] = set()
    if decorators is not None:
        own = definition.decorator_list  # type: ignore[attr-defined] # given for functions and classes only
        skipped = {id(decorator) for decorator in own} - {id(decorator) for decorator in decorators}
    while stack:
        node, scope = stack.pop()
        if id(node) not in skipped:
            stack.extend(reversed(_visit(node, scope, scopes)))
    found: dict[Use, None] = {}
    for scope in scopes:
        for use in scope.uses:
            origin = _origin(use.names[0], scope, outside)
            if origin is not None:
                found[Use(use.names, origin if isinstance(origin, Import) else None, use.arguments)] = None
    return list(found)


def _origin(name: str, scope: _Scope, outside: _Scope) -> Import | bool | None:
    """Find where a name comes from: an import inside, True for outside, None for a local variable."""
    here: _Scope | None = scope
    while here is not None and here is not outside:
        if name in here.outer:
            break
        # In a class body ``x = x`` takes the outer x, so a name bound there may still come from outside.
        if name in here.imports or (name in here.bound and not here.is_class):
            return here.imports.get(name)
        here = here.parent
    return outside.imports.get(name, True)


def _visit(node: ast.AST, scope: _Scope, scopes: list[_Scope]) -> list[_Item]:
    """Note what a node binds and uses, and return its children with their scopes."""
    special = _SPECIAL.get(node.__class__)
    return special(node, scope, scopes) if special is not None else _children(node, scope)


def _children(node: ast.AST, scope: _Scope) -> list[_Item]:
    children: list[_Item] = []
    for name in _FIELDS[node.__class__]:
        value = getattr(node, name, None)
        if value.__class__ is list:
            children.extend([(child, scope) for child in value if isinstance(child, ast.AST)])
        elif isinstance(value, ast.AST):
            children.append((value, scope))
    return children


def _name(node: ast.Name, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    if node.ctx.__class__ is ast.Load:
        scope.uses.append(Use((node.id,)))
    else:
        scope.bound.add(node.id)
    return []


def _chain(node: ast.AST) -> tuple[str, ...]:
    """Return the names of ``a.b.c``, or nothing where it starts with more than a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def _attribute(node: ast.Attribute, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    if names := _chain(node):
        scope.uses.append(Use(names))
        return []
    return [(node.value, scope)]


def _call(node: ast.Call, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    children: list[_Item] = [(child, scope) for child in (*node.args, *node.keywords)]
    if names := _chain(node.func):
        scope.uses.append(Use(names, arguments=len(node.args) + len(node.keywords)))
        return children
    return [(node.func, scope), *children]


def _function(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope, scopes: list[_Scope]
) -> list[_Item]:
    inner = _Scope(scope)
    scopes.append(inner)
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        inner.bound.add(argument.arg)
    for extra in (arguments.vararg, arguments.kwarg):
        if extra:
            inner.bound.add(extra.arg)
    outer: list[ast.AST] = [*arguments.defaults, *(default for default in arguments.kw_defaults if default)]
    if isinstance(node, ast.Lambda):
        return [*((child, scope) for child in outer), (node.body, inner)]
    if scope.parent is not None:
        scope.bound.add(node.name)
    outer += node.decorator_list
    return [*((child, scope) for child in outer), *((child, inner) for child in node.body)]


def _class(node: ast.ClassDef, scope: _Scope, scopes: list[_Scope]) -> list[_Item]:
    if scope.parent is not None:
        scope.bound.add(node.name)
    inner = _Scope(scope, is_class=True)
    scopes.append(inner)
    outer = [*node.decorator_list, *node.bases, *node.keywords]
    return [*((child, scope) for child in outer), *((child, inner) for child in node.body)]


def _comprehension(
    node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: _Scope, scopes: list[_Scope]
) -> list[_Item]:
    inner = _Scope(scope, is_comprehension=True)
    scopes.append(inner)
    children: list[_Item] = []
    for number, generator in enumerate(node.generators):
        # The first iterable is evaluated outside.
        children.append((generator.iter, scope if number == 0 else inner))
        children.append((generator.target, inner))
        children += [(condition, inner) for condition in generator.ifs]
    results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    return [*children, *((child, inner) for child in results)]


def _walrus(node: ast.NamedExpr, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    owner = scope
    while owner.is_comprehension and owner.parent is not None:
        owner = owner.parent
    if owner.parent is not None:
        owner.bound.add(node.target.id)
    return [(node.value, scope)]


def _annotated(node: ast.AnnAssign, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    children: list[ast.AST] = [node.target, *([node.value] if node.value else [])]
    # Inside a class the annotations are the declaration.
    return [(child, scope) for child in (*children, *([node.annotation] if scope.is_class else []))]


def _import(node: ast.Import, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        scope.bound.add(name)
        scope.imports[name] = Import(alias.name if alias.asname else name)
    return []


def _import_from(node: ast.ImportFrom, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    for alias in node.names:
        name = alias.asname or alias.name
        scope.bound.add(name)
        scope.imports[name] = Import(node.module or "", alias.name, node.level)
    return []


def _outer(node: ast.Global | ast.Nonlocal, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    if isinstance(node, ast.Global):
        scope.outer.update(node.names)
    else:
        # Bound above means local to the whole definition; else it is a variable of the closure.
        scope.outer.update(name for name in node.names if not _is_bound_above(name, scope))
    scope.uses.extend(Use((name,)) for name in node.names)
    return []


def _is_bound_above(name: str, scope: _Scope) -> bool:
    here = scope.parent
    while here is not None:
        if name in here.bound and not here.is_class:
            return True
        here = here.parent
    return False


def _handler(node: ast.ExceptHandler, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    if node.name:
        scope.bound.add(node.name)
    return _children(node, scope)


def _capture(node: ast.MatchAs | ast.MatchStar, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    if node.name:
        scope.bound.add(node.name)
    return _children(node, scope)


def _rest(node: ast.MatchMapping, scope: _Scope, _: list[_Scope]) -> list[_Item]:
    if node.rest:
        scope.bound.add(node.rest)
    return _children(node, scope)


_SPECIAL: dict[type, Callable[[Any, _Scope, list[_Scope]], list[_Item]]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.Lambda: _function,
    ast.ClassDef: _class,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.NamedExpr: _walrus,
    ast.AnnAssign: _annotated,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Global: _outer,
    ast.Nonlocal: _outer,
    ast.ExceptHandler: _handler,
    ast.MatchAs: _capture,
    ast.MatchStar: _capture,
    ast.MatchMapping: _rest,
}
