"""The hook classes that users subclass.

Methods are called with keywords only; take ``**future_kwargs`` so that later versions may pass more. They are shown
views (`engine.graph_types`) and plain values; what they are made from is in `engine.lifecycle.contracts`.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

from engine.graph_types import HamiltonGraph, HamiltonNode
from engine.htypes import is_collect, is_parallelizable
from engine.lifecycle.contracts import (
    BaseDoBuildResult,
    BaseDoCheckEdgeTypesMatch,
    BaseDoNodeExecute,
    BaseDoValidateInput,
    BasePostGraphConstruct,
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePreGraphExecute,
    BasePreNodeExecute,
    BaseValidateGraph,
    BaseValidateNode,
    LifecycleAdapter,
    OutputExecutionHook,
)
from engine.lifecycle.reading import called_by_nodes, values_read
from engine.lifecycle.tasks import TaskExecutionHook, TaskGroupingHook, TaskReturnHook, TaskSubmissionHook
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from engine.graph import FunctionGraph
    from engine.node import Node

__all__ = [
    "EdgeConnectionHook",
    "GraphAdapter",
    "GraphConstructionHook",
    "GraphExecutionHook",
    "LegacyResultMixin",
    "LifecycleAdapter",
    "NodeExecutionHook",
    "NodeExecutionMethod",
    "OutputExecutionHook",
    "ResultBuilder",
    "StaticValidator",
    "TaskExecutionHook",
    "TaskGroupingHook",
    "TaskReturnHook",
    "TaskSubmissionHook",
]


class ResultBuilder(BaseDoBuildResult):
    """Joins the values that were asked for into what the caller gets."""

    @abc.abstractmethod
    def build_result(self, **outputs: Any) -> Any:
        """Return one value made of the outputs."""

    def do_build_result(self, outputs: dict[str, Any]) -> Any:
        """Pass the outputs on by name."""
        return self.build_result(**outputs)

    def input_types(self) -> list[Any]:
        """Return the types of outputs it takes."""
        return [Any]

    def output_type(self) -> Any:
        """Return the type of what it makes."""
        return Any


class LegacyResultMixin(ResultBuilder):
    """Apache Hamilton's older name of a result builder; ``build_result`` may be a static method."""


class GraphConstructionHook(BasePostGraphConstruct):
    """Called once a graph is built, and again when a call attaches requests to it."""

    def post_graph_construct(
        self,
        *,
        graph: FunctionGraph,
        modules: Sequence[ModuleType],  # noqa: ARG002 - the contract's signature
        config: dict[str, Any],
    ) -> None:
        """Show a view of the graph."""
        self.run_after_graph_construction(graph=HamiltonGraph.from_graph(graph), config=config)

    @abc.abstractmethod
    def run_after_graph_construction(
        self, *, graph: HamiltonGraph, config: dict[str, Any], **future_kwargs: Any
    ) -> None:
        """Look at the graph and the configuration."""


class GraphExecutionHook(BasePreGraphExecute, BasePostGraphExecute):
    """Called before and after every execution."""

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Show a view of the graph, and name the nodes that may run."""
        known = [name for name in final_vars if name in graph.nodes]  # unknown ones are refused after this hook
        order = graph.order(known, stop=overrides.__contains__)
        self.run_before_graph_execution(
            graph=HamiltonGraph.from_graph(graph),
            final_vars=final_vars,
            inputs=inputs,
            overrides=overrides,
            execution_path=[name for name in order if graph.nodes[name].kind is not NodeKind.INPUT],
            run_id=run_id,
        )

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: dict[str, Any] | None,
    ) -> None:
        """Show a view of the graph."""
        view = HamiltonGraph.from_graph(graph)
        self.run_after_graph_execution(graph=view, success=success, error=error, results=results, run_id=run_id)

    @abc.abstractmethod
    def run_before_graph_execution(
        self,
        *,
        graph: HamiltonGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        execution_path: list[str],
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Called before the inputs are checked; ``execution_path`` names the nodes that may run, in their order."""

    @abc.abstractmethod
    def run_after_graph_execution(
        self,
        *,
        graph: HamiltonGraph,
        success: bool,
        error: Exception | None,
        results: dict[str, Any] | None,
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Called at the end, whatever happened."""


class NodeExecutionHook(BasePreNodeExecute, BasePostNodeExecute):
    """Called before and after every node that runs, loaders and savers included; not for inputs and overrides."""

    def pre_node_execute(self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None) -> None:
        """Take the node apart."""
        self.run_before_node_execution(
            node_name=node_.name,
            node_tags=dict(node_.tags),
            node_kwargs=values_read(node_, kwargs),
            node_return_type=node_.type,
            task_id=task_id,
            run_id=run_id,
            node_input_types=node_.input_types,
        )

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
        """Take the node apart."""
        self.run_after_node_execution(
            node_name=node_.name,
            node_tags=dict(node_.tags),
            node_kwargs=values_read(node_, kwargs),
            node_return_type=node_.type,
            result=result,
            error=error,
            success=success,
            task_id=task_id,
            run_id=run_id,
        )

    @abc.abstractmethod
    def run_before_node_execution(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_kwargs: dict[str, Any],
        node_return_type: Any,
        task_id: str | None,
        run_id: str,
        node_input_types: dict[str, Any],
        **future_kwargs: Any,
    ) -> None:
        """Called with the values of the nodes that are read, defaults left out; an exception stops the node."""

    @abc.abstractmethod
    def run_after_node_execution(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_kwargs: dict[str, Any],
        node_return_type: Any,
        result: Any,
        error: Exception | None,
        success: bool,
        task_id: str | None,
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Called with the node's value, or with what it raised."""


class NodeExecutionMethod(BaseDoNodeExecute):
    """Runs nodes in the engine's stead; a driver has at most one."""

    def do_node_execute(
        self,
        *,
        run_id: str,  # noqa: ARG002 - the contract's signature
        node_: Node,
        kwargs: dict[str, Any],
        task_id: str | None = None,
    ) -> Any:
        """Take the node apart."""
        return self.run_to_execute_node(
            node_name=node_.name,
            node_tags=dict(node_.tags),
            node_callable=called_by_nodes(node_, kwargs),
            node_kwargs=values_read(node_, kwargs),
            task_id=task_id,
            is_expand=is_parallelizable(node_.type),
            is_collect=any(map(is_collect, node_.parameter_types.values())),
        )

    @abc.abstractmethod
    def run_to_execute_node(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_callable: Callable[..., Any],
        node_kwargs: dict[str, Any],
        task_id: str | None,
        is_expand: bool,
        is_collect: bool,
        **future_kwargs: Any,
    ) -> Any:
        """Return the node's value, commonly ``node_callable(**node_kwargs)``.

        ``is_expand`` says that the node gives the items of parallel branches, ``is_collect`` that it gathers them.
        """


class EdgeConnectionHook(BaseDoCheckEdgeTypesMatch, BaseDoValidateInput):
    """Allows more edges than the annotations do, and decides which values may be given as inputs."""

    def do_check_edge_types_match(self, *, type_from: Any, type_to: Any) -> bool:
        """Ask about an edge."""
        return self.check_edge_types_match(type_from, type_to)

    def do_validate_input(self, *, node_type: Any, input_value: Any) -> bool:
        """Ask about an input."""
        return self.validate_input(node_type, input_value)

    @abc.abstractmethod
    def check_edge_types_match(self, type_from: Any, type_to: Any, **kwargs: Any) -> bool:
        """Say whether a parameter of ``type_from`` may take a value of ``type_to``; asked where they do not fit."""

    @abc.abstractmethod
    def validate_input(self, node_type: Any, input_value: Any, **kwargs: Any) -> bool:
        """Say whether a value may be given for an input of this type; asked for every input, in the engine's stead."""


class StaticValidator(BaseValidateNode, BaseValidateGraph):
    """Refuses dataflows when they are built; override one method or both."""

    def validate_node(self, *, created_node: Node) -> tuple[bool, str | None]:
        """Show a view of the node."""
        return self.run_to_validate_node(node=HamiltonNode.from_node(created_node))

    def validate_graph(
        self,
        *,
        graph: FunctionGraph,
        modules: Sequence[ModuleType],  # noqa: ARG002 - the contract's signature
        config: dict[str, Any],  # noqa: ARG002 - the contract's signature
    ) -> tuple[bool, str | None]:
        """Show a view of the graph."""
        return self.run_to_validate_graph(graph=HamiltonGraph.from_graph(graph))

    def run_to_validate_node(
        self,
        *,
        node: HamiltonNode,  # noqa: ARG002 - for subclasses
        **future_kwargs: Any,  # noqa: ARG002 - for subclasses
    ) -> tuple[bool, str | None]:
        """Say whether a node may be, and if not, why."""
        return True, None

    def run_to_validate_graph(
        self,
        graph: HamiltonGraph,  # noqa: ARG002 - for subclasses
        **future_kwargs: Any,  # noqa: ARG002 - for subclasses
    ) -> tuple[bool, str | None]:
        """Say whether the graph may be used, and if not, why."""
        return True, None


class GraphAdapter(BaseDoNodeExecute, LegacyResultMixin, BaseDoValidateInput, BaseDoCheckEdgeTypesMatch):
    """Apache Hamilton's oldest adapter: checks types, runs nodes and builds the result."""

    def do_node_execute(
        self,
        *,
        run_id: str,  # noqa: ARG002 - the contract's signature
        node_: Node,
        kwargs: dict[str, Any],
        task_id: str | None = None,  # noqa: ARG002 - the contract's signature
    ) -> Any:
        """Ask for the node's value."""
        return self.execute_node(node_, kwargs)

    def do_validate_input(self, *, node_type: Any, input_value: Any) -> bool:
        """Ask about an input."""
        return self.check_input_type(node_type, input_value)

    def do_check_edge_types_match(self, *, type_from: Any, type_to: Any) -> bool:
        """Ask about an edge."""
        return self.check_node_type_equivalence(type_to, type_from)

    @staticmethod
    @abc.abstractmethod
    def check_input_type(node_type: Any, input_value: Any) -> bool:
        """Say whether a value may be given for an input of this type."""

    @staticmethod
    @abc.abstractmethod
    def check_node_type_equivalence(node_type: Any, input_type: Any) -> bool:
        """Say whether a node's value of one type may fill a parameter of the other."""

    @abc.abstractmethod
    def execute_node(self, node: Node, kwargs: dict[str, Any]) -> Any:
        """Return the node's value, commonly ``node(**kwargs)``."""
