"""Compiled calls give what running step by step gives, and hold no value longer than it is needed."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.bindings import Group, Source, Value
from engine.execution.scheduler import Schedule
from engine.execution.steps import fill
from engine.graph import FunctionGraph
from engine.node import Node

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.bindings import Binding
    from engine.execution.scheduler import Stage


def listed(*values: Any) -> tuple[Any, ...]:
    """Return what it was given; it has no parameters of its own, so it is called by name."""
    return values


def none() -> tuple[Any, ...]:
    """Read nothing."""
    return ("none",)


def one(a: Any) -> tuple[Any, ...]:
    """Read one value."""
    return (a,)


def two(a: Any, b: Any) -> tuple[Any, ...]:
    """Read two values."""
    return a, b


def three(a: Any, b: Any, c: Any) -> tuple[Any, ...]:
    """Read three values."""
    return a, b, c


def named(a: Any, *, b: Any = "default") -> tuple[Any, ...]:
    """Read a value by name alone, and an optional one."""
    return a, b


@dataclass(frozen=True)
class Called:
    """A callable that is no function."""

    word: str

    def __call__(self, a: Any, b: Any) -> tuple[Any, ...]:
        """Read two values."""
        return self.word, a, b


PARAMETERS: Mapping[Any, tuple[str, ...]] = {
    none: (),
    one: ("a",),
    two: ("a", "b"),
    three: ("a", "b", "c"),
    named: ("a", "b"),
    Called("word"): ("a", "b"),
}


def graph_of(*nodes: Node) -> FunctionGraph:
    """Return the nodes, linked, with the inputs ``x`` and ``y``, and an optional one that nobody gives."""
    inputs = [Node.external_input("x", Any), Node.external_input("y", Any)]
    inputs.append(Node.external_input("absent", Any, optional=True))
    by_name = {node.name: node for node in (*inputs, *nodes)}
    upstream = {name: tuple(dict.fromkeys(node.upstream)) for name, node in by_name.items()}
    return FunctionGraph(MappingProxyType(by_name), upstream=upstream)


def node_of(name: str, function: Any, bindings: Mapping[str, Binding], *after: str) -> Node:
    """Return a node."""
    return Node(name=name, type=Any, function=function, bindings=bindings, optional=frozenset("b"), after=after)


@st.composite
def graphs(draw: st.DrawFn) -> FunctionGraph:
    """Draw graphs in which nodes read earlier ones, literals and groups, in every form of call."""
    nodes: list[Node] = []
    for index in range(draw(st.integers(1, 12))):
        names = st.sampled_from(["x", "y", *(node.name for node in nodes)])
        source = st.builds(Source, names)
        group = st.builds(Group, st.lists(source, max_size=2).map(tuple))
        function = draw(st.sampled_from(list(PARAMETERS)))
        binding = st.one_of(source, source, st.builds(Value, st.integers()), group)
        bindings = {parameter: draw(binding) for parameter in PARAMETERS[function]}
        if function is named and draw(st.booleans()):
            bindings["b"] = Source("absent")
        nodes.append(node_of(f"n{index}", function, bindings, *draw(st.lists(names, max_size=1))))
    return graph_of(*nodes)


def run_stepwise(stage: Stage, values: dict[str, Any]) -> None:
    """Run a stage step by step, dropping what each step releases."""
    for step in stage.steps():
        values[step.name] = step.function(**fill(step.node, values))
        for name in step.releases:
            del values[name]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.data())
def test_compiled_calls_leave_what_single_steps_leave(graph: FunctionGraph, data: st.DataObject) -> None:
    """Whatever the graph, and whatever is kept, at hand and asked for, both ways end with the same values."""
    names = st.sets(st.sampled_from(sorted(graph.nodes.keys() - {"absent"})))
    targets, keeps, overrides = sorted(data.draw(names)), data.draw(names), data.draw(names)
    values: dict[str, Any] = {name: f"given {name}" for name in ("x", "y", *overrides)}
    compiled, stepwise = dict(values), dict(values)
    stage = Schedule(graph, {}, keeps).stage(0, targets, frozenset(values))
    stage.calls.run(compiled)
    run_stepwise(stage, stepwise)
    assert compiled == stepwise
    again = dict(values)
    stage.calls.run(again)
    assert again == stepwise


class Thing:
    """Something that can be watched going away."""

    alive: weakref.WeakSet[Thing]

    def __init__(self, *_: Thing) -> None:
        self.alive.add(self)


def test_a_value_goes_after_its_last_reader() -> None:
    """Of a chain no more than a value and the one it is made from are alive at once, and a dead value is let go."""
    Thing.alive = weakref.WeakSet()
    most = 0

    def link(a: Thing) -> Thing:
        nonlocal most
        made = Thing(a)
        most = max(most, len(Thing.alive))
        return made

    nodes = [node_of("n0", link, {"a": Value(None)})]
    nodes += [node_of(f"n{i}", link, {"a": Source(f"n{i - 1}")}) for i in range(1, 20)]
    dead = node_of("unread", link, {"a": Source("n19")})
    graph = graph_of(*nodes, dead, node_of("last", none, {}, "unread"))
    values: dict[str, Any] = {}
    Schedule(graph, {}, []).stage(0, ["last"], values).calls.run(values)
    assert most == 2
    assert values == {"last": ("none",)}
    assert not Thing.alive


def test_a_failure_names_its_node_and_leaves_what_is_needed_later() -> None:
    """What a failing stage made for later stages stays at hand; the exception says which node raised it."""

    def fails(a: Any) -> None:
        raise LookupError(a)

    graph = graph_of(
        node_of("made", one, {"a": Source("x")}),
        node_of("between", one, {"a": Source("made")}),
        node_of("broken", fails, {"a": Source("between")}),
        node_of("never", one, {"a": Source("broken")}),
    )
    values: dict[str, Any] = {"x": 1}
    stage = Schedule(graph, {}, ["x", "made", "never"]).stage(0, ["never"], frozenset(values))
    with pytest.raises(LookupError) as raised:
        stage.calls.run(values)
    assert raised.value.__notes__ == ["while running node 'broken'"]
    assert values == {"x": 1, "made": (1,)}
