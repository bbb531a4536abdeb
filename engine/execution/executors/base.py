"""What an executor is, and what says which executor runs a task.

Theory of operation. The driver's thread hands tasks to executors and waits for the first that is finished. It asks
``can_submit_task`` before each, which is how an executor bounds the work in flight: the items of a block are taken from
their generator no faster than they are worked on. ``submit_task`` returns at once with a future that calls back when
its task is finished; nobody asks it in a loop. A task is called without arguments. One that goes to an executor which
does not share the driver's memory pickles, and so does what it returns.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.execution.grouping import NodeGroupPurpose


class TaskFuture(Protocol):
    """A task on its way, such as a `concurrent.futures.Future`, or a Dask client's."""

    def add_done_callback(self, fn: Callable[[Any], object], /) -> object:
        """Call ``fn`` with the future once the task is finished or cancelled, from any thread."""

    def cancel(self) -> object:
        """Do not begin the task, if it has not begun."""

    def result(self) -> Any:
        """Return what the task returned, or raise what it raised."""


class AnyTask(Protocol):
    """What a manager is asked about."""

    @property
    def task_id(self) -> str:
        """The task's name."""

    @property
    def purpose(self) -> NodeGroupPurpose:
        """What the task is for."""

    @property
    def nodes(self) -> Sequence[Any]:
        """The nodes it runs."""


class TaskExecutor(abc.ABC):
    """Runs tasks.

    Attributes:
        shares_memory: Tasks run in the driver's process, so that nothing is pickled.
    """

    shares_memory: ClassVar[bool] = True

    def init(self) -> None:  # noqa: B027 - there may be nothing to do
        """Get ready for a run."""

    def finalize(self) -> None:  # noqa: B027 - there may be nothing to do
        """Let go of what a run needed; called once per `init`, whatever happened."""

    @abc.abstractmethod
    def can_submit_task(self) -> bool:
        """Say whether another task is welcome now."""

    @abc.abstractmethod
    def submit_task(self, task: Callable[[], Any]) -> TaskFuture:
        """Begin a task and return its future."""


class ExecutionManager(abc.ABC):
    """Says which executor runs a task.

    Args:
        executors: All executors that may be named.
    """

    def __init__(self, executors: list[TaskExecutor]) -> None:
        self.executors = executors

    def init(self) -> None:
        """Get every executor ready."""
        for executor in self.executors:
            executor.init()

    def finalize(self) -> None:
        """Let go of every executor."""
        for executor in self.executors:
            executor.finalize()

    @abc.abstractmethod
    def get_executor_for_task(self, task: AnyTask) -> TaskExecutor:
        """Return the executor of a task."""
