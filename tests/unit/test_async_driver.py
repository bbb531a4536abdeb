"""The same plans and runs, on an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.async_driver import AsyncDriver, Builder
from engine.errors import InputError
from engine.function_modifiers import parameterize, value
from engine.io.materialization import from_, to
from engine.lifecycle import NodeExecutionHook

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
    """The driver may be made from a configuration and modules."""

    async def work() -> Any:
        driver = await AsyncDriver({"number": 2}, create_temporary_module(fetched, doubled)).ainit()
        try:
            return await driver.execute(["doubled"])
        finally:
            driver.close()

    assert run(work()) == {"doubled": 6}


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
