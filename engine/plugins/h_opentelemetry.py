"""OpenTelemetry: a span per run, per task and per node. Values are never sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace

from engine.lifecycle.api import GraphExecutionHook, NodeExecutionHook
from engine.lifecycle.tasks import TaskExecutionHook

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer


class OpenTelemetryTracer(NodeExecutionHook, GraphExecutionHook, TaskExecutionHook):
    """Opens a span when something begins and closes it when it ends; the nodes' spans lie in their run's or task's.

    What a node's function traces itself lies in the node's span.

    Args:
        tracer_name: The name of the tracer to get; this module's unless given.
        tracer: The tracer itself.
    """

    def __init__(self, tracer_name: str | None = None, tracer: Tracer | None = None) -> None:
        self.tracer = tracer or trace.get_tracer(tracer_name or __name__)
        self._open: dict[tuple[str | None, ...], tuple[Span, object]] = {}

    def run_before_graph_execution(
        self, *, run_id: str, final_vars: list[str], inputs: dict[str, Any], overrides: dict[str, Any], **facts: Any
    ) -> None:
        """Open the run's span, with the names of what is asked for and given."""
        del facts
        named = {"final_vars": list(final_vars), "inputs": list(inputs), "overrides": list(overrides)}
        self._enter((run_id,), run_id, {"run_id": run_id, **named})

    def run_after_graph_execution(self, *, run_id: str, error: Exception | None, **facts: Any) -> None:
        """Close the run's span, before it those of nodes that another hook stopped."""
        del facts
        for key in [key for key in reversed(self._open) if key[0] == run_id]:
            self._exit(key, error)

    def run_before_task_execution(self, *, run_id: str, task_id: str, nodes: list[Any], **facts: Any) -> None:
        """Open the task's span, with the names of its nodes."""
        del facts
        self._enter((run_id, task_id), task_id, {"task_id": task_id, "nodes": [node.name for node in nodes]})

    def run_after_task_execution(self, *, run_id: str, task_id: str, error: Exception | None, **facts: Any) -> None:
        """Close the task's span."""
        del facts
        self._exit((run_id, task_id), error)

    def run_before_node_execution(
        self, *, run_id: str, task_id: str | None, node_name: str, node_tags: dict[str, Any], **facts: Any
    ) -> None:
        """Open the node's span, with its tags."""
        del facts
        tags = {f"tag.{name}": value for name, value in node_tags.items()}
        self._enter((run_id, task_id, node_name), node_name, {"node_name": node_name, **tags})

    def run_after_node_execution(
        self, *, run_id: str, task_id: str | None, node_name: str, error: Exception | None, **facts: Any
    ) -> None:
        """Close the node's span."""
        del facts
        self._exit((run_id, task_id, node_name), error)

    def _enter(self, key: tuple[str | None, ...], name: str, attributes: dict[str, Any]) -> None:
        # A worker thread does not know its run's span: it is looked up, from the innermost that is open.
        outer = next((self._open[key[:end]] for end in range(len(key) - 1, 0, -1) if key[:end] in self._open), None)
        around = trace.set_span_in_context(outer[0]) if outer else None
        span = self.tracer.start_span(name, context=around, attributes=attributes)
        self._open[key] = (span, context.attach(trace.set_span_in_context(span)))

    def _exit(self, key: tuple[str | None, ...], error: Exception | None) -> None:
        span, token = self._open.pop(key)
        if error is not None:
            span.record_exception(error)
            span.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
        context.detach(token)  # type: ignore[arg-type]  # what attach() gave
        span.end()
