"""The same plans and runs, on an event loop."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.async_driver import AsyncDriver, Builder
from engine.base import DictResult
from engine.errors import ConfigurationError, InputError
from engine.function_modifiers import parameterize, value
from engine.io.materialization import from_, to
from engine.lifecycle import NodeExecutionHook
from engine.lifecycle.base import (
    BaseDoNodeExecuteAsync,
    BasePostGraphConstructAsync,
    BasePostGraphExecuteAsync,
    BasePostNodeExecuteAsync,
    BasePreGraphExecuteAsync,
    BasePreNodeExecuteAsync,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path


async def fetched(number: int) -> int:
    """A coroutine function."""
    await asyncio.sleep(0.01)
    return number + 1


def doubled(fetched: int) -> int:
    """A plain function that reads it."""
    return 2 * fetched


async def total(fetched: int, doubled: int) -> int:
    """A coroutine function that reads both."""
    return fetched + doubled


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end."""
    return asyncio.run(work)


def driver_of(*functions: Any, hooks: Any = ()) -> Coroutine[Any, Any, AsyncDriver]:
    """Build an async driver of functions."""
    return Builder().with_modules(create_temporary_module(*functions)).with_adapters(*hooks).build()


def test_plain_and_coroutine_functions_mix() -> None:
    """Values come back as from the plain driver, whatever kind of function made them."""

    async def work() -> Any:
        async with await driver_of(fetched, doubled, total) as driver:
            return await driver.execute(["total", "fetched"], inputs={"number": 1})

    assert run(work()) == {"total": 6, "fetched": 2}


def test_the_constructor_is_hamiltons() -> None:
    """The driver may be made from a configuration and modules; it gives a pandas frame unless told otherwise."""

    async def work(**told: Any) -> Any:
        driver = await AsyncDriver({"number": 2}, create_temporary_module(fetched, doubled), **told).ainit()
        try:
            return await driver.execute(["doubled"])
        finally:
            driver.close()

    assert run(work()).to_dict() == {"doubled": {0: 6}}
    assert run(work(result_builder=DictResult())) == {"doubled": 6}


def test_dynamic_execution_is_refused() -> None:
    """Branches run on executors, not on a loop; the builder says what to do instead."""
    with pytest.raises(ConfigurationError, match="no parallel branches"):
        Builder().enable_dynamic_execution(allow_experimental_mode=True)


MEETING: dict[str, asyncio.Barrier] = {}


async def _meet() -> None:
    """Wait until everybody else is here too: who comes alone waits in vain."""
    await asyncio.wait_for(MEETING["point"].wait(), timeout=20)


def test_nodes_that_do_not_read_one_another_run_at_once() -> None:
    """Ten nodes that wait for one another all get to the end."""

    @parameterize(**{f"waited_{i}": {"tag": value(i)} for i in range(10)})
    async def waited(tag: int) -> int:
        await _meet()
        return tag

    async def work() -> Any:
        MEETING["point"] = asyncio.Barrier(10)
        async with await driver_of(waited) as driver:
            return await driver.execute([f"waited_{i}" for i in range(10)])

    assert run(work())["waited_9"] == 9


def test_calls_of_one_driver_run_at_once() -> None:
    """Twenty calls whose nodes wait for one another all get to the end."""

    async def waited(number: int) -> int:
        await _meet()
        return number

    async def work() -> Any:
        MEETING["point"] = asyncio.Barrier(20)
        async with await driver_of(waited) as driver:
            return await asyncio.gather(*(driver.execute(["waited"], inputs={"number": i}) for i in range(20)))

    assert run(work()) == [{"waited": i} for i in range(20)]


def test_a_users_exception_comes_through_unchanged() -> None:
    """What a node raises reaches the caller as it is, and what runs beside it is cancelled."""

    async def broken(number: int) -> int:
        message = f"no such luck: {number}"
        raise RuntimeError(message)

    async def slow(number: int) -> int:
        await asyncio.sleep(30)
        return number

    def both(broken: int, slow: int) -> int:
        return broken + slow

    async def work() -> None:
        async with await driver_of(broken, slow, both) as driver:
            await driver.execute(["both"], inputs={"number": 1})

    with pytest.raises(RuntimeError, match="no such luck: 1") as caught:
        run(work())
    assert caught.value.__notes__ == ["while running node 'broken'"]


def test_faults_of_a_call_are_told_before_anything_runs() -> None:
    """A missing input is the same error as from the plain driver."""

    async def work() -> None:
        async with await driver_of(fetched) as driver:
            await driver.execute(["fetched"])

    with pytest.raises(InputError, match="number"):
        run(work())


def test_hooks_are_called_and_awaited() -> None:
    """A plain hook sees every node of an async run."""
    seen: list[tuple[str, Any]] = []

    class Witness(NodeExecutionHook):
        """Notes names and values."""

        def run_before_node_execution(self, *, node_name: str, **_: Any) -> None:
            """Note the name."""
            seen.append(("before", node_name))

        def run_after_node_execution(self, *, node_name: str, result: Any, **_: Any) -> None:
            """Note the value."""
            seen.append((node_name, result))

    async def work() -> None:
        async with await driver_of(fetched, doubled, hooks=[Witness()]) as driver:
            await driver.execute(["doubled"], inputs={"number": 1})

    run(work())
    assert seen == [("before", "fetched"), ("fetched", 2), ("before", "doubled"), ("doubled", 4)]


async def frame(rows: pl.DataFrame) -> pl.DataFrame:
    """A coroutine function between a loader and a saver."""
    await asyncio.sleep(0)
    return rows.with_columns(pl.col("id") * 2)


def test_materializers_work(warehouse_url: str, tmp_path: Path) -> None:
    """Loading, saving, planning and refreshing are awaited, on every database, and recorded."""
    path = tmp_path / "rows.csv"
    path.write_text("id\n1\n2\n")

    async def work() -> Any:
        builder = (
            Builder()
            .with_modules(create_temporary_module(frame, module_name=f"flow_{abs(hash(warehouse_url))}"))
            .with_materializers(
                from_.csv(target="rows", file=str(path)),
                to.table(id="doubled_table", dependencies=["frame"], table="doubled"),
            )
            .with_warehouse(warehouse_url)
            .with_metadata(f"sqlite:///{tmp_path}/metadata.db")
        )
        async with await builder.build() as driver:
            first = await driver.refresh()
            again = await driver.refresh()
            saved, values = await driver.materialize(
                to.json(id="file", dependencies=["frame"], file=str(tmp_path / "out.json")), additional_vars=["frame"]
            )
            plan = await driver.plan()
        return first.summary(), again.summary(), list(saved), values["frame"]["id"].to_list(), plan.is_empty

    assert run(work()) == ("1 built", "1 fresh", ["file"], [2, 4], True)


class Everything(
    BasePreNodeExecuteAsync,
    BasePostNodeExecuteAsync,
    BasePreGraphExecuteAsync,
    BasePostGraphExecuteAsync,
    BasePostGraphConstructAsync,
):
    """Notes every moment from coroutine methods that really wait."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def _note(self, text: str) -> None:
        await asyncio.sleep(0)
        self.seen.append(text)

    async def ainit(self) -> None:
        """Note the beginning."""
        await self._note("begun")

    async def post_graph_construct(self, **_: Any) -> None:
        """Note that the graph is built."""
        await self._note("constructed")

    async def pre_graph_execute(self, **_: Any) -> None:
        """Note the beginning of a call."""
        await self._note("graph")

    async def post_graph_execute(self, *, success: bool, **_: Any) -> None:
        """Note the end of a call."""
        await self._note(f"graph {success}")

    async def pre_node_execute(self, *, node_: Any, **_: Any) -> None:
        """Note the beginning of a node."""
        await self._note(node_.name)

    async def post_node_execute(self, *, node_: Any, success: bool, **_: Any) -> None:
        """Note the end of a node."""
        await self._note(f"{node_.name} {success}")


def test_coroutine_hooks_are_awaited_at_every_moment(tmp_path: Path) -> None:
    """Hooks that are coroutine functions are told of the graph, of calls, of nodes, and of loaders and savers."""
    hook, path = Everything(), tmp_path / "out.json"

    async def work() -> None:
        async with await driver_of(fetched, hooks=[hook]) as driver:
            await driver.materialize(to.json(id="file", dependencies=["fetched"], path=str(path)), inputs={"number": 1})

    def fetched(number: int) -> dict[str, int]:
        return {"number": number}

    run(work())
    assert hook.seen == [
        *("begun", "constructed", "constructed", "graph", "fetched", "fetched True", "file", "file True", "graph True")
    ]


class Counting(BaseDoNodeExecuteAsync):
    """Runs the nodes itself."""

    async def do_node_execute(self, *, node_: Any, kwargs: dict[str, Any], **_: Any) -> Any:
        """Wait, run the node, and add a hundred."""
        await asyncio.sleep(0)
        value = node_(**kwargs)
        return 100 + (await value if inspect.isawaitable(value) else value)


def test_a_coroutine_method_runs_the_nodes() -> None:
    """The one adapter that runs nodes may be a coroutine function."""

    async def work() -> Any:
        async with await driver_of(fetched, doubled, hooks=[Counting()]) as driver:
            return await driver.execute(["doubled"], inputs={"number": 1})

    assert run(work()) == {"doubled": 304}


def test_a_driver_may_be_built_before_there_is_a_loop() -> None:
    """What adapters begin with is awaited once, by the first call."""
    hook = Everything()
    driver = Builder().with_modules(create_temporary_module(fetched)).with_adapters(hook).build_without_init()
    assert hook.seen == []
    assert run(driver.raw_execute(["fetched"], inputs={"number": 1})) == {"fetched": 2}
    assert run(driver.raw_execute(["fetched"], inputs={"number": 2})) == {"fetched": 3}
    driver.close()
    assert hook.seen.count("begun") == hook.seen.count("constructed") == 1


def test_what_looks_and_does_not_run_is_not_awaited() -> None:
    """An async driver tells of its graph, draws it and checks calls as the plain one does."""

    async def work() -> None:
        async with await driver_of(fetched, doubled, total) as driver:
            assert [node.name for node in driver.what_is_upstream_of("doubled")] == ["number", "fetched", "doubled"]
            assert len(driver.list_available_variables()) == 4
            assert "doubled" in str(driver.display_all_functions())
            assert "doubled" in str(driver.visualize_execution(["total"], inputs={"number": 1}))
            assert driver.graph_modules
            assert driver.adapter.adapters == []
            with pytest.raises(InputError, match="number"):
                driver.validate_execution(["total"])

    run(work())


def test_the_cache_can_be_looked_into(tmp_path: Path) -> None:
    """An async driver with a cache keeps values, and shows its cache as the plain one does."""
    hook = Everything()

    async def work() -> None:
        builder = Builder().with_modules(create_temporary_module(fetched)).with_adapters(hook)
        async with await builder.with_cache(tmp_path / "cache").build() as driver:
            for _ in range(2):
                assert await driver.execute(["fetched"], inputs={"number": 1}) == {"fetched": 2}
            assert len(driver.cache.run_ids) == 2

    run(work())
    assert hook.seen.count("fetched") == 1
