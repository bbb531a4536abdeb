"""The executor that runs tasks where they are handed over: in the driver's thread, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.execution.executors.base import TaskExecutor

if TYPE_CHECKING:
    from collections.abc import Callable


class Finished:
    """The future of a task that is over."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None:
        """Call at once."""
        fn(self)

    def cancel(self) -> bool:
        """Say that it is too late."""
        return False

    def result(self) -> Any:
        """Return what the task returned."""
        return self._value


class SynchronousLocalTaskExecutor(TaskExecutor):
    """Runs each task in the driver's thread before the next."""

    def can_submit_task(self) -> bool:
        """Say yes: when it is asked, nothing is running."""
        return True

    def submit_task(self, task: Callable[[], Any]) -> Finished:
        """Run the task."""
        return Finished(task())
