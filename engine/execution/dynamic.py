"""Dynamic execution: what a builder is told about tasks, and the runner of nodes that follows from it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from engine.errors import ConfigurationError
from engine.execution.nodes import NodeRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.execution.executors import ExecutionManager, TaskExecutor
    from engine.execution.grouping import GroupingStrategy
    from engine.lifecycle.base import LifecycleAdapterSet


@dataclass(slots=True)
class DynamicExecution:
    """What `Builder.enable_dynamic_execution` and the methods after it were given.

    Attributes:
        is_enabled: The driver runs what is Parallelizable once per item.
        manager: Says which executor runs a task; None means by the two executors.
        local_executor: Runs what runs once.
        remote_executor: Runs branches.
        grouping_strategy: Says which nodes are a task.
    """

    is_enabled: bool = False
    manager: Any = None
    local_executor: Any = None
    remote_executor: Any = None
    grouping_strategy: Any = None

    def set(self, what: str, value: Any, *contracts: str) -> None:
        """Keep one of the attributes.

        Raises:
            ConfigurationError: Dynamic execution is not enabled, or this was said before.
        """
        shown = what.replace("_", " ")
        if not self.is_enabled:
            raise ConfigurationError(
                f"the {shown} is for dynamic execution, which is not enabled",
                hint="call enable_dynamic_execution(allow_experimental_mode=True) before",
            )
        if getattr(self, what) is not None:
            raise ConfigurationError(f"the {shown} was set before", hint="set it once")
        missing = [name for name in contracts if not callable(getattr(value, name, None))]
        if missing:
            raise ConfigurationError(
                f"a {type(value).__name__} cannot be the {shown}: it has no {missing[0]}()",
                hint="wrap a pool as engine.execution.executors.FuturesExecutor(pool, max_tasks=…)"
                if callable(getattr(value, "submit", None))
                else "see engine.execution.executors and engine.execution.grouping",
            )
        setattr(self, what, value)
        if self.manager is not None and (self.local_executor or self.remote_executor) is not None:
            raise ConfigurationError(
                "an execution manager chooses executors itself, so none can be given beside it",
                hint="give the manager its executors: DefaultExecutionManager(local_executor, remote_executor)",
            )

    def node_runners(self, hooks: LifecycleAdapterSet) -> Callable[..., NodeRunner]:
        """Return what makes the node runner of a run."""
        chosen = hooks.method("do_choose_executor")
        if not self.is_enabled and chosen is None:
            return NodeRunner
        # Pools and queues are loaded only where there are any.
        from engine.execution.executors import DefaultExecutionManager
        from engine.execution.grouping import GroupByRepeatableBlocks
        from engine.execution.task_runner import Tasking, TaskRunner

        local = self.local_executor or (chosen() if chosen else None)
        tasking = Tasking(
            manager=self.manager or DefaultExecutionManager(local, self.remote_executor),
            grouping=self.grouping_strategy or GroupByRepeatableBlocks(),
            names_tasks=self.is_enabled,
        )
        return functools.partial(TaskRunner, tasking=tasking)


class TakesExecutors:
    """The methods of a builder that are about dynamic execution."""

    def __init__(self) -> None:
        self.dynamic = DynamicExecution()

    def enable_dynamic_execution(self, *, allow_experimental_mode: bool = False) -> Self:
        """Run what is `Parallelizable` once per item, in parallel.

        Args:
            allow_experimental_mode: Must be True, as with Apache Hamilton.

        Raises:
            ConfigurationError: It is not.
        """
        if not allow_experimental_mode:
            raise ConfigurationError(
                "dynamic execution is to be allowed by name", hint="pass allow_experimental_mode=True"
            )
        self.dynamic.is_enabled = True
        return self

    def with_local_executor(self, local_executor: TaskExecutor) -> Self:
        """Set where tasks run that run once; without it, in the driver's thread.

        Raises:
            ConfigurationError: Dynamic execution is not enabled, or this was said before.
        """
        self.dynamic.set("local_executor", local_executor, "submit_task", "can_submit_task")
        return self

    def with_remote_executor(self, remote_executor: TaskExecutor) -> Self:
        """Set where the branches of blocks run; without it, on ten threads.

        Raises:
            ConfigurationError: Dynamic execution is not enabled, or this was said before.
        """
        self.dynamic.set("remote_executor", remote_executor, "submit_task", "can_submit_task")
        return self

    def with_execution_manager(self, execution_manager: ExecutionManager) -> Self:
        """Set what says where each task runs, in place of the two executors.

        Raises:
            ConfigurationError: Dynamic execution is not enabled, or this was said before.
        """
        self.dynamic.set("manager", execution_manager, "get_executor_for_task")
        return self

    def with_grouping_strategy(self, grouping_strategy: GroupingStrategy) -> Self:
        """Set which nodes run together as one task.

        Raises:
            ConfigurationError: Dynamic execution is not enabled, or this was said before.
        """
        self.dynamic.set("grouping_strategy", grouping_strategy, "group_nodes")
        return self
