"""Code units: makes the unit of a function, class, module or value that is loaded, and finds what it refers to."""

from __future__ import annotations

import ast
import copy
import os
import sys
import types
from typing import TYPE_CHECKING, Any

from engine.planning.fingerprint.compiled import (
    captured,
    code_form,
    computed_defaults,
    uses_in_code,
)
from engine.planning.fingerprint.determinism import doubtful_methods, dynamics, nondeterminism
from engine.planning.fingerprint.effects import Imports, effects_of
from engine.planning.fingerprint.expressions import is_expression, said_by
from engine.planning.fingerprint.objects import assigned_in, attributes_of, held_by_class, is_shown
from engine.planning.fingerprint.project import Project, is_engine, is_pythons
from engine.planning.fingerprint.references import MISSING, Namespace, Resolver, full_name, is_builtin, module_of
from engine.planning.fingerprint.scopes import Use, uses_of
from engine.planning.fingerprint.sources import Sources, methods_of, namespace_of
from engine.planning.fingerprint.syntax import syntax_hash
from engine.planning.fingerprint.units import Unit
from engine.planning.fingerprint.values import Opaque, References, ValueEncoder, fold, text, value_hash, wrapped_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.planning.fingerprint.references import Reference

_PIN = "__engine_version__"


class CodeUnits:
    """The units of what is loaded, each made once.

    Args:
        project_modules: Modules (and their packages) that are project code wherever they are installed.
    """

    def __init__(self, project_modules: Iterable[str]) -> None:
        project_modules = list(project_modules)
        self._project = Project(project_modules)
        self._sources = Sources()
        self._resolver = Resolver(self._project, self._sources)
        self._imports = Imports(self._project, self._sources, project_modules)
        self._units: dict[Any, Unit] = {}
        self._effects_of: dict[int, Unit | None] = {}
        self._kept: list[Any] = []  # what is known by identity must stay alive

    def unit(self, target: Any, name: str, module: str = "") -> Unit:
        """Return the unit of an object.

        Args:
            target: A function, class, module or callable; anything else is a constant.
            name: What it is called where it is met.
            module: Where that is, for a constant.
        """
        if id(target) not in self._units:
            self._kept.append(target)
            self._units[id(target)] = self._new_unit(target, name, module)
        return self._units[id(target)]

    def known(self, target: Any) -> Unit | None:
        """Return the unit of an object, if there is one by now."""
        return self._units.get(id(target))

    def encode(self, value: Any, **options: Any) -> tuple[bytes, list[Unit]]:
        """Return the canonical bytes of a value, and the code in it.

        Args:
            value: Any value.
            options: Those of `ValueEncoder`.

        Raises:
            Opaque: It has no canonical form.
        """
        references = _CodeReferences(self.unit, self._resolver.is_external)
        return ValueEncoder(references, **options).encode(value), references.units

    def _new_unit(self, target: Any, name: str, module: str) -> Unit:
        if isinstance(target, types.ModuleType):
            return self._module(target)
        if isinstance(target, (types.FunctionType, type)):
            if _PIN in vars(target):
                return self._pinned(target)
            return self._class(target) if isinstance(target, type) else self._function(target)
        if callable(target) and wrapped_by(target) is not None:  # functools.cache and its like
            return self._wrapper(target)
        if is_builtin(target):
            return self._external(full_name(target))
        return self._constant(name, target, module)

    def _external(self, path: str) -> Unit:
        key = ("external", path)
        if key not in self._units:
            self._units[key] = Unit(
                kind="external", qualname=path, own=fold("external", path), module=path.partition(".")[0]
            )
        return self._units[key]

    def _pinned(self, target: Any) -> Unit:
        pin = vars(target)[_PIN]
        kind = "class" if isinstance(target, type) else "function"
        own = fold("pinned", target.__qualname__, value_hash(pin) or str(pin))
        return Unit(kind=kind, qualname=target.__qualname__, own=own, module=target.__module__)

    def _wrapper(self, target: Any) -> Unit:
        """Describe a third party's or the engine's function; what it wraps and holds counts besides its name."""

        def look(unit: Unit) -> None:
            for name, held in captured(target).items():
                # A third party's own bookkeeping is no constant of the project.
                constant = self._constant(name, held, module_of(target))
                if constant.completeness != "opaque" or is_engine(module_of(target)):
                    unit.refer(f"[{name}]", constant)
            wrapped = wrapped_by(target)
            if wrapped is not None:
                unit.refer(getattr(wrapped, "__name__", "__wrapped__"), self.unit(wrapped, "__wrapped__"))

        path = full_name(target)
        if wrapped_by(target) is None and not captured(target):
            return self._external(path)
        return Unit(kind="external", qualname=path, own=fold("external", path), look=look)

    def _function(self, function: types.FunctionType) -> Unit:
        if self._resolver.is_external(function):
            return self._wrapper(function)
        found = self._sources.of_function(function)
        code = function.__code__
        namespace = Namespace(captured(function), function.__globals__, code.co_filename)
        if found is None:
            return self._without_source(function, namespace)
        source, node = found
        decorators = None if isinstance(node, ast.Lambda) else self._counting(node.decorator_list, namespace)

        def look(unit: Unit) -> None:
            self._refer(unit, uses_of(node, decorators), namespace)
            self._refer_effects(unit, function.__globals__)
            for name, why in doubtful_methods(node):
                unit.warnings.append(f"{_where(unit)} uses .{name}(), whose result {why}")
            for name, value in computed_defaults(function, node.args):
                unit.refer(f"{name}=", self._held(unit, "default", name, value))
            self._refer_held(unit, function)

        return Unit(
            kind="function",
            qualname=code.co_qualname,  # what functools.wraps leaves alone
            own=fold("function", syntax_hash(node, decorators)),
            module=module_of(function),
            source=source.text_of(node),
            path=source.path,
            line=code.co_firstlineno,
            look=look,
        )

    def _refer_held(self, unit: Unit, function: types.FunctionType) -> None:
        """Note what was put on a function, and what it wraps."""
        for name, value in attributes_of(function):
            unit.refer(f".{name}", self._held(unit, "attribute", name, value))
        wrapped = wrapped_by(function)
        if callable(wrapped):
            unit.refer("__wrapped__", self.unit(wrapped, "__wrapped__"))

    def _without_source(self, function: types.FunctionType, namespace: Namespace) -> Unit:
        code = function.__code__

        def look(unit: Unit) -> None:
            self._refer(unit, uses_in_code(code, namespace), namespace)
            defaults = [(f"default {number}", value) for number, value in enumerate(function.__defaults__ or ())]
            for name, value in [*defaults, *(function.__kwdefaults__ or {}).items()]:
                unit.refer(f"{name}=", self._held(unit, "default", name, value))
            self._refer_held(unit, function)

        unit = Unit(
            kind="function",
            qualname=code.co_qualname,
            own=fold("code", code_form(code, function.__doc__)),
            module=module_of(function),
            path=code.co_filename,
            line=code.co_firstlineno,
            look=look,
        )
        if code.co_filename in self._sources.edited:
            why = "was edited after it was imported, so the code that runs is known only in compiled form"
        else:
            why = "has no source, so its compiled form counts, which differs between Python versions"
        unit.doubt("no_source", f"{_where(unit)} {why}")
        return unit

    def _class(self, cls: type) -> Unit:
        if self._resolver.is_external(cls):
            return self._external(full_name(cls))
        found = self._sources.of_class(cls)
        if found is None:
            return self._class_without_source(cls)
        source, whole = found
        node = self._without_methods(cls, whole)
        variables = namespace_of(cls)
        closure = {name: value for method in methods_of(cls) for name, value in captured(method).items()}
        closure.pop("__class__", None)
        namespace = Namespace(closure, variables, source.path)
        decorators = self._counting(node.decorator_list, namespace)

        def look(unit: Unit) -> None:
            self._refer(unit, uses_of(node, decorators), namespace)
            self._refer_bases(unit, cls)
            self._refer_attributes(unit, cls, assigned_in(node))

        return Unit(
            kind="class",
            qualname=cls.__qualname__,
            own=fold("class", syntax_hash(node, decorators)),
            module=cls.__module__,
            source=source.text_of(whole),
            path=source.path,
            line=whole.lineno,
            look=look,
        )

    def _without_methods(self, cls: type, node: ast.ClassDef) -> ast.ClassDef:
        """Return the syntax of a class without the functions that it still holds: these are units of their own."""
        found = [self._sources.of_function(method) for method in methods_of(cls)]
        own = {id(syntax) for _, syntax in filter(None, found)}
        rest = [statement for statement in node.body if id(statement) not in own]
        if len(rest) == len(node.body):
            return node
        node = copy.copy(node)
        node.body = rest
        return node

    def _refer_bases(self, unit: Unit, cls: type) -> None:
        for number, base in enumerate(cls.__bases__):
            if base is not object:
                unit.refer(f"base {number}", self.unit(base, base.__qualname__))
        if not self._resolver.is_external(type(cls)):
            unit.refer("metaclass", self.unit(type(cls), type(cls).__qualname__))

    def _refer_attributes(self, unit: Unit, cls: type, texts: Mapping[str, ast.expr]) -> None:
        """Note what a class holds, but for what the literals in its text show."""
        # A third party's metaclass keeps its own books there, such as a schema with addresses in it.
        keeps_books = self._resolver.is_external(type(cls)) and not is_pythons(type(cls).__module__)
        for name, value in held_by_class(cls):
            is_book = keeps_books and name.startswith("__") and not isinstance(value, types.FunctionType)
            if (name in texts and is_shown(texts[name], value)) or (is_book and name not in texts):
                continue
            constant = self._held(unit, "attribute", name, value)
            if constant.completeness == "opaque":
                if self._is_made_by_others(cls):
                    continue  # its word must do
                if name in texts and is_expression(value):  # what its text does not say, it says itself
                    constant.completeness, constant.warnings = "complete", []
            unit.refer(f".{name}", constant)

    def _is_made_by_others(self, cls: type) -> bool:
        """Say whether a third party's base, metaclass or decorator may have put something of its own into a class."""
        lines = {*cls.__mro__[1:-1], type(cls)} - {type}
        return "__attrs_attrs__" in vars(cls) or any(self._resolver.is_external(base) for base in lines)

    def _class_without_source(self, cls: type) -> Unit:
        """Describe a class made by a call, such as a named tuple, by what it holds."""
        fields = getattr(cls, "_fields", None) if issubclass(cls, tuple) else None

        def look(unit: Unit) -> None:
            self._refer_bases(unit, cls)
            self._refer_attributes(unit, cls, {})

        own = fold("class", cls.__qualname__, list(fields) if fields is not None else None)
        unit = Unit(kind="class", qualname=cls.__qualname__, own=own, module=cls.__module__, look=look)
        if fields is None:
            unit.doubt("no_source", f"class {cls.__qualname__} has no source, so what it holds counts")
        return unit

    def _refer_effects(self, unit: Unit, variables: dict[str, Any]) -> None:
        """Note what importing the unit's module, all that it imports, and the dataflow's modules, did to others."""
        for module in self._imports.reached_from(variables):
            effects = self._effects(module)
            if effects is not None:
                unit.refer(f"[import {effects.module}]", effects)

    def _effects(self, variables: dict[str, Any]) -> Unit | None:
        """Return the unit of what importing a module does to others, or None where it does nothing."""
        if id(variables) not in self._effects_of:
            self._kept.append(variables)
            self._effects_of[id(variables)] = self._new_effects(variables)
        return self._effects_of[id(variables)]

    def _new_effects(self, variables: dict[str, Any]) -> Unit | None:
        source = self._sources.of_file(variables.get("__file__") or "", variables)
        if source is None:
            return None
        namespace = Namespace({}, variables, source.path)
        effects = list(effects_of(source, namespace, self._resolver))

        def look(unit: Unit) -> None:
            for effect in effects:
                self._refer(unit, effect.uses, namespace)
                target = variables.get(effect.defines or "")
                if isinstance(target, _WITH_UNIT):
                    unit.refer(effect.defines or "", self.unit(target, effect.defines or ""))

        if not effects:
            return None
        return Unit(
            kind="module",
            qualname=f"import of {namespace.module}",
            own=fold("effects", [syntax_hash(effect.statement) for effect in effects if effect.defines is None]),
            module=namespace.module,
            source="".join(source.text_of(effect.statement) for effect in effects),
            path=source.path,
            line=effects[0].statement.lineno,
            look=look,
        )

    def _module(self, module: types.ModuleType) -> Unit:
        """Describe a whole module, for code that uses it as a value."""
        if self._resolver.is_external(module):
            return self._external(module.__name__)
        variables = vars(module)
        source = self._sources.of_file(variables.get("__file__") or "", variables)
        namespace = Namespace({}, variables, source.path if source else "")

        def look(unit: Unit) -> None:
            if source is not None:
                self._refer(unit, uses_of(source.tree), namespace)

        unit = Unit(
            kind="module",
            qualname=module.__name__,
            own=fold("module", syntax_hash(source.tree) if source else module.__name__),
            module=module.__name__,
            path=source.path if source else None,
            look=look,
        )
        unit.doubt(
            "dynamic",
            f"module {module.__name__} is used as a value, so all of it counts, and what it is asked for is unknown",
        )
        return unit

    def _held(self, unit: Unit, kind: str, name: str, value: Any) -> Unit:
        """Return the unit of a value that a function or class holds: an attribute, a default, a captured variable."""
        held = self._constant(name, value, (kind, id(unit)))
        if held.kind == "constant" and held.path is None:
            held.path, held.qualname = unit.path, f"{unit.qualname}{_HOLDS[kind]}{name}"
        return held

    def _constant(self, name: str, value: Any, owner: Any) -> Unit:
        """Return the unit of a value under a name; functions, classes and modules have units of their own."""
        if isinstance(value, (types.FunctionType, type, types.ModuleType)):
            return self.unit(value, name)
        key = ("constant", owner, name, id(value))
        if key not in self._units:
            self._kept.append(value)
            self._units[key] = self._new_constant(name, value, owner if isinstance(owner, str) else "")
        return self._units[key]

    def _new_constant(self, name: str, value: Any, module: str) -> Unit:
        kind = "external" if is_engine(type(value).__module__) else "constant"
        path = getattr(sys.modules.get(module), "__file__", None) if module else None
        unit = Unit(kind=kind, qualname=name, own="", module=module or None, path=path)
        try:
            encoded, targets = self.encode(value)
        except Opaque as why:
            unit.own = fold("opaque", full_name(type(value)), said_by(value))
            is_described = self._describe_assignments(unit, name, module)
            if not (is_described and is_expression(value)):
                place = f" in {module}" if module else ""
                unit.doubt("opaque", f"the value of {name}{place} is not known exactly: {why}")
        else:
            unit.own = fold("constant", encoded)
            for number, target in enumerate(targets):
                unit.refer(f"[{number}]", target)
        return unit

    def _describe_assignments(self, unit: Unit, name: str, module: str) -> bool:
        """Let the statements that make an opaque variable stand for its value, if they are found."""
        variables = vars(sys.modules[module]) if module in sys.modules else {}
        source = self._sources.of_file(variables.get("__file__") or "", variables)
        statements = source.assignments.get(name, ()) if source else ()
        if source is None or not statements:
            return False
        namespace = Namespace({}, variables, source.path)
        unit.own = fold(unit.own, [syntax_hash(statement) for statement in statements])
        unit.source = "".join(source.text_of(statement) for statement in statements)
        unit.path, unit.line = source.path, statements[0].lineno

        def look(unit: Unit) -> None:
            uses = [use for statement in statements for use in uses_of(statement) if use.names[0] != name]
            self._refer(unit, uses, namespace)

        unit.look = look
        return True

    def _refer(self, unit: Unit, uses: Iterable[Use], namespace: Namespace) -> None:
        """Look names up and note what they stand for."""
        for use in uses:
            reference = self._resolver.resolve(use, namespace)
            if reference is not None:
                self._check(unit, use, reference)
                self._note(unit, reference)

    def _note(self, unit: Unit, reference: Reference) -> None:
        if reference.target is MISSING:
            if reference.path != f"builtins.{reference.name}":
                unit.refer(reference.name, self._external(reference.path))
            return
        last = reference.name.rpartition(".")[2]
        target = reference.target
        if isinstance(target, _WITH_UNIT) or wrapped_by(target) is not None:
            unit.refer(reference.name, self.unit(target, last, reference.module))
        else:
            constant = self._constant(last, target, reference.module) if reference.module else None
            unit.refer(reference.name, constant or self._held(unit, "closure", last, target))

    @staticmethod
    def _check(unit: Unit, use: Use, reference: Reference) -> None:
        """Warn of what the code does not decide, and of what reading cannot find."""
        said = ".".join(use.names)
        if reference.is_lost:
            unit.doubt("dynamic", f"{_where(unit)} imports {reference.path}, which cannot be imported")
        if why := dynamics(reference.path, use.names):
            unit.doubt("dynamic", f"{_where(unit)} uses {said}, which {why}")
        if why := nondeterminism(reference.path, use.arguments):
            unit.warnings.append(f"{_where(unit)} uses {said}, whose result {why}")

    def _counting(self, decorators: Sequence[ast.expr], namespace: Namespace) -> list[ast.expr]:
        """Return the decorators that are the user's; what the engine's own mean is in the node."""
        return [decorator for decorator in decorators if not self._is_engines(decorator, namespace)]

    def _is_engines(self, decorator: ast.expr, namespace: Namespace) -> bool:
        called = decorator
        while isinstance(called, ast.Call):
            called = called.func
        used = uses_of(called)
        reference = self._resolver.resolve(used[0], namespace) if len(used) == 1 else None
        if reference is None:
            return False
        if reference.target is MISSING:
            return is_engine(reference.path)
        return is_engine(type(reference.target).__module__)


class _CodeReferences(References):
    """Lets functions, classes and objects inside a value mean their code."""

    def __init__(self, unit_of: Callable[[Any, str], Unit], is_external: Callable[[Any], bool]) -> None:
        self._unit_of = unit_of
        self._is_external = is_external
        self.units: list[Unit] = []

    def refer(self, target: Any) -> bytes:
        unit = self._unit_of(target, getattr(target, "__name__", type(target).__qualname__))
        self.units.append(unit)
        return text(b"code", unit.own)

    def type_of(self, cls: type) -> bytes:
        return self.refer(cls)

    def is_transparent(self, cls: type) -> bool:
        return super().is_transparent(cls) or is_engine(cls.__module__) or not self._is_external(cls)

    def mark(self) -> int:
        return len(self.units)

    def reorder(self, start: int, spans: Iterable[tuple[int, int]]) -> None:
        self.units[start:] = [unit for first, last in spans for unit in self.units[first:last]]


_HOLDS = {"attribute": ".", "default": "() default ", "closure": "() captured "}
"""How what a function or class holds is said in a reason."""

_WITH_UNIT = (types.FunctionType, type, types.ModuleType)


def _where(unit: Unit) -> str:
    """Name a unit in a sentence."""
    call = "()" if unit.kind == "function" else ""
    return f"{unit.qualname}{call}{f' in {os.path.basename(unit.path)}' if unit.path else ''}"  # noqa: PTH119 - a name may be no path, such as "<stdin>"
