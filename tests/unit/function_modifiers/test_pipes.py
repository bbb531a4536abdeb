"""Steps before a parameter and behind a node, and functions that others of the module change."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from engine.bindings import Source, Value
from engine.errors import DuplicateNodeError, ModifierError
from engine.function_modifiers import (
    apply_to,
    check_output,
    config,
    configuration,
    extract_fields,
    group,
    inject,
    load_from,
    mutate,
    parameterize,
    pipe,
    pipe_input,
    pipe_output,
    save_to,
    source,
    step,
    tag,
    value,
)
from engine.function_modifiers.base import nodes_of
from engine.function_modifiers.macros import NotSameModuleError, SingleTargetError

if TYPE_CHECKING:
    from collections.abc import Callable

Made = Any
Built = Any


def _add(x: int, y: int = 1) -> int:
    return x + y


def _negate(x: int) -> int:
    return -x


def _scale(x: int, by: int) -> int:
    return x * by


def test_each_step_is_a_node(made: Made, run: Callable[..., Any]) -> None:
    """Steps are named after their functions, numbered where a name repeats, and read one another."""

    @pipe_input(step(_add), step(_add, 5), step(_scale, by=source("k")).named("scaled"))
    def f(a: int, b: int) -> int:
        return a + b

    nodes = made(f)
    assert list(nodes) == ["f.with_add", "f.with_add_1", "f.scaled", "f"]
    assert dict(nodes["f.with_add"].bindings) == {"x": Source("a"), "y": Source("y")}
    assert nodes["f.with_add"].optional == {"y"}
    assert dict(nodes["f.with_add_1"].bindings) == {"x": Source("f.with_add"), "y": Value(5)}
    assert run(nodes, "f", a=1, b=2, k=10) == 72
    assert f(1, 2) == 3


def _piped(a: int) -> int:
    return a


def test_a_step_can_be_pickled() -> None:
    """What a pipe makes has no closure in it."""
    _piped.__dict__.clear()
    nodes = nodes_of(pipe_output(step(_negate))(_piped))
    assert [node.name for node in pickle.loads(pickle.dumps(nodes))] == [node.name for node in nodes]  # noqa: S301 - our own bytes


def test_the_driver_runs_pipes(built: Built) -> None:
    """Steps run in a driver like any node, and their values can be asked for."""

    @pipe_output(step(_negate), step(_scale, by=configuration("k")))
    @pipe_input(step(_add, y=2))
    def f(a: int) -> int:
        return a

    assert built(f, k=10).execute(["f", "f.raw", "f.with_negate"], inputs={"a": 1}) == {
        "f": -30,
        "f.raw": 3,
        "f.with_negate": -3,
    }


def test_namespaces(made: Made) -> None:
    """The namespace is the node's name unless the pipe, or in front of a parameter the step, says another."""

    def names(modifier: Any) -> list[str]:
        def f(a: int) -> int:
            return a

        return list(made(modifier(f)))

    assert names(pipe_input(step(_negate), namespace="ns")) == ["ns.with_negate", "f"]
    assert names(pipe_input(step(_negate), namespace=None)) == ["with_negate", "f"]
    assert names(pipe_input(step(_negate).named("x", namespace=None))) == ["x", "f"]
    assert names(pipe_input(step(_negate).named("x", namespace="own"), namespace="ns")) == ["own.x", "f"]
    assert names(pipe_output(step(_negate), namespace="ns")) == ["f.raw", "ns.with_negate", "f"]
    assert names(pipe_output(step(_negate).named("x", namespace="own"))) == ["f.raw", "f.x", "f"]
    assert names(pipe(step(_negate))) == ["f.with_negate", "f"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (step(_add).when(k=1), True),
        (step(_add).when(k=2), False),
        (step(_add).when_not(k=2), True),
        (step(_add).when_in(k=[1, 2]), True),
        (step(_add).when_not_in(k=[1, 2]), False),
        (step(_add).when(k=1).when_not(j=None), False),
    ],
)
def test_the_configuration_chooses_steps(made: Made, chosen: Any, expected: bool) -> None:
    """A step is there where all its conditions hold; without steps nothing changes."""

    def f(a: int) -> int:
        return a

    def g(a: int) -> int:
        return a

    assert ("f.with_add" in made(pipe_input(chosen)(f), k=1)) is expected
    assert ("g.raw" in made(pipe_output(chosen)(g), k=1)) is expected


def test_steps_before_several_parameters(built: Built) -> None:
    """Steps in front of more than one parameter carry the parameter in their names."""

    @pipe_input(step(_add, y=1).on_input("b"), step(_add, y=10).on_input(["a", "b"]), step(_negate))
    def f(a: int, b: int) -> int:
        return a * b

    driver = built(f)
    names = {"f.a.with_add", "f.a.with_negate", "f.b.with_add", "f.b.with_add_1"}
    assert names <= {node.name for node in driver.list_available_variables()}
    assert driver.execute(["f"], inputs={"a": 1, "b": 2}) == {"f": -11 * 13}


def test_two_pipes_prolong_one_another(made: Made, run: Callable[..., Any]) -> None:
    """The farther pipe gets the value first before a parameter, and last behind a node; names are numbered."""

    @pipe_input(step(_add, y=1))
    @pipe_input(step(_scale, by=10), step(_add, y=2))
    def f(a: int) -> int:
        return a

    @pipe_output(step(_add, y=1))
    @pipe_output(step(_scale, by=10), step(_add, y=2))
    def g(a: int) -> int:
        return a

    assert run(made(f), "f", a=1) == 22
    nodes = made(g)
    assert list(nodes) == ["g.raw", "g.with_scale", "g.with_add", "g.with_add_1", "g"]
    assert run(nodes, "g", a=1) == 13


def test_arguments_may_be_groups(built: Built) -> None:
    """A step takes lists of nodes; such an input is needed although the parameter has a default."""

    def _total(x: int, others: list[int] = []) -> int:  # noqa: B006 - never changed
        return x + sum(others)

    @pipe_input(step(_total, others=group(source("u"), value(2))))
    def f(a: int) -> int:
        return a

    assert built(f).execute(["f"], inputs={"a": 1, "u": 4}) == {"f": 7}
    with pytest.raises(ValueError, match="'u'"):
        built(f).execute(["f"], inputs={"a": 1})


def test_a_pipe_with_each_other_modifier(built: Built) -> None:
    """Pipes join with whatever else fills parameters, makes several nodes, or carries a value on."""

    @pipe_input(step(_add, y=5))
    @load_from.literal(value=3, inject_="a")
    def loaded(a: int) -> int:
        return a

    @pipe_input(step(_add, y=1))
    @parameterize(u={"b": value(1)}, v={"b": value(2)})
    def expanded(a: int, b: int) -> int:
        return a * b

    @save_to.memory()
    @tag(owner="us")
    @check_output(range=(-9, 9))
    @pipe_output(step(_negate))
    @config.when(k=1)
    def checked__one(n: int) -> int:
        return n

    @pipe_input(step(_add, y=1))
    @inject(b=source("n"))
    def injected(a: int, b: int) -> int:
        return a + b

    driver = built(loaded, expanded, checked__one, injected, k=1)
    names = ["loaded", "u", "v", "checked", "injected"]
    values = driver.execute(names, inputs={"a": 1, "n": 3})
    assert values == {"loaded": 8, "u": 2, "v": 4, "checked": -3, "injected": 5}
    assert [n.name for n in driver.list_available_variables(tag_filter={"owner": "us"})] == ["checked", "save.checked"]


def test_steps_behind_chosen_outputs(built: Built) -> None:
    """A pipe, or each of its steps, names the outputs that it stands behind."""

    @pipe_output(step(_negate), on_output="a")
    @extract_fields({"a": int, "b": int})
    def f() -> dict[str, int]:
        return {"a": 1, "b": 2}

    @pipe_output(step(_negate).on_output(["u", "v"]), step(_add).on_output("v"), step(_scale, by=10).on_output(...))
    @extract_fields({"u": int, "v": int, "w": int})
    def g() -> dict[str, int]:
        return {"u": 1, "v": 2, "w": 3}

    assert built(f, g).execute(["a", "b", "u", "v", "w"]) == {"a": -1, "b": 2, "u": -10, "v": -10, "w": 30}


def test_functions_are_changed_from_below(built: Built) -> None:
    """A mutator is a step behind its targets, in the order of the file, and no node itself."""

    def a(x: int) -> int:
        return x

    @extract_fields({"u": int, "v": int})
    def b(x: int) -> dict[str, int]:
        return {"u": x, "v": x}

    @mutate(apply_to(a, z=5).named("own"), apply_to(b, z=source("x")).on_output("u"), z=2)
    def _plus(q: int, z: int) -> int:
        return q + z

    @mutate(a)
    def public(q: int) -> int:
        return q * 10

    driver = built(a, b, public)
    assert driver.execute(["a", "u", "v"], inputs={"x": 1}) == {"a": 60, "u": 2, "v": 1}
    names = {node.name for node in driver.list_available_variables()}
    assert {"a.raw", "a.own", "a.with_public"} <= names
    assert "public" not in names
    assert (_plus(1, 2), a(3)) == (3, 3)


def _variadic(x: int, **rest: int) -> int:
    return x + len(rest)


def _nothing() -> int:
    return 1


def _unsaid(x):  # noqa: ANN001, ANN202 - what is tested
    return x


@pytest.mark.parametrize(
    ("modifier", "fault"),
    [
        (pipe_input(3), "3 is no step"),
        (pipe_input(step(None)), "takes a function"),
        (pipe_input(step(_variadic)), r"\*\*rest"),
        (pipe_input(step(_nothing)), "no parameter that could take"),
        (pipe_input(step(_unsaid)), "no type annotation for 'x', 'return'"),
        (pipe_input(step(_scale)), "nothing fills 'by'"),
        (pipe_input(step(_add, z=3)), "no parameter 'z'"),
        (pipe_input(step(_add, 1, 2)), "2 arguments are given"),
        (pipe_input(step(_add, 1, y=2)), "'y' is given twice"),
        (pipe_input(step(_add, x=2)), "'x' takes the value"),
        (pipe_input(step(_add), on_input="zz"), "no parameter 'zz'"),
        (pipe_input(step(_add).on_output("f")), "belongs to @pipe_output"),
        (pipe_output(step(_add).on_input("a")), "belongs to @pipe_input"),
        (pipe_output(step(_add), on_output=...), "name the nodes"),
        (pipe_input(3, step(_scale), step(_add, z=1)), r"3 is no step.*nothing fills.*'z'"),
        (mutate("a"), "'a' is no function"),
    ],
)
def test_misuse_is_told_when_decorating(modifier: Any, fault: str) -> None:
    """A step that cannot be one, and a target that cannot be, name the function, and all faults at once."""

    def f(a: int) -> int:
        return a

    with pytest.raises(ModifierError, match=rf"on function .*f \(.*test_pipes.py:\d+\).*{fault}"):
        modifier(f)


@pytest.mark.parametrize(
    "modifier",
    [
        pipe_input(step(_add).on_input("a"), on_input="a"),
        pipe_output(step(_add).on_output("f"), on_output="f"),
    ],
)
def test_targets_are_said_in_one_place(modifier: Any) -> None:
    """A pipe and its step cannot both name targets."""

    def f(a: int) -> int:
        return a

    with pytest.raises(SingleTargetError):
        modifier(f)


def test_an_unknown_output_is_named_with_near_ones(made: Made) -> None:
    """A step behind a node that the function does not make is an error when the nodes are made."""

    def f(a: int) -> dict[str, int]:
        return {"column": a}

    with pytest.raises(ModifierError, match="did you mean 'column'"):
        made(pipe_output(step(_add).on_output("colum"))(extract_fields({"column": int})(f)))


def test_written_names_are_not_numbered(made: Made) -> None:
    """Two steps of one written name are an error."""

    def f(a: int) -> int:
        return a

    with pytest.raises(DuplicateNodeError, match=r"'f\.x'"):
        made(pipe_input(step(_add).named("x"), step(_negate).named("x"))(f))


def test_a_parameter_is_filled_in_one_place(made: Made) -> None:
    """What steps fill, no expander fills as well."""

    def f(a: int) -> int:
        return a

    with pytest.raises(ModifierError, match="filled by another modifier"):
        made(pipe_input(step(_add))(parameterize(u={"a": value(1)})(f)))


def test_a_mutator_changes_its_own_module_only() -> None:
    """A target of another module is refused."""

    def f(x: int) -> int:
        return x

    with pytest.raises(NotSameModuleError, match="is in module"):
        mutate(inject)(f)


def test_one_namespace_for_several_outputs_clashes(made: Made) -> None:
    """The same step behind two outputs has two names, so a namespace that both share is an error."""

    def f(n: int) -> dict[str, int]:
        return {"a": n, "b": n}

    with pytest.raises(DuplicateNodeError, match=r"'ns\.with_negate'"):
        made(pipe_output(step(_negate), namespace="ns")(extract_fields({"a": int, "b": int})(f)))
