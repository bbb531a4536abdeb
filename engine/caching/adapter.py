"""HamiltonCacheAdapter: gives the values of nodes from where they are kept, and keeps those that nodes give.

Theory of operation. It is an adapter like any other: the runner asks it before a node runs whether it can give the
value (`do_node_recall`), and tells it what a node gave (`post_node_execute`). A value it gives is read only when
somebody wants it, so a call whose results are all kept reads these and nothing else. What keys and versions are made of
is the business of `engine.caching.run`; where things are kept, that of `engine.caching.stores`.

A loader's value is not kept: while its source has the same token, its data version is known, and the loader runs only
if somebody wants the value. A saver is left out only while what it wrote stands where it wrote it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.caching.behaviors import CACHING_BEHAVIORS, FORMAT_TAG, Behaviors, CachingBehavior
from engine.caching.encoding import UnkeptError
from engine.caching.events import INFO, CachingEvent, CachingEventType
from engine.caching.run import CachedRun, is_secret
from engine.caching.stores.base import Entry, ResultRetrievalError
from engine.caching.stores.file import FileResultStore
from engine.caching.stores.sqlite import SQLiteMetadataStore
from engine.caching.written import written_token
from engine.errors import ConfigurationError, RunNotFoundError
from engine.htypes import is_parallelizable
from engine.identifiers import new_id
from engine.lifecycle.base import LifecycleAdapterSet
from engine.lifecycle.contracts import (
    BaseDoNodeRecall,
    BasePostGraphConstruct,
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePreGraphExecute,
)
from engine.node import NodeKind
from engine.planning.fingerprint import Fingerprinter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import ModuleType

    from engine.caching.stores.base import MetadataStore, ResultStore
    from engine.graph import FunctionGraph
    from engine.lifecycle.contracts import LifecycleAdapter
    from engine.node import Node

__all__ = [
    "CACHING_BEHAVIORS",
    "CachingBehavior",
    "CachingEvent",
    "CachingEventType",
    "HamiltonCacheAdapter",
    "ResultRetrievalError",
]

_LOG = logging.getLogger("engine.caching")
_RUNS_KEPT, _EVENTS_KEPT = 100, 100_000
_KEEPING = (CachingBehavior.DEFAULT, CachingBehavior.RECOMPUTE)


class HamiltonCacheAdapter(
    BasePostGraphConstruct, BasePreGraphExecute, BaseDoNodeRecall, BasePostNodeExecute, BasePostGraphExecute
):
    """The cache of a driver.

    Args:
        path: The folder of stores that are not given.
        metadata_store: Knows data versions by key.
        result_store: Holds values by data version.
        default: Names of nodes, or True for all, whose values are taken from the cache where that is possible.
        recompute: Those that run always and decide by their value what downstream has to run.
        ignore: Those that run always and decide nothing.
        disable: Those that run always, and with them what reads them.
        default_behavior: What holds for nodes that are not named.
        default_loader_behavior: What holds for loaders that are not named.
        default_saver_behavior: What holds for savers that are not named.
        log_to_file: Write what happens to ``<path>/cache.jsonl``.
    """

    def __init__(
        self,
        path: str | Path = ".engine/cache",
        metadata_store: MetadataStore | None = None,
        result_store: ResultStore | None = None,
        default: Collection[str] | bool | None = None,
        recompute: Collection[str] | bool | None = None,
        ignore: Collection[str] | bool | None = None,
        disable: Collection[str] | bool | None = None,
        default_behavior: CACHING_BEHAVIORS | None = None,
        default_loader_behavior: CACHING_BEHAVIORS | None = None,
        default_saver_behavior: CACHING_BEHAVIORS | None = None,
        log_to_file: bool = False,
    ) -> None:
        named = {"default": default, "recompute": recompute, "ignore": ignore, "disable": disable}
        words = (default_behavior, default_loader_behavior, default_saver_behavior)
        self._behaviors = Behaviors.of_words(named, words)
        self.metadata_store = SQLiteMetadataStore(path) if metadata_store is None else metadata_store
        self.result_store = FileResultStore(path) if result_store is None else result_store
        self._log_file = Path(path) / "cache.jsonl" if log_to_file else None
        self._modules: set[str] = set()
        self._graph: FunctionGraph | None = None
        self._runs: OrderedDict[str, CachedRun] = OrderedDict()
        self._open: set[str] = set()
        self._said: set[str] = set()
        self._guard = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        without = {"_guard", "_runs", "_open", "_graph"}
        return {name: value for name, value in self.__dict__.items() if name not in without}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _guard=threading.RLock(), _runs=OrderedDict(), _open=set(), _graph=None)

    # --- the hooks ----------------------------------------------------------------------------------------------------
    def post_graph_construct(
        self,
        *,
        graph: FunctionGraph,
        modules: Sequence[ModuleType],
        config: dict[str, Any],  # noqa: ARG002 - the hook's signature
    ) -> None:
        """Check the settings against the graph.

        Raises:
            ConfigurationError: A node is given two behaviors.
            UnknownNodeError: A name is none of a node.
        """
        self._behaviors.check(graph.nodes)
        self._modules.update(module.__name__ for module in modules)
        self._graph = graph

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Begin a run."""
        run = CachedRun(run_id, graph, (inputs, overrides), self._modules, self._behaviors)
        for name in graph.order([name for name in final_vars if name in graph.nodes]):
            run.event(CachingEventType.RESOLVE_BEHAVIOR, name, run.behaviors[name])
        for name in final_vars:
            run.event(CachingEventType.IS_FINAL_VAR, name)
        with self._guard:
            self._runs[run_id] = run
            self._open.add(run_id)
            self._forget_runs()

    def _forget_runs(self) -> None:
        """Forget the oldest runs that are over, where there are many or they were large."""
        events = sum(len(run.events) for run in self._runs.values())
        for run_id in list(self._runs)[:-1]:
            if len(self._runs) <= _RUNS_KEPT and events <= _EVENTS_KEPT:
                break
            if run_id not in self._open:
                events -= len(self._runs.pop(run_id).events)

    def do_node_recall(
        self,
        *,
        run_id: str,
        node_: Node,
        values: Mapping[str, Any],
        task_id: str | None = None,
    ) -> Callable[[], Any] | None:
        """Return what reads the node's value, where the cache knows which one it is."""
        if run_id not in self._runs:
            return None  # in another process, which knows nothing of the run
        with self._guard:
            run = self._runs[run_id].of_task(task_id)
            return self._reader(run, run.graph.nodes[node_.name], values)

    def _reader(self, run: CachedRun, node: Node, values: Mapping[str, Any]) -> Callable[[], Any] | None:
        name = node.name
        run.values[name] = values
        if run.behaviors[name] is not CachingBehavior.DEFAULT or is_parallelizable(node.type):
            return None
        key = run.find_key(node, values)
        entry = self.metadata_store.entry(key) if key else None
        if entry is None or not self._is_usable(run, node, entry):
            return None
        run.versions[name] = entry.data_version
        run.entries[run.task_id, name] = entry
        run.event(CachingEventType.GET_RESULT, name, entry.data_version, "hit")
        return functools.partial(self._read, run, entry)

    def _is_usable(self, run: CachedRun, node: Node, entry: Entry) -> bool:
        """Say whether there is a value to an entry, as far as that can be known without reading it."""
        if node.kind is NodeKind.LOADER:
            return True
        if entry.format is None or not self.result_store.exists(entry.data_version, format=entry.format):
            run.event(CachingEventType.MISSING_RESULT, node.name, entry.data_version)
            return False
        if node.kind is not NodeKind.SAVER:
            return True
        session, target = run.planner.session, run.cones.targets.get(node.name)
        try:
            metadata = self.result_store.get(entry.data_version, format=entry.format)
        except ResultRetrievalError:
            return False
        return entry.token is not None and written_token(session, target, metadata) == entry.token

    def _read(self, run: CachedRun, entry: Entry) -> Any:
        name = entry.node_name
        if run.graph.nodes[name].kind is NodeKind.LOADER:
            raise ResultRetrievalError("what a loader gives is not kept")
        try:
            value = self.result_store.get(entry.data_version, format=entry.format)
        except ResultRetrievalError as error:
            self._lose(run, entry, str(error))
            raise
        with self._guard:
            version = run.data_version(run.graph.nodes[name], value)
        if version != entry.data_version and not (version is None and entry.format):
            self._lose(run, entry, "it is not what it was")
            raise ResultRetrievalError(name)
        return value

    def _lose(self, run: CachedRun, entry: Entry, reason: str) -> None:
        """Say that a value is lost, and drop what is left of it, so that it is kept anew."""
        _LOG.warning("node %r runs again, since its value in the cache cannot be used: %s", entry.node_name, reason)
        run.event(CachingEventType.FAILED_RETRIEVAL, entry.node_name, entry.data_version)
        with contextlib.suppress(OSError):
            self.result_store.delete(entry.data_version)

    def post_node_execute(
        self,
        *,
        run_id: str,
        node_: Node,
        kwargs: dict[str, Any],  # noqa: ARG002 - the hook's signature
        success: bool,
        error: Exception | None,  # noqa: ARG002 - as above
        result: Any,
        task_id: str | None = None,
    ) -> None:
        """Keep what a node gave."""
        if run_id not in self._runs:
            return
        with self._guard:
            run = self._runs[run_id].of_task(task_id)
            if success:
                self._keep(run, run.graph.nodes[node_.name], result)
            else:
                run.event(CachingEventType.FAILED_EXECUTION, node_.name)

    def _keep(self, run: CachedRun, node: Node, value: Any) -> None:
        run.event(CachingEventType.EXECUTE_NODE, node.name)
        values = run.values.get(node.name)
        if values is None:  # it was to run in any case, so nobody has asked whether it is kept
            run.made(node, value)
            return
        run.check_inputs(node, values)
        if node.kind is NodeKind.LOADER:
            run.note_read(node, value)
        key = run.find_key(node, values)
        run.made(node, value)
        if run.behaviors[node.name] in _KEEPING and not is_parallelizable(node.type):
            self._note(run, node, key, value)

    def _note(self, run: CachedRun, node: Node, key: str | None, value: Any) -> None:
        """Keep a value under a key, as far as both are known."""
        name, form = node.name, node.tags.get(FORMAT_TAG)
        version = run.versions[name]
        if version is None and (form is None or key is None):
            self._say_once(name, functools.partial(run.say_unversioned, node, value))
            return
        entry = Entry(
            cache_key=key or "",
            data_version=version or f"made:{new_id()}",
            node_name=name,
            code_version=run.codes.get(name, ""),
            run_id=run.run_id,
        )
        run.event(CachingEventType.SET_DATA_VERSION, name, version)
        if key is not None and self._is_kept(run, node, entry, value, form):
            entry = replace(entry, format=form or "")
        if version is None:
            # Known by the occasion on which it was made, which the next run can only tell if the value is there.
            run.versions[name] = entry.data_version if entry.format is not None else None
        if node.kind is NodeKind.SAVER:
            token = written_token(run.planner.session, run.cones.targets.get(name), value)
            entry = replace(entry, token=token)
        run.entries[run.task_id, name] = entry
        if key is not None and run.versions[name] is not None:
            self.metadata_store.put(entry)

    def _is_kept(self, run: CachedRun, node: Node, entry: Entry, value: Any, form: str | None) -> bool:
        if node.kind is NodeKind.LOADER:
            return False
        if is_secret(node.name, value):
            self._say_once(
                node.name,
                lambda: _LOG.warning("the value of node %r is not kept: its name says it is secret", node.name),
            )
            return False
        version = entry.data_version
        if self.result_store.exists(version, format=form) and run.versions[node.name] is not None:
            return True
        try:
            self.result_store.set(
                version, value, format=form, is_same=lambda read: run.data_version(node, read) in (None, version)
            )
        except OSError as error:
            reason = error.strerror
            self._say_once("", lambda: _LOG.warning("the cache cannot be written: %s", reason))
            return False
        except Exception as error:  # noqa: BLE001 - whatever an object does when it is looked at
            text = str(error) if isinstance(error, UnkeptError) else type(error).__name__
            self._say_once(node.name, lambda: _LOG.warning("the value of node %r is not kept: %s", node.name, text))
            return False
        run.event(CachingEventType.SET_RESULT, node.name, version)
        return True

    def _say_once(self, subject: str, say: Callable[[], None]) -> None:
        if subject not in self._said:
            self._said.add(subject)
            say()

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,  # noqa: ARG002 - the hook's signature
        success: bool,  # noqa: ARG002 - as above
        error: Exception | None,  # noqa: ARG002 - as above
        results: dict[str, Any] | None,  # noqa: ARG002 - as above
    ) -> None:
        """End a run."""
        run = self._runs.get(run_id)
        if run is None:
            return
        run.close()
        self.metadata_store.put_run(run_id, run.entries.values())
        if self._log_file is not None:
            self._log(run, self._log_file)
        with self._guard:
            self._open.discard(run_id)
            if not self._open:
                self.metadata_store.close()

    @staticmethod
    def _log(run: CachedRun, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.writelines(f"{event}\n" for event in run.events)
        except OSError as error:
            _LOG.warning("the log of the cache cannot be written: %s", error)

    # --- what it tells ------------------------------------------------------------------------------------------------
    @property
    def run_ids(self) -> list[str]:
        """The ids of the latest runs of this driver, the first one first."""
        return list(self._runs)

    @property
    def last_run_id(self) -> str:
        """The id of the last run.

        Raises:
            RunNotFoundError: Nothing has run.
        """
        if not self._runs:
            raise RunNotFoundError("nothing has run with this cache", hint="call execute() first")
        return next(reversed(self._runs))

    @property
    def code_versions(self) -> dict[str, dict[str, str]]:
        """By run and node, the code version of what ran or was taken from the cache."""
        return {id_: dict(run.codes) for id_, run in self._runs.items()}

    @property
    def data_versions(self) -> dict[str, dict[str, str]]:
        """By run and node, the data version."""
        return {id_: {n: v for n, v in run.all_versions().items() if v is not None} for id_, run in self._runs.items()}

    @property
    def cache_keys(self) -> dict[str, dict[str, str]]:
        """By run and node, the key."""
        return {id_: run.all_keys() for id_, run in self._runs.items()}

    @property
    def behaviors(self) -> dict[str, dict[str, CachingBehavior]]:
        """By run and node, the behavior."""
        return {id_: dict(run.behaviors) for id_, run in self._runs.items()}

    def resolve_behaviors(self, run_id: str) -> dict[str, CachingBehavior]:
        """Return the behavior of each node in a run."""
        return dict(self._run(run_id).behaviors)

    def logs(self, run_id: str | None = None, level: str = "info") -> dict[str, list[CachingEvent]]:
        """Return what happened.

        Args:
            run_id: Of this run, by node; of all runs, by run, if None.
            level: ``info``, or ``debug`` for all details.
        """
        runs = self._runs.values() if run_id is None else [self._run(run_id)]
        found: dict[str, list[CachingEvent]] = {}
        for run in runs:
            for event in run.events:
                if level == "debug" or event.event_type in INFO:
                    found.setdefault(run.run_id if run_id is None else event.node_name, []).append(event)
        return found

    def version_data(self, result: Any, run_id: str | None = None) -> str | None:
        """Return the data version of a value, or None where it has none."""
        del run_id
        return Fingerprinter(self._modules).data_version(result)

    def version_code(self, node_name: str, run_id: str | None = None) -> str:
        """Return the code version that a node had in a run, or that it has now where it was not part of that run."""
        run = self._runs.get(run_id or next(reversed(self._runs), ""))
        if run is not None and node_name in run.codes:
            return run.codes[node_name]
        function = self._graph.node(node_name).function if self._graph else None
        return Fingerprinter(self._modules).code_version(function).version if function else ""

    def get_cache_key(self, run_id: str, node_name: str, task_id: str | None = None) -> str | None:
        """Return the key of a node in a run, or in one task of it, or None where it had none."""
        return self._run(run_id).of_task(task_id).keys.get(node_name)

    def get_data_version(
        self, run_id: str, node_name: str, cache_key: str | None = None, task_id: str | None = None
    ) -> str | None:
        """Return the data version of a node in a run, or in one task of it, or under a key, or None."""
        if cache_key is not None:
            return self.metadata_store.get(cache_key)
        return self._run(run_id).of_task(task_id).versions.get(node_name)

    def view_run(self, run_id: str | None = None, output_file_path: str | None = None) -> Any:
        """Draw the nodes of a run; those that ran have a thick line.

        Args:
            run_id: The run; the last one if None.
            output_file_path: See `engine.visualization.draw`.
        """
        from engine.visualization import draw

        run = self._run(run_id or self.last_run_id)
        ran = {event.node_name for event in run.events if event.event_type is CachingEventType.EXECUTE_NODE}
        known = run.all_versions()
        nodes = [node for name, node in run.graph.nodes.items() if name in known]
        return draw(nodes, output_file_path=output_file_path, highlight=ran)

    def _run(self, run_id: str) -> CachedRun:
        if run_id not in self._runs:
            raise RunNotFoundError(f"there is no run {run_id!r}", hint="look into run_ids")
        return self._runs[run_id]


def hooks_with_cache(adapters: Sequence[LifecycleAdapter], settings: Mapping[str, Any]) -> LifecycleAdapterSet:
    """Return adapters with a cache as one of them.

    Raises:
        ConfigurationError: The settings do not go together, or an adapter decides what nodes give.
    """
    hooks = LifecycleAdapterSet(*adapters, HamiltonCacheAdapter(**settings))
    method = next(iter(hooks.of_async("do_node_execute")), hooks.method("do_node_execute"))
    if method is not None:
        owner = type(method.__self__).__name__  # type: ignore[attr-defined]  # a method
        raise ConfigurationError(
            f"{owner} decides what nodes give, so their code does not tell whether a kept value still holds",
            hint=f"use either {owner} or with_cache()",
        )
    return hooks
