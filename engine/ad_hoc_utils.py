"""Modules made on the spot: from functions or from source text, for notebooks, tests and generated dataflows.

A module made from text keeps it, so that tracebacks show its lines, ``inspect.getsource`` finds them, and its functions
can be fingerprinted like those of a file.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import linecache
import sys
import types
from typing import TYPE_CHECKING, Any

from engine.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable


def create_temporary_module(*functions: Callable[..., Any], module_name: str | None = None) -> types.ModuleType:
    """Make a module whose nodes are the given functions, wherever they were defined.

    The module holds copies that believe to be defined in it; the functions given stay as they are.

    Args:
        functions: Functions of different names, none of them private.
        module_name: The module's name; made up when not given.

    Raises:
        DefinitionError: A function is private or a lambda, two have one name, or the module's name is taken.
    """
    names = [getattr(function, "__name__", repr(function)) for function in functions]
    for name, function in zip(names, functions, strict=True):
        if not isinstance(function, types.FunctionType) or name.startswith("_") or not name.isidentifier():
            raise DefinitionError(
                f"{name!r} cannot be a node of a temporary module",
                hint="pass functions defined with 'def name(…)'; a name beginning with '_' marks a helper",
            )
        if names.count(name) > 1:
            raise DefinitionError(
                f"two functions named {name!r} are given for one temporary module", hint="give one of them another name"
            )
    module = _new_module(module_name, "\n".join(names))
    for function in functions:
        setattr(module, function.__name__, _copy_into(module, function))
    return module


def module_from_source(source: str, module_name: str | None = None) -> types.ModuleType:
    """Make a module by running source text.

    Args:
        source: Python source text.
        module_name: The module's name; made up when not given.

    Raises:
        DefinitionError: The module's name is taken.
        SyntaxError: The text is not Python. Whatever else the text raises when it runs comes through as well.

    >>> module_from_source("def total(a: int, b: int) -> int: return a + b").total(1, 2)
    3
    """
    module = _new_module(module_name, source)
    filename = f"<engine module {module.__name__}>"
    module.__file__ = filename
    # No time of change (None): the cache then never looks for a file to compare with.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    try:
        exec(compile(source, filename, "exec"), module.__dict__)  # noqa: S102 - running the text is what is asked for
    except BaseException:
        sys.modules.pop(module.__name__, None)
        raise
    return module


def create_module(source: str, module_name: str | None = None, verbosity: int = 0) -> types.ModuleType:
    """Make a module by running source text; the same as `module_from_source`.

    Args:
        source: Python source text.
        module_name: The module's name; made up when not given.
        verbosity: Accepted for Apache Hamilton's sake; nothing is printed.

    Raises:
        DefinitionError: The module's name is taken.
    """
    del verbosity
    return module_from_source(source, module_name)


def _new_module(name: str | None, content: str) -> types.ModuleType:
    """Register an empty module; a made-up name depends on the content, so that it is the same in every process."""
    if name is None:
        base = f"temporary_module_{hashlib.blake2b(content.encode(), digest_size=6).hexdigest()}"
        numbered = itertools.chain([base], (f"{base}_{number}" for number in itertools.count(2)))
        name = next(candidate for candidate in numbered if candidate not in sys.modules)
    elif name in sys.modules:
        raise DefinitionError(f"there is a module named {name!r} already", hint="choose another module_name")
    module = types.ModuleType(name)
    sys.modules[name] = module
    return module


def _copy_into(module: types.ModuleType, function: Any) -> Callable[..., Any]:
    copy = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    functools.update_wrapper(copy, function)
    copy.__dict__.clear()  # what update_wrapper left there calls it a wrapper; it is the same function elsewhere
    copy.__dict__.update(function.__dict__)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__module__ = module.__name__
    copy.__qualname__ = function.__name__
    return copy
