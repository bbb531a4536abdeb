"""The same blocks under Apache Hamilton and under the engine give the same values, and tell hooks the same of tasks."""

from __future__ import annotations

import importlib
import itertools
import logging
from typing import Any

import pytest

pytest.importorskip("hamilton", reason="apache-hamilton is not installed")

ROOTS = ("hamilton", "engine")
HEADER = "from ROOT.htypes import Collect, Parallelizable\n"
ITEMS = """
def count() -> int:
    return 3

def item(count: int) -> Parallelizable[int]:
    for number in range(count):
        yield number
"""
TWICE = """
def outside() -> int:
    return 100

def twice(item: int) -> int:
    return 2 * item

def more(twice: int, outside: int, bias: int) -> int:
    return twice + outside + bias
"""
TOTAL = """
def total(more: Collect[int]) -> int:
    return sum(more)
"""
FLOWS = {
    "one block": (ITEMS + TWICE + TOTAL, ["total"]),
    "what follows and what is beside": (ITEMS + TWICE + TOTAL + "def end(total: int) -> int: return -total\n", ["end"]),
    "a collector that reads more": (
        ITEMS + TWICE + "def total(more: Collect[int], outside: int) -> int: return sum(more) + outside\n",
        ["total", "outside"],
    ),
    "the items": (ITEMS, ["item"]),
    "the items and what is gathered": (ITEMS + TWICE + TOTAL, ["item", "total"]),
    "a list of items": (
        """
def item() -> Parallelizable[str]: return ['b', 'a']
def upper(item: str) -> str: return item.upper()
def joined(upper: Collect[str]) -> str: return str(upper)
""",
        ["joined"],
    ),
    "one block after another": (
        ITEMS + TWICE + TOTAL + "def second(total: int) -> Parallelizable[int]: return range(total % 7)\n"
        "def half(second: int) -> float: return second / 2\n"
        "def halves(half: Collect[float]) -> list: return list(half)\n",
        ["halves", "total"],
    ),
    "blocks side by side": (
        ITEMS + TWICE + TOTAL + "def second(count: int) -> Parallelizable[int]: return range(count)\n"
        "def half(second: int) -> float: return second / 2\n"
        "def halves(half: Collect[float]) -> list: return list(half)\n"
        "def both(halves: list, total: int) -> list: return [halves, total]\n",
        ["both"],
    ),
    "one of two collectors": (
        ITEMS + TWICE + TOTAL + "def highest(more: Collect[int]) -> int: return max(more)\n",
        ["highest"],
    ),
}
FAILURES = {
    "two collectors": (
        ITEMS + TWICE + TOTAL + "def highest(more: Collect[int]) -> int: return max(more)\n",
        ["total", "highest"],
    ),
    "two collected parameters": (
        ITEMS + TWICE + "def both(more: Collect[int], twice: Collect[int]) -> int: return 1\n",
        ["both"],
    ),
    "a node of a branch": (ITEMS + TWICE + TOTAL, ["twice", "total"]),
    "nothing to collect": (
        "def one() -> int: return 1\ndef total(one: Collect[int]) -> int: return sum(one)\n",
        ["total"],
    ),
    "a block in a block": (
        ITEMS + "def inner(item: int) -> Parallelizable[int]: return range(item)\n"
        "def twice(inner: int) -> int: return 2 * inner\n"
        "def all_of_one(twice: Collect[int]) -> int: return sum(twice)\n"
        "def total(all_of_one: Collect[int]) -> int: return sum(all_of_one)\n",
        ["total"],
    ),
    "items of the wrong type": (ITEMS + "def upper(item: str) -> str: return item\n", ["item"]),
}
_numbers = itertools.count()


def built(
    root: str, source: str, *adapters: Any, executor: str = "SynchronousLocalTaskExecutor", **options: Any
) -> Any:
    """Build a driver of a dataflow under a root."""
    text = (HEADER + source).replace("ROOT", root)
    module = importlib.import_module(f"{root}.ad_hoc_utils").module_from_source(text, f"block_{next(_numbers)}")
    executors = importlib.import_module(f"{root}.execution.executors")
    builder = importlib.import_module(f"{root}.driver").Builder().with_modules(module).with_adapters(*adapters)
    builder.enable_dynamic_execution(allow_experimental_mode=True)
    return builder.with_remote_executor(getattr(executors, executor)(**options)).build()


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    """Apache Hamilton logs failing nodes at length."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("executor", "options"), [("SynchronousLocalTaskExecutor", {}), ("MultiThreadingExecutor", {"max_tasks": 3})]
)
@pytest.mark.parametrize("flow", FLOWS)
def test_blocks_give_the_same(flow: str, executor: str, options: dict[str, Any]) -> None:
    """Values are equal, in their order."""
    source, wanted = FLOWS[flow]
    values = [built(root, source, executor=executor, **options).execute(wanted, inputs={"bias": 1}) for root in ROOTS]
    assert values[0] == values[1]
    assert list(values[0]) == list(values[1])


@pytest.mark.parametrize("flow", FAILURES)
def test_what_apache_hamilton_cannot_run_is_a_clear_error(flow: str) -> None:
    """What fails there somehow is refused here, as a ValueError."""
    source, wanted = FAILURES[flow]
    with pytest.raises(Exception):  # noqa: B017, PT011 - of any kind: KeyError, TypeError, AttributeError
        built("hamilton", source).execute(wanted, inputs={"bias": 1})
    with pytest.raises(ValueError, match="hint"):
        built("engine", source).execute(wanted, inputs={"bias": 1})


@pytest.mark.parametrize("root", ROOTS)
def test_blocks_need_dynamic_execution(root: str) -> None:
    """The ordinary driver refuses them under the same name."""
    driver = importlib.import_module(f"{root}.driver")
    source = (HEADER + ITEMS + TWICE + TOTAL).replace("ROOT", root)
    module = importlib.import_module(f"{root}.ad_hoc_utils").module_from_source(source, f"block_{next(_numbers)}")
    with pytest.raises(driver.InvalidExecutorException):
        driver.Builder().with_modules(module).build().execute(["total"], inputs={"bias": 1})


@pytest.mark.parametrize(
    "options", [{}, {"try_all_parallel": False}, {"sentinel_value": "none"}, {"allow_injection": False}]
)
@pytest.mark.parametrize("count", [3, 9])
@pytest.mark.parametrize("accepts", [True, False])
def test_sentinels_are_gathered_alike(options: dict[str, Any], count: int, accepts: bool) -> None:
    """Of branches, and of a generator, that fail, the sentinel is in the list."""
    source = f"""
from ROOT.lifecycle.default import accept_error_sentinels

def item() -> Parallelizable[int]:
    yield from range({count})
    if {count} == 9:
        raise KeyError("gone")

def tenth(item: int) -> float:
    return 10 / (item - 1)

def negative(tenth: float) -> float:
    return -tenth

{"@accept_error_sentinels" if accepts else ""}
def gathered(negative: Collect[float]) -> list:
    return list(negative)
"""
    values = []
    for root in ROOTS:
        adapter = importlib.import_module(f"{root}.lifecycle").GracefulErrorAdapter(
            **{"error_to_catch": Exception, "sentinel_value": None, **options}
        )
        values.append(built(root, source, adapter).execute(["gathered"]))
    assert values[0] == values[1]


def noting(root: str, calls: list[Any]) -> Any:
    """Make hooks under a root that note every call about tasks and nodes."""
    lifecycle = importlib.import_module(f"{root}.lifecycle")

    def note(name: str) -> Any:
        def method(_: Any, **facts: Any) -> None:
            calls.append((name, {key: plain(key, value) for key, value in facts.items() if key not in HIDDEN}))

        return method

    names = (
        "run_after_task_grouping",
        "run_after_task_expansion",
        "run_before_task_submission",
        "run_after_task_return",
        "run_before_task_execution",
        "run_after_task_execution",
        "run_before_node_execution",
        "run_after_node_execution",
    )
    kinds = ("TaskSubmissionHook", "TaskReturnHook", "TaskExecutionHook", "TaskGroupingHook", "NodeExecutionHook")
    return type("Noting", tuple(getattr(lifecycle, k) for k in kinds), {name: note(name) for name in names})()


HIDDEN = {"run_id", "node_tags", "node_return_type", "node_input_types", "results"}
"""What differs by nature; and the values that a task has at its end, to which Apache Hamilton counts what it read."""
INPUTS = {"bias"}
"""External inputs, which are tasks of their own in Apache Hamilton."""


def plain(key: str, value: Any) -> Any:
    """Return a fact without what differs by nature."""
    if key == "nodes":
        return sorted(node.name for node in value)  # in Apache Hamilton their order changes from process to process
    if key == "task_ids":
        return sorted(set(value) - INPUTS)
    if key == "purpose":
        return value.value
    return repr(value)


def about(calls: list[Any]) -> dict[str, list[Any]]:
    """Sort calls by the task they are about; the tasks of inputs, and lists that are generators here, left out."""
    by_task: dict[str, list[Any]] = {}
    for name, facts in calls:
        task = facts.pop("task_id", "")
        if task.strip("'") in INPUTS:
            continue
        if facts.get("node_name") == "'item'":
            facts.pop("result", None)
        by_task.setdefault(task, []).append((name, facts))
    return by_task


def test_hooks_are_told_the_same_of_tasks() -> None:
    """Every task is announced, begun, ended and returned with the same names, nodes, inputs and purposes."""
    told = []
    for root in ROOTS:
        calls: list[Any] = []
        driver = built(root, FLOWS["what follows and what is beside"][0], noting(root, calls))
        driver.execute(["end"], inputs={"bias": 1})
        told.append(about(calls))
    assert told[0].keys() == told[1].keys()
    for task, calls in told[0].items():
        order = [name for name, _ in calls if name != EXPANSION]
        assert [name for name, _ in told[1][task] if name != EXPANSION] == order
        for theirs, ours in zip(sorted(calls, key=first), sorted(told[1][task], key=first), strict=True):
            assert theirs[0] == ours[0], task
            assert sorted_inputs(theirs[1]) == sorted_inputs(ours[1]), (task, theirs[0])


EXPANSION = "run_after_task_expansion"
"""It is told when the block begins, which here waits for all that its branches read."""


def first(call: tuple[str, Any]) -> tuple[str, str]:
    """Return the name of a hook that was called, and the node it is about."""
    return call[0], call[1].get("node_name", "")


def sorted_inputs(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts with dictionaries in one order."""
    return {key: sorted(value) if key in {"inputs", "node_kwargs"} else value for key, value in facts.items()}
