"""Every run and node has its span, nested as they ran."""

from __future__ import annotations

from typing import Any

import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.driver import Builder, Driver
from engine.lifecycle import NodeExecutionHook

trace = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
h_opentelemetry = pytest.importorskip("engine.plugins.h_opentelemetry")


def start(secret: str) -> str:
    """A node."""
    return secret


def broken(start: str) -> str:
    """A node that fails."""
    message = f"{len(start)} letters"
    raise ValueError(message)


class Stop(NodeExecutionHook):
    """Stops a node before it runs."""

    def run_before_node_execution(self, *, node_name: str, **_: Any) -> None:
        """Stop it."""
        if node_name == "broken":
            raise KeyError(node_name)

    def run_after_node_execution(self, **_: Any) -> None:
        """Do nothing."""


@pytest.fixture
def spans() -> Any:
    """A place where spans are kept."""
    return memory.InMemorySpanExporter()


def build(spans: Any, *others: Any) -> Driver:
    """Build a driver whose spans are kept."""
    provider = trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(spans))
    tracer = h_opentelemetry.OpenTelemetryTracer(tracer=provider.get_tracer("test"))
    return Builder().with_modules(create_temporary_module(start, broken)).with_adapters(tracer, *others).build()


def test_nodes_have_spans_within_their_runs(spans: Any) -> None:
    """A node's span lies in its run's; errors are told, values are not."""
    with pytest.raises(ValueError, match="7 letters"):
        build(spans).execute(["broken"], inputs={"secret": "hunter2"})
    node, failed, run = spans.get_finished_spans()
    assert (node.name, failed.name) == ("start", "broken")
    assert node.parent.span_id == failed.parent.span_id == run.context.span_id
    assert node.status.is_ok
    assert not failed.status.is_ok
    assert failed.events[0].attributes["exception.type"] == "ValueError"
    assert run.attributes["final_vars"] == ("broken",)
    assert "hunter2" not in "".join(span.to_json() for span in (node, failed, run))


def test_a_stopped_node_leaves_no_open_span(spans: Any) -> None:
    """A node that another hook stops has its span closed with the run's."""
    with pytest.raises(KeyError):
        build(spans, Stop()).execute(["broken"], inputs={"secret": "hunter2"})
    assert [span.name for span in spans.get_finished_spans()][:2] == ["start", "broken"]
    assert len(spans.get_finished_spans()) == 3
