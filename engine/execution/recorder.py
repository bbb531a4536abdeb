"""Recorder: what a run does becomes rows of the metadata, a batch at a time; without a store it does nothing.

The data is in the warehouse before its record is here: a batch that a crash cuts off is replayed from the ledger when
the next run starts (`engine.execution.recovery`).
"""

from __future__ import annotations

import contextlib
import json
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.dialects.secrets import is_secret_name, scrub
from engine.frames import library_of
from engine.identifiers import new_id
from engine.metadata.records import NodeRun, NodeRunState, NodeVersion, Run, RunParameter, RunState
from engine.planning.fingerprint import SCHEME, value_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from engine.execution.request import Request
    from engine.graph import FunctionGraph
    from engine.metadata.records import DatasetVersion, InputRead, Reason
    from engine.metadata.store import MetadataStore
    from engine.node import Node
    from engine.planning.cones import Cones

_FLUSH_AFTER_S = 1.0
_LONGEST_JSON = 1000
_LONGEST_TRACEBACK = 64_000


class Recorder:
    """Records one run.

    Args:
        store: The metadata store, or None: then every method does nothing but hand out ids.
        project: The project whose nodes these are.
        environment: Where it runs, such as ``default`` or ``production``.
    """

    def __init__(self, store: MetadataStore | None, project: str, environment: str) -> None:
        self.store = store
        self.project = project
        self.environment = environment
        self.run_id = new_id()
        self.epoch = 0
        self._ids: dict[str, str] = {}
        self._node_runs: list[NodeRun] = []
        self._versions: list[DatasetVersion] = []
        self._reads: dict[str, tuple[InputRead, ...]] = {}
        self._flushed_at = time.monotonic()

    @property
    def is_recording(self) -> bool:
        """Whether there is a store."""
        return self.store is not None

    def node_run_id(self, node: str) -> str:
        """Return the id of a node's run in this run."""
        if node not in self._ids:
            self._ids[node] = new_id()
        return self._ids[node]

    @contextlib.contextmanager
    def run(self, request: Request, graph: FunctionGraph) -> Iterator[None]:
        """Record the run around the block: as running at once, as aborted when the block is interrupted."""
        if self.store is None:
            yield
            return
        with self.store.hold_run(self.run_id):
            parameters = tuple(_parameters(request, graph))
            self.epoch = self.store.start_run(
                Run(
                    run_id=self.run_id,
                    project=self.project,
                    environment=self.environment,
                    mode=request.mode,
                    started_at=datetime.now(tz=UTC),
                    selection=", ".join((*request.outputs, *request.final_vars))[:_LONGEST_JSON],
                    parameters=parameters,
                )
            )
            try:
                yield
            except KeyboardInterrupt:
                self.end(RunState.ABORTED, built=0, fresh=0, failed=0, error="interrupted")
                raise

    def declare(self, cones: Cones, nodes: Iterable[str], intents: Iterable[NodeRun]) -> None:
        """Write, before the first node runs, which versions of nodes run and which outputs are about to be written."""
        if self.store is not None:
            versions = [self._version(cones, name) for name in nodes]
            self.store.declare(self.run_id, versions, list(intents))

    def _version(self, cones: Cones, name: str) -> NodeVersion:
        node, code = cones.graph.nodes[name], cones.code(name)
        return NodeVersion(
            name=name,
            kind=node.kind.value,
            code_version=code.version if code else "",
            scheme=SCHEME,
            completeness=code.completeness if code else "complete",
            type=getattr(node.type, "__qualname__", str(node.type)),
            doc=node.doc or None,
            tags=dict(node.tags),
            units=code.units if code else (),
        )

    def read(self, node: str, reads: Iterable[InputRead]) -> None:
        """Note what a loader read."""
        self._reads[node] = tuple(reads)

    def node(
        self,
        node: Node,
        state: NodeRunState,
        *,
        started_at: datetime | None = None,
        ended_at: datetime | None = None,
        duration_s: float | None = None,
        value: Any = None,
        error: BaseException | None = None,
        reasons: tuple[Reason, ...] = (),
        recipe_version: str | None = None,
        commit_id: str | None = None,
        rows: int | None = None,
    ) -> None:
        """Note what became of a node."""
        if self.store is None:
            return
        edges = dict.fromkeys((self._ids[name], parameter) for parameter, name in _edges(node) if name in self._ids)
        self._node_runs.append(
            NodeRun(
                node_run_id=self.node_run_id(node.name),
                run_id=self.run_id,
                node=node.name,
                state=state,
                recipe_version=recipe_version,
                commit_id=commit_id,
                started_at=started_at,
                ended_at=ended_at,
                duration_s=_seconds(started_at, ended_at) if duration_s is None else duration_s,
                rows=rows_of(value) if rows is None else rows,
                error_type=type(error).__qualname__ if error else None,
                error_message=str(error) if error else None,
                traceback="".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:] if error else None,
                edges=tuple(edges),
                reasons=reasons,
                inputs=self._reads.pop(node.name, ()),
            )
        )

    def commit(self, version: DatasetVersion) -> None:
        """Note a version of a dataset that is in its place."""
        if self.store is not None:
            self._versions.append(version)
            if time.monotonic() - self._flushed_at > _FLUSH_AFTER_S:
                self.flush()

    def flush(self) -> None:
        """Write what was noted."""
        if self.store is not None:
            # Versions first: a node run may say that it read one of them.
            if self._versions:
                self.store.apply(self._versions)
            if self._node_runs:
                self.store.record(self._node_runs)
            self._node_runs, self._versions = [], []
        self._flushed_at = time.monotonic()

    def end(self, state: RunState, *, built: int, fresh: int, failed: int, error: str | None = None) -> None:
        """Write the end of the run."""
        if self.store is not None:
            self.flush()
            self.store.end_run(self.run_id, state, built=built, fresh=fresh, failed=failed, error=error)


def rows_of(value: Any) -> int | None:
    """Return how many rows a frame has; None for anything else, and where counting would read them."""
    library = None if value is None else library_of(value)
    return library.row_count(value) if library else None


def _seconds(started_at: datetime | None, ended_at: datetime | None) -> float | None:
    return (ended_at - started_at).total_seconds() if started_at and ended_at else None


def _edges(node: Node) -> Iterator[tuple[str, str]]:
    from engine.bindings import sources_of

    for parameter, binding in node.bindings.items():
        for name in sources_of(binding):
            yield parameter, name
    for name in node.after:
        yield "after", name


def _parameters(request: Request, graph: FunctionGraph) -> Iterator[RunParameter]:
    origins: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("input", request.inputs),
        ("config", graph.config),
        ("override", request.overrides),
    )
    for origin, given in origins:
        for name, value in given.items():
            is_secret = is_secret_name(name)
            yield RunParameter(
                origin=origin,
                name=name,
                value_hash=value_hash(value) or "",
                value_json=None if is_secret else _json(value),
                is_secret=is_secret,
            )


def _json(value: Any) -> str | None:
    """Return a scalar as JSON; None for what is no scalar, too long, or has no JSON form."""
    if not isinstance(value, str | int | float | bool | None):
        return None
    try:
        text = json.dumps(scrub(value) if isinstance(value, str) else value, allow_nan=False)
    except ValueError:
        return None
    return text if len(text) <= _LONGEST_JSON else None
