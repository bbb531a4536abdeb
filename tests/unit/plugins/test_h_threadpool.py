"""With a FutureAdapter, nodes that do not read one another run at the same time, and all else is as without it."""

from __future__ import annotations

import threading
from typing import Any

import pandas as pd
import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.base import PandasDataFrameResult
from engine.driver import Builder, InvalidExecutorException
from engine.io.materialization import to
from engine.lifecycle import NodeExecutionHook
from engine.plugins.h_threadpool import FutureAdapter
from tests.fixtures import branches

MEETING = threading.Barrier(2)


def left() -> int:
    """Meet the other one: alone it would wait in vain."""
    MEETING.wait(timeout=20)
    return 1


def right() -> int:
    """Meet the other one."""
    MEETING.wait(timeout=20)
    return 2


def both(left: int, right: int) -> int:
    """Read both."""
    return left + right


def broken(left: int) -> int:
    """Fail."""
    raise KeyError(left)


def after(broken: int) -> int:
    """Never run."""
    return broken


def builder(*adapters: Any) -> Builder:
    """Return a builder of drivers with these adapters."""
    module = create_temporary_module(left, right, both, broken, after)
    return Builder().with_modules(module).with_adapters(*adapters)


def test_independent_nodes_run_at_the_same_time() -> None:
    """Two nodes meet each other; values come back by name in the order asked for."""
    values = builder(FutureAdapter()).build().execute(["both", "left"])
    assert values == {"both": 3, "left": 1}
    assert list(values) == ["both", "left"]


def test_threads_have_the_name_that_was_asked_for() -> None:
    """The prefix is seen in every thread that runs a node."""

    def where() -> str:
        return threading.current_thread().name

    adapter = FutureAdapter(max_workers=1, thread_name_prefix="nodes")
    driver = Builder().with_modules(create_temporary_module(where)).with_adapters(adapter).build()
    assert driver.execute(["where"])["where"].startswith("nodes")


def test_a_result_builder_joins_what_threads_made() -> None:
    """The adapter takes the result builder with it."""
    driver = builder(FutureAdapter(result_builder=PandasDataFrameResult())).build()
    pd.testing.assert_frame_equal(driver.execute(["both"]), pd.DataFrame({"both": [3]}))


def test_hooks_see_every_node_and_no_task() -> None:
    """Hooks about nodes are called as ever, without the name of a task."""
    told: list[tuple[str, Any]] = []

    class Hook(NodeExecutionHook):
        def run_before_node_execution(self, *, node_name: str, task_id: str | None, **facts: Any) -> None:
            del facts
            told.append((node_name, task_id))

        def run_after_node_execution(self, **facts: Any) -> None:
            pass

    builder(FutureAdapter(), Hook()).build().execute(["both"])
    assert sorted(told) == [("both", None), ("left", None), ("right", None)]


def test_an_exception_is_the_nodes_own() -> None:
    """What a node raises in a thread is raised to the caller, with the note on its node."""
    with pytest.raises(KeyError) as caught:
        builder(FutureAdapter()).build().execute(["after"], overrides={"left": 1})
    assert "while running node 'broken'" in caught.value.__notes__


def test_savers_wait_for_what_threads_make() -> None:
    """Materializers stand behind nodes that ran on threads."""
    saved, _ = builder(FutureAdapter()).build().materialize(to.memory(id="kept", dependencies=["both"]))
    assert saved["kept"]


def test_blocks_still_need_dynamic_execution() -> None:
    """The adapter runs nodes on threads, and what is Parallelizable not at all."""
    driver = Builder().with_modules(branches).with_adapters(FutureAdapter()).build()
    with pytest.raises(InvalidExecutorException):
        driver.execute(["total"], inputs={"count": 1})


def test_blocks_and_threads_for_all_else_go_together() -> None:
    """With dynamic execution, what runs once runs on the adapter's threads."""
    dynamic = Builder().enable_dynamic_execution(allow_experimental_mode=True)
    driver = dynamic.with_modules(branches).with_adapters(FutureAdapter()).build()
    assert driver.execute(["total"], inputs={"count": 3}) == {"total": 45}
