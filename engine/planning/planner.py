"""Planner: gathers evidence in a constant number of questions per database, and decides output by output.

Theory of operation. The selection is closed under "reads another output", so that what is stale upstream is brought up
to date first. Outputs are ordered by the place of the node they keep. Evidence comes from the metadata (how the live
version was made), from the warehouse's ledger (the truth about engine-written tables), its catalog (is the table still
ours) and from checksums of external sources and files. While the run proceeds the runner reports what outputs became
(`settle`) and what loaders read (`read`), and asks again about the ones that were *maybe*.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.dialects.base import WriteMode
from engine.dialects.ownership import refusal
from engine.errors import EngineError, LoadError
from engine.io.data_adapters import FileSource, FileTarget, TableSource, TableTarget, ValueSource
from engine.io.files import file_token
from engine.io.tables import is_whole_table, live_head, live_heads, query_of
from engine.metadata.records import Reason
from engine.planning.fingerprint import value_hash
from engine.planning.plan import Decision, Plan
from engine.planning.recipe import PENDING, UNKNOWN, Recipe
from engine.planning.staleness import Evidence, Presence, State, Trace, Verdict, decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from engine.dialects.base import LedgerRow, PhysicalTable, TableName
    from engine.dialects.warehouse import Warehouse
    from engine.errors import SaveError
    from engine.graph import FunctionGraph
    from engine.io.places import Place, Places
    from engine.io.session import Session
    from engine.metadata.records import OutputRecord
    from engine.planning.cones import Cones


@dataclass(slots=True)
class _Known:
    """What the databases say, gathered once per plan."""

    heads: dict[Place | None, LedgerRow | None] = field(default_factory=dict)
    tables: dict[Place | None, PhysicalTable | None] = field(default_factory=dict)
    records: Mapping[str, OutputRecord] = field(default_factory=dict)
    sources: dict[Warehouse, dict[TableName, LedgerRow | None]] = field(default_factory=dict)


class Planner:
    """Decides about the outputs of one call.

    Args:
        graph: The graph, requests attached.
        cones: Its cones, under the call's inputs and overrides.
        session: The open warehouses.
        outputs: The outputs, in order (`engine.planning.selection`).
        adopted: Outputs that may write over tables which the engine did not write.
    """

    def __init__(
        self,
        graph: FunctionGraph,
        cones: Cones,
        session: Session,
        outputs: Iterable[str],
        adopted: Iterable[str] = (),
    ) -> None:
        self.graph = graph
        self.cones = cones
        self.session = session
        self.adopted = frozenset(adopted)
        self.outputs = list(outputs)
        self._known = _Known()
        self._source_tokens: dict[str, dict[str, str]] = {}
        self._output_tokens: dict[str, str] = {}
        self.verdicts: dict[str, Verdict] = {}

    def location(self, output: str) -> str:
        """Return the table or file of an output, for people."""
        target = self.cones.targets[output]
        if isinstance(target, TableTarget):
            return str(target.write.table)
        return target.path if isinstance(target, FileTarget) else ""

    # --- evidence -----------------------------------------------------------------------------------------------------
    def gather(self, records: Mapping[str, OutputRecord]) -> None:
        """Ask every warehouse what it knows of the outputs of this plan: two questions each.

        Args:
            records: What the metadata knows of the outputs.
        """
        self._known.records = records
        targets = [t for o in self.outputs if isinstance(t := self.cones.targets[o], TableTarget)]
        asked: dict[Warehouse, dict[TableName, Place | None]] = {}
        for target in targets:
            warehouse = self.session.warehouse(target.warehouse)
            asked.setdefault(warehouse, {})[warehouse.name(str(target.write.table))] = self.session.places.of(target)
        for warehouse, places in asked.items():
            tables, heads = warehouse.standing(places)
            self._known.heads |= {places[name]: row for name, row in heads.items()}
            self._known.tables |= {places[name]: table for name, table in tables.items()}

    def head(self, output: str) -> LedgerRow | None:
        """Return the ledger's head of a table output, as far as it was gathered."""
        target = self.cones.targets[output]
        return self._known.heads.get(self.session.places.of(target)) if isinstance(target, TableTarget) else None

    def refusal(self, output: str) -> SaveError | None:
        """Return why an output may not be written where it is to be, as far as that was gathered."""
        target = self.cones.targets[output]
        if not isinstance(target, TableTarget) or target.adopts or output in self.adopted:
            return None
        place = self.session.places.of(target)
        return refusal(target.write, self._known.heads.get(place), self._known.tables.get(place))

    def check_targets(self, outputs: Iterable[str]) -> None:
        """Refuse outputs that are to be written over what the engine did not write, before a node of theirs runs.

        Raises:
            SaveError: There is one.
        """
        for fault in filter(None, map(self.refusal, outputs)):
            raise fault

    def upstream_of(self, output: str) -> Iterator[str]:
        """Give the outputs that an output reads, from memory or from where they are written."""
        cone = self.cones.cone(output)
        yield from cone.boundaries.values()
        for loader in cone.loaders:
            yield from self.graph.nodes[loader].after

    def check_sources(self, loaders: Iterable[str]) -> None:
        """Check that tables and files which no output of this plan writes are there, before anything runs.

        Raises:
            LoadError: A table, column or file is missing.
        """
        for loader in loaders:
            if any(saver in self.outputs for saver in self.graph.nodes[loader].after):
                continue
            source = self.cones.source(loader)
            if isinstance(source, TableSource):
                warehouse = self.session.warehouse(source.warehouse)
                with _for_node(loader):
                    warehouse.schema(query_of(warehouse, source))
            elif isinstance(source, FileSource) and "://" not in source.path and file_is_missing(source.path):
                is_folder = Path(source.path).is_dir()
                with _for_node(loader):
                    raise LoadError(
                        f"there is no file {'in the folder ' if is_folder else ''}{source.path}",
                        location=source.path,
                        hint=f"relative paths start at {Path.cwd()}",
                    )

    # --- tokens -------------------------------------------------------------------------------------------------------
    def settle(self, output: str, token: str | None) -> None:
        """Note what an output became: its token now, or None where it has none."""
        self._output_tokens[output] = token or UNKNOWN
        for loader in [loader for loader in self._source_tokens if output in self.graph.nodes[loader].after]:
            del self._source_tokens[loader]

    def read(self, loader: str, tokens: Mapping[str, str]) -> None:
        """Note what a loader found its sources to be while it read them."""
        if tokens:
            self._source_tokens[loader] = dict(tokens)

    def output_token(self, output: str) -> str:
        """Return the token of an output: what it became in this run, or what stands there, or `PENDING`."""
        if output in self._output_tokens:
            return self._output_tokens[output]
        verdict = self.verdicts.get(output)
        if verdict is None:
            return UNKNOWN  # computed in this run but not saved by it: nothing proves what it was
        if verdict.state is not State.FRESH:
            return PENDING
        head, record = self.head(output), self._known.records.get(output)
        return head.token if head else record.token if record else UNKNOWN

    def source_tokens(self, loader: str) -> Mapping[str, str]:
        """Return the datasets a loader reads and their tokens; empty where that cannot be known."""
        if loader not in self._source_tokens:
            pending = [s for s in self.graph.nodes[loader].after if self._may_run(s)]
            self._source_tokens[loader] = self._find_tokens(loader, is_pending=bool(pending))
        return self._source_tokens[loader]

    def _may_run(self, output: str) -> bool:
        verdict = self.verdicts.get(output)
        return output not in self._output_tokens and verdict is not None and verdict.state is not State.FRESH

    def _find_tokens(self, loader: str, *, is_pending: bool) -> dict[str, str]:
        source = self.cones.source(loader)
        if isinstance(source, ValueSource):
            return {loader: value_hash(source.value) or UNKNOWN}
        if isinstance(source, FileSource):
            return {source.path: PENDING if is_pending else file_token(source.path) or UNKNOWN}
        if isinstance(source, TableSource):
            name = source_name(self.session.places, source, loader)
            return {name: PENDING if is_pending else self._table_token(source)}
        return {}  # a loader of the user's that does not say: what it reads is known once it has run, not before

    def _table_token(self, source: TableSource) -> str:
        warehouse = self.session.warehouse(source.warehouse)
        token = None
        if is_whole_table(source):
            name, known = warehouse.name(source.table or ""), self._known.sources.get(warehouse, {})
            head = known[name] if name in known else live_head(warehouse, name)
            token = None if head is None else head.token
        return token or warehouse.checksums([query_of(warehouse, source)])[0] or UNKNOWN

    @contextlib.contextmanager
    def _sources_asked(self) -> Iterator[None]:
        """Ask the ledgers about all tables that are loaded, together; they are as they were asked for in the block."""
        asked: dict[Warehouse, set[TableName]] = {}
        for loader in dict.fromkeys(name for output in self.outputs for name in self.cones.cone(output).loaders):
            source = self.cones.source(loader)
            if isinstance(source, TableSource) and is_whole_table(source):
                warehouse = self.session.warehouse(source.warehouse)
                asked.setdefault(warehouse, set()).add(warehouse.name(source.table or ""))
        for warehouse, names in asked.items():
            self._known.sources[warehouse] = dict.fromkeys(names) | live_heads(warehouse, names)
        try:
            yield
        finally:
            self._known.sources.clear()

    # --- decisions ----------------------------------------------------------------------------------------------------
    def recipe(self, output: str) -> Recipe:
        """Return the recipe of an output, with the tokens known by now."""
        return self.cones.recipe(output, self.output_token, self.source_tokens)

    def decide(self, output: str) -> Verdict:
        """Decide about an output with what is known by now, and remember it."""
        recipe = self.recipe(output)
        record = self._known.records.get(output)
        presence, detail = self._presence(output, record)
        verdict = decide(
            Evidence(
                recipe=recipe,
                traces=self._traces(output, record, recipe),
                presence=presence,
                location=self.location(output) or output,
                detail=detail,
                invalidations=record.invalidations if record else (),
                failed=(record.error_message or "").partition("\n")[0] if record and record.state == "failed" else None,
                is_refused=self.refusal(output) is not None,
            )
        )
        blocked = [
            o for o in self.upstream_of(output) if o in self.verdicts and self.verdicts[o].state is State.BLOCKED
        ]
        if blocked and verdict.state is not State.FRESH:
            verdict = Verdict(
                state=State.BLOCKED, reasons=(Reason(code="upstream", subject=f"{blocked[0]} is blocked"),)
            )
        self.verdicts[output] = verdict
        return verdict

    def plan(self) -> Plan:
        """Decide about every output, in order."""
        with self._sources_asked():
            for output in self.outputs:
                self.decide(output)
        return Plan(decisions=tuple(map(self._decision, self.outputs)))

    def _decision(self, output: str) -> Decision:
        verdict, refusal = self.verdicts[output], self.refusal(output)
        return Decision(
            output=output,
            state=verdict.state.value,
            reasons=verdict.reasons,
            location=self.location(output),
            hint=refusal.hint if refusal is not None and verdict.state is State.BLOCKED else "",
        )

    def _traces(self, output: str, record: OutputRecord | None, recipe: Recipe) -> tuple[Trace, ...]:
        head, target = self.head(output), self.cones.targets[output]
        is_table = isinstance(target, TableTarget)
        traces = []
        # The ledger has the last word on a table; where it has none, the record still says how the table was made.
        if record is not None and (not is_table or head is None or record.version_id == head.commit_id):
            traces.append(Trace(record.recipe_version, record.recipe))
        if head is not None and head.recipe_version and "recipe" in head.record:
            traces.append(Trace(head.recipe_version, head.record["recipe"]))
        is_known = head is None or any(trace.recipe_version == recipe.version for trace in traces)
        appends = isinstance(target, TableTarget) and target.write.mode is WriteMode.APPEND
        if isinstance(target, TableTarget) and appends and recipe.is_comparable and not is_known:
            # What was appended stays: any recipe that was ever appended is there, not only the last one.
            warehouse = self.session.warehouse(target.warehouse)
            row = warehouse.commit_of_recipe(warehouse.name(str(target.write.table)), recipe.version)
            if row is not None:
                traces.append(Trace(row.recipe_version, row.record.get("recipe", {})))
        return tuple(traces)

    def _presence(self, output: str, record: OutputRecord | None) -> tuple[Presence, str]:
        target = self.cones.targets[output]
        if isinstance(target, TableTarget):
            place = self.session.places.of(target)
            return table_presence(self._known.tables.get(place), self._known.heads.get(place))
        path = target.path if isinstance(target, FileTarget) else None
        if path is None and record is not None and record.dataset.dataset_type == "file":
            path = record.dataset.name
        if path is None:
            return (Presence.UNVERIFIABLE, "") if record is not None else (Presence.MISSING, "")
        token = file_token(path)
        if token is None:
            return Presence.MISSING, ""
        return (Presence.OURS if record is None or token == record.token else Presence.REPLACED), ""


@contextlib.contextmanager
def _for_node(loader: str) -> Iterator[None]:
    """Say in an error about a table, query or file which node wanted it."""
    try:
        yield
    except EngineError as error:
        error.message = f"node {loader.removeprefix('load_data.')!r}: {error.message}"
        raise


def source_name(places: Places, source: TableSource, loader: str) -> str:
    """Return what a source is called in recipes and reasons: its table, or the node that it fills.

    Two sources of one name must have one token, so only a whole table of the driver's own warehouse goes by its name
    alone.
    """
    node = loader.removeprefix("load_data.")
    if source.table is None:
        return f"query of {node}"
    is_whole = source.columns is None and source.where is None and places.is_default(source.warehouse)
    return source.table if is_whole else f"{source.table} for {node}"


def file_is_missing(path: str) -> bool:
    """Say whether no file is at a path or matches a pattern, without reading any."""
    from engine.io.files import matching_files

    return not matching_files(path)


def table_presence(physical: PhysicalTable | None, head: LedgerRow | None) -> tuple[Presence, str]:
    """Compare what the catalog shows with what the ledger says was written."""
    if physical is None:
        return Presence.MISSING, ""
    if head is None:
        return Presence.FOREIGN, "was not written by the engine"
    if not physical.was_published_by(head):
        return Presence.REPLACED, "is not the table the engine wrote"
    recorded = [(name, kind) for name, kind, *_ in head.record.get("columns", ())]
    present = [(column.name, column.type) for column in physical.columns]
    if recorded and recorded != present:
        moved = sorted({name for name, _ in set(recorded) ^ set(present)}) or [name for name, _ in present]
        return Presence.ALTERED, f"columns {', '.join(moved)}"
    return Presence.OURS, ""
