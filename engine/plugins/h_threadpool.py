"""Threads: nodes that do not read one another run at the same time, with the ordinary driver."""

from __future__ import annotations

import os
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from engine.execution.executors import PoolExecutor
from engine.lifecycle.api import ResultBuilder
from engine.lifecycle.base import BaseDoChooseExecutor

if TYPE_CHECKING:
    from engine.execution.executors import TaskExecutor


class NodeThreads(PoolExecutor):
    """Runs nodes on threads.

    Args:
        max_tasks: How many threads there are at most.
        thread_name_prefix: How their names begin.
    """

    def __init__(self, max_tasks: int, thread_name_prefix: str) -> None:
        super().__init__(max_tasks)
        self.thread_name_prefix = thread_name_prefix

    def create_pool(self) -> Executor:
        """Return threads."""
        return ThreadPoolExecutor(self.max_tasks, thread_name_prefix=self.thread_name_prefix)


class FutureAdapter(BaseDoChooseExecutor, ResultBuilder):
    """Runs each node as soon as what it reads is there, on threads; results are those of a run without it.

    It pays where nodes wait (for a service, a disk) or spend their time in code that lets other threads run, as frame
    libraries do.

    Args:
        max_workers: How many threads there are at most; None means Python's own default.
        thread_name_prefix: How their names begin.
        result_builder: Joins the values that were asked for; None gives a dictionary.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        result_builder: ResultBuilder | None = None,
    ) -> None:
        self.max_workers = max_workers
        self.thread_name_prefix = thread_name_prefix
        self.result_builder = result_builder

    def do_choose_executor(self) -> TaskExecutor:
        """Return threads."""
        workers = self.max_workers or min(32, (os.cpu_count() or 1) + 4)
        return NodeThreads(workers, self.thread_name_prefix)

    def build_result(self, **outputs: Any) -> Any:
        """Return the values by name, or what the result builder makes of them."""
        return outputs if self.result_builder is None else self.result_builder.build_result(**outputs)

    def output_type(self) -> Any:
        """Return the type of what is built."""
        return dict[str, Any] if self.result_builder is None else self.result_builder.output_type()
