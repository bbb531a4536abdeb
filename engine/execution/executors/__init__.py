"""Executors: where the tasks of a dynamic execution run."""

from __future__ import annotations

from engine.execution.executors.base import ExecutionManager, TaskExecutor, TaskFuture
from engine.execution.executors.default import DefaultExecutionManager
from engine.execution.executors.local import SynchronousLocalTaskExecutor
from engine.execution.executors.pools import (
    FuturesExecutor,
    MultiProcessingExecutor,
    MultiThreadingExecutor,
    PoolExecutor,
)

__all__ = [
    "DefaultExecutionManager",
    "ExecutionManager",
    "FuturesExecutor",
    "MultiProcessingExecutor",
    "MultiThreadingExecutor",
    "PoolExecutor",
    "SynchronousLocalTaskExecutor",
    "TaskExecutor",
    "TaskFuture",
]
