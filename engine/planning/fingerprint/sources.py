"""Sources: the syntax of a function or class that is loaded; every file is read and parsed once.

What counts is the code that runs. A file edited after its module was imported says something else than the code in
memory, so a function's compiled code is compared with what its file compiles to now; where they differ, there is no
source.
"""

from __future__ import annotations

import ast
import functools
import linecache
import sys
import tokenize
import types
from importlib.machinery import SourceFileLoader
from typing import TYPE_CHECKING, Any

from engine.planning.fingerprint.values import value_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    FunctionSyntax = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Source:
    """One source text, parsed.

    Args:
        content: The text.
        tree: Its syntax.
        path: The file it comes from, or what its code gives as file name.
    """

    def __init__(self, content: str, tree: ast.Module, path: str) -> None:
        self.content = content
        self.tree = tree
        self.path = path

    @functools.cached_property
    def lines(self) -> list[str]:
        """The lines of the text, with their ends."""
        return self.content.splitlines(keepends=True)

    @functools.cached_property
    def definitions(self) -> Mapping[str, list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
        """Every function and class by its qualified name, in the order of the text."""
        found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]] = {}
        stack: list[tuple[ast.AST, str]] = [(self.tree, "")]
        while stack:
            node, prefix = stack.pop()
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.setdefault(f"{prefix}{node.name}", []).append(node)
                prefix = f"{prefix}{node.name}." + ("" if isinstance(node, ast.ClassDef) else "<locals>.")
            stack.extend((child, prefix) for child in reversed(list(_statements(node))))
        return found

    @functools.cached_property
    def lambdas(self) -> Mapping[int, list[ast.Lambda]]:
        """Every lambda by its first line."""
        found: dict[int, list[ast.Lambda]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Lambda):
                found.setdefault(node.lineno, []).append(node)
        return found

    @functools.cached_property
    def imports(self) -> Mapping[str, list[tuple[str, int, str]]]:
        """The (module, level, attribute) that each name imported from a module, outside functions, may stand for."""
        found: dict[str, list[tuple[str, int, str]]] = {}
        for node in self._outside_functions:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    place = (node.module or "", node.level, alias.name)
                    found.setdefault(alias.asname or alias.name, []).append(place)
        return found

    @functools.cached_property
    def assignments(self) -> Mapping[str, list[ast.stmt]]:
        """The statements outside functions that assign to each name."""
        found: dict[str, list[ast.stmt]] = {}
        for node in self._outside_functions:
            if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for name in (n for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)):
                    found.setdefault(name.id, []).append(node)
        return found

    @functools.cached_property
    def _outside_functions(self) -> list[ast.AST]:
        """The statements that run when the module is imported, in the order of the text, but those of class bodies."""
        found: list[ast.AST] = []
        stack: list[ast.AST] = [self.tree]
        while stack:
            node = stack.pop()
            found.append(node)
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                stack.extend(reversed(list(_statements(node))))
        return found

    @property
    def statements(self) -> list[ast.stmt]:
        """The statements that run when the module is imported, but those that run for a script only."""
        scripts = [node for node in self._outside_functions if _is_for_scripts(node)]
        skipped = {id(inner) for script in scripts for inner in ast.walk(script)}
        return [node for node in self._outside_functions if isinstance(node, ast.stmt) and id(node) not in skipped]

    @functools.cached_property
    def _compiled(self) -> Mapping[tuple[str, int], list[types.CodeType]]:
        found: dict[tuple[str, int], list[types.CodeType]] = {}
        stack = [compile(self.content, self.path, "exec", dont_inherit=True)]
        while stack:
            code = stack.pop()
            found.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
            stack.extend(constant for constant in code.co_consts if isinstance(constant, types.CodeType))
        return found

    def compiles_to(self, code: types.CodeType) -> bool:
        """Say whether the text still compiles to this code."""
        return any(_same_code(code, other) for other in self._compiled.get((code.co_qualname, code.co_firstlineno), ()))

    def text_of(self, node: ast.AST) -> str:
        """Return the text of a definition, its decorators included."""
        first = _first_line(node)
        return "".join(self.lines[first - 1 : getattr(node, "end_lineno", None) or first])


class Sources:
    """Finds the syntax of what is loaded."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[str, str], Source | None] = {}
        self._by_content: dict[str, Source] = {}
        self.edited: set[str] = set()
        """Files found to say something else than the code loaded from them."""

    def of_function(self, function: types.FunctionType) -> tuple[Source, FunctionSyntax] | None:
        """Return the syntax of a function, with its source, or None where there is none to be trusted."""
        carried = vars(function).get("__engine_source__")
        if isinstance(carried, str):
            source = self._parsed(carried, f"<source of {function.__qualname__}>")
            found = source.definitions.get(function.__name__) if source else None
            return (source, found[-1]) if source and found and not isinstance(found[-1], ast.ClassDef) else None
        code = function.__code__
        source = self.of_file(code.co_filename, function.__globals__)
        if source is None or not self._is_current(source, code, function.__globals__):
            return None
        node = _function_at(source, code)
        return (source, node) if node else None

    def of_class(self, cls: type) -> tuple[Source, ast.ClassDef] | None:
        """Return the syntax of a class, with its source, or None where there is none to be trusted."""
        namespace = namespace_of(cls)
        source = self.of_file(namespace.get("__file__") or "", namespace)
        if source is None:
            return None
        nodes = [node for node in source.definitions.get(cls.__qualname__, ()) if isinstance(node, ast.ClassDef)]
        codes = [method.__code__ for method in methods_of(cls)]
        # Methods of other names are made by decorators or taken from elsewhere.
        own = [code for code in codes if code.co_qualname.startswith(f"{cls.__qualname__}.")]
        own = [code for code in own if code.co_filename == source.path]
        if not nodes or not all(self._is_current(source, code, namespace) for code in own):
            return None
        lines = {code.co_firstlineno for code in own} | {vars(cls).get("__firstlineno__")}
        matching = [n for n in nodes if any(_first_line(n) <= line <= (n.end_lineno or 0) for line in lines if line)]
        return source, (matching or nodes)[-1]

    def of_file(self, filename: str, namespace: Mapping[str, Any]) -> Source | None:
        """Return the parsed source of a file or of what stands for one.

        Args:
            filename: The name that the code gives as its file.
            namespace: The module's variables: its loader or its ``__engine_source__`` may hold the text.
        """
        carried = namespace.get("__engine_source__")
        if not filename and not isinstance(carried, str):
            return None
        place = (filename, namespace.get("__name__", "") if isinstance(carried, str) else "")
        if place not in self._by_place:
            content = carried if isinstance(carried, str) else _read(filename, namespace)
            self._by_place[place] = self._parsed(content, filename) if content else None
        return self._by_place[place]

    def _parsed(self, content: str, path: str) -> Source | None:
        if content not in self._by_content:
            try:
                tree = ast.parse(content)
            except (SyntaxError, ValueError, RecursionError):
                return None
            self._by_content[content] = Source(content, tree, path)
        known = self._by_content[content]
        return known if known.path == path else Source(content, known.tree, path)

    def _is_current(self, source: Source, code: types.CodeType, namespace: Mapping[str, Any]) -> bool:
        # Text that stands for no file cannot be edited; a loader that rewrites code cannot be checked this way.
        if type(namespace.get("__loader__")) is not SourceFileLoader or "__engine_source__" in namespace:
            return True
        if source.compiles_to(code):
            return True
        self.edited.add(source.path)
        return False


def _read(filename: str, namespace: Mapping[str, Any]) -> str:
    if not filename.startswith("<"):
        try:
            with tokenize.open(filename) as file:
                return file.read()
        except (OSError, SyntaxError, UnicodeDecodeError):
            pass  # a notebook's cell or a member of an archive: the line cache may know it
    return "".join(linecache.getlines(filename, dict(namespace)))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements directly inside a node, and what holds statements (handlers, cases)."""
    for name in ("body", "handlers", "cases", "orelse", "finalbody"):
        inner = getattr(node, name, None)
        if isinstance(inner, list):
            yield from inner


def _is_for_scripts(node: ast.AST) -> bool:
    """Say whether a node is ``if __name__ == "__main__":``."""
    names = ast.walk(node.test) if isinstance(node, ast.If) else ()
    return any(isinstance(name, ast.Name) and name.id == "__name__" for name in names)


def _first_line(node: Any) -> int:
    decorators = getattr(node, "decorator_list", None)
    return min([int(node.lineno), *(int(d.lineno) for d in decorators or ())])


def methods_of(cls: type) -> list[types.FunctionType]:
    """Return the functions in a class, those behind properties, class methods and static methods included."""
    members = [
        getattr(m, "fget", None) or getattr(m, "func", None) or getattr(m, "__func__", m) for m in vars(cls).values()
    ]
    return [member for member in members if isinstance(member, types.FunctionType)]


def namespace_of(cls: type) -> Mapping[str, Any]:
    """Return the variables of the module that a class is defined in, also where that module is not registered."""
    module = sys.modules.get(cls.__module__)
    if module is not None:
        return vars(module)
    spaces = (m.__globals__ for m in methods_of(cls) if m.__globals__.get("__name__") == cls.__module__)
    return next(spaces, {})


def _function_at(source: Source, code: types.CodeType) -> FunctionSyntax | None:
    if code.co_name != "<lambda>":
        nodes = source.definitions.get(code.co_qualname, ())
        return next(
            (n for n in nodes if not isinstance(n, ast.ClassDef) and _first_line(n) == code.co_firstlineno), None
        )
    candidates = source.lambdas.get(code.co_firstlineno, [])
    if len(candidates) == 1:
        return candidates[0]
    # Several on one line: the innermost whose body holds all positions of the code.
    places = [(line, column) for line, _, column, _ in code.co_positions() if line and column is not None]
    places = [place for place in places if place != (code.co_firstlineno, 0)]
    holding = [node for node in candidates if places and all(_holds(node.body, place) for place in places)]
    return max(holding, key=lambda node: (node.lineno, node.col_offset), default=None)


def _holds(node: ast.expr, place: tuple[int, int]) -> bool:
    return (node.lineno, node.col_offset) <= place < (node.end_lineno or 0, node.end_col_offset or 0)


def _same_code(one: types.CodeType, other: types.CodeType) -> bool:
    """Compare what two code objects do; their file names, future flags and line tables may differ."""
    if (one.co_code, one.co_names, one.co_varnames, one.co_freevars) != (
        other.co_code,
        other.co_names,
        other.co_varnames,
        other.co_freevars,
    ) or len(one.co_consts) != len(other.co_consts):
        return False
    return all(
        _same_code(a, b) if isinstance(a, types.CodeType) and isinstance(b, types.CodeType) else _same_constant(a, b)
        for a, b in zip(one.co_consts, other.co_consts, strict=True)
    )


def _same_constant(one: Any, other: Any) -> bool:
    # Equal frozensets may show their members in different orders.
    return repr(one) == repr(other) or value_hash(one) == value_hash(other) is not None
