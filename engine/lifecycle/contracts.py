"""The low-level hooks: one class per moment of a build or run, with the one method that is called then.

Trackers subclass these; the classes of `engine.lifecycle.api` are built on them and show views instead of the engine's
own nodes and graphs. Three sorts: *hooks* are all called, in the order of the adapters; of each *method* a driver has
at most one, whose answer counts; *validators* say whether what was built may be used. The classes ending in ``Async``
are called by the async driver only.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from engine.graph import FunctionGraph
    from engine.node import Node


class LifecycleAdapter(abc.ABC):  # noqa: B024 - a marker: which methods there are, its subclasses say
    """Anything that ``Builder.with_adapters`` takes.

    Attributes:
        allows_overlap: For what watches nodes: a recorded run may leave a save to finish while the next nodes run, of
            which this one is then told nothing, and may begin a load before its turn. Otherwise every node waits for
            the one before it, so that nobody sees two at a time.
    """

    allows_overlap: ClassVar[bool] = False


# --- building ---------------------------------------------------------------------------------------------------------
class BasePreDoAnythingHook(LifecycleAdapter):
    """Called before anything else."""

    @abc.abstractmethod
    def pre_do_anything(self) -> None:
        """Called when the driver is made."""


class BaseDoCheckEdgeTypesMatch(LifecycleAdapter):
    """Lets edges be whose types do not fit."""

    @abc.abstractmethod
    def do_check_edge_types_match(self, *, type_from: Any, type_to: Any) -> bool:
        """Say whether a parameter of ``type_from`` may take a value of ``type_to``."""


class BaseDoValidateInput(LifecycleAdapter):
    """Decides about the values of inputs."""

    @abc.abstractmethod
    def do_validate_input(self, *, node_type: Any, input_value: Any) -> bool:
        """Say whether a value may be given for an input of this type."""


class BaseValidateNode(LifecycleAdapter):
    """Refuses nodes when a graph is built."""

    @abc.abstractmethod
    def validate_node(self, *, created_node: Node) -> tuple[bool, str | None]:
        """Say whether the node may be, and if not, why."""


class BaseValidateGraph(LifecycleAdapter):
    """Refuses whole graphs."""

    @abc.abstractmethod
    def validate_graph(
        self, *, graph: FunctionGraph, modules: Sequence[ModuleType], config: dict[str, Any]
    ) -> tuple[bool, str | None]:
        """Say whether the graph may be used, and if not, why."""


class BasePostGraphConstruct(LifecycleAdapter):
    """Called when a graph is built."""

    @abc.abstractmethod
    def post_graph_construct(
        self, *, graph: FunctionGraph, modules: Sequence[ModuleType], config: dict[str, Any]
    ) -> None:
        """Called once a graph is built, and again when a call attaches requests to it."""


class BasePostGraphConstructAsync(LifecycleAdapter):
    """Called when a graph is built."""

    @abc.abstractmethod
    async def post_graph_construct(
        self, *, graph: FunctionGraph, modules: Sequence[ModuleType], config: dict[str, Any]
    ) -> None:
        """Called once a graph is built."""


# --- one execution ----------------------------------------------------------------------------------------------------
class BasePreGraphExecute(LifecycleAdapter):
    """Called before an execution."""

    @abc.abstractmethod
    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Called before the inputs are checked."""


class BasePreGraphExecuteAsync(LifecycleAdapter):
    """Called before an execution."""

    @abc.abstractmethod
    async def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Called before the inputs are checked."""


class BasePostGraphExecute(LifecycleAdapter):
    """Called after an execution."""

    @abc.abstractmethod
    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: dict[str, Any] | None,
    ) -> None:
        """Called at the end, whatever happened."""


class BasePostGraphExecuteAsync(LifecycleAdapter):
    """Called after an execution."""

    @abc.abstractmethod
    async def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: dict[str, Any] | None,
    ) -> None:
        """Called at the end, whatever happened."""


class BaseDoBuildResult(LifecycleAdapter):
    """Makes of the values what the caller gets."""

    @abc.abstractmethod
    def do_build_result(self, *, outputs: dict[str, Any]) -> Any:
        """Return one value made of the outputs."""


class OutputExecutionHook(LifecycleAdapter):
    """Called when an output of the plan begins and when what became of it is known."""

    def run_before_output(self, *, output: str, location: str, reasons: tuple[Any, ...], run_id: str) -> None:
        """Called before the first node that this output needs."""

    def run_after_output(self, *, result: Any, run_id: str) -> None:
        """Called with an `engine.execution.results.OutputResult`, for fresh outputs as well."""


# --- one node ---------------------------------------------------------------------------------------------------------
class BasePreNodeExecute(LifecycleAdapter):
    """Called before a node runs."""

    @abc.abstractmethod
    def pre_node_execute(self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None) -> None:
        """Called with the arguments; an exception stops the node."""


class BasePreNodeExecuteAsync(LifecycleAdapter):
    """Called before a node runs."""

    @abc.abstractmethod
    async def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Called with the arguments; an exception stops the node."""


class BaseDoNodeRecall(LifecycleAdapter):
    """Gives the values of nodes without running them."""

    @abc.abstractmethod
    def do_node_recall(
        self, *, run_id: str, node_: Node, values: Mapping[str, Any], task_id: str | None = None
    ) -> Callable[[], Any] | None:
        """Return what reads the node's value, or None: then the node is run.

        The value is read when it is first needed, if ever; should that raise a LookupError, the node is run after all.
        No other hook is told of a node that is not run.

        Args:
            run_id: The run.
            node_: The node.
            values: The values there are, by name.
            task_id: The task of a dynamic execution, or None.
        """


class BaseDoNodeExecute(LifecycleAdapter):
    """Runs nodes in the engine's stead."""

    @abc.abstractmethod
    def do_node_execute(self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None) -> Any:
        """Return the node's value."""


class BaseDoNodeExecuteAsync(LifecycleAdapter):
    """Runs nodes in the engine's stead."""

    @abc.abstractmethod
    async def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Return the node's value."""


class BasePostNodeExecute(LifecycleAdapter):
    """Called after a node ran."""

    @abc.abstractmethod
    def post_node_execute(
        self,
        *,
        run_id: str,
        node_: Node,
        kwargs: dict[str, Any],
        success: bool,
        error: Exception | None,
        result: Any,
        task_id: str | None = None,
    ) -> None:
        """Called with the node's value, or with what it raised."""


class BasePostNodeExecuteAsync(LifecycleAdapter):
    """Called after a node ran."""

    @abc.abstractmethod
    async def post_node_execute(
        self,
        *,
        run_id: str,
        node_: Node,
        kwargs: dict[str, Any],
        success: bool,
        error: Exception | None,
        result: Any,
        task_id: str | None = None,
    ) -> None:
        """Called with the node's value, or with what it raised."""


# --- tasks of a dynamic execution -------------------------------------------------------------------------------------
class BasePostTaskGroup(LifecycleAdapter):
    """Called when nodes were grouped into tasks."""

    @abc.abstractmethod
    def post_task_group(self, *, run_id: str, task_ids: list[str]) -> None:
        """Called with the names of the tasks."""


class BasePostTaskExpand(LifecycleAdapter):
    """Called when a task turned out to be many."""

    @abc.abstractmethod
    def post_task_expand(self, *, run_id: str, task_id: str, parameters: dict[str, Any]) -> None:
        """Called with the item of each branch, by the branch's name."""


class BasePreTaskSubmission(LifecycleAdapter):
    """Called before a task goes to its executor, where the driver runs."""

    @abc.abstractmethod
    def pre_task_submission(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Called with what the task is to run."""


class BasePreTaskExecute(LifecycleAdapter):
    """Called before a task runs, where it runs."""

    @abc.abstractmethod
    def pre_task_execute(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Called with what the task is to run."""


class BasePreTaskExecuteAsync(LifecycleAdapter):
    """Called before a task runs, where it runs."""

    @abc.abstractmethod
    async def pre_task_execute(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Called with what the task is to run."""


class BasePostTaskExecute(LifecycleAdapter):
    """Called after a task ran, where it ran."""

    @abc.abstractmethod
    def post_task_execute(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        results: dict[str, Any] | None,
        success: bool,
        error: Exception | None,
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Called with the values of the task, or with what it raised."""


class BasePostTaskExecuteAsync(LifecycleAdapter):
    """Called after a task ran, where it ran."""

    @abc.abstractmethod
    async def post_task_execute(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        results: dict[str, Any] | None,
        success: bool,
        error: Exception | None,
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Called with the values of the task, or with what it raised."""


class BasePostTaskReturn(LifecycleAdapter):
    """Called when a task came back, where the driver runs."""

    @abc.abstractmethod
    def post_task_return(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        result: Any,
        success: bool,
        error: Exception | None,
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Called with the values of the task, or with what it raised."""


class BaseDoRemoteExecute(LifecycleAdapter):
    """Runs nodes somewhere else."""

    @abc.abstractmethod
    def do_remote_execute(
        self, *, node: Node, kwargs: dict[str, Any], execute_lifecycle_for_node: Callable[..., Any]
    ) -> Any:
        """Return the node's value, by calling ``execute_lifecycle_for_node`` where it is to run."""


class BaseDoChooseExecutor(LifecycleAdapter):
    """Lets nodes that do not read one another run at the same time."""

    @abc.abstractmethod
    def do_choose_executor(self) -> Any:
        """Return the `engine.execution.executors.TaskExecutor` that runs nodes; asked once per driver."""


HOOKS: Mapping[str, tuple[type[LifecycleAdapter], ...]] = {
    "pre_do_anything": (BasePreDoAnythingHook,),
    "post_graph_construct": (BasePostGraphConstruct, BasePostGraphConstructAsync),
    "pre_graph_execute": (BasePreGraphExecute, BasePreGraphExecuteAsync),
    "post_graph_execute": (BasePostGraphExecute, BasePostGraphExecuteAsync),
    "run_before_output": (OutputExecutionHook,),
    "run_after_output": (OutputExecutionHook,),
    "pre_node_execute": (BasePreNodeExecute, BasePreNodeExecuteAsync),
    "post_node_execute": (BasePostNodeExecute, BasePostNodeExecuteAsync),
    "post_task_group": (BasePostTaskGroup,),
    "post_task_expand": (BasePostTaskExpand,),
    "pre_task_submission": (BasePreTaskSubmission,),
    "pre_task_execute": (BasePreTaskExecute, BasePreTaskExecuteAsync),
    "post_task_execute": (BasePostTaskExecute, BasePostTaskExecuteAsync),
    "post_task_return": (BasePostTaskReturn,),
}
"""Per hook, the class that has it and, where there is one, the class that has it for the async driver."""

METHODS: Mapping[str, tuple[type[LifecycleAdapter], ...]] = {
    "do_check_edge_types_match": (BaseDoCheckEdgeTypesMatch,),
    "do_validate_input": (BaseDoValidateInput,),
    "do_node_execute": (BaseDoNodeExecute, BaseDoNodeExecuteAsync),
    "do_node_recall": (BaseDoNodeRecall,),
    "do_remote_execute": (BaseDoRemoteExecute,),
    "do_choose_executor": (BaseDoChooseExecutor,),
    "do_build_result": (BaseDoBuildResult,),
}
VALIDATORS: Mapping[str, tuple[type[LifecycleAdapter], ...]] = {
    "validate_node": (BaseValidateNode,),
    "validate_graph": (BaseValidateGraph,),
}
