"""AsyncDriver: the same plans and runs, with the functions of nodes as tasks of an event loop.

    dr = await Builder().with_modules(my_module).build()
    await dr.execute(["answer"], inputs={"question": "why?"})

Plain and coroutine functions mix; nodes that do not read one another run at the same time. Everything that
`engine.driver` can do can be awaited here, materializers included.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn, Self

from engine import driver
from engine.errors import ConfigurationError
from engine.execution.async_nodes import AsyncNodeRunner
from engine.inspection import Inspection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType, TracebackType

    from engine.caching.adapter import HamiltonCacheAdapter
    from engine.execution.results import RunResult
    from engine.io.materialization import LoadRequest, SaveRequest
    from engine.planning.plan import Plan

_CALLS_AT_ONCE = 256
"""A call holds a thread while its nodes run on the loop; the thread does nothing but wait."""


class AsyncDriver(Inspection):
    """Runs a dataflow on the event loop that calls it.

    What only looks at the graph is the plain driver's and is not awaited.

    Args:
        config: Decides which functions exist, and fills parameters of the same name.
        modules: Modules of node functions, plain or coroutine.
        result_builder: Joins the values that `execute` gives; into a pandas frame without one, as `driver.Driver` does.
        adapters: Hooks; their coroutine methods are awaited.
        allow_module_overrides: A function of a later module replaces one of the same name.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *modules: ModuleType,
        result_builder: Any = None,
        adapters: Sequence[Any] = (),
        allow_module_overrides: bool = False,
        _builder: Builder | None = None,
    ) -> None:
        if _builder is None:
            given = [*adapters, *([result_builder] if result_builder is not None else [])]
            _builder = Builder().with_config(config).with_modules(*modules).with_adapters(*given).with_pandas_result()
            if allow_module_overrides:
                _builder.allow_module_overrides()
        self.driver = driver.Builder.build(_builder)
        self.graph, self.graph_modules, self.hooks = self.driver.graph, self.driver.graph_modules, self.driver.hooks
        self._is_initialized = False
        self._threads = ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="engine-call")
        # Warehouses serve one call at a time; calls that touch none do not wait.
        self._turn = asyncio.Lock()

    async def ainit(self) -> Self:
        """Await what adapters begin with on a loop, once; the first call does it where nobody did before."""
        if not self._is_initialized:
            self._is_initialized = True
            await self.hooks.ainit()
            await self.hooks.call_all_lifecycle_hooks_async(
                "post_graph_construct", graph=self.graph, modules=self.graph_modules, config=dict(self.graph.config)
            )
        return self

    async def execute(
        self,
        final_vars: Sequence[Any],
        overrides: Mapping[str, Any] | None = None,
        display_graph: bool = False,
        inputs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute nodes and return their values; see `engine.driver.Driver.execute`."""
        return await self._call(self.driver.execute, final_vars, overrides, display_graph, inputs)

    async def raw_execute(
        self,
        final_vars: Sequence[Any],
        overrides: Mapping[str, Any] | None = None,
        display_graph: bool = False,
        inputs: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Compute nodes and return their values by name; see `engine.driver.Driver.raw_execute`."""
        values: dict[str, Any] = await self._call(self.driver.raw_execute, final_vars, overrides, display_graph, inputs)
        return values

    async def materialize(
        self,
        *materializers: SaveRequest | LoadRequest,
        additional_vars: Sequence[Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        rerun: str = "all",
    ) -> tuple[dict[str, Any], Any]:
        """Save nodes as tables and files; see `engine.driver.Driver.materialize`."""
        work = functools.partial(
            self.driver.materialize,
            *materializers,
            additional_vars=additional_vars,
            overrides=overrides,
            inputs=inputs,
            rerun=rerun,
        )
        async with self._turn:
            saved: tuple[dict[str, Any], Any] = await self._call(work)
        return saved

    async def refresh(
        self,
        outputs: Sequence[Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        rerun: str = "stale",
        *,
        adopt: bool = False,
    ) -> RunResult:
        """Bring outputs up to date; see `engine.driver.Driver.refresh`."""
        async with self._turn:
            result: RunResult = await self._call(
                functools.partial(self.driver.refresh, adopt=adopt), outputs, inputs, overrides, rerun
            )
        return result

    async def plan(
        self,
        outputs: Sequence[Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Plan:
        """Decide what `refresh` would do, and why; see `engine.driver.Driver.plan`."""
        async with self._turn:
            plan: Plan = await self._call(self.driver.plan, outputs, inputs, overrides)
        return plan

    def validate_execution(
        self,
        final_vars: Sequence[Any],
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Check what `execute` would check, and run nothing; see `engine.driver.Driver.validate_execution`."""
        self.driver.validate_execution(final_vars, overrides, inputs)

    def validate_materialization(
        self,
        *materializers: SaveRequest | LoadRequest,
        additional_vars: Sequence[Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Check what `materialize` would check; see `engine.driver.Driver.validate_materialization`."""
        self.driver.validate_materialization(
            *materializers, additional_vars=additional_vars, overrides=overrides, inputs=inputs
        )

    async def _call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        await self.ainit()
        loop = asyncio.get_running_loop()
        self.driver.run_beside(functools.partial(AsyncNodeRunner, loop=loop), self.hooks.awaited_on(loop))
        return await loop.run_in_executor(self._threads, functools.partial(work, *arguments))

    @property
    def cache(self) -> HamiltonCacheAdapter:
        """What keeps the values of nodes from one call to the next; see `engine.driver.Driver.cache`.

        Raises:
            ConfigurationError: The driver has no cache.
        """
        return self.driver.cache

    def close(self) -> None:
        """Let go of the warehouse, the metadata store and the threads."""
        self.driver.close()
        self._threads.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Builder(driver.Builder):
    """Collects what an async driver is made of; `build` is awaited."""

    def enable_dynamic_execution(self, *, allow_experimental_mode: bool = False) -> NoReturn:
        """Refuse: on an event loop nodes run at the same time anyway.

        Raises:
            ConfigurationError: Always.
        """
        del allow_experimental_mode
        raise ConfigurationError(
            "the async driver runs no parallel branches",
            hint="let a coroutine function await asyncio.gather(), or use engine.driver.Builder",
        )

    async def build(self) -> AsyncDriver:  # type: ignore[override]  # awaited, as Apache Hamilton's users write it
        """Make the driver and await what its adapters begin with.

        Raises:
            DefinitionError: The functions, or the requests, do not make a dataflow.
        """
        return await self.build_without_init().ainit()

    def build_without_init(self) -> AsyncDriver:
        """Make the driver where no loop runs yet; its first call awaits what its adapters begin with.

        Raises:
            DefinitionError: The functions, or the requests, do not make a dataflow.
        """
        return AsyncDriver({}, _builder=self)
