"""Watch: tells the hooks about one execution as a whole, whatever happens in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from engine.execution.request import Request
    from engine.graph import FunctionGraph
    from engine.lifecycle.base import LifecycleAdapterSet


class Watch:
    """Calls the hooks before and after what is done under it; those after it only if none before it raised.

    Args:
        hooks: Who watches.
        graph: The graph, requests attached.
        request: What is wanted; not yet checked.
        run_id: The run's id.

    Attributes:
        results: The values that were asked for, once they are known.
    """

    def __init__(self, hooks: LifecycleAdapterSet, graph: FunctionGraph, request: Request, run_id: str) -> None:
        self.results: dict[str, Any] | None = None
        self._before, self._after = hooks.of("pre_graph_execute"), hooks.of("post_graph_execute")
        self._graph, self._request, self._run_id = graph, request, run_id

    def __enter__(self) -> Self:
        for hook in self._before:
            hook(
                run_id=self._run_id,
                graph=self._graph,
                final_vars=[*self._request.final_vars, *self._request.outputs],
                inputs=dict(self._request.inputs),
                overrides=dict(self._request.overrides),
            )
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for hook in self._after:
            hook(
                run_id=self._run_id,
                graph=self._graph,
                success=error is None,
                error=error if isinstance(error, Exception) else None,
                results=self.results,
            )
