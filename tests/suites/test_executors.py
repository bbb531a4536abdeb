"""Each built-in executor passes the suite that every extension must pass."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from engine.execution.executors import (
    FuturesExecutor,
    MultiProcessingExecutor,
    MultiThreadingExecutor,
    SynchronousLocalTaskExecutor,
    TaskExecutor,
)
from engine.testing.executor import ExecutorSuite

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Start processes once for all tests."""
    with ProcessPoolExecutor(2, get_context("forkserver")) as pool:
        yield pool


class TestSynchronous(ExecutorSuite):
    """In the driver's thread."""

    @pytest.fixture
    def executor(self) -> TaskExecutor:
        """Return it."""
        return SynchronousLocalTaskExecutor()


class TestThreads(ExecutorSuite):
    """On threads."""

    @pytest.fixture
    def executor(self) -> TaskExecutor:
        """Return it."""
        return MultiThreadingExecutor(4)


class TestProcesses(ExecutorSuite):
    """In processes."""

    @pytest.fixture
    def executor(self) -> TaskExecutor:
        """Return it."""
        return MultiProcessingExecutor(2)


class TestFuturesOnThreads(ExecutorSuite):
    """On a pool of the user's that shares memory."""

    @pytest.fixture
    def executor(self) -> Iterator[TaskExecutor]:
        """Return it."""
        with ThreadPoolExecutor(3) as pool:
            yield FuturesExecutor(pool, max_tasks=6)


class TestFuturesOnProcesses(ExecutorSuite):
    """On a pool of the user's that does not, and that outlives runs."""

    @pytest.fixture
    def executor(self, pool: ProcessPoolExecutor) -> TaskExecutor:
        """Return it."""
        return FuturesExecutor(pool, max_tasks=4)
