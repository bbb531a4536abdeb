"""Objects: what loaded classes and functions hold besides what their text says.

A class may get attributes after its body has run: by an assignment anywhere, a decorator, a metaclass,
``__init_subclass__``. What counts is what it holds when it is looked at, so every attribute is told but those that
Python and its standard library make from the text, in other ways in each version: tables of members, generated
methods, layouts of slots. Functions may hold attributes too.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

from engine.planning.fingerprint.values import value_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_MADE_BY_PYTHON = frozenset(
    {
        "__abstractmethods__",
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__classcell__",
        "__conditional_annotations__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__module__",
        "__mutable_keys__",
        "__name__",
        "__non_callable_proto_members__",
        "__optional_keys__",
        "__orig_bases__",
        "__parameters__",
        "__protocol_attrs__",
        "__qualname__",
        "__readonly_keys__",
        "__required_keys__",
        "__slotnames__",
        "__static_attributes__",
        "__type_params__",
        "__weakref__",
        "_abc_impl",
        "_is_protocol",
        "_is_runtime_protocol",
    }
)
_FIELD_OF_A_TUPLE = "_tuplegetter"
_KEPT_BY_MEMBERS = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_"})
_GENERATED_TOGETHER = frozenset({"__match_args__", "__hash__"})


def held_by_class(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield what a class holds, by name; the functions behind properties and other descriptors one by one."""
    if isinstance(cls, enum.EnumMeta):
        yield "[members]", _members(cls)
    if _is_named_tuple(cls):
        yield "[defaults]", getattr(cls, "_field_defaults", {})
    for field in vars(cls).get("__dataclass_fields__", {}).values():
        for value in (field.default, field.default_factory):
            if value is not dataclasses.MISSING:
                yield field.name, value
    for name, value in sorted(vars(cls).items()):
        if name not in _MADE_BY_PYTHON and not _is_generated(cls, name, value):
            yield from _parts(name, value)


def _members(cls: enum.EnumMeta) -> dict[str, list[Any]]:
    """Return the members of an enumeration with their values, and what else was put on them."""
    members: dict[str, enum.Enum] = dict(cls.__members__)
    return {
        name: [member.value, {key: held for key, held in vars(member).items() if key not in _KEPT_BY_MEMBERS}]
        for name, member in members.items()
    }


def _is_named_tuple(cls: type) -> bool:
    return issubclass(cls, tuple) and "_fields" in vars(cls)


def _is_generated(cls: type, name: str, value: Any) -> bool:
    """Say whether Python's own library made an attribute from the text of the class."""
    if isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
        return True
    is_special = name.startswith("__") and name.endswith("__")
    if isinstance(cls, enum.EnumMeta):
        is_sunder = name.startswith("_") and name.endswith("_")
        return name in cls.__members__ or (is_sunder and not _has_text(value))
    if _is_named_tuple(cls) and (type(value).__name__ == _FIELD_OF_A_TUPLE or name in _OF_A_NAMED_TUPLE):
        return not _has_text(value) or name in {"_make", "_replace", "_asdict", "__replace__"}
    made_by_others = "__dataclass_fields__" in vars(cls) or "__attrs_attrs__" in vars(cls)
    if made_by_others and is_special:
        return name in _GENERATED_TOGETHER or name.startswith("__attrs_") or not _has_text(value)
    return name == "__hash__" and value is None


_OF_A_NAMED_TUPLE = frozenset(
    {"__new__", "__match_args__", "__replace__", "__repr__", "__getnewargs__", "__slots__"}
    | {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}
)


def _has_text(value: Any) -> bool:
    """Say whether an attribute is a function that was written in a file, or stands for one."""
    parts = [inspect.unwrap(part) for _, part in _parts("", value) if isinstance(part, types.FunctionType)]
    functions = [part for part in parts if isinstance(part, types.FunctionType)]
    return any(not function.__code__.co_filename.startswith("<") for function in functions)


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, property):
        accessors = {"": value.fget, " set": value.fset, " delete": value.fdel}
        yield from ((f"{name}{suffix}", part) for suffix, part in accessors.items() if part is not None)
    elif isinstance(value, (classmethod, staticmethod)):
        yield f"{name} {type(value).__name__}", value.__func__
    elif isinstance(value, functools.cached_property):
        yield name, value.func
    else:
        yield name, value


def assigned_in(node: ast.ClassDef) -> Mapping[str, ast.expr]:
    """Return the names that the body of a class assigns by a statement of their own, with the last expression."""
    found: dict[str, ast.expr] = {}
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            targets: Iterable[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        if statement.value is not None:
            found.update({target.id: statement.value for target in targets if isinstance(target, ast.Name)})
    return found


def is_shown(expression: ast.expr | None, value: Any) -> bool:
    """Say whether an expression is a literal with this very value, so that its text says all.

    >>> is_shown(ast.parse("[1, 2]", mode="eval").body, [1, 2]), is_shown(ast.parse("[1]", mode="eval").body, [1, 2])
    (True, False)
    """
    if expression is None:
        return False
    try:
        literal = ast.literal_eval(expression)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return value_hash(literal) == value_hash(value) is not None


def attributes_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what was put on a function, but for what the engine and `functools.wraps` put there."""
    for name, value in sorted(vars(function).items()):
        if name != "__wrapped__" and not name.startswith("__engine_"):
            yield name, value
