"""Driver and Builder: a call becomes a request, the request a plan, the plan a run, the run a result.

dr = Builder().with_modules(my_module).with_warehouse("duckdb:///warehouse.duckdb").with_metadata().build()
dr.materialize(to.table(id="daily", dependencies=["daily_frame"], table="marts.daily"))
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from engine.errors import BlockError, ConfigurationError, DuplicateNodeError, RequestError
from engine.execution.recorder import Recorder
from engine.execution.recovery import replay_heads, settle_dead_runs
from engine.execution.request import Prepared, Request, Shape, inputs_of, names_of
from engine.execution.runner import Runner
from engine.execution.watch import Watch
from engine.graph import FunctionGraph
from engine.graph_types import HamiltonNode
from engine.inspection import Inspection
from engine.io.materialization import LoadRequest, SaveRequest
from engine.io.session import Session, reads_on
from engine.node import NodeKind
from engine.parts import Parts
from engine.planning.cones import Cones
from engine.planning.fingerprint import Fingerprinter
from engine.planning.planner import Planner
from engine.planning.selection import in_order
from engine.settings import metadata_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import ModuleType

    from engine.execution.nodes import NodeRunner
    from engine.execution.results import RunResult
    from engine.lifecycle.api import LifecycleAdapter
    from engine.lifecycle.base import LifecycleAdapterSet
    from engine.metadata.records import OutputRecord
    from engine.metadata.store import MetadataStore
    from engine.planning.plan import Plan


Variable = HamiltonNode
"""Apache Hamilton's older name of what `Driver.list_available_variables` gives."""

InvalidExecutorException = BlockError
"""Apache Hamilton's name."""
_SHAPES_KEPT, _NODES_KEPT = 64, 1_000_000
"""How many kinds of calls, and nodes in them, are kept ready to run; a program that makes more of them starts over."""


class Driver(Inspection):
    """Runs a dataflow: functions linked by their names.

    Make one with `Builder`. The positional form is Apache Hamilton's older one; its `execute` joins the values into a
    pandas frame unless an adapter says otherwise.

    Args:
        config: Decides which functions exist, and fills parameters of the same name.
        modules: Modules of node functions.
        adapter: Hooks and at most one result builder.
        allow_module_overrides: A function of a later module replaces one of the same name.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *modules: ModuleType,
        adapter: LifecycleAdapter | Sequence[LifecycleAdapter] | None = None,
        allow_module_overrides: bool = False,
        _builder: Builder | None = None,
    ) -> None:
        if _builder is None:
            adapters = _as_list(adapter)
            _builder = Builder().with_config(config).with_modules(*modules).with_adapters(*adapters)
            if allow_module_overrides:
                _builder.allow_module_overrides()
            _builder.with_pandas_result()
        self._settings = _builder.copy()
        self.graph_modules = tuple(self._settings.modules)
        self.hooks = self._settings.hooks()
        self.hooks.call_all_lifecycle_hooks_sync("pre_do_anything")
        self._session = Session(self._settings.warehouse)
        graph = FunctionGraph.from_modules(
            self.graph_modules,
            self._settings.config,
            allow_module_overrides=self._settings.allows_overrides,
            fits=self.hooks.fits,
            places=self._session.places,
        )
        self.graph = graph.attach(self._settings.materializers)
        self._store: MetadataStore | None = None
        self._shapes: dict[Shape, Prepared] = {}
        self._make_nodes: Callable[..., NodeRunner] = self._settings.dynamic.node_runners(self.hooks)
        self._announce(self.graph)

    # --- running ------------------------------------------------------------------------------------------------------
    def execute(
        self,
        final_vars: Sequence[Any],
        overrides: Mapping[str, Any] | None = None,
        display_graph: bool = False,
        inputs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute nodes and return their values.

        Args:
            final_vars: Names of nodes, or their functions. The name of a saver saves.
            overrides: Values for nodes, which then do not run.
            display_graph: Accepted for Apache Hamilton's sake; use `visualize_materialization`.
            inputs: Values for external inputs.

        Returns:
            A dictionary by name in the order asked for, or what the result builder makes of it.

        Raises:
            RequestError: The call cannot be served; nothing ran.
            Exception: What a node raised, unchanged.
        """
        return self._built(self.raw_execute(final_vars, overrides, display_graph, inputs))

    def raw_execute(
        self,
        final_vars: Sequence[Any],
        overrides: Mapping[str, Any] | None = None,
        display_graph: bool = False,
        inputs: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Compute nodes as `execute` does, and return their values by name, whatever result builder there is.

        Raises:
            RequestError: The call cannot be served; nothing ran.
            Exception: What a node raised, unchanged.
        """
        del display_graph
        names = names_of(final_vars)
        request = self._request(self.graph, names, inputs, overrides)
        result = self._run(self.graph, request)
        saved = {output.name: output.metadata for output in result.outputs}
        return {name: saved[name] if name in saved else result.values[name] for name in names}

    def materialize(
        self,
        *materializers: SaveRequest | LoadRequest,
        additional_vars: Sequence[Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        rerun: str = "all",
    ) -> tuple[dict[str, Any], Any]:
        """Save nodes as tables and files, and load others from them.

        Args:
            materializers: Requests made by ``to.…(…)`` and ``from_.…(…)``.
            additional_vars: Nodes whose values are wanted too.
            overrides: Values for nodes, which then do not run.
            inputs: Values for external inputs.
            rerun: ``all`` writes every output; ``stale`` only those that are not fresh.

        Returns:
            What each saver says of what it wrote, by id; and the values of ``additional_vars``.

        Raises:
            RequestError: The call cannot be served; nothing ran.
            Exception: What a node raised, unchanged.
        """
        graph, request = self._materialize_request(materializers, additional_vars, overrides, inputs, rerun)
        result = self._run(graph, request)
        names = names_of(additional_vars or ())
        saved: dict[str, Any] = {
            o.name: {"state": o.state} if o.metadata is None else o.metadata for o in result.outputs
        }
        ids = [r.id for r in materializers if isinstance(r, SaveRequest)]
        values = {name: saved[name] if name in saved else result.values[name] for name in names}
        return {id_: saved[id_] for id_ in ids}, self._built(values) if values else values

    def refresh(
        self,
        outputs: Sequence[Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        rerun: str = "stale",
        *,
        adopt: bool = False,
    ) -> RunResult:
        """Bring outputs, and the outputs they read, up to date.

        Args:
            outputs: Names of static outputs; None means all.
            inputs: Values for external inputs.
            overrides: Values for nodes, which then do not run.
            rerun: ``stale`` builds what is not fresh; ``all`` builds everything.
            adopt: Let these outputs write over tables that the engine did not write.

        Returns:
            What became of each output; a failure in one does not stop the others.
        """
        return self._run(self.graph, self._refresh_request(outputs, inputs, overrides, rerun, adopt=adopt))

    def plan(
        self,
        outputs: Sequence[Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Plan:
        """Decide what `refresh` would do, and why, without running anything.

        Returns:
            One decision per output in the order of execution; printing it explains.
        """
        request = self._refresh_request(outputs, inputs, overrides, "stale")
        with self._session:
            prepared = self._prepared(self.graph, request)
            planner, _ = self._planner(prepared, request)
            return planner.plan()

    # --- checking -----------------------------------------------------------------------------------------------------
    def validate_execution(
        self,
        final_vars: Sequence[Any],
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Check what `execute` would check, and run nothing.

        Raises:
            RequestError: The call could not be served.
        """
        request = self._request(self.graph, names_of(final_vars), inputs, overrides)
        request.settled(request.prepare(self.graph))

    def validate_materialization(
        self,
        *materializers: SaveRequest | LoadRequest,
        additional_vars: Sequence[Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Check what `materialize` would check, and run nothing.

        Raises:
            RequestError: The call could not be served.
            DefinitionError: The requests do not fit the graph.
        """
        graph, request = self._materialize_request(materializers, additional_vars, overrides, inputs, "all")
        request.settled(request.prepare(graph))

    def run_beside(self, make_nodes: Callable[..., NodeRunner], hooks: LifecycleAdapterSet) -> None:
        """Let something else, such as an event loop, run the nodes of later calls and tell their hooks."""
        self._make_nodes, self.hooks = make_nodes, hooks

    def close(self) -> None:
        """Let go of the warehouse and the metadata store; the next call opens them again.

        Between calls nothing is held open, but for a value that still reads from a warehouse (a query, a stream).
        """
        self._session.close()
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # A driver travels as what it was built from; where it arrives, it is built again.
        return Builder.build, (self._settings,)

    # --- from a call to a run -----------------------------------------------------------------------------------------
    def _request(
        self,
        graph: FunctionGraph,
        names: Sequence[str],
        inputs: Mapping[str, Any] | None,
        overrides: Mapping[str, Any] | None,
        **options: Any,
    ) -> Request:
        overrides = dict(overrides or {})
        savers = [n for n in names if graph.node(n).kind is NodeKind.SAVER and n not in overrides]
        return Request(
            final_vars=tuple(n for n in names if n not in savers),
            outputs=tuple(savers),
            inputs=inputs_of(graph, inputs),
            overrides=overrides,
            accepts=self.hooks.fits_value,
            runs_blocks=self._settings.dynamic.is_enabled,
            **options,
        )

    def _materialize_request(
        self,
        materializers: Iterable[SaveRequest | LoadRequest],
        additional_vars: Sequence[Any] | None,
        overrides: Mapping[str, Any] | None,
        inputs: Mapping[str, Any] | None,
        rerun: str,
    ) -> tuple[FunctionGraph, Request]:
        materializers = list(materializers)
        for request in materializers:
            if not isinstance(request, SaveRequest | LoadRequest):
                raise RequestError(f"{request!r} is no materializer", hint="make one with to.…(…) or from_.…(…)")
        names = names_of(additional_vars or ())
        ids = [r.id for r in materializers if isinstance(r, SaveRequest)]
        if twice := [id_ for id_ in ids if ids.count(id_) > 1]:
            raise DuplicateNodeError(f"two materializers have the id {twice[0]!r}", hint="give each an id of its own")
        if not ids and not names:
            raise RequestError(
                "nothing is to be materialized: there is no to.…(…) and there are no additional_vars",
                hint="pass to.table(id=…, dependencies=[…], table=…), or use execute() or refresh()",
            )
        graph = self.graph.attach(materializers)
        if materializers:
            self._announce(graph)
        return graph, self._request(
            graph,
            [*ids, *names],
            inputs,
            overrides,
            rerun=rerun,
            mode="materialize",
            brings_upstream=rerun == "stale",
        )

    def _refresh_request(
        self,
        outputs: Sequence[Any] | None,
        inputs: Mapping[str, Any] | None,
        overrides: Mapping[str, Any] | None,
        rerun: str,
        *,
        adopt: bool = False,
    ) -> Request:
        names = self.graph.savers() if outputs is None else names_of(outputs)
        if not names:
            raise RequestError(
                "the dataflow has no outputs",
                hint="pass Builder().with_materializers(to.table(…)), or decorate a function with @save_to.table",
            )
        return Request(
            outputs=tuple(names),
            inputs=inputs_of(self.graph, inputs),
            overrides=dict(overrides or {}),
            rerun=rerun,
            brings_upstream=True,
            stops_at_failure=False,
            adopts=adopt,
            mode="materialize",
            accepts=self.hooks.fits_value,
            runs_blocks=self._settings.dynamic.is_enabled,
        )

    def _run(self, graph: FunctionGraph, request: Request) -> RunResult:
        recorder = Recorder(self.store, self._settings.project, self._settings.environment)
        with Watch(self.hooks, graph, request, recorder.run_id) as watched, self._session:
            prepared = self._prepared(graph, request)
            planner, records = self._planner(prepared, request)
            if request.rerun == "stale":
                planner.plan()
            with recorder.run(request, graph):
                result = Runner(
                    request, prepared, planner, self._session, self.hooks, recorder, records, self._make_nodes
                ).run()
            watched.results = dict(result.values)
            if request.mode == "execute":
                watched.results |= {output.name: output.metadata for output in result.outputs}
            self._session.stays_open = bool(self._session.opened()) and any(map(reads_on, result.values.values()))
        return result

    def _prepared(self, graph: FunctionGraph, request: Request) -> Prepared:
        """Check a request and order what it needs, or recall that from an earlier one of the same shape."""
        on_top = () if graph is self.graph else graph.on_top
        if on_top is None:
            return request.settled(request.prepare(graph), self._session.views)
        shape = request.shape(on_top)
        known = self._shapes.get(shape)
        if known is not None:
            request.check_values(graph)
            prepared = dataclasses.replace(known, graph=graph)
        else:
            prepared = request.prepare(graph, on_top)
            kept = sum(other.size for other in self._shapes.values())
            if len(self._shapes) >= _SHAPES_KEPT or kept + prepared.size > _NODES_KEPT:
                self._shapes.clear()
            # What the request brings is not kept.
            self._shapes[shape] = dataclasses.replace(prepared, graph=self.graph)
        return request.settled(prepared, self._session.views)

    def _planner(self, prepared: Prepared, request: Request) -> tuple[Planner, dict[str, OutputRecord]]:
        """Gather what is known, as far as the request needs it; what is to be decided can then be."""
        graph = prepared.graph
        store = self.store
        if request.rerun == "stale" and store is None:
            raise RequestError(
                "what is stale cannot be known without a record of earlier runs",
                hint="give the driver a metadata store, Builder().with_metadata(), or say rerun='all'",
            )
        self._session.tracks_sources = store is not None
        runs_nodes = next(iter(self.hooks.of_async("do_node_execute")), self.hooks.method("do_node_execute"))
        fingerprinter = Fingerprinter(m.__name__ for m in self.graph_modules)
        cones = Cones(graph, request.inputs, request.overrides, fingerprinter, runs_nodes)
        if prepared.course is not None:
            outputs: Iterable[str] = prepared.course.outputs
        else:
            outputs = in_order(graph, prepared.outputs, cones.keepers if request.brings_upstream else {})
        planner = Planner(graph, cones, self._session, outputs, request.outputs if request.adopts else ())
        records: dict[str, OutputRecord] = {}
        if store is not None:
            settle_dead_runs(store, self._session, self._settings.project)
            records = store.latest(self._settings.project, planner.outputs)
        if request.rerun == "stale" and store is not None:
            planner.gather(records)
            if replay_heads(store, self._session, planner, records):
                records = store.latest(self._settings.project, planner.outputs)
                planner.gather(records)
        elif planner.outputs:
            planner.gather({})
        if request.stops_at_failure:
            planner.check_targets(planner.outputs)
        planner.check_sources(prepared.loaders)
        return planner, records

    @property
    def store(self) -> MetadataStore | None:
        """The metadata store, opened on first use; None when the driver records nothing."""
        if self._store is None and self._settings.records:
            from engine.metadata.store import MetadataStore

            self._store = MetadataStore(metadata_url(self._settings.metadata, self._settings.warehouse))
        return self._store

    # --- hooks --------------------------------------------------------------------------------------------------------
    def _announce(self, graph: FunctionGraph) -> None:
        self.hooks.validate(graph, self.graph_modules)
        for hook in self.hooks.of("post_graph_construct"):
            hook(graph=graph, modules=self.graph_modules, config=dict(graph.config))

    def _built(self, values: dict[str, Any]) -> Any:
        build = self.hooks.method("do_build_result")
        return build(outputs=values) if build else values


def _as_list(adapter: Any) -> list[Any]:
    """Return what the older constructor was given for its adapters as a list."""
    if adapter is None:
        return []
    return list(adapter) if isinstance(adapter, list | tuple) else [adapter]


class Builder(Parts):
    """Collects what a driver is made of; every method returns the builder."""

    def build(self) -> Driver:
        """Make the driver; the builder can be used again.

        Raises:
            DefinitionError: The functions, or the requests, do not make a dataflow.
        """
        if not self.modules and not self.materializers:
            raise ConfigurationError("the driver has no modules", hint="Builder().with_modules(my_module)")
        return Driver(MappingProxyType(self.config), _builder=self)
