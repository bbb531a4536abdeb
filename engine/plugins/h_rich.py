"""rich: a progress bar over the nodes of a run, and one over each set of parallel branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from engine.lifecycle.api import GraphExecutionHook, NodeExecutionHook
from engine.lifecycle.tasks import TaskExecutionHook, TaskGroupingHook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import ProgressColumn, TaskID


class RichProgressBar(TaskExecutionHook, TaskGroupingHook, GraphExecutionHook, NodeExecutionHook):
    """Shows how many nodes have run; nodes of parallel branches count on a bar of their own, by branch.

    Args:
        run_desc: What stands before the run's bar.
        collect_desc: What stands before the bar of branches.
        columns: What the bars show, as ``rich.progress.Progress`` takes it.
        kwargs: Passed on to ``rich.progress.Progress``.
    """

    def __init__(
        self,
        run_desc: str = "",
        collect_desc: str = "",
        columns: Sequence[str | ProgressColumn] | None = None,
        **kwargs: Any,
    ) -> None:
        self.run_desc = run_desc or "Running nodes"
        self.collect_desc = collect_desc or "Running branches"
        self._columns, self._kwargs = tuple(columns or ()), kwargs
        self._progress: Progress | None = None
        self._run: TaskID | None = None
        self._branches: dict[str, TaskID] = {}
        self._spawned: set[str] = set()

    def run_before_graph_execution(self, *, execution_path: list[str], **future_kwargs: Any) -> None:
        """Show an empty bar."""
        del future_kwargs
        self._progress = Progress(*self._columns, **self._kwargs)
        self._branches, self._spawned = {}, set()
        self._progress.start()
        self._run = self._progress.add_task(self.run_desc, total=len(execution_path))

    def run_after_graph_execution(self, *, success: bool, **future_kwargs: Any) -> None:
        """Leave the bars as they stand, full after a success."""
        del future_kwargs
        if self._progress is not None and self._run is not None:
            if success:
                self._progress.update(self._run, completed=self._progress.tasks[self._run].total)
            self._progress.stop()
        self._progress = None

    def run_before_node_execution(self, **future_kwargs: Any) -> None:
        """Do nothing."""

    def run_after_node_execution(self, *, task_id: str | None, **future_kwargs: Any) -> None:
        """Move the run's bar on."""
        del future_kwargs
        if self._progress is not None and self._run is not None and task_id not in self._spawned:
            self._progress.advance(self._run)

    def run_after_task_grouping(self, **future_kwargs: Any) -> None:
        """Do nothing."""

    def run_after_task_expansion(self, *, task_id: str, parameters: dict[str, Any], **future_kwargs: Any) -> None:
        """Show a bar of the branches."""
        del future_kwargs
        if self._progress is not None:
            self._branches[task_id] = self._progress.add_task(self.collect_desc, total=len(parameters))

    def run_before_task_execution(self, *, task_id: str, spawning_task_id: str | None, **future_kwargs: Any) -> None:
        """Note that the nodes of this task count by branch."""
        del future_kwargs
        if spawning_task_id is not None:
            self._spawned.add(task_id)

    def run_after_task_execution(self, *, spawning_task_id: str | None, **future_kwargs: Any) -> None:
        """Move the bar of branches on."""
        del future_kwargs
        if self._progress is not None and spawning_task_id in self._branches:
            self._progress.advance(self._branches[spawning_task_id])
