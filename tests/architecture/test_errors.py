"""The error family is drawn, complete and usable."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from engine import errors

CLASSES = [
    thing
    for _, thing in inspect.getmembers(errors, inspect.isclass)
    if issubclass(thing, BaseException) and thing.__module__ == errors.__name__
]


def drawn_tree() -> dict[str, str]:
    """Read the tree in the docstring of `engine.errors`: class → base class."""
    bases: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"([│├└─ ]*)(\w+Error)\b.*", line)
        if match:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            bases[match[2]] = path[depth - 1] if depth else "Exception"
    return bases


def test_the_drawn_tree_is_the_real_one() -> None:
    """The docstring shows every class below its base, and no other."""
    real = {cls.__name__: cls.__bases__[0].__name__ for cls in CLASSES}
    assert drawn_tree() == real


def test_builtin_kinds_are_kept() -> None:
    """What a user of Apache Hamilton catches as ValueError still is one."""
    assert issubclass(errors.DefinitionError, ValueError)
    assert issubclass(errors.RequestError, ValueError)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_says_what_it_means(cls: type[BaseException]) -> None:
    """Each class has a docstring of its own."""
    assert cls.__dict__.get("__doc__")


def test_a_hint_stands_on_a_line_of_its_own() -> None:
    """The text of an error is its sentence, and below it the hint."""
    assert str(errors.EngineError("no.", hint="do this")) == "no.\n  hint: do this"
    assert str(errors.EngineError("no.")) == "no."


@pytest.mark.parametrize(
    "error",
    [
        errors.EngineError("a", hint="b"),
        errors.CycleError(["a", "b", "a"]),
        errors.UnknownNodeError("a", ["b"]),
        errors.InputError(["a", "b"], hint="c"),
        errors.NodeError("a", KeyError("b")),
        errors.LoadError("a", location="b", hint="c"),
        errors.SchemaMismatchError("a", missing=["b"], hint="c"),
        errors.ConcurrentWriteError("a", location="b", holder="c", hint="d"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error: errors.EngineError) -> None:
    """An error raised in a worker arrives with its message, its hint and its facts."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is type(error)
    assert (again.message, again.hint) == (error.message, error.hint)
    assert again.__dict__.keys() == error.__dict__.keys()
