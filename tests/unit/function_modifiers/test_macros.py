"""Functions whose body another function provides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import ModifierError
from engine.function_modifiers import does, parameterize, value

if TYPE_CHECKING:
    from collections.abc import Callable


def _minus(x: int, y: int = 1) -> int:
    return x - y


def _total(items: list[int]) -> int:
    return sum(items)


def _all(**given: int) -> dict[str, int]:
    return given


def test_another_function_does_the_work(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """The other function is called with this one's parameters, under its own names where they differ."""

    @does(_all)
    def f(a: int, b: int = 5) -> dict[str, int]: ...

    @does(_minus, x="b", y="a")
    def g(a: int, b: int) -> int: ...

    @does(_total, items=["a", "b"])
    def h(a: int, b: int) -> int: ...

    nodes = made(f, g, h)
    assert run(nodes, "f", a=1) == {"a": 1, "b": 5}
    assert run(nodes, "g", a=1, b=3) == 2
    assert run(nodes, "h", a=1, b=3) == 4
    assert nodes["g"].origins == (g, _minus)


def test_parameters_are_those_of_the_function(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """Other modifiers see the function's own parameters."""

    @parameterize(o={"a": value(3)})
    @does(_minus, x="a")
    def f(a: int) -> int: ...

    assert run(made(f), "o") == 2


@pytest.mark.parametrize("names", [{}, {"x": "c"}, {"z": "a"}])
def test_a_function_that_cannot_be_called_is_refused(names: dict[str, str]) -> None:
    """Parameters that do not go together are an error when decorating."""

    def f(a: int, b: int) -> int: ...

    with pytest.raises(ModifierError, match="@does on function"):
        does(_minus, **names)(f)
