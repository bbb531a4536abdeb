"""Dataflows inside nodes."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from engine.ad_hoc_utils import module_from_source
from engine.bindings import Source, Value
from engine.errors import EdgeTypeError, ModifierError
from engine.function_modifiers import (
    check_output,
    config,
    configuration,
    extract_fields,
    inject,
    parameterize,
    parameterized_subdag,
    pipe_input,
    pipe_output,
    source,
    step,
    subdag,
    tag,
    value,
)
from engine.function_modifiers.base import nodes_of

if TYPE_CHECKING:
    from collections.abc import Callable

Made = Any
Built = Any


def shifted(x: int, k: int = 1) -> int:
    """Shift."""
    return x + k


@config.when(mode="p")
def chosen__p(shifted: int) -> int:
    """Choose."""
    return shifted * 10


@config.when(mode="q")
def chosen__q(shifted: int, extra: int) -> int:
    """Choose otherwise."""
    return shifted * 100 + extra


def _negate(x: int) -> int:
    return -x


FUNCTIONS = (shifted, chosen__p, chosen__q)


def test_inner_nodes_have_names_of_their_own(made: Made, run: Callable[..., Any]) -> None:
    """Inner functions, inputs and configuration are nodes of the namespace; the function reads them there."""

    @subdag(*FUNCTIONS, inputs={"x": source("given"), "k": value(3)}, config={"mode": "p"})
    def s(chosen: int) -> int:
        """Read."""
        return chosen

    nodes = made(s)
    assert set(nodes) == {"s", "s.shifted", "s.chosen", "s.x", "s.k", "s.mode"}
    assert dict(nodes["s"].bindings) == {"chosen": Source("s.chosen")}
    assert dict(nodes["s.x"].bindings) == {"value": Source("given")}
    assert dict(nodes["s.k"].bindings) == {"value": Value(3)}
    assert nodes["s.x"].type is int
    assert [n.name for n in nodes.values() if not n.refined] == ["s"]
    assert run(nodes, "s", given=1) == 40
    assert s(5) == 5


def test_names_can_be_said(built: Built) -> None:
    """The namespace and the name of the final node can be other words."""

    @subdag(shifted, inputs={"x": value(1)}, namespace="inside", final_node_name="outside")
    def s(shifted: int) -> int:
        return shifted

    driver = built(s)
    assert {n.name for n in driver.list_available_variables()} == {"outside", "inside.shifted", "inside.x", "k"}
    assert driver.execute(["outside"]) == {"outside": 2}


def test_the_configuration_reaches_inside(built: Built) -> None:
    """Inner variants see the outer configuration, and what is said for them goes before; its values fill inputs."""

    @subdag(*FUNCTIONS, inputs={"x": value(1)})
    def outer_mode(chosen: int) -> int:
        return chosen

    @subdag(*FUNCTIONS, inputs={"x": value(1)}, config={"mode": configuration("other"), "k": 4})
    def own_mode(chosen: int) -> int:
        return chosen

    values = built(outer_mode, own_mode, mode="p", other="q").execute(["outer_mode", "own_mode"], inputs={"extra": 7})
    assert values == {"outer_mode": 20, "own_mode": 507}


def test_parameters_come_from_inside_unless_said(built: Built) -> None:
    """A parameter that no inner node has is an input of the namespace; external inputs are read outside."""

    @subdag(shifted, external_inputs=["outer"])
    def s(shifted: int, outer: int, missing: int = 5) -> int:
        return shifted + outer + missing

    driver = built(s)
    assert driver.execute(["s"], inputs={"x": 1, "outer": 10}) == {"s": 17}
    assert driver.execute(["s"], inputs={"x": 1, "outer": 10, "s.missing": 0}) == {"s": 12}


def test_dataflows_nest(built: Built) -> None:
    """An inner node may have a dataflow of its own; names grow by a part, and inputs reach all the way down."""

    @subdag(shifted, inputs={"x": source("base")})
    def mid(shifted: int) -> int:
        return shifted

    @subdag(mid, inputs={"base": source("n")})
    def outer(mid: int) -> int:
        return mid

    @subdag(outer, mid)
    def top(outer: int, mid: int) -> int:
        return outer + mid

    driver = built(top)
    names = {n.name for n in driver.list_available_variables()}
    assert {"top.outer.mid.shifted", "top.outer.mid.x", "top.outer.base", "top.mid.shifted"} <= names
    assert driver.execute(["top"], inputs={"n": 10, "base": 1}) == {"top": 13}


def test_a_module_can_be_inside(built: Built) -> None:
    """All node functions of a module are taken; the same dataflow can be inside several times."""
    inner = module_from_source("def a(x: int) -> int:\n    return x + 1\n\ndef b(a: int) -> int:\n    return a * 2\n")

    @parameterized_subdag(inner, one={"inputs": {"x": value(1)}}, two={"inputs": {"x": source("n")}})
    def total(a: int, b: int) -> int:
        return a + b

    assert built(total).execute(["one", "two", "two.b"], inputs={"n": 9}) == {"one": 6, "two": 30, "two.b": 20}


def test_each_output_says_its_own(built: Built) -> None:
    """What is said for one output goes before what is said for all."""

    @parameterized_subdag(
        *FUNCTIONS,
        inputs={"x": value(1)},
        config={"mode": "p"},
        k1={},
        k2={"inputs": {"k": value(5)}},
        k3={"config": {"mode": "q"}, "inputs": {"x": value(2)}},
        k4={"external_inputs": ["chosen"]},
    )
    def s(chosen: int) -> int:
        return chosen

    values = built(s).execute(["k1", "k2", "k3", "k4"], inputs={"extra": 7, "chosen": -1})
    assert values == {"k1": 20, "k2": 60, "k3": 307, "k4": -1}


def test_with_each_other_modifier(built: Built) -> None:
    """Later modifiers act on the final node and leave the inner ones alone."""

    @tag(owner="us")
    @check_output(range=(0, 10))
    @extract_fields({"p": int, "q": int})
    @subdag(shifted, inputs={"x": value(1)})
    @config.when(mode="p")
    def s__p(shifted: int) -> dict[str, int]:
        return {"p": shifted, "q": 2}

    @pipe_output(step(_negate))
    @pipe_input(step(_negate))
    @subdag(shifted, inputs={"x": value(1)})
    def piped(shifted: int) -> int:
        return shifted * 10

    @parameterize(u={"n": value(2)}, v={"n": value(3)})
    @subdag(shifted, inputs={"x": value(1)}, external_inputs=["n"])
    def many(shifted: int, n: int) -> int:
        return shifted * n

    driver = built(s__p, piped, many, mode="p")
    assert driver.execute(["p", "q", "piped", "u", "v"]) == {"p": 2, "q": 2, "piped": 20, "u": 4, "v": 6}
    assert sorted(n.name for n in driver.list_available_variables(tag_filter={"owner": "us"})) == ["p", "q"]


def test_nodes_can_be_pickled() -> None:
    """What is made has no closure in it."""
    nodes = nodes_of(_final)
    assert [node.name for node in pickle.loads(pickle.dumps(nodes))] == [node.name for node in nodes]  # noqa: S301 - our own bytes


@subdag(shifted, inputs={"x": value(1)}, config={"k": 2})
def _final(shifted: int) -> int:
    return shifted


@pytest.mark.parametrize(
    ("modifier", "fault"),
    [
        (subdag(), "names no function"),
        (subdag("nope"), "'nope' is neither"),
        (subdag(shifted, inputs={"x": 3}), "'x' is given 3"),
        (subdag(shifted, config={"k": source("n")}), "'k' is given"),
        (subdag(shifted, inputs={"x": value(1)}, config={"x": 1}), "'x' stands in inputs= and in config="),
        (subdag(3, inputs={"x": 3}, config={"k": source("n")}), "3 is neither.*'x' is given.*'k' is given"),
        (parameterized_subdag(shifted), "makes no node"),
        (parameterized_subdag(shifted, k={"input": {}}), "must be a dictionary of 'inputs', 'config'"),
    ],
)
def test_misuse_is_told_when_decorating(modifier: Any, fault: str) -> None:
    """What cannot be an inner dataflow is told with function, file and line, all at once."""

    def f(shifted: int) -> int:
        return shifted

    with pytest.raises(ModifierError, match=rf"on function .*f \(.*test_recursive.py:\d+\).*{fault}"):
        modifier(f)


@pytest.mark.parametrize(
    ("modifier", "fault"),
    [
        (subdag(shifted, inputs={"shifted": source("n")}), "makes the node 'shifted'"),
        (subdag(shifted, shifted), "two functions inside make the node 'shifted'"),
        (subdag(shifted, config={"k": configuration("nope")}), "no key 'nope'"),
        (inject(shifted=source("n")), "filled by another modifier"),
    ],
)
def test_misuse_is_told_when_building(modifier: Any, fault: str, made: Made) -> None:
    """What shows only when the nodes are made is told then."""

    def f(shifted: int) -> int:
        return shifted

    if modifier.label == "@inject":
        subdag(shifted)(f)
    with pytest.raises(ModifierError, match=fault):
        made(modifier(f))


def test_edges_to_the_inside_are_checked(built: Built) -> None:
    """A literal of another type, and a node of another type, do not go in."""

    @subdag(shifted, inputs={"x": value("text")})
    def s(shifted: int) -> int:
        return shifted

    with pytest.raises(EdgeTypeError, match=r"'s\.x' gives str"):
        built(s)
