"""Runner: carries a request out, stage by stage, and leaves a record of what it did.

Theory of operation. There is one way to run. The outputs of the plan are stages, then come the values that were asked
for. For each output the planner is asked again if it was *maybe*; a fresh one is passed over, any other has the nodes
it needs run and its saver last. A fresh output that a stale one reads is read back from its table when it comes back
exactly; else it is computed and saved again, so that what is computed with is always what is recorded. The commit is
the warehouse's; the record follows it. What the ledger and the record say is put together in
`engine.execution.account`; loads and saves may go on beside the nodes (`engine.execution.transfers`).

A failure in one output blocks the ones that read it. `execute` and `materialize` raise the user's own exception at
once; `refresh` goes on with independent outputs and reports.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from concurrent.futures import CancelledError
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError, NodeError
from engine.execution.account import Account, Save
from engine.execution.nodes import NodeRunner
from engine.execution.readback import read_back
from engine.execution.results import OutputResult, RunResult
from engine.execution.scheduler import Schedule, last_uses
from engine.execution.transfers import Transfers, done
from engine.execution.values import Values
from engine.io.data_adapters import DataSaver
from engine.io.nodes import adapter_of
from engine.io.session import saving, using
from engine.metadata.records import NodeRunState, Reason, RunState
from engine.planning.staleness import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

    from engine.execution.recorder import Recorder
    from engine.execution.request import Prepared, Request
    from engine.io.session import Session
    from engine.lifecycle.base import LifecycleAdapterSet
    from engine.metadata.records import OutputRecord
    from engine.node import Node
    from engine.planning.planner import Planner

STAGES_AHEAD = 4
"""Among the loads of how many outputs one may begin before its turn."""


class Runner:
    """One run.

    Args:
        request: What is wanted; already checked.
        prepared: What was worked out about requests of this shape.
        planner: Decides about the outputs; its plan is made when the rerun mode asks for it.
        session: The open warehouses.
        hooks: Who watches.
        recorder: Who writes down.
        records: What the metadata knows of the outputs.
        make_nodes: Makes what runs the nodes.
    """

    def __init__(
        self,
        request: Request,
        prepared: Prepared,
        planner: Planner,
        session: Session,
        hooks: LifecycleAdapterSet,
        recorder: Recorder,
        records: dict[str, OutputRecord],
        make_nodes: Callable[..., NodeRunner] = NodeRunner,
    ) -> None:
        self.request = request
        self.planner = planner
        self.graph = prepared.graph
        self.prepared = prepared
        self.course = prepared.course
        self.session = session
        self.hooks = hooks
        self.recorder = recorder
        self.records = records
        given = {**self.graph.config, **request.inputs, **request.overrides}
        self._keeps = (*request.final_vars, *given)
        self.values: MutableMapping[str, Any] = Values(given) if hooks.method("do_node_recall") else given
        self.account = Account(planner, session, recorder, records, self.values, once=request.rerun == "stale")
        self.nodes = make_nodes(self.values, hooks, recorder, self.account.note_read)
        self.nodes.blocks = prepared.blocks
        stays = hooks.sees_turns or not recorder.is_recording
        self.transfers = Transfers(session, self.values, stops_at_failure=request.stops_at_failure, stays=stays)
        self.nodes.take = self.transfers.take
        self.results: dict[str, OutputResult] = {}
        self.outputs = planner.outputs
        self._saves: list[Save] = []
        self._failed: set[str] = set()

    @functools.cached_property
    def schedule(self) -> Schedule:
        """The stages: the outputs in the planner's order, then the values that were asked for."""
        if self.course is not None:
            last_use = self.course.last_use
        else:
            cones = (self.planner.cones.cone(output) for output in self.outputs)
            uses = (*((*cone.nodes, *cone.boundaries) for cone in cones), self.prepared.final_order)
            last_use = last_uses(uses)
        return Schedule(self.graph, last_use, keeps=self._keeps)

    # --- the run ------------------------------------------------------------------------------------------------------
    def run(self) -> RunResult:
        """Carry the request out.

        Raises:
            Exception: What a node raised, where the request stops at the first failure.
        """
        started = time.perf_counter()
        self.account.declare(self._building(), self.request.final_vars)
        try:
            with using(self.session), self.nodes, contextlib.closing(self.transfers):
                self._bring_up_to_date()
                values = self._final_values()
        except Exception as error:
            self._end(RunState.FAILED, str(error))
            if isinstance(error, EngineError) and hasattr(error, "run_id"):
                error.run_id = self.recorder.run_id
            raise
        outputs = tuple(self.results[output] for output in self.outputs)
        result = RunResult(
            run_id=self.recorder.run_id if self.recorder.is_recording else None,
            outputs=outputs,
            values=values,
            duration_s=time.perf_counter() - started,
        )
        failures = [o.error for o in outputs if o.error is not None]
        self._end(RunState.FAILED if failures else RunState.COMPLETE, str(failures[0]) if failures else None)
        return result

    def _bring_up_to_date(self) -> None:
        try:
            for stage, output in enumerate(self.outputs):
                self._output(stage, output)
        finally:
            self._settle_saves()

    def _end(self, state: RunState, error: str | None) -> None:
        counts = {
            s: sum(r.state == s for r in self.results.values()) for s in ("built", "unchanged", "fresh", "failed")
        }
        failed = counts["failed"] + sum(r.state == "blocked" for r in self.results.values())
        self.recorder.end(
            state, built=counts["built"] + counts["unchanged"], fresh=counts["fresh"], failed=failed, error=error
        )

    def _building(self) -> list[str]:
        return [output for output in self.outputs if self._state(output) is not State.FRESH]

    def _state(self, output: str) -> State:
        verdict = self.planner.verdicts.get(output)
        return verdict.state if verdict else State.STALE

    # --- one output ---------------------------------------------------------------------------------------------------
    def _output(self, stage: int, output: str) -> None:
        if output in self.results:
            return
        self._settle_saves_before(output)
        blockers = [u for u in self.planner.upstream_of(output) if u in self._failed] if self._failed else []
        if blockers:
            reason = Reason(code="upstream", subject=f"{blockers[0]} failed")
            self._finish(output, OutputResult(name=output, state="blocked", reasons=(reason,)))
            return
        if self._state(output) is State.MAYBE:
            self.planner.decide(output)
        if self._state(output) is State.FRESH:
            self._finish(output, OutputResult(name=output, state="fresh", rows=self._recorded_rows(output)))
        else:
            self._build(stage, output)
        for name in [name for name in self.values if self.schedule.is_done_with(name, stage)]:
            del self.values[name]

    def _build(self, stage: int, output: str) -> None:
        location, reasons = self.planner.location(output), self.account.reasons(output)
        for hook in self.hooks.of("run_before_output"):
            hook(output=output, location=location, reasons=reasons, run_id=self.recorder.run_id)
        started = datetime.now(tz=UTC)
        try:
            self.planner.check_targets([output])
            self._provide_boundaries(stage, output)
            save = self._run_and_begin_save(stage, output, started)
        except Exception as error:
            self._fail(output, started, error)
            if self.request.stops_at_failure:
                raise
        else:
            self._saves.append(save)
            self._settle_saves(lambda save: save.moved.done())

    def _fail(self, output: str, started: datetime, error: Exception) -> None:
        duration_s = (datetime.now(tz=UTC) - started).total_seconds()
        reasons = self.account.reasons(output)
        failure = OutputResult(name=output, state="failed", reasons=reasons, duration_s=duration_s, error=error)
        self._finish(output, failure)

    def _finish(self, output: str, result: OutputResult) -> None:
        result = dataclasses.replace(result, location=self.planner.location(output))
        self.results[output] = result
        if result.state in {"failed", "blocked"}:
            self._failed.add(output)
        if result.state == "fresh":
            self.values[output] = {"fresh": True}
        state = NodeRunState({"built": "success"}.get(result.state, result.state))
        if state is not NodeRunState.SUCCESS and state is not NodeRunState.UNCHANGED:
            self.recorder.node(
                self.graph.nodes[output], state, error=result.error, reasons=result.reasons, rows=result.rows
            )
        for hook in self.hooks.of("run_after_output"):
            hook(result=result, run_id=self.recorder.run_id)

    def _recorded_rows(self, output: str) -> int | None:
        record = self.records.get(output)
        return record.row_count if record else None

    def _provide_boundaries(self, stage: int, output: str) -> None:
        """Bring the values of fresh outputs upstream in: from their tables, or by computing and saving them again."""
        if self.course is not None:
            return  # every output is built
        for node, keeper in self.planner.cones.cone(output).boundaries.items():
            if node in self.values or keeper not in self.results or self.results[keeper].state != "fresh":
                continue
            value, is_exact = read_back(self.session, self.planner, self.graph.nodes[node], keeper)
            if is_exact:
                self.values[node] = value
            else:
                self._build(stage - 1, keeper)  # its value is kept for this stage

    def _run_and_begin_save(self, stage: int, output: str, started: datetime) -> Save:
        """Run what an output needs, and begin its save, which is done on return where it may not leave this thread."""
        self.transfers.begin_loads(self._upcoming_loads(stage))
        if self.course is not None:
            self.nodes.run(self.course.stages[stage])
        rest, step = self.schedule.saver(stage, output, self.values)
        if rest.nodes:
            self.nodes.run(rest)
        adapter = adapter_of(step.node, self.values)
        saver = adapter if isinstance(adapter, DataSaver) else None
        place = self.transfers.place_of(step, saver)
        if place is None:
            self._settle_saves()  # what is saved here comes after what was begun before it
        target, intent = self.account.target(output, saver), self.account.intent(output)
        with saving(intent) as current:
            if place is not None:
                moved = self.transfers.begin_save(step, place)
            else:
                began = datetime.now(tz=UTC)
                moved = done(self.nodes.run_saver(step), began)
        return Save(output, started, target, current, moved)

    def _upcoming_loads(self, stage: int) -> Iterator[Node]:
        """Give the loaders that this stage and the next ones need and that wait for no save of this run."""
        for output in self.outputs[stage : stage + STAGES_AHEAD]:
            if output in self.results or self._state(output) in {State.FRESH, State.MAYBE, State.BLOCKED}:
                continue
            for name in self.planner.cones.cone(output).loaders:
                loader = self.graph.nodes[name]
                waits = any(saver in self.outputs and saver not in self.results for saver in loader.after)
                if not (waits or name in self.account.loaded or name in self._per_item):
                    yield loader

    @functools.cached_property
    def _per_item(self) -> frozenset[str]:
        return frozenset(name for block in self.prepared.blocks for name in block.nodes)

    # --- what became of a save ----------------------------------------------------------------------------------------
    def _settle_saves_before(self, output: str) -> None:
        """Settle the saves that an output reads, directly or not, so that what they gave is there and recorded."""
        if self._saves:
            upstream = frozenset(self.graph.order((output,)))
            self._settle_saves(lambda save: save.output in upstream)

    def _settle_saves(self, concerns: Callable[[Save], bool] = lambda _: True) -> None:
        """Wait for saves and record what became of them.

        Raises:
            Exception: The failure of the first that failed, where the request stops at the first failure.
        """
        settled = [save for save in self._saves if concerns(save)]
        self._saves = [save for save in self._saves if save not in settled]
        failures = [error for save in settled if (error := self._settle(save)) is not None]
        if failures and self.request.stops_at_failure:
            raise failures[0]

    def _settle(self, save: Save) -> Exception | None:
        try:
            moved = save.moved.result()
            result = self.account.settle(save, moved, is_recalled=save.output in self.nodes.recalled)
        except CancelledError:  # one before it failed: as if its turn had never come
            return None
        except Exception as error:  # noqa: BLE001 - reported, and raised by whoever asked to stop
            self._fail(save.output, save.started_at, error)
            return error
        self.values[save.output] = moved.value
        self._finish(save.output, result)
        return None

    def _final_values(self) -> dict[str, Any]:
        if self.course is not None:
            self.nodes.run(self.course.stages[-1])
        if self.course is None or not self.course.are_whole[-1]:
            self.nodes.run(self.schedule.stage(len(self.outputs), self.request.final_vars, self.values))
        values, nodes = self.values, self.graph.nodes
        # An input that everybody has a default for, and that is asked for itself, is nothing.
        return {
            n: None if n not in values and nodes[n].function is None else values[n] for n in self.request.final_vars
        }


def failed_node(error: BaseException) -> str | None:
    """Return the name of the node that raised an error, as the runner noted it."""
    for note in getattr(error, "__notes__", ()):
        if note.startswith("while running node "):
            return str(note.removeprefix("while running node ").strip("'\""))
    return None


def as_node_error(error: BaseException) -> BaseException:
    """Return an error as one of the engine's: a user's exception becomes a `NodeError` with it as cause."""
    node = failed_node(error)
    if isinstance(error, EngineError) or node is None:
        return error
    return NodeError(node, error)
