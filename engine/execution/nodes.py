"""Nodes: runs steps, bare where nobody watches, with hooks and a record where somebody does."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

from engine.execution.steps import fill, note
from engine.execution.values import Values
from engine.metadata.records import NodeRunState
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from engine.execution.blocks import Block
    from engine.execution.scheduler import Stage
    from engine.execution.steps import Step
    from engine.execution.transfers import Moved
    from engine.lifecycle.base import LifecycleAdapterSet
    from engine.node import Node


_RECORDED = frozenset({NodeKind.LOADER, NodeKind.SAVER})


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
        recalled: The savers that did not run, because what they write is there.
    """

    blocks: tuple[Block, ...] = ()

    def __init__(
        self,
        values: MutableMapping[str, Any],
        hooks: LifecycleAdapterSet,
        recorder: NodeRecorder,
        on_read: Callable[[Node, Any], None],
        task_id: str | None = None,
    ) -> None:
        self.values = values
        self.started_at: datetime | None = None
        self._before, self._after = hooks.of("pre_node_execute"), hooks.of("post_node_execute")
        self._method = hooks.method("do_node_execute")
        self._recall = hooks.method("do_node_recall")
        self.recalled: set[str] = set()
        self._recorder = recorder
        self._on_read = on_read
        self._task_id = task_id
        asked = self._before or self._after or self._method or self._recall
        self._is_watched = bool(asked) or recorder.is_recording
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
                if self._recall is None or not self._is_recalled(step):
                    self.run_step(step)
        else:
            stage.calls.run(self.values)

    def run_saver(self, step: Step) -> Any:
        """Run the step of a saver, whose record is written when its commit is known; return what it says."""
        if not self._is_read(step):
            return self.run_step(step, notes=False)
        self.recalled.add(step.name)
        value = self.values[step.name]
        self._release(step)
        return value

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
        self._release(step)
        return value

    def _release(self, step: Step) -> None:
        for name in step.releases:
            del self.values[name]

    # --- values that are kept somewhere -------------------------------------------------------------------------------
    def _reader(self, node: Node) -> Callable[[], Any] | None:
        """Return what reads a node's value from where an adapter keeps it, or None: the node is to run."""
        # The record says what a loader read and which commit a saver made, so where there is one these run.
        if self._recall is None or (self._recorder.is_recording and node.kind in _RECORDED):
            return None
        reader: Callable[[], Any] | None = self._recall(
            run_id=self._recorder.run_id, node_=node, values=self.values, task_id=self._task_id
        )
        return reader

    def _is_read(self, step: Step) -> bool:
        """Read a node's value at once, where an adapter can give it."""
        read = self._reader(step.node)
        if read is None:
            return False
        try:
            self.values[step.name] = read()
        except LookupError:
            return False
        if step.node.kind is not NodeKind.SAVER:
            self._note_fresh(step.node)
        return True

    def _note_fresh(self, node: Node) -> None:
        self._recorder.node(node, NodeRunState.FRESH, started_at=None, ended_at=None, value=None, error=None)

    def _is_recalled(self, step: Step) -> bool:
        """Let a node's value be read when it is wanted, where an adapter can give it."""
        if not isinstance(self.values, Values):
            is_recalled = self._is_read(step)
        elif is_recalled := (read := self._reader(step.node)) is not None:
            again = functools.partial(self.run_step, step._replace(releases=()), notes=False)
            self.values.recall(step.name, read, again, [n for n in step.node.upstream if n in self.values])
            self._note_fresh(step.node)
        if is_recalled:
            self._release(step)
        return is_recalled

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
