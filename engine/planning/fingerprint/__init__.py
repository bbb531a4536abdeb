"""Fingerprint: the code version of a function, and the canonical hash of a value.

Theory of operation. What a function computes is decided by its own code, by all project code it reaches, and by the
constants on the way. Each of these is a unit with a hash of its own: the normal form of its syntax
(`syntax`), in which layout, comments, docstrings and annotations do not count, or the canonical form
of its value (`values`). The names that a unit takes from outside (`scopes`) are
looked up as Python would (`references`); what they stand for is one of

* project code: a unit of its own, followed in its turn;
* a third party's object: its dotted name, since its code changes with its package's version;
* a constant: its value, with the functions and classes in it followed as code;
* a module of the project used as a value: the module's whole text.

A function's version folds its own hash with the versions of what it refers to (`units`). The engine's
own modifiers do not count where they decorate a function: the node's bindings and configuration hold what they mean.
The engine's own callables count by name and fields. Where reading cannot see (``eval``, a value without a canonical
form, code without source) the version is marked as less than complete and a warning says why: it is never silently
too small.

Two attributes of a function or class are honoured: ``__engine_version__`` pins its version by hand, so that its code
no longer counts; ``__engine_source__`` (of a module as well) holds the source where no file does.
"""

from __future__ import annotations

import functools
import inspect
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.planning.fingerprint.code_units import CodeUnits
from engine.planning.fingerprint.sql_text import normalise_sql
from engine.planning.fingerprint.units import COMPLETENESS, assign_versions, reached_from
from engine.planning.fingerprint.values import Opaque, fold, value_hash, wrapped_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.metadata.records import CodeUnit

__all__ = ["SCHEME", "CodeVersion", "Fingerprinter", "fold", "normalise_sql", "value_hash"]

SCHEME = 1
"""Version of this algorithm; stored with every hash, and part of it."""


_MAX_DATA_BYTES = 64 * 2**30
"""The largest value between two nodes that is hashed, at about half a gigabyte a second."""


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """Fingerprint of a function and of all project code it reaches.

    Attributes:
        version: The folded hash.
        units: Every function, class and constant in it, each with its own hash, so that two versions can be compared by
            name. The function itself comes first.
        completeness: ``complete``, ``no_source``, ``dynamic`` or ``opaque``: how airtight the hash is.
        warnings: One sentence each for what makes it less than complete, or nondeterministic.
    """

    version: str
    units: tuple[CodeUnit, ...]
    completeness: str
    warnings: tuple[str, ...] = ()


class Fingerprinter:
    """Fingerprints functions; parses each source file once and remembers what it has seen. One instance per plan.

    Args:
        project_modules: Modules (and their packages) that are project code wherever they are installed.
    """

    def __init__(self, project_modules: Iterable[str] = ()) -> None:
        self._code = CodeUnits(project_modules)

    def code_version(self, function: Callable[..., Any]) -> CodeVersion:
        """Return the code version of a function, class, method, partial or callable object."""
        root = self._code.unit(function, getattr(function, "__qualname__", type(function).__qualname__))
        assign_versions(root)
        reached = reached_from(root)
        first = self._code.known(_innermost(function)) or root
        ordered = sorted(reached, key=lambda unit: unit is not first)
        return CodeVersion(
            version=fold(SCHEME, root.version),
            units=tuple(unit.record(unit.qualname if unit is first else reached[unit]) for unit in ordered),
            completeness=max((unit.completeness for unit in reached), key=COMPLETENESS.index),
            warnings=tuple(dict.fromkeys(warning for unit in ordered for warning in unit.warnings)),
        )

    def value_hash(self, value: Any) -> str | None:
        """Hash a value as the function of this name does, but functions, classes and objects by their code.

        Returns:
            None where the value cannot be hashed exactly.
        """
        return self._hashed(value)

    def data_version(self, value: Any) -> str | None:
        """Hash what passes from node to node: as `value_hash`, but the order of dictionaries counts, and size does not.

        Returns:
            None where the value cannot be hashed exactly.
        """
        return self._hashed(value, max_bytes=_MAX_DATA_BYTES, keeps_order=True)

    def _hashed(self, value: Any, **options: Any) -> str | None:
        try:
            encoded, units = self._code.encode(value, **options)
        except Opaque:
            return None
        for unit in units:
            assign_versions(unit)
        return fold(SCHEME, encoded, [unit.version for unit in units])


def _innermost(function: Any) -> Any:
    """Return the function or class that a callable stands for."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType):
            function = function.__func__
        elif isinstance(function, (types.FunctionType, type)) or wrapped_by(function) is None:
            break
        else:
            function = wrapped_by(function)
    if isinstance(function, types.FunctionType):
        return inspect.unwrap(function)
    return function if isinstance(function, type) else type(function)
