"""From function to nodes: what every modifier may rely on."""

from __future__ import annotations

import functools
import os.path
import pickle
import sys
import types
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl
import pytest

from engine.ad_hoc_utils import module_from_source
from engine.bindings import Source
from engine.errors import AnnotationError, DefinitionError, DuplicateNodeError, ModifierError
from engine.function_modifiers import (
    base,
    config,
    extract_columns,
    extract_fields,
    hamilton_exclude,
    inject,
    parameterize,
    source,
    tag,
    unpack_fields,
    value,
)
from engine.function_modifiers.base import Definition, Delayed, Injector, Modifier, Transformer, functions_of, nodes_of
from engine.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def test_a_plain_function_is_one_node() -> None:
    """A function without modifiers is a node that reads a node per parameter."""

    def total(price: float, count: int = 1) -> float:
        """What is to be paid."""
        return price * count

    (node,) = nodes_of(total)
    assert (node.name, node.type, node.function, node.doc) == ("total", float, total, "What is to be paid.")
    assert dict(node.bindings) == {"price": Source("price"), "count": Source("count")}
    assert node.optional == {"count"}
    assert node.tags == {"module": __name__}


def test_a_decorated_function_stays_what_it_is() -> None:
    """Modifiers neither wrap a function nor change how it is called."""

    def plain(x: int) -> int:
        return x + 1

    decorated = tag(owner="us")(plain)
    assert decorated is plain
    assert decorated(1) == 2


def test_functions_that_share_attributes_do_not_share_modifiers() -> None:
    """What `functools.wraps` copies from a modified function is not changed by modifying the copy."""

    @tag(a="1")
    def first() -> int:
        return 1

    @tag(b="2")
    @functools.wraps(first)
    def second() -> int:
        return 2

    assert nodes_of(first)[0].tags == {"module": __name__, "a": "1"}
    assert nodes_of(second)[0].tags == {"module": __name__, "a": "1", "b": "2"}


def test_only_functions_can_be_modified() -> None:
    """A modifier above a class says so."""
    with pytest.raises(ModifierError, match="which is no function"):
        tag(a="1")(int)


def test_an_error_names_modifier_function_file_and_line() -> None:
    """Who misuses a modifier reads where, and what to write instead."""

    def total(price: float) -> float:
        return price

    with pytest.raises(ModifierError) as caught:
        inject(prize=source("x"))(total)
    line = total.__code__.co_firstlineno
    assert "@inject on function test_an_error_names" in caught.value.message
    assert f"test_base.py:{line})" in caught.value.message
    assert "did you mean 'price'?" in caught.value.message


def test_all_faults_are_told_at_once() -> None:
    """One misused modifier tells all its faults in one error."""

    def total(price: float) -> float:
        return price

    with pytest.raises(ModifierError, match=r"'prize'.*'cuont'.*value\(3\)"):
        inject(prize=source("x"), cuont=source("y"), price=3)(total)


def test_missing_annotations_are_errors_of_their_own() -> None:
    """A node function without an annotation, or with one that cannot be resolved, is refused."""

    def unsaid(x) -> int:  # noqa: ANN001 - what is tested
        return x

    def unknown(x: Nowhere) -> int:  # noqa: F821 - what is tested
        return x

    for function in (unsaid, unknown):
        with pytest.raises(AnnotationError, match=function.__name__):
            nodes_of(function)


@pytest.mark.parametrize("parameters", ["*args: int", "**kwargs: int", "x: int, /"])
def test_parameters_without_a_name_are_refused(parameters: str) -> None:
    """Every parameter of a node function is an edge, so each must have a name to be filled by."""
    module = module_from_source(f"def total({parameters}) -> int:\n    return 1")
    with pytest.raises(DefinitionError, match="cannot be filled by name"):
        nodes_of(module.total)


def test_two_nodes_of_one_name_are_refused() -> None:
    """A function whose modifiers make two nodes of one name is an error that names it."""

    @extract_fields({"f": int})
    def f() -> dict[str, int]:
        return {}

    @unpack_fields("a", "a")
    def g() -> tuple[int, int]:
        return 1, 2

    @extract_columns("c", "c")
    def h() -> pl.DataFrame:
        return pl.DataFrame()

    for function, name in ((f, "'f'"), (g, "'a'"), (h, "'c'")):
        with pytest.raises(DuplicateNodeError, match=name):
            nodes_of(function)


def test_only_one_expander() -> None:
    """Two modifiers that fill parameters cannot stand above one function."""

    @inject(x=value(1))
    @parameterize(a={"y": value(2)})
    def f(x: int, y: int) -> int:
        return x + y

    with pytest.raises(ModifierError, match="cannot be joined with @parameterize"):
        nodes_of(f)


def test_kinds_of_modifiers_act_in_their_order_whatever_the_order_of_decorating() -> None:
    """Tags, fields, parameters and conditions give the same nodes in every order of decorating."""
    modifiers = [
        tag(owner="us"),
        extract_fields({"a": int}),
        inject(x=source("n")),
        config.when(region="us"),
    ]

    def made(*order: int) -> list[tuple[Any, ...]]:
        def f__us(x: int) -> dict[str, int]:
            return {"a": x}

        for number in order:
            modifiers[number](f__us)
        nodes = nodes_of(f__us, {"region": "us"})
        return [(node.name, dict(node.tags), dict(node.bindings)) for node in nodes]

    expected = made(0, 1, 2, 3)
    assert [name for name, *_ in expected] == ["f", "a"]
    for order in ((3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)):
        assert made(*order) == expected


def test_nodes_can_be_pickled() -> None:
    """A node of a module's function, and all that modifiers make of it, can be sent to another process."""
    module = module_from_source(
        "from engine.function_modifiers import *\n"
        "@extract_fields({'a': int})\n"
        "@inject(x=group(source('n'), value(1)))\n"
        "def f(x: list[int]) -> dict[str, int]:\n"
        "    return {'a': sum(x)}\n",
        "modifiers_pickled",
    )
    nodes = nodes_of(module.f)
    assert pickle.loads(pickle.dumps(nodes)) == nodes  # noqa: S301 - our own bytes


def test_node_functions_of_a_module() -> None:
    """Functions defined in a module are nodes; helpers, classes, lambdas and imported functions are not."""
    module = module_from_source(
        "from os.path import join\n"
        "class Thing: pass\n"
        "shout = lambda x: x\n"
        "def _helper() -> int: return 1\n"
        "def b() -> int: return 1\n"
        "def a() -> int: return 1\n"
        "same = a\n"
        "async def later() -> int: return 1\n"
    )
    assert [name for name, _ in functions_of(module)] == ["b", "a", "later"]
    assert functions_of(os.path) == functions_of(sys.modules["posixpath"])


def test_functions_imported_from_a_submodule_are_nodes() -> None:
    """A package offers the functions that it imports from its own modules."""
    inner = module_from_source("def a() -> int: return 1", "modifiers_package.inner")
    package = types.ModuleType("modifiers_package")
    other = module_from_source("def b() -> int: return 1", "modifiers_package_other")
    package.a, package.b = inner.a, other.b  # type: ignore[attr-defined]
    assert [name for name, _ in functions_of(package)] == ["a"]


def test_an_excluded_function_makes_no_node() -> None:
    """A function can be excluded although its name says node."""

    @hamilton_exclude
    def f() -> int:
        return 1

    assert nodes_of(f) == []
    assert f() == 1


@dataclass(frozen=True)
class Chosen(Delayed):
    """Takes another modifier's place when the configuration is known."""

    label: ClassVar[str] = "@resolve"
    choose: Callable[[Mapping[str, Any]], Modifier]

    def modifier(self, function: Callable[..., Any], config: Mapping[str, Any]) -> Modifier:  # noqa: ARG002 - protocol
        """Ask."""
        return self.choose(config)


@dataclass(frozen=True)
class Piped(Injector):
    """Puts a step before a parameter."""

    label: ClassVar[str] = "@pipe_input"
    step: Callable[..., Any]

    def inject(self, node: Node, definition: Definition) -> list[Node]:  # noqa: ARG002 - protocol
        """Make the step."""
        parameter = next(iter(node.bindings))
        name = f"{node.name}.with_{self.step.__name__.strip('_')}"
        step = replace(Node.from_function(self.step, name), bindings={"x": node.bindings[parameter]}, refined=True)
        return [step, replace(node, bindings={**node.bindings, parameter: Source(name)})]


@dataclass(frozen=True)
class Checked(Transformer):
    """Puts a check behind a node, which keeps its name."""

    label: ClassVar[str] = "@check_output"

    def transform(self, node: Node, definition: Definition) -> list[Node]:
        """Make raw, check and node; names already given are not given again."""
        raw = f"{node.name}_raw"
        while raw in definition.names:
            raw += "_"
        check = Node(name=f"{raw}_check", type=bool, function=_holds, bindings={"x": Source(raw)}, refined=True)
        final = replace(node, function=_first, bindings={"data": Source(raw), "check": Source(check.name)})
        return [replace(node, name=raw, refined=True), check, final]


def _first(data: Any, check: Any) -> Any:
    del check
    return data


def _holds(x: Any) -> bool:
    return x is not None


def _double(x: int) -> int:
    return 2 * x


def test_modifiers_still_to_come_fit_the_protocol(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """Delayed choices, steps before a parameter and checks behind fields are each a few lines, and stack."""

    @Checked()
    @Checked()
    @Chosen(lambda config: extract_fields(config["fields"]))
    @Piped(_double)
    def f(x: int) -> dict[str, int]:
        return {"a": x}

    nodes = made(f, fields={"a": int})
    assert set(nodes) == {"f.with_double", "f", "a_raw", "a_raw_check", "a_raw_", "a_raw__check", "a"}
    assert run(nodes, "a", x=4) == 8


def test_the_public_error_of_apache_hamilton_is_ours() -> None:
    """Who catches Hamilton's exception catches ours."""
    assert base.InvalidDecoratorException is ModifierError
    assert issubclass(ModifierError, ValueError)
