"""Where tasks run unless somebody says otherwise: branches on threads, everything else in the driver's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.execution.executors.base import ExecutionManager
from engine.execution.executors.local import SynchronousLocalTaskExecutor
from engine.execution.executors.pools import MultiThreadingExecutor
from engine.execution.grouping import NodeGroupPurpose

if TYPE_CHECKING:
    from engine.execution.executors.base import AnyTask, TaskExecutor


class DefaultExecutionManager(ExecutionManager):
    """Gives the branches of blocks to one executor and everything else to another.

    Args:
        local_executor: For what runs once; None means the driver's own thread.
        remote_executor: For branches, and for groups of several nodes; None means ten threads.
    """

    def __init__(self, local_executor: TaskExecutor | None = None, remote_executor: TaskExecutor | None = None) -> None:
        self.local_executor = local_executor or SynchronousLocalTaskExecutor()
        self.remote_executor = remote_executor or MultiThreadingExecutor(max_tasks=10)
        super().__init__([self.local_executor, self.remote_executor])

    def get_executor_for_task(self, task: AnyTask) -> TaskExecutor:
        """Return the remote executor for branches and groups, the local one for single nodes."""
        return self.remote_executor if task.purpose is NodeGroupPurpose.EXECUTE_BLOCK else self.local_executor
