"""Executors on pools of workers: threads, processes, and any pool with the interface of `concurrent.futures`."""

from __future__ import annotations

import abc
import contextvars
import multiprocessing
import threading
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

from engine.errors import ConfigurationError
from engine.execution.executors.base import TaskExecutor

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext

    from engine.execution.executors.base import TaskFuture


class PoolExecutor(TaskExecutor):
    """Runs tasks on a pool that lives as long as a run.

    Subclass it and return another kind of pool to run branches elsewhere; set ``shares_memory = False`` where that is
    another process.

    Args:
        max_tasks: How many tasks are at work or waiting at most.
    """

    def __init__(self, max_tasks: int) -> None:
        if max_tasks < 1:
            raise ConfigurationError(f"max_tasks is {max_tasks}", hint="at least one task must be able to run")
        self.max_tasks = max_tasks
        self._start()

    def _start(self) -> None:
        self.pool: Executor | None = None
        self._in_flight: set[TaskFuture] = set()
        self._guard = threading.Lock()
        self._runs = 0

    @abc.abstractmethod
    def create_pool(self) -> Executor:
        """Return a pool."""

    def close_pool(self, pool: Executor) -> None:
        """Let go of the pool; the last run that uses it is over and has no task left in it."""
        pool.shutdown()

    def init(self) -> None:
        """Make the pool, unless another run has made it."""
        with self._guard:
            self._runs += 1
            if self.pool is None:
                self.pool = self.create_pool()

    def finalize(self) -> None:
        """Shut the pool down, unless another run uses it."""
        with self._guard:
            self._runs -= 1
            pool, self.pool = (self.pool, None) if self._runs == 0 else (None, self.pool)
        if pool is not None:
            self.close_pool(pool)

    def can_submit_task(self) -> bool:
        """Say whether fewer than ``max_tasks`` are in flight."""
        return len(self._in_flight) < self.max_tasks

    def submit_task(self, task: Callable[[], Any]) -> TaskFuture:
        """Hand the task to the pool."""
        assert self.pool is not None  # noqa: S101 - between init and finalize there is one
        # What a thread sees as its context (an open warehouse, a span of a trace) is what the driver's thread sees.
        work = (contextvars.copy_context().run, task) if self.shares_memory else (task,)
        future: TaskFuture = self.pool.submit(*work)
        self._in_flight.add(future)
        future.add_done_callback(self._in_flight.discard)
        return future

    def __getstate__(self) -> dict[str, Any]:
        # A pool does not travel: it is made anew.
        return {k: v for k, v in self.__dict__.items() if k not in {"pool", "_in_flight", "_guard", "_runs"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()


class MultiThreadingExecutor(PoolExecutor):
    """Runs tasks on threads of this process.

    Args:
        max_tasks: How many threads there are at most.
    """

    def create_pool(self) -> Executor:
        """Return threads."""
        return ThreadPoolExecutor(self.max_tasks, thread_name_prefix="engine-task")


class MultiProcessingExecutor(PoolExecutor):
    """Runs tasks on processes of this machine.

    Functions travel by their module and name, values as pickles. The processes are not forked from this one, whose
    threads (DuckDB's, polars') a fork would lose: a script that is run directly has to begin its work under
    ``if __name__ == "__main__":``.

    Args:
        max_tasks: How many processes there are at most.
        mp_context: How processes are started: a context of `multiprocessing`; None means a server without threads
            from which they are forked, where there are such servers, and new interpreters elsewhere.
    """

    shares_memory: ClassVar[bool] = False

    def __init__(self, max_tasks: int, mp_context: BaseContext | None = None) -> None:
        super().__init__(max_tasks)
        self.mp_context = mp_context

    def create_pool(self) -> Executor:
        """Return processes."""
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        return ProcessPoolExecutor(self.max_tasks, self.mp_context or multiprocessing.get_context(method))


class FuturesExecutor(PoolExecutor):
    """Runs tasks on a pool of the user's, which stays open: a Dask client's, MPI's, or one from the standard library.

    Args:
        pool: Anything with ``submit``, whose futures call back, such as `concurrent.futures.Executor`.
        max_tasks: How many tasks are at work or waiting at most; more than the pool has workers keeps them busy.
        shares_memory: The pool's workers are threads of this process; None means: if it is a `ThreadPoolExecutor`.
    """

    def __init__(self, pool: Any, max_tasks: int, shares_memory: bool | None = None) -> None:
        super().__init__(max_tasks)
        if not callable(getattr(pool, "submit", None)):
            raise ConfigurationError(
                f"a {type(pool).__name__} is no pool: it has no submit()",
                hint="pass a concurrent.futures.Executor, such as dask_client.get_executor()",
            )
        self._given = pool
        is_local = isinstance(pool, ThreadPoolExecutor) if shares_memory is None else shares_memory
        self.shares_memory = is_local  # type: ignore[misc]  # of this pool

    def create_pool(self) -> Executor:
        """Return the user's pool."""
        given: Executor = self._given
        return given

    def close_pool(self, pool: Executor) -> None:
        """Leave the user's pool open."""
