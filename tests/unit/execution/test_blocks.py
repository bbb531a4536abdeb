"""What is Parallelizable runs once per item, in branches, whatever runs them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.ad_hoc_utils import create_temporary_module, module_from_source
from engine.driver import Builder, InvalidExecutorException
from engine.errors import AnnotationError, BlockError, ConfigurationError, ExecutorError
from engine.execution.executors import (
    DefaultExecutionManager,
    FuturesExecutor,
    MultiProcessingExecutor,
    MultiThreadingExecutor,
    SynchronousLocalTaskExecutor,
)
from engine.execution.grouping import (
    GroupByRepeatableBlocks,
    GroupingStrategy,
    GroupNodesAllAsOne,
    GroupNodesByLevel,
    GroupNodesIndividually,
    NodeGroup,
)
from engine.htypes import Collect, Parallelizable  # noqa: TC001 - annotations of nodes are read
from tests.fixtures import branches

if TYPE_CHECKING:
    from engine.driver import Driver
    from engine.execution.executors import TaskExecutor
    from engine.node import Node

HEADER = "from engine.htypes import Collect, Parallelizable\n"
ITEMS = "def item(n: int) -> Parallelizable[int]:\n    yield from range(n)\n"


def builder(*modules: Any) -> Builder:
    """Return a builder of drivers that run branches."""
    return Builder().enable_dynamic_execution(allow_experimental_mode=True).with_modules(*modules)


def driver_of(source: str) -> Driver:
    """Build a driver of functions written as text."""
    return builder(module_from_source(HEADER + source)).build()


# --- lazily, and no more than was started ---------------------------------------------------------------------------
def test_items_are_taken_no_faster_than_branches_take_them() -> None:
    """An endless generator is read only as far as there is work in flight."""
    given: list[int] = []
    enough = threading.Event()

    def item() -> Parallelizable[int]:
        while True:
            given.append(len(given))
            yield given[-1]

    def stopped(item: int) -> int:
        if item == 20:
            raise StopAsyncIteration
        return item

    def gathered(stopped: Collect[int]) -> int:
        return len(list(stopped))

    driver = builder(create_temporary_module(item, stopped, gathered)).with_remote_executor(MultiThreadingExecutor(4))
    with pytest.raises(StopAsyncIteration):
        driver.build().execute(["gathered"])
    assert not enough.is_set()
    assert len(given) <= 20 + 2 * 4


def test_a_failure_ends_the_generator_and_all_other_branches() -> None:
    """After the call nothing of the run is at work, and the generator is closed."""
    closed, running = [], []

    def item() -> Parallelizable[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    def fails(item: int) -> int:
        running.append(item)
        try:
            if item == 5:
                raise ValueError(item)
            return item
        finally:
            running.remove(item)

    def gathered(fails: Collect[int]) -> int:
        return len(list(fails))

    driver = builder(create_temporary_module(item, fails, gathered)).build()
    with pytest.raises(ValueError, match="5"):
        driver.execute(["gathered"])
    assert closed == [True]
    assert not running


def test_an_exception_of_the_generator_names_its_node() -> None:
    """What gives the items may fail in the middle."""
    driver = driver_of(
        "def item() -> Parallelizable[int]:\n    yield 1\n    raise KeyError('gone')\n"
        "def twice(item: int) -> int:\n    return 2 * item\n"
        "def gathered(twice: Collect[int]) -> int:\n    return sum(twice)\n"
    )
    with pytest.raises(KeyError, match="gone") as caught:
        driver.execute(["gathered"])
    assert "while running node 'item'" in caught.value.__notes__


def test_branches_run_at_the_same_time() -> None:
    """On threads, branches meet each other."""
    meeting = threading.Barrier(3)

    def item() -> Parallelizable[int]:
        return [1, 2, 3]

    def met(item: int) -> int:
        meeting.wait(timeout=20)
        return item

    def gathered(met: Collect[int]) -> list:  # type: ignore[type-arg]  # as users write it
        return list(met)

    driver = builder(create_temporary_module(item, met, gathered)).build()
    assert driver.execute(["gathered"]) == {"gathered": [1, 2, 3]}


def test_nodes_that_run_once_run_at_the_same_time_on_a_local_executor() -> None:
    """Two nodes that do not read one another meet where the local executor is one of threads."""
    meeting = threading.Barrier(2)

    def left() -> int:
        return meeting.wait(timeout=20)

    def right() -> int:
        return meeting.wait(timeout=20)

    def both(left: int, right: int) -> int:
        return left + right

    driver = builder(create_temporary_module(left, right, both)).with_local_executor(MultiThreadingExecutor(2)).build()
    assert driver.execute(["both"]) == {"both": 1}


def test_one_executor_serves_two_runs_at_once() -> None:
    """A pool that one run shares with another is neither shut down under it nor waited for in vain."""
    executor = MultiThreadingExecutor(1)
    driver = builder(branches).with_remote_executor(executor).build()
    results: list[Any] = []

    def work() -> None:
        results.append(driver.execute(["total"], inputs={"count": 30})["total"])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(set(results)) == 1
    assert len(results) == len(threads)


# --- what may be asked for ------------------------------------------------------------------------------------------
TWICE = "def twice(item: int) -> int:\n    return 2 * item\n"
GATHERED = "def gathered(twice: Collect[int]) -> list:\n    return list(twice)\n"
BLOCK = ITEMS + TWICE + GATHERED


def test_the_items_themselves_are_a_list() -> None:
    """Who asks for a Parallelizable node gets its items, with or without its branches."""
    driver = driver_of(BLOCK)
    assert driver.execute(["item"], inputs={"n": 3}) == {"item": [0, 1, 2]}
    assert driver.execute(["gathered", "item"], inputs={"n": 2}) == {"gathered": [0, 2], "item": [0, 1]}


def test_items_may_be_collected_as_they_are() -> None:
    """A block may have no nodes of its own."""
    driver = driver_of(ITEMS + "def gathered(item: Collect[int]) -> list:\n    return list(item)\n")
    assert driver.execute(["gathered"], inputs={"n": 3}) == {"gathered": [0, 1, 2]}


def test_blocks_follow_one_another_and_stand_side_by_side() -> None:
    """A block may read what another gathered; one node may end a block and begin the next."""
    driver = driver_of(
        BLOCK + "def next_item(twice: Collect[int]) -> Parallelizable[int]:\n    yield from twice\n"
        "def negative(next_item: int) -> int:\n    return -next_item\n"
        "def other(n: int) -> Parallelizable[str]:\n    return 'ab'\n"
        "def upper(other: str) -> str:\n    return other.upper()\n"
        "def word(upper: Collect[str]) -> str:\n    return ''.join(upper)\n"
        "def end(negative: Collect[int], word: str) -> str:\n    return f'{list(negative)} {word}'\n"
    )
    assert driver.execute(["end"], inputs={"n": 3}) == {"end": "[0, -2, -4] AB"}


def test_overrides_hold_in_every_branch() -> None:
    """A node of a branch, the items, or all that is gathered may be given by the caller."""
    chain = ITEMS + TWICE + "def more(twice: int, item: int) -> int:\n    return twice + item\n"
    driver = driver_of(chain + "def gathered(more: Collect[int]) -> list:\n    return list(more)\n")
    assert driver.execute(["gathered"], overrides={"twice": 10}, inputs={"n": 2}) == {"gathered": [10, 11]}
    assert driver.execute(["gathered"], overrides={"item": [5, 6]}) == {"gathered": [15, 18]}
    assert driver.execute(["gathered"], overrides={"item": iter([5, 6])}) == {"gathered": [15, 18]}
    assert driver.execute(["gathered"], overrides={"more": [1, 2]}) == {"gathered": [1, 2]}


@pytest.mark.parametrize(
    ("source", "asked", "message"),
    [
        (BLOCK + "def again(twice: Collect[int]) -> int:\n    return 1\n", ["gathered", "again"], "only one node can"),
        (BLOCK, ["twice"], "has a value in every branch of 'item'"),
        (BLOCK + "def leak(twice: int, gathered: list) -> int:\n    return 1\n", ["leak"], "in every branch of 'item'"),
        (ITEMS + TWICE + "def gathered(twice: Collect[int], item: int) -> int:\n    return 1\n", ["gathered"], "reads"),
        (
            "def a(n: int) -> int:\n    return n\ndef b(a: Collect[int]) -> int:\n    return 1\n",
            ["b"],
            "nothing upstream",
        ),
        (
            ITEMS + "def inner(item: int) -> Parallelizable[int]:\n    yield item\n"
            "def twice(inner: int) -> int:\n    return inner\n" + GATHERED,
            ["gathered"],
            "'inner' is Parallelizable and is in the branches of 'item'",
        ),
        (
            ITEMS + "def other(n: int) -> Parallelizable[int]:\n    yield n\n"
            "def twice(item: int, other: int) -> int:\n    return other\n" + GATHERED,
            ["gathered"],
            "'twice' reads branches of 'item' and of 'other'",
        ),
    ],
)
def test_what_cannot_run_in_branches_is_refused(source: str, asked: list[str], message: str) -> None:
    """There is one level and one collector per block; a request for more is refused before anything runs."""
    driver = driver_of(source)
    with pytest.raises(BlockError, match=message):
        driver.validate_execution(asked, inputs={"n": 1})
    with pytest.raises(BlockError, match=message):
        driver.execute(asked, inputs={"n": 1})


def test_only_the_collector_that_is_asked_for_counts() -> None:
    """Two nodes may collect one block, as long as a request needs one of them."""
    driver = driver_of(BLOCK + "def again(twice: Collect[int]) -> int:\n    return sum(twice)\n")
    assert driver.execute(["again"], inputs={"n": 3}) == {"again": 6}


def test_a_function_collects_once() -> None:
    """Two Collect parameters of one function are refused when the driver is built."""
    with pytest.raises(AnnotationError, match="several Collect parameters: twice, item"):
        driver_of(ITEMS + TWICE + "def gathered(twice: Collect[int], item: Collect[int]) -> int:\n    return 1\n")


def test_a_driver_without_dynamic_execution_refuses_blocks() -> None:
    """The driver that runs no branches says how to build one that does, under Apache Hamilton's name of the error."""
    driver = Builder().with_modules(module_from_source(HEADER + BLOCK + "def plain() -> int:\n    return 1\n")).build()
    with pytest.raises(InvalidExecutorException, match="enable_dynamic_execution"):
        driver.execute(["gathered"], inputs={"n": 1})
    with pytest.raises(InvalidExecutorException, match="enable_dynamic_execution"):
        driver.validate_execution(["item"], inputs={"n": 1})
    assert driver.execute(["plain"]) == {"plain": 1}


# --- the builder ----------------------------------------------------------------------------------------------------
def test_executors_come_after_enabling() -> None:
    """Dynamic execution is enabled first, by name, and everything about it is said once."""
    executor = SynchronousLocalTaskExecutor()
    with pytest.raises(ConfigurationError, match="by name"):
        Builder().enable_dynamic_execution()
    for say in (
        lambda b: b.with_local_executor(executor),
        lambda b: b.with_remote_executor(executor),
        lambda b: b.with_execution_manager(DefaultExecutionManager()),
        lambda b: b.with_grouping_strategy(GroupByRepeatableBlocks()),
    ):
        with pytest.raises(ValueError, match="not enabled"):
            say(Builder())
        with pytest.raises(ValueError, match="was set before"):
            say(say(builder()))
    with pytest.raises(ConfigurationError, match="none can be given beside it"):
        builder().with_execution_manager(DefaultExecutionManager()).with_remote_executor(executor)


def test_what_is_no_executor_is_refused() -> None:
    """A bare pool is refused with the way to wrap it."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool, pytest.raises(ConfigurationError, match="FuturesExecutor"):
        builder().with_remote_executor(pool)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ConfigurationError, match="is no pool"):
        FuturesExecutor(object(), max_tasks=1)
    with pytest.raises(ConfigurationError, match="max_tasks is 0"):
        MultiThreadingExecutor(0)


def test_a_manager_says_where_tasks_run() -> None:
    """An execution manager of the user's is asked about every task."""
    asked: list[str] = []

    class Manager(DefaultExecutionManager):
        def get_executor_for_task(self, task: Any) -> TaskExecutor:
            asked.append(task.task_id)
            return super().get_executor_for_task(task)

    driver = builder(branches).with_execution_manager(Manager()).build()
    assert driver.execute(["total"], inputs={"count": 2}) == {"total": 31}
    assert asked == ["expand-number", "bias", "block-number", "collect-number", "total"]


@pytest.mark.parametrize(
    "strategy", [GroupByRepeatableBlocks(), GroupNodesIndividually(), GroupNodesByLevel(), GroupNodesAllAsOne()]
)
@pytest.mark.parametrize("modules", [1, 2])
def test_every_grouping_gives_the_same(strategy: GroupingStrategy, modules: int) -> None:
    """How nodes are grouped changes no value, before, in, beside and after blocks."""
    more = module_from_source(
        HEADER + "def later(total: int) -> Parallelizable[int]:\n    yield from range(total % 7)\n"
        "def half(later: int, start: int) -> float:\n    return (later + start) / 2\n"
        "def halves(half: Collect[float], end: int) -> float:\n    return sum(half) + end\n"
        "def start(bias: int) -> int:\n    return bias + 1\n"
        "def end(start: int, total: int) -> int:\n    return start + total\n"
    )
    driver = builder(*[branches, more][:modules]).with_grouping_strategy(strategy).build()
    asked = ["total", "halves", "end"] if modules == 2 else ["total"]
    expected = {"total": 45, "halves": 74.0, "end": 56}
    assert driver.execute(asked, inputs={"count": 3}) == {name: expected[name] for name in asked}


def test_a_grouping_that_cannot_run_is_refused() -> None:
    """Groups that wait for one another, and forgotten nodes, are errors that name them."""

    class Circle(GroupNodesIndividually):
        def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
            first, middle, last = super().group_nodes(nodes)
            return [middle, NodeGroup("ends", None, [*first.nodes, *last.nodes], first.purpose)]

    class Forgetful(GroupNodesIndividually):
        def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
            return super().group_nodes(nodes)[:-1]

    source = "".join(f"def {a}({b}: int) -> int:\n    return {b}\n" for a, b in ("ab", "bc", "cn"))
    module = module_from_source(source)
    with pytest.raises(ConfigurationError, match="wait for one another"):
        builder(module).with_grouping_strategy(Circle()).build().execute(["a"], inputs={"n": 1})
    with pytest.raises(ConfigurationError, match="'a' into no group"):
        builder(module).with_grouping_strategy(Forgetful()).build().execute(["a"], inputs={"n": 1})


# --- other processes ------------------------------------------------------------------------------------------------
def on_processes(*modules: Any) -> Driver:
    """Return a driver whose branches run on processes."""
    return builder(*modules).with_remote_executor(MultiProcessingExecutor(2)).build()


def test_processes_are_others() -> None:
    """Branches do run in other processes."""
    import os

    workers = on_processes(branches).execute(["workers"], inputs={"count": 4})["workers"]
    assert workers
    assert os.getpid() not in workers


def test_what_does_not_travel_is_named() -> None:
    """A function, a value or an item that cannot be pickled is named with its node."""

    def item() -> Parallelizable[int]:
        yield 1

    def twice(item: int) -> int:
        return 2 * item

    def gathered(twice: Collect[int]) -> int:
        return sum(twice)

    with pytest.raises(ExecutorError, match=r"worker process cannot unpickle node 'twice'.*temporary_module"):
        on_processes(create_temporary_module(item, twice, gathered)).execute(["gathered"])
    module = module_from_source(HEADER + BLOCK)
    module.twice.__qualname__ = "elsewhere"
    with pytest.raises(ExecutorError, match="node 'twice' cannot be sent to another process"):
        on_processes(module).execute(["gathered"], inputs={"n": 1})
    with pytest.raises(ExecutorError, match="an item of node 'number' cannot be sent"):
        on_processes(branches).execute(["squares"], overrides={"number": [lambda: 1]})
    with pytest.raises(ExecutorError, match="value of node 'bias', which 'square' reads, cannot be sent"):
        on_processes(branches).execute(["squares"], overrides={"bias": lambda: 1}, inputs={"count": 1})
    with pytest.raises(ExecutorError, match="value of node 'opened' cannot be sent back"):
        on_processes(branches).execute(["all_opened"], inputs={"count": 1})


def test_an_error_that_does_not_travel_comes_as_one_that_says_so() -> None:
    """An exception whose pickle is broken does not break the pool; its class and text are told."""
    with pytest.raises(ExecutorError, match="StubbornError: 0 and 0") as caught:
        on_processes(branches).execute(["all_stubborn"], inputs={"count": 1})
    assert any("while running node 'stubborn'" in note for note in caught.value.__notes__)
