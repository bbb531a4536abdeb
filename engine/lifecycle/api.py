"""The hook classes that users subclass.

Methods are called with keywords only; take ``**future_kwargs`` so that later versions may pass more.
"""

from __future__ import annotations

import abc
from typing import Any


class LifecycleAdapter(abc.ABC):  # noqa: B024 - a marker: which methods there are, its subclasses say
    """Anything that ``Builder.with_adapters`` takes."""


class ResultBuilder(LifecycleAdapter):
    """Joins the values that were asked for into what the caller gets."""

    @abc.abstractmethod
    def build_result(self, **outputs: Any) -> Any:
        """Return one value made of the outputs."""

    def input_types(self) -> list[type]:
        """Return the types of outputs it takes."""
        return [object]

    def output_type(self) -> Any:
        """Return the type of what it makes."""
        return Any


class GraphConstructionHook(LifecycleAdapter):
    """Called once a graph is built, and again when a call attaches requests to it."""

    @abc.abstractmethod
    def run_after_graph_construction(self, *, graph: Any, config: dict[str, Any], **future_kwargs: Any) -> None:
        """Look at the graph (an `engine.graph_types.HamiltonGraph`) and the configuration."""


class GraphExecutionHook(LifecycleAdapter):
    """Called before and after every execution."""

    @abc.abstractmethod
    def run_before_graph_execution(
        self,
        *,
        graph: Any,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        execution_path: list[str],
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Called before the inputs are checked; ``execution_path`` names the nodes that may run."""

    @abc.abstractmethod
    def run_after_graph_execution(
        self,
        *,
        graph: Any,
        success: bool,
        error: Exception | None,
        results: dict[str, Any] | None,
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Called at the end, whatever happened."""


class NodeExecutionHook(LifecycleAdapter):
    """Called before and after every node that runs, loaders and savers included."""

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
        """Called with the values that fill the node's parameters; an exception stops the node."""

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


class OutputExecutionHook(LifecycleAdapter):
    """Called when an output of the plan begins and when what became of it is known."""

    def run_before_output(self, *, output: str, location: str, reasons: tuple[Any, ...], run_id: str) -> None:
        """Called before the first node that this output needs."""

    def run_after_output(self, *, result: Any, run_id: str) -> None:
        """Called with an `engine.execution.results.OutputResult`, for fresh outputs as well."""
