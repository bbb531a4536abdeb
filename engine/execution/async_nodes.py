"""Async nodes: runs the nodes of one run as tasks of an event loop, each as soon as what it reads is there.

The plan, the stages and the commit protocol are the same as ever and stay in the thread that runs them; only the
functions of nodes run on the loop. Loaders and savers talk to databases whose drivers block, so they stay in that
thread too.
"""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from engine.execution.nodes import NodeRunner
from engine.execution.steps import fill, note
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from engine.execution.recorder import Recorder
    from engine.execution.scheduler import Stage
    from engine.execution.steps import Step
    from engine.lifecycle.base import LifecycleAdapterSet
    from engine.node import Node


class AsyncNodeRunner(NodeRunner):
    """Runs plain and coroutine functions together.

    Args:
        loop: The event loop; it runs in another thread than the one that calls `run`.
    """

    def __init__(
        self,
        values: MutableMapping[str, Any],
        hooks: LifecycleAdapterSet,
        recorder: Recorder,
        on_read: Callable[[Node, Any], None],
        *,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(values, hooks, recorder, on_read)
        self._loop = loop
        self._hooks = hooks
        self._runs = next(iter(hooks.of_async("do_node_execute")), self._method)

    def run(self, stage: Stage) -> None:
        """Run a stage, the steps that do not read one another at the same time.

        Raises:
            Exception: What a node raised first, unchanged, with a note on the node; what runs beside it is cancelled.
        """
        for blocks, group in groupby(stage.steps(), key=lambda step: step.node.kind is NodeKind.LOADER):
            batch = list(group)
            if blocks:
                for step in batch:
                    if self._is_read(step):
                        self._release(step)
                    else:
                        self.run_step(step)
            else:
                asyncio.run_coroutine_threadsafe(self._together(batch), self._loop).result()

    async def _together(self, steps: list[Step]) -> None:
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for step in steps:
                    waits = [tasks[name] for name in step.node.upstream if name in tasks]
                    tasks[step.name] = group.create_task(self._one(step, waits))
        except* Exception as failures:  # noqa: BLE001 - raised again, as the one it is
            # The caller of a dataflow expects the node's own exception, as without a loop.
            first: BaseException = failures
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from first.__cause__
        # What a step releases may still be wanted by one that runs beside it, so all go at the end.
        for name in {name for step in steps for name in step.releases}:
            del self.values[name]

    async def _one(self, step: Step, waits: list[asyncio.Task[None]]) -> None:
        if waits:
            await asyncio.wait(waits)
            if any(task.cancelled() or task.exception() for task in waits):
                return  # the group is about to cancel this one
        if self._is_read(step):  # not when it is wanted: running the node would have to wait for the loop then
            return
        node, arguments = step.node, fill(step.node, self.values)
        told: dict[str, Any] = {
            "run_id": self._recorder.run_id,
            "node_": node,
            "kwargs": arguments,
            "task_id": None,
        }
        await self._hooks.call_all_lifecycle_hooks_sync_and_async("pre_node_execute", **told)
        started, value, error, success = datetime.now(tz=UTC), None, None, False
        try:
            value = step.function(**arguments) if self._runs is None else self._runs(**told)
            if inspect.isawaitable(value):
                value = await value
            success = True
        except Exception as raised:
            note(raised, node.name)
            error = raised
            raise
        finally:
            self.started_at = started
            self._note(node, value, error, success=success, notes=True)
            told |= {"success": success, "error": error, "result": value}
            await self._hooks.call_all_lifecycle_hooks_sync_and_async("post_node_execute", **told)
        self.values[node.name] = value
