"""A cache with tasks: items are versioned one by one, and nodes that run at the same time spoil nothing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from engine.driver import Builder
from engine.execution.executors import MultiProcessingExecutor, MultiThreadingExecutor, SynchronousLocalTaskExecutor
from engine.plugins.h_threadpool import FutureAdapter
from tests.fixtures.caching import ran

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.caching import CachedFlow

BRANCHES = """
from engine.htypes import Collect, Parallelizable

FACTOR = 2

def numbers(n: int) -> list:
    return list(range(n))

def number(numbers: list) -> Parallelizable[int]:
    yield from numbers

def twice(number: int) -> int:
    return number * FACTOR

def shown(twice: int, number: int) -> str:
    return f"{number}:{twice}"

def together(shown: Collect[str]) -> str:
    return ",".join(shown)

def after(together: str) -> int:
    return len(together)
"""


def run(flow: CachedFlow, n: int, executor: Any, **settings: Any) -> tuple[Any, list[str]]:
    """Run the branches with a new driver; return the result and what ran, sorted."""
    builder = Builder().enable_dynamic_execution(allow_experimental_mode=True).with_remote_executor(executor)
    driver = flow.driver(builder=builder, **settings)
    return driver.execute(["together", "after"], inputs={"n": n})["together"], sorted(ran(driver))


@pytest.mark.parametrize("make", [SynchronousLocalTaskExecutor, lambda: MultiThreadingExecutor(max_tasks=4)])
def test_items_are_versioned_one_by_one(flow: CachedFlow, make: Any) -> None:
    """What was computed for an item is not computed for it again, whatever items there are beside it."""
    flow.write(BRANCHES)
    first = run(flow, 3, make())
    assert first[0] == "0:0,1:2,2:4"
    assert first[1].count("twice") == 3
    again = run(flow, 3, make())
    assert again == ("0:0,1:2,2:4", ["number"])
    more = run(flow, 4, make())
    assert more[0] == "0:0,1:2,2:4,3:6"
    assert more[1] == ["after", "number", "numbers", "shown", "together", "twice"]
    flow.edit("FACTOR = 2", "FACTOR = 3")
    assert run(flow, 3, make())[0] == "0:0,1:3,2:6"


def test_branches_in_processes_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process nothing is kept, and everything is right."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "cached_branches.py").write_text(BRANCHES)
    module = importlib.import_module("cached_branches")
    for _ in range(2):
        builder = Builder().enable_dynamic_execution(allow_experimental_mode=True)
        builder.with_remote_executor(MultiProcessingExecutor(max_tasks=2))
        driver = builder.with_modules(module).with_cache(tmp_path / "cache").build()
        assert driver.execute(["after"], inputs={"n": 3}) == {"after": 11}
    assert ran(driver) == ["number"]
    assert {row["node_name"] for row in driver.cache.metadata_store.get_last_run()} == {"numbers", "together", "after"}
    driver.cache.metadata_store.close()


def test_nodes_that_run_at_the_same_time(flow: CachedFlow) -> None:
    """With threads the same is kept as without."""
    lines = ["def n0(x: int) -> int:\n    return x\n"]
    lines += [f"def n{i}(n{i // 3}: object, x: int) -> list:\n    return [{i}, x]\n" for i in range(1, 40)]
    names = ", ".join(f"n{i}: list" for i in range(1, 40))
    lines.append(
        f"def end({names}) -> int:\n    return sum(sum(n) for n in [{', '.join(f'n{i}' for i in range(1, 40))}])\n"
    )
    flow.write("\n".join(lines))
    for x in (1, 2):
        first = flow.driver(builder=Builder().with_adapters(FutureAdapter()))
        value = first.execute(["end"], inputs={"x": x})
        assert len(ran(first)) == 41
        again = flow.driver(builder=Builder().with_adapters(FutureAdapter()))
        assert (again.execute(["end"], inputs={"x": x}), ran(again)) == (value, [])
        assert flow.run("end", inputs={"x": x}) == ([value["end"]], [])
