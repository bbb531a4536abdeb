"""One function, several nodes; parameters filled."""

from __future__ import annotations

import collections.abc as cabc  # noqa: TC003 - annotations of node functions are read at run time
import inspect
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from engine.bindings import Configuration, Source, Value
from engine.errors import ModifierError
from engine.function_modifiers import (
    ParameterizedExtract,
    configuration,
    dataloader,
    group,
    inject,
    parameterize,
    parameterize_extract_columns,
    parameterize_sources,
    parameterize_values,
    parameterized_inputs,
    parametrized,
    parametrized_input,
    source,
    value,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_parameterize_makes_a_node_per_output(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """Each output is a node with its own parameters; the function's own name disappears."""

    @parameterize(
        o1={"x": source("n")},
        o2=({"x": value(2), "y": configuration("k")}, "The second of {x}."),
        f={"x": source("o1")},
    )
    def f(x: int, y: int = 3, *, z: int = 0) -> int:
        """The {output_name} of {x}, {y} and {other}."""
        return x + y + z

    nodes = made(f)
    assert list(nodes) == ["o1", "o2", "f"]
    assert dict(nodes["o2"].bindings) == {"x": Value(2), "y": Configuration("k"), "z": Source("z")}
    assert nodes["o1"].doc == "The o1 of n, y and {other}."
    assert nodes["o2"].doc == "The second of {x}."
    assert nodes["o1"].optional == {"y", "z"}
    assert run(nodes, "f", n=1) == 7
    assert f(1) == 4


def test_parameterize_an_async_function(made: Callable[..., Any]) -> None:
    """The nodes of an async function stay async functions."""

    @parameterize(a={"x": value(1)})
    async def f(x: int) -> int:
        return x

    assert inspect.iscoroutinefunction(made(f)["a"].function)


def test_values_and_sources_are_short_forms(made: Callable[..., Any]) -> None:
    """`parameterize_values` and `parameterize_sources` fill by literals and by nodes."""

    @parameterize_values("x", {"a": 1, ("b", "What b is"): 2})
    def f(x: int, y: int) -> int:
        """Of {x}."""
        return x + y

    @parameterize_sources(c={"x": "n1", "y": "n2"}, d={"x": "n2"})
    def g(x: int, y: int) -> int:
        """Of {x}."""
        return x + y

    nodes = made(f, g)
    assert [(n.name, n.doc, list(n.upstream)) for n in nodes.values()] == [
        ("a", "Of 1.", ["y"]),
        ("b", "What b is", ["y"]),
        ("c", "Of n1.", ["n1", "n2"]),
        ("d", "Of n2.", ["n2", "y"]),
    ]


def test_inject_keeps_the_name(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """Injected parameters are filled from other nodes, lists and dictionaries of them."""

    @inject(x=group(source("a"), source("b"), value(1)), y=group(k=source("a"), m=value(2)), z=value(10))
    def f(x: list[int], y: dict[str, int], z: int, w: int) -> int:
        """Of {x} and {z}."""
        return sum(x) + sum(y.values()) + z + w

    nodes = made(f)
    assert list(nodes) == ["f"]
    assert list(nodes["f"].upstream) == ["a", "b", "a", "w"]
    assert nodes["f"].doc == "Of x and 10."
    assert run(nodes, "f", a=1, b=2, w=100) == 117


def test_a_group_fits_any_list_or_dictionary_like_annotation(made: Callable[..., Any]) -> None:
    """Bare containers and abstract ones take a group as well."""

    @inject(a=group(value(1)), b=group(value(1)), c=group(k=value(1)), d=group(k=value(1)))
    def f(a: list, b: cabc.Sequence[int], c: dict, d: Any) -> int:  # type: ignore[type-arg]  # a bare annotation is tested
        return len([a, b, c, d])

    assert list(made(f)) == ["f"]


@pytest.mark.parametrize(
    ("wanted", "binding"),
    [(int, group(value(1))), (dict, group(value(1))), (list[int], group(k=value(1))), (int, group(k=value(1)))],
    ids=str,
)
def test_a_group_needs_a_container(wanted: Any, binding: Any, made: Callable[..., Any]) -> None:
    """A group for a parameter that takes no list, or no dictionary, is an error that says how to annotate it."""

    def f(x: Any) -> int:
        return len(x)

    f.__annotations__["x"] = wanted
    with pytest.raises(ModifierError, match="annotate 'x' as"):
        made(inject(x=binding)(f))
    del f.__dict__["__engine_modifiers__"]
    with pytest.raises(ModifierError, match="annotate 'x' as"):
        made(parameterize(o={"x": binding})(f))


def test_misuse_is_told_when_decorating() -> None:
    """Unknown parameters, literals without `value` and empty modifiers are errors at once."""

    def f(x: int) -> int:
        return x

    for modifier, message in (
        (parameterize(o={"z": source("n")}), "no parameter 'z'"),
        (parameterize(o={"x": 1}), r"write value\(1\)"),  # type: ignore[dict-item]  # what is tested
        (parameterize(o=source("n")), "does not say which parameter"),  # type: ignore[arg-type]  # what is tested
        (parameterize(), "makes no node"),
        (parameterize_values("z", {"a": 1}), "no parameter 'z'"),
        (parameterize_sources(a={"z": "n"}), "no parameter 'z'"),
        (inject(z=source("n")), "no parameter 'z'"),
        (inject(x="n"), r"source\('…'\)"),  # type: ignore[arg-type]  # what is tested
        (parameterize_extract_columns(ParameterizedExtract(("a",), {"z": value(1)})), "no parameter 'z'"),
    ):
        with pytest.raises(ModifierError, match=message):
            modifier(f)


def test_columns_of_parameterized_frames(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """Each run is a frame ``f__0``, ``f__1`` and its columns."""

    @parameterize_extract_columns(
        ParameterizedExtract(("a", "b"), {"x": source("n")}), ParameterizedExtract(("c",), {"x": value(2)})
    )
    def f(x: int) -> pl.DataFrame:
        """Of {x}."""
        return pl.DataFrame({"a": [x], "b": [x], "c": [x]})

    nodes = made(f)
    assert list(nodes) == ["f__0", "a", "b", "f__1", "c"]
    assert nodes["f__0"].doc == nodes["a"].doc == "Of n."
    assert run(nodes, "b", n=5).to_list() == [5]
    assert run(nodes, "c").to_list() == [2]


def test_a_loader_can_be_parameterized(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """Parameters of a loader are filled before its value is taken out."""

    @parameterize(a={"x": value(1)}, b={"x": source("n")})
    @dataloader()
    def f(x: int) -> tuple[int, dict[str, Any]]:
        return x, {"x": x}

    nodes = made(f)
    assert list(nodes) == ["a.loader", "a", "b.loader", "b"]
    assert run(nodes, "b", n=7) == 7
    assert run(nodes, "a.loader") == (1, {"x": 1})


def test_older_names(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """The older names of parameterize do what the newer ones do."""

    @parameterized_inputs(o1={"a": "x"}, o2={"a": "y"})
    def f(a: int) -> int:
        return a

    @parametrized("a", {("o3", "three"): 3, "o4": 4})
    def g(a: int) -> int:
        return a

    @parametrized_input("a", {"x": ("o5", "five")})
    def h(a: int) -> int:
        return a

    nodes = made(f, g, h)
    assert [run(nodes, name, x=1, y=2) for name in ("o1", "o2", "o3", "o4", "o5")] == [1, 2, 3, 4, 1]
    assert (nodes["o3"].doc, nodes["o5"].doc) == ("three", "five")
