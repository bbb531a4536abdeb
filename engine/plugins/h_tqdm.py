"""tqdm: a progress bar over the nodes of a run."""

from __future__ import annotations

from typing import Any

import tqdm

from engine.lifecycle.api import GraphExecutionHook, NodeExecutionHook


class ProgressBar(GraphExecutionHook, NodeExecutionHook):
    """Shows how many nodes have run, and which one runs.

    Args:
        desc: What stands before the bar.
        max_node_name_width: Letters of a node's name that are shown.
        kwargs: Passed on to ``tqdm.tqdm``.
    """

    def __init__(self, desc: str = "Graph execution", max_node_name_width: int = 50, **kwargs: Any) -> None:
        self.desc = desc
        self.max_node_name_width = max_node_name_width
        self.kwargs = kwargs
        self._bar: Any = None

    def run_before_graph_execution(self, *, execution_path: list[str], **future_kwargs: Any) -> None:
        """Show an empty bar."""
        del future_kwargs
        self._bar = tqdm.tqdm(**{"desc": self.desc, "total": len(execution_path), **self.kwargs})

    def run_before_node_execution(self, *, node_name: str, **future_kwargs: Any) -> None:
        """Name the node."""
        del future_kwargs
        width = self.max_node_name_width
        self._bar.set_description_str(f"{self.desc} -> {node_name[:width].ljust(min(width, len(node_name)))}")

    def run_after_node_execution(self, **future_kwargs: Any) -> None:
        """Move on; branches that nobody could count before make the bar longer."""
        del future_kwargs
        if self._bar.n >= self._bar.total:
            self._bar.total = self._bar.n + 1
        self._bar.update(1)

    def run_after_graph_execution(self, **future_kwargs: Any) -> None:
        """Leave the bar as it stands."""
        del future_kwargs
        self._bar.set_description_str(self.desc)
        self._bar.close()
        self._bar = None
