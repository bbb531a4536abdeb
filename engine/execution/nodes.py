"""Nodes: runs steps, bare where nobody watches, with hooks and a record where somebody does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

from engine.execution.steps import fill, note
from engine.metadata.records import NodeRunState
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.execution.blocks import Block
    from engine.execution.scheduler import Stage
    from engine.execution.steps import Step
    from engine.execution.transfers import Moved
    from engine.lifecycle.base import LifecycleAdapterSet
    from engine.node import Node


class NodeRecorder(Protocol):
    """Who writes down what nodes do."""

    run_id: str

    @property
    def is_recording(self) -> bool:
        """Whether anything is written down."""

    def node(
        self,
        node: Node,
        state: NodeRunState,
        *,
        started_at: datetime | None,
        ended_at: datetime | None,
        value: Any,
        error: BaseException | None,
    ) -> None:
        """Note what became of a node."""


class NodeRunner:
    """Runs the nodes of one run.

    Args:
        hooks: Who watches.
        recorder: Who writes down.
        on_read: Called with every loader that has run and what it gave, where the run is recorded.
        task_id: The task that the nodes belong to, as hooks are told.

    Attributes:
        values: The values at hand, by name.
        take: Gives what a node gave that was begun before its turn, or None.
        started_at: When the last watched node began.
        blocks: What runs once per item; only a runner that makes tasks can run any.
    """

    blocks: tuple[Block, ...] = ()

    def __init__(
        self,
        values: dict[str, Any],
        hooks: LifecycleAdapterSet,
        recorder: NodeRecorder,
        on_read: Callable[[Node, Any], None],
        task_id: str | None = None,
    ) -> None:
        self.values = values
        self.started_at: datetime | None = None
        self._before, self._after = hooks.of("pre_node_execute"), hooks.of("post_node_execute")
        self._method = hooks.method("do_node_execute")
        self._recorder = recorder
        self._on_read = on_read
        self._task_id = task_id
        self._is_watched = bool(self._before or self._after or self._method) or recorder.is_recording
        self.take: Callable[[Node], Moved | None] = _nothing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of workers; this runner has none."""

    def run(self, stage: Stage) -> None:
        """Run a stage, keeping its values as long as somebody needs them.

        Raises:
            Exception: What a node raised, unchanged, with a note on the node.
        """
        if self._is_watched:
            for step in stage.steps():
                self.run_step(step)
        else:
            stage.calls.run(self.values)

    def run_saver(self, step: Step) -> Any:
        """Run the step of a saver, whose record is written when its commit is known; return what it says."""
        return self.run_step(step, notes=False)

    def run_step(self, step: Step, *, notes: bool = True) -> Any:
        """Run one step before the eyes of all who watch; return its value.

        Raises:
            Exception: What the node raised, unchanged, with a note on the node.
        """
        node, arguments = step.node, fill(step.node, self.values)
        run_id = self._recorder.run_id
        for hook in self._before:
            hook(run_id=run_id, node_=node, kwargs=arguments, task_id=self._task_id)
        if self._recorder.is_recording:
            self.started_at = datetime.now(tz=UTC)
        value, error, success = None, None, False
        try:
            if self._method is None:
                begun = self.take(node)
                if begun is not None:
                    value, self.started_at = begun.value, begun.started_at
                else:
                    value = step.function(**arguments)
            else:
                value = self._method(run_id=run_id, node_=node, kwargs=arguments, task_id=self._task_id)
            success = True
        except Exception as raised:
            note(raised, node.name)
            error = raised
            raise
        finally:
            # Of an interrupt no error is told, but neither is it a success.
            self._note(node, value, error, success=success, notes=notes)
            for hook in self._after:
                hook(
                    run_id=run_id,
                    node_=node,
                    kwargs=arguments,
                    success=success,
                    error=error,
                    result=value,
                    task_id=self._task_id,
                )
        self.values[node.name] = value
        for name in step.releases:
            del self.values[name]
        return value

    def _note(self, node: Node, value: Any, error: Exception | None, *, success: bool, notes: bool) -> None:
        if not self._recorder.is_recording:
            return
        if node.kind is NodeKind.LOADER and success:
            self._on_read(node, value)
        if notes:
            state = NodeRunState.SUCCESS if success else NodeRunState.FAILED
            self._recorder.node(
                node, state, started_at=self.started_at, ended_at=datetime.now(tz=UTC), value=value, error=error
            )


def _nothing(node: Node) -> None:
    """Say that no node was begun before its turn."""
    del node
