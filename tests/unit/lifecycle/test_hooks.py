"""When hooks are called, with what, in which order, and what their exceptions do."""

from __future__ import annotations

from typing import Any

import pytest

from engine import lifecycle
from engine.ad_hoc_utils import create_temporary_module
from engine.base import DictResult, PandasDataFrameResult
from engine.driver import Builder, Driver
from engine.errors import ConfigurationError, InputError, ValidationError
from engine.function_modifiers import group, inject, source, value
from engine.io.materialization import to
from engine.lifecycle import base


def first(number: int) -> int:
    """A node."""
    return number + 1


def second(first: int, factor: int = 3) -> int:
    """A node with a default."""
    return first * factor


def broken(first: int) -> int:
    """A node that fails."""
    message = "boom" if first else ""
    raise RuntimeError(message)


def build(*adapters: Any) -> Driver:
    """Build a driver of the functions above with adapters."""
    return Builder().with_modules(create_temporary_module(first, second, broken)).with_adapters(*adapters).build()


class Witness(
    base.BasePreDoAnythingHook,
    base.BasePostGraphConstruct,
    base.BasePreGraphExecute,
    base.BasePostGraphExecute,
    base.BasePreNodeExecute,
    base.BasePostNodeExecute,
):
    """Notes every low-level call, under a name."""

    def __init__(self, name: str, calls: list[Any]) -> None:
        self.name, self.calls = name, calls

    def pre_do_anything(self) -> None:
        """Note it."""
        self.calls.append((self.name, "anything"))

    def post_graph_construct(self, *, graph: Any, modules: Any, config: Any) -> None:
        """Note it."""
        self.calls.append((self.name, "constructed", len(graph.nodes), len(modules), config))

    def pre_graph_execute(self, *, final_vars: Any, inputs: Any, **facts: Any) -> None:
        """Note it."""
        assert facts.keys() == {"run_id", "graph", "overrides"}
        self.calls.append((self.name, "before", final_vars, inputs))

    def post_graph_execute(self, *, success: bool, error: Any, results: Any, **facts: Any) -> None:
        """Note it."""
        assert facts.keys() == {"run_id", "graph"}
        self.calls.append((self.name, "after", success, str(error), results))

    def pre_node_execute(self, *, node_: Any, kwargs: Any, **facts: Any) -> None:
        """Note it."""
        assert facts.keys() == {"run_id", "task_id"}
        self.calls.append((self.name, node_.name, kwargs))

    def post_node_execute(self, *, node_: Any, success: bool, error: Any, result: Any, **facts: Any) -> None:
        """Note it."""
        assert facts.keys() == {"run_id", "task_id", "kwargs"}
        self.calls.append((self.name, node_.name, success, str(error), result))


def test_low_level_hooks_are_called_in_the_order_of_the_adapters() -> None:
    """Every moment is told to each adapter in turn, with what is known then."""
    calls: list[Any] = []
    driver = build(Witness("a", calls), Witness("b", calls))
    driver.execute(["second"], inputs={"number": 1})
    assert calls[::2] == [
        ("a", "anything"),
        ("a", "constructed", 5, 1, {}),
        ("a", "before", ["second"], {"number": 1}),
        ("a", "first", {"number": 1}),
        ("a", "first", True, "None", 2),
        ("a", "second", {"first": 2}),
        ("a", "second", True, "None", 6),
        ("a", "after", True, "None", {"second": 6}),
    ]
    assert [("b", *call[1:]) for call in calls[::2]] == calls[1::2]


def test_a_failing_node_is_told_and_ends_the_run() -> None:
    """The hooks after a failing node, and after its run, are told the error."""
    calls: list[Any] = []
    with pytest.raises(RuntimeError, match="boom"):
        build(Witness("a", calls)).execute(["broken"], inputs={"number": 1})
    assert calls[-2:] == [("a", "broken", False, "boom", None), ("a", "after", False, "boom", None)]


def interrupted(first: int) -> int:
    """A node at which somebody presses Ctrl-C."""
    raise KeyboardInterrupt(first)


def test_an_interrupt_is_no_success() -> None:
    """What ends a run from outside is told as a failure without an error."""
    calls: list[Any] = []
    module = create_temporary_module(first, interrupted)
    driver = Builder().with_modules(module).with_adapters(Witness("a", calls)).build()
    with pytest.raises(KeyboardInterrupt):
        driver.execute(["interrupted"], inputs={"number": 1})
    assert calls[-2:] == [("a", "interrupted", False, "None", None), ("a", "after", False, "None", None)]


def test_hooks_see_a_call_that_is_refused() -> None:
    """The hooks before an execution come before its check, and those after are told the fault."""
    calls: list[Any] = []
    with pytest.raises(InputError):
        build(Witness("a", calls)).execute(["second"])
    assert [call[1] for call in calls[2:]] == ["before", "after"]
    assert calls[-1][2] is False


def test_a_saver_is_a_node_to_hooks() -> None:
    """A materialization announces its graph, and its saver runs like any node."""
    calls: list[Any] = []
    driver = build(Witness("a", calls))
    driver.materialize(to.memory(id="out", dependencies=["second"]), additional_vars=["first"], inputs={"number": 1})
    assert [call[1] for call in calls] == [
        "anything",
        "constructed",
        "constructed",
        "before",
        "first",
        "first",
        "second",
        "second",
        "out",
        "out",
        "after",
    ]
    assert calls[3][2] == ["first", "out"]
    assert calls[-1][-1] == {"first": 2}


class Stops(lifecycle.NodeExecutionHook, lifecycle.GraphExecutionHook):
    """Raises at one moment."""

    def __init__(self, moment: str) -> None:
        self.moment = moment

    def _at(self, moment: str) -> None:
        if moment == self.moment:
            raise KeyError(moment)

    def run_before_graph_execution(self, **_: Any) -> None:
        """Raise perhaps."""
        self._at("before")

    def run_after_graph_execution(self, **_: Any) -> None:
        """Raise perhaps."""
        self._at("after")

    def run_before_node_execution(self, *, node_name: str, **_: Any) -> None:
        """Raise perhaps."""
        self._at(f"before {node_name}")

    def run_after_node_execution(self, *, node_name: str, **_: Any) -> None:
        """Raise perhaps."""
        self._at(f"after {node_name}")


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("before", ["before"]),
        ("before second", ["before", "first", "first", "second", "after"]),
        ("after first", ["before", "first", "first", "after"]),
        ("after", ["before", "first", "first", "second", "second", "after"]),
    ],
)
def test_a_hook_that_raises_ends_the_run_there(moment: str, told: list[str]) -> None:
    """A hook's exception reaches the caller; a node it stops does not run and has no hooks after it."""
    calls: list[Any] = []
    with pytest.raises(KeyError, match=moment):
        build(Witness("a", calls), Stops(moment)).execute(["second"], inputs={"number": 1})
    assert [call[1] for call in calls[2:]] == told


class Paths(lifecycle.GraphExecutionHook):
    """Notes what may run."""

    path: list[str]

    def run_before_graph_execution(self, *, execution_path: list[str], graph: Any, **_: Any) -> None:
        """Note it."""
        self.path = execution_path
        assert graph["second"].required_dependencies == {"first"}

    def run_after_graph_execution(self, **_: Any) -> None:
        """Do nothing."""


def test_the_execution_path_is_what_may_run() -> None:
    """Inputs are not on the path, nor what an override makes needless."""
    paths = Paths()
    driver = build(paths)
    driver.execute(["second"], inputs={"number": 1})
    assert paths.path == ["first", "second"]
    driver.execute(["second"], overrides={"first": 1})
    assert paths.path == ["second"]


class Method(lifecycle.NodeExecutionMethod):
    """Runs nodes, and notes what it is told."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def run_to_execute_node(self, *, node_callable: Any, node_kwargs: dict[str, Any], **facts: Any) -> Any:
        """Run the node and add a hundred."""
        self.calls.append(facts)
        return node_callable(**node_kwargs) + 100


class LowMethod(base.BaseDoNodeExecute):
    """Runs nodes, on the low level."""

    def do_node_execute(self, *, run_id: str, node_: Any, kwargs: dict[str, Any], task_id: str | None = None) -> Any:
        """Run the node by calling it."""
        assert run_id
        assert task_id is None
        assert node_.callable is not None
        assert (node_.documentation, node_.user_defined) == (node_.callable.__doc__, False)
        return node_(**kwargs)


def test_a_method_runs_nodes_in_the_engines_stead() -> None:
    """What the method returns is the node's value."""
    method = Method()
    assert build(method).execute(["first"], inputs={"number": 1}) == {"first": 102}
    (call,) = method.calls
    assert call.keys() == {"node_name", "node_tags", "task_id", "is_expand", "is_collect"}
    assert build(LowMethod()).execute(["second"], inputs={"number": 1}) == {"second": 6}


@pytest.mark.parametrize(
    "adapters",
    [
        (Method(), LowMethod()),
        (DictResult(), PandasDataFrameResult()),
        (lifecycle.NoEdgeAndInputTypeChecking(), lifecycle.NoEdgeAndInputTypeChecking()),
    ],
    ids=lambda adapters: type(adapters[0]).__name__,
)
def test_only_one_adapter_may_have_a_method(adapters: tuple[Any, ...]) -> None:
    """Two answers to what needs one are refused when the driver is built, with both names."""
    with pytest.raises(ValueError, match=f"2 adapters implement do_.*{type(adapters[1]).__name__}"):
        build(*adapters)


def test_what_is_no_adapter_is_refused() -> None:
    """An object of another class, or an adapter's class instead of an instance, is refused."""
    for adapter in (object(), Method):
        with pytest.raises(ConfigurationError, match="is no adapter"):
            build(adapter)


def text(number: int) -> str:
    """Gives a text."""
    return f"{number}"


def reads_text(text: int) -> str:
    """Asks for a number."""
    return text * 2  # type: ignore[return-value]


class Edges(lifecycle.EdgeConnectionHook):
    """Answers as it is told, and notes what it is asked."""

    def __init__(self, *, edge: bool, value: bool) -> None:
        self.edge, self.value = edge, value
        self.asked: list[Any] = []

    def check_edge_types_match(self, type_from: Any, type_to: Any, **kwargs: Any) -> bool:
        """Note the edge."""
        self.asked.append((type_from, type_to, kwargs))
        return self.edge

    def validate_input(self, node_type: Any, input_value: Any, **kwargs: Any) -> bool:
        """Note the input."""
        self.asked.append((node_type, input_value, kwargs))
        return self.value


def build_misfit(*adapters: Any) -> Driver:
    """Build a driver whose one edge does not fit."""
    return Builder().with_modules(create_temporary_module(text, reads_text)).with_adapters(*adapters).build()


def test_an_edge_hook_only_widens() -> None:
    """It is asked about edges that do not fit; edges that do are never refused."""
    with pytest.raises(ValueError, match="reads_text"):
        build_misfit()
    with pytest.raises(ValueError, match="reads_text"):
        build_misfit(Edges(edge=False, value=True))
    hook = Edges(edge=True, value=True)
    assert build_misfit(hook).execute(["reads_text"], inputs={"number": "7"}) == {"reads_text": "77"}
    assert hook.asked == [(int, str, {}), (int, "7", {})]
    build(Edges(edge=False, value=True))


def test_an_edge_hook_decides_about_inputs() -> None:
    """Its word on an input's value counts, both ways."""
    with pytest.raises(ValueError, match="number"):
        build(Edges(edge=True, value=False)).execute(["first"], inputs={"number": 1})
    unchecked = build(lifecycle.NoEdgeAndInputTypeChecking())
    assert unchecked.execute(["first"], inputs={"number": 1.5}) == {"first": 2.5}


class Names(lifecycle.StaticValidator):
    """Refuses nodes of two names."""

    def run_to_validate_node(self, *, node: Any, **_: Any) -> tuple[bool, str | None]:
        """Refuse."""
        return node.name not in {"second", "out"}, f"{node.name} is no good name"


class Sizes(lifecycle.StaticValidator):
    """Refuses every graph."""

    def run_to_validate_graph(self, graph: Any, **_: Any) -> tuple[bool, str | None]:
        """Refuse."""
        return False, f"{len(graph.nodes)} nodes are too many"


class LowValidator(base.BaseValidateNode):
    """Refuses every input, on the low level."""

    def validate_node(self, *, created_node: Any) -> tuple[bool, str | None]:
        """Refuse."""
        return not created_node.user_defined, None


def test_validators_refuse_when_built() -> None:
    """What validators refuse is told together, with their words; the graph is asked about when its nodes are good."""
    with pytest.raises(base.ValidationException, match="second is no good name"):
        build(Names())
    with pytest.raises(ValidationError, match="5 nodes are too many"):
        build(Sizes())
    with pytest.raises(ValidationError) as caught:
        build(Names(), LowValidator())
    assert (
        caught.value.faults
        == (
            "node 'second': second is no good name",
            "node 'number': refused",
            "node 'factor': refused",
        )
        or len(caught.value.faults) == 3
    )


def test_validators_are_asked_about_requests_too() -> None:
    """A graph with attached requests is a new graph."""

    class OnlyOut(lifecycle.StaticValidator):
        def run_to_validate_node(self, *, node: Any, **_: Any) -> tuple[bool, str | None]:
            return node.name != "out", "no output"

    driver = build(OnlyOut())
    with pytest.raises(ValidationError, match="no output"):
        driver.materialize(to.memory(id="out", dependencies=["first"]), inputs={"number": 1})


class Old(lifecycle.GraphAdapter):
    """An adapter as the oldest dataflows have them."""

    @staticmethod
    def check_input_type(node_type: Any, input_value: Any) -> bool:  # noqa: ARG004 - allows all
        """Allow all."""
        return True

    @staticmethod
    def check_node_type_equivalence(node_type: Any, input_type: Any) -> bool:  # noqa: ARG004 - allows all
        """Allow all."""
        return True

    def execute_node(self, node: Any, kwargs: dict[str, Any]) -> Any:
        """Run it."""
        return node.callable(**kwargs)

    @staticmethod
    def build_result(**outputs: Any) -> Any:  # type: ignore[override]
        """Return the values only."""
        return list(outputs.values())


def test_the_oldest_adapter_still_works() -> None:
    """Its four methods check, run and build."""
    module = create_temporary_module(text, reads_text)
    assert Driver({}, module, adapter=Old()).execute(["reads_text"], inputs={"number": 2}) == ["22"]


def test_the_set_answers_in_hamiltons_words() -> None:
    """Trackers may ask a set what its adapters answer, and call it."""
    calls: list[Any] = []
    adapters = base.LifecycleAdapterSet(Witness("a", calls), Names())
    assert adapters.does_hook("pre_node_execute")
    assert not adapters.does_hook("pre_node_execute", is_async=True)
    assert not adapters.does_method("do_node_execute")
    assert adapters.does_validation("validate_node")
    adapters.call_all_lifecycle_hooks_sync("pre_do_anything")
    assert calls == [("a", "anything")]
    with pytest.raises(ConfigurationError, match="no adapter implements do_build_result"):
        adapters.call_lifecycle_method_sync("do_build_result", outputs={})
    assert base.LifecycleAdapterSet(DictResult()).call_lifecycle_method_sync("do_build_result", outputs={"a": 1}) == {
        "a": 1
    }


def test_what_is_not_overridden_is_not_called() -> None:
    """A hook whose class leaves a method as it is costs nothing."""

    class Silent(lifecycle.OutputExecutionHook):
        def run_after_output(self, *, result: Any, run_id: str) -> None:
            pass

    adapters = base.LifecycleAdapterSet(Silent())
    assert adapters.of("run_before_output") == ()
    assert len(adapters.of("run_after_output")) == 1


class Changing(lifecycle.NodeExecutionMethod):
    """Changes what nodes read, and notes the names."""

    def __init__(self) -> None:
        self.read: dict[str, list[str]] = {}

    def run_to_execute_node(
        self, *, node_name: str, node_callable: Any, node_kwargs: dict[str, Any], **facts: Any
    ) -> Any:
        """Run the node with ten times what it reads."""
        del facts
        self.read[node_name] = list(node_kwargs)
        return node_callable(**{name: 10 * value for name, value in node_kwargs.items()})


def test_hooks_are_told_of_nodes_not_of_parameters() -> None:
    """Whatever fills a parameter, a hook sees the values of the nodes behind it by their names, and may change them."""

    @inject(parts=group(source("first"), value(1)), named=group(x=source("number")), other=source("first"))
    def joined(parts: list[int], named: dict[str, int], other: int, fixed: int = 5) -> list[Any]:
        return [parts, named, other, fixed]

    method = Changing()
    driver = Builder().with_modules(create_temporary_module(first, joined)).with_adapters(method).build()
    assert driver.execute(["joined"], inputs={"number": 1}) == {"joined": [[110, 1], {"x": 10}, 110, 5]}
    assert method.read == {"first": ["number"], "joined": ["first", "number"]}
