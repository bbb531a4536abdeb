"""Account: what a run declares before it writes, what it has read, and what each of its saves came to.

All that goes into the ledger beside the data, and into the record after it, is put together here; the order of things
is the runner's (`engine.execution.runner`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.dialects.base import Intent
from engine.execution import versions
from engine.execution.reads import as_record, boundary_key, input_read, metadata_of, output_read
from engine.execution.results import OutputResult
from engine.identifiers import new_id
from engine.io.data_adapters import FileTarget, TableTarget
from engine.io.traffic import written_twice
from engine.metadata.records import NodeRun, NodeRunState, Reason
from engine.node import NodeKind
from engine.planning.recipe import PENDING, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from engine.execution.recorder import Recorder
    from engine.execution.transfers import Moved
    from engine.io.data_adapters import DataSaver, Target
    from engine.io.places import Place
    from engine.io.session import Saving, Session
    from engine.metadata.records import DatasetVersion, InputRead, OutputRecord
    from engine.node import Node
    from engine.planning.planner import Planner


@dataclass(frozen=True, slots=True, eq=False)
class Save:
    """A save that has begun.

    Attributes:
        output: What it is for.
        started_at: Since when that has been built.
        target: What it writes, where that is known.
        saving: The intent, and the commit once there is one.
        moved: Will hold what the saver gave.
    """

    output: str
    started_at: datetime
    target: Target | None
    saving: Saving
    moved: Future[Moved]


class Account:
    """The account of one run.

    Args:
        planner: Decides about the outputs.
        session: The open warehouses.
        recorder: Who writes down.
        records: What the metadata knows of the outputs.
        values: The values at hand, by name.
        once: Rows are appended only if no earlier run has appended those of this recipe.

    Attributes:
        loaded: The loaders that have run.
    """

    def __init__(
        self,
        planner: Planner,
        session: Session,
        recorder: Recorder,
        records: Mapping[str, OutputRecord],
        values: Mapping[str, Any],
        *,
        once: bool,
    ) -> None:
        self.loaded: set[str] = set()
        self._planner = planner
        self._graph = planner.cones.graph
        self._session = session
        self._recorder = recorder
        self._records = records
        self._values = values
        self._once = once
        self._commit_ids = {output: new_id() for output in planner.outputs}
        self._reads: dict[str, dict[str, InputRead]] = {}
        self._surprises: dict[str, Reason] = {}

    # --- before and while nodes run -----------------------------------------------------------------------------------
    def declare(self, building: Sequence[str], final_vars: Sequence[str]) -> None:
        """Write down, before the first node runs, the code of the nodes and which outputs are about to be written."""
        if not self._recorder.is_recording:
            return
        now = datetime.now(tz=UTC)
        cones = [self._planner.cones.cone(output) for output in building]
        nodes = dict.fromkeys(name for cone in cones for name in cone.nodes)
        nodes |= dict.fromkeys(self._planner.outputs)
        for name in self._graph.order(final_vars, stop=self._values.__contains__):
            if self._graph.nodes[name].kind is not NodeKind.SAVER:
                nodes.setdefault(name)
        intents = [
            NodeRun(
                node_run_id=self._recorder.node_run_id(output),
                run_id=self._recorder.run_id,
                node=output,
                state=NodeRunState.RUNNING,
                commit_id=self._commit_ids[output],
                started_at=now,
            )
            for output in building
        ]
        self._recorder.declare(self._planner.cones, nodes, intents)

    def note_read(self, node: Node, value: Any) -> None:
        """Record which version of which dataset a loader read, and tell the planner."""
        self.loaded.add(node.name)
        source = self._planner.cones.source(node.name)
        read = input_read(self._session, node.name, source, metadata_of(value))
        if read is None:
            return
        # The loader of a block reads once per branch.
        reads = self._reads.setdefault(node.name, {})
        reads[boundary_key(self._session, source, read, node.name)] = read
        self._planner.read(node.name, {key: read.token for key, read in reads.items()})
        self._recorder.read(node.name, reads.values())

    def reasons(self, output: str) -> tuple[Reason, ...]:
        """Return why an output is built, and what was noticed about it."""
        verdict, surprise = self._planner.verdicts.get(output), self._surprises.get(output)
        noticed = (surprise,) if surprise is not None else ()
        if verdict is None:
            return (Reason(code="forced", subject="rerun of all"), *noticed) if self._recorder.is_recording else ()
        return (*verdict.reasons, *noticed)

    # --- one save -----------------------------------------------------------------------------------------------------
    def target(self, output: str, saver: DataSaver | None) -> Target | None:
        """Return what a saver writes, now that the nodes which may have named it have run.

        Raises:
            DuplicateNodeError: Another saver of this run writes there.
        """
        target = saver.target() if saver is not None else None
        place = self._session.places.of(target)
        if target is not None and place is not None:
            other = self._writers.setdefault(place, output)
            if other != output:
                raise written_twice(other, output, target)
        return target

    @functools.cached_property
    def _writers(self) -> dict[Place | None, str]:
        """Who writes each place in this run, as far as it is known."""
        targets = self._planner.cones.targets
        return {self._session.places.of(targets[o]): o for o in self._planner.outputs if targets[o] is not None}

    def intent(self, output: str) -> Intent:
        """Return what the ledger will say of a save that is about to begin."""
        adopts = output in self._planner.adopted
        if not self._recorder.is_recording:
            return Intent(commit_id=self._commit_ids[output], run_id=self._recorder.run_id, adopt=adopts)
        recipe = self._planner.recipe(output)
        return Intent(
            commit_id=self._commit_ids[output],
            run_id=self._recorder.run_id,
            node_run_id=self._recorder.node_run_id(output),
            recipe_version=recipe.version,
            epoch=self._recorder.epoch,
            once=self._once,
            adopt=adopts,
            record={
                "node": output,
                "project": self._recorder.project,
                "recipe": recipe.manifest(),
                "inputs": [as_record(read) for read in self._all_reads(output)],
            },
        )

    def settle(self, save: Save, moved: Moved, *, is_recalled: bool) -> OutputResult:
        """Record what a save came to, and tell the planner; what was recalled was not written again."""
        output = save.output
        version = self._version(output, save.target, save.saving, moved.value)
        self._planner.settle(output, version.token if version else None)
        changed = not is_recalled and (version is None or version.changed)
        if version is not None:
            self._compare_with_record(output, version)
            self._recorder.commit(version)
        rows = version.row_count if version else None
        self._record_output(save, moved, NodeRunState.SUCCESS if changed else NodeRunState.UNCHANGED, rows)
        return OutputResult(
            name=output,
            state="built" if changed else "unchanged",
            reasons=self.reasons(output),
            rows=rows,
            duration_s=(moved.ended_at - save.started_at).total_seconds(),
            metadata=moved.value,
        )

    def _compare_with_record(self, output: str, version: DatasetVersion) -> None:
        """Notice that the same recipe has given other content than the last time: a free audit of reproducibility."""
        record = self._records.get(output)
        same_recipe = record is not None and record.recipe_version == version.recipe_version != ""
        if record is not None and same_recipe and record.content_hash != version.content_hash and version.changed:
            old, new = record.content_hash or "", version.content_hash or ""
            said = f"{output} has other content by an equal recipe"
            self._surprises[output] = Reason(code="nondeterministic", subject=said, old=old[-10:], new=new[-10:])

    def _version(self, output: str, target: Target | None, save: Saving, metadata: Any) -> DatasetVersion | None:
        intent, commit = save.intent, save.commit
        if commit is not None and save.warehouse is not None:
            unchanged = None if commit.changed else intent
            return versions.from_ledger(save.warehouse, commit.row, unchanged, changed=commit.changed)
        path = target.path if isinstance(target, FileTarget) else None
        if path is None and isinstance(metadata, dict):
            path = metadata.get("file_metadata", {}).get("path")
        if path is None:
            return None
        record = self._records.get(output)
        previous = (record.version_id, record.token, 0) if record else None
        return versions.of_file(path, intent, metadata, previous)

    def _record_output(self, save: Save, moved: Moved, state: NodeRunState, rows: int | None) -> None:
        if self._recorder.is_recording:
            self._recorder.read(save.output, self._boundary_reads(save.output))
        self._recorder.node(
            self._graph.nodes[save.output],
            state,
            started_at=moved.started_at,
            ended_at=moved.ended_at,
            reasons=self.reasons(save.output),
            recipe_version=save.saving.intent.recipe_version,
            commit_id=save.saving.intent.commit_id,
            rows=rows,
        )

    def _boundary_reads(self, output: str) -> Iterator[InputRead]:
        """Give the outputs that an output was made from as versions it read, although they passed through memory."""
        for node, keeper in self._planner.cones.cone(output).boundaries.items():
            target = self._planner.cones.targets[keeper]
            token = self._planner.output_token(keeper)
            if isinstance(target, TableTarget) and token not in {PENDING, UNKNOWN}:
                yield output_read(self._session, target, node, keeper, token)

    def _all_reads(self, output: str) -> Iterator[InputRead]:
        """Give all that an output was made from: what its loaders read, and other outputs."""
        loaders = self._planner.cones.cone(output).loaders
        yield from (read for loader in loaders for read in self._reads.get(loader, {}).values())
        yield from self._boundary_reads(output)
