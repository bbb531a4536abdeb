"""CachedRun: the keys and data versions of the nodes of one run.

Theory of operation. The key of a node folds what it computes (its code with all that reaches, its literals: the same
signature that recipes of outputs are made of) with the data versions of what it reads. What the outside gave a loader
is told by the token of its source: the ledger's for a table of the engine's, a checksum for another, the content of a
file. A node has no key, and is run, where its code or a literal cannot be known for certain, where it reads a value
without a version, or where its source cannot be known beforehand.

A value without a canonical hash has no version. It gets one only if ``@cache(format=…)`` says how it is kept: then it
is known by the occasion on which it was made.
"""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any

from engine.bindings import sources_of
from engine.caching.behaviors import CachingBehavior
from engine.caching.events import CachingEvent, CachingEventType
from engine.dialects.secrets import is_secret_name
from engine.execution.reads import boundary_key, input_read, metadata_of
from engine.execution.values import Values
from engine.io.nodes import select_data
from engine.io.session import current_session
from engine.metadata.surroundings import keyed_hash
from engine.node import NodeKind
from engine.planning.cones import Cones
from engine.planning.fingerprint import Fingerprinter, fold
from engine.planning.planner import Planner
from engine.planning.recipe import PENDING, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from engine.caching.behaviors import Behaviors
    from engine.caching.stores.base import Entry
    from engine.graph import FunctionGraph
    from engine.node import Node

_LOG = logging.getLogger("engine.caching")
_SCHEME = 1
"""Version of how keys are made."""
_ATOMS = (bool, int, float, complex, str, bytes, type(None))


class CachedRun:
    """What is known of the nodes of one run.

    Args:
        run_id: The run.
        graph: The graph, requests attached.
        given: The inputs and overrides.
        modules: The names of the modules of the dataflow.
        behaviors: The driver's settings.

    Attributes:
        behaviors: What holds for each node.
        versions: The data version of each node; None where there is none to compare with.
        keys: The key of each node that has one.
        codes: The code version of each node that was asked about.
        events: What happened.
        entries: What was made or used, by task and node.
        values: The values there are for each node that was asked about.
    """

    def __init__(
        self,
        run_id: str,
        graph: FunctionGraph,
        given: tuple[Mapping[str, Any], Mapping[str, Any]],
        modules: Iterable[str],
        behaviors: Behaviors,
    ) -> None:
        self.run_id = run_id
        self.graph = graph
        inputs, self._overrides = given
        self.fingerprinter = Fingerprinter(modules)
        self.cones = Cones(graph, inputs, self._overrides, self.fingerprinter)
        self.behaviors = {name: behaviors.of(node) for name, node in graph.nodes.items()}
        self.versions: dict[str, str | None] = {}
        self.keys: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        self.events: list[CachingEvent] = []
        self.entries: dict[tuple[str | None, str], Entry] = {}
        self.values: dict[str, Mapping[str, Any]] = {}
        self.task_id: str | None = None
        self._tasks: dict[str, CachedRun] = {}
        self._planner: Planner | None = None
        self._signatures: dict[str, str | None] = {}
        self._changes_inputs: set[str] = set()

    def of_task(self, task_id: str | None) -> CachedRun:
        """Return what is known of the nodes in one task of the run; without a task, this.

        The same node runs in many tasks, on a value of its own in each. What a task does not know itself, because
        another has made it, it hashes when it meets it.
        """
        if task_id is None:
            return self
        if task_id not in self._tasks:
            task = self._tasks[task_id] = copy.copy(self)
            task.versions, task.keys, task.values = {}, {}, {}
            task.task_id = task_id
        return self._tasks[task_id]

    def close(self) -> None:
        """Let go of all values, those of inputs among them, and of the code that was read; keep what can be told."""
        for task in self._tasks.values() if self.task_id is None else ():
            task.close()
        self.values.clear()
        del self.cones, self.fingerprinter, self._overrides, self._planner

    def all_versions(self) -> dict[str, str | None]:
        """Return the versions of the run and of its tasks; where a node ran in many, the last one."""
        return {**self.versions, **{name: v for task in self._tasks.values() for name, v in task.versions.items()}}

    def all_keys(self) -> dict[str, str]:
        """Return the keys of the run and of its tasks; where a node ran in many, the last one."""
        return {**self.keys, **{name: key for task in self._tasks.values() for name, key in task.keys.items()}}

    def event(self, type_: CachingEventType, node: str, value: Any = None, msg: str | None = None) -> None:
        """Note that something happened."""
        self.events.append(CachingEvent(self.run_id, "adapter", type_, node, self.task_id, msg, value))

    # --- data versions ------------------------------------------------------------------------------------------------
    def data_version(self, node: Node, value: Any) -> str | None:
        """Return the version of a node's value, or None for one that cannot be hashed exactly."""
        if node.kind is NodeKind.LOADER and isinstance(value, tuple):
            value = value[0]  # what is said of the reading, such as its time, is no data
        return self.fingerprinter.data_version(value)

    def version_of(self, name: str, values: Mapping[str, Any]) -> str | None:
        """Return the version of a value that a node reads; one that the caller gave is hashed at its first use."""
        if name not in self.versions:
            version = self.data_version(self.graph.nodes[name], values[name])
            if self.behaviors[name] is CachingBehavior.DISABLE:
                version = None
            elif version is None:
                self.event(CachingEventType.UNHASHABLE_DATA_VERSION, name)
                self._say_unversioned(name, values[name])
            # A short secret could be found by trying, if its plain hash were part of what is written.
            self.versions[name] = keyed_hash(version) if version and is_secret(name, values[name]) else version
            given = CachingEventType.IS_OVERRIDE if name in self._overrides else CachingEventType.IS_INPUT
            self.event(given, name, self.versions[name])
        return self.versions[name]

    def made(self, node: Node, value: Any) -> None:
        """Note the version of the value that a node has given."""
        behavior, name = self.behaviors[node.name], node.name
        if behavior is CachingBehavior.DISABLE or behavior is CachingBehavior.IGNORE:
            self.versions[name] = None
            return
        version = self.data_version(node, value)
        if version is None and node.kind is NodeKind.LOADER and name in self.keys:
            version = fold("loaded", self.keys[name])  # the token of the source says it all
        if version is None and node.function is select_data:
            (version,) = (self.versions.get(source) for source in sources_of(node.bindings["loaded"]))
        if version is None:
            self.event(CachingEventType.UNHASHABLE_DATA_VERSION, name)
        self.versions[name] = version

    def _say_unversioned(self, name: str, value: Any) -> None:
        _LOG.warning(
            "node %r gives a %s, which has no canonical hash: what reads it runs every time; register how it is hashed "
            "(engine.caching.fingerprinting.hash_value), or let it be ignored",
            name,
            type(value).__qualname__,
        )

    def say_unversioned(self, node: Node, value: Any) -> None:
        """Say that a value has no version."""
        self._say_unversioned(node.name, value)

    # --- keys ---------------------------------------------------------------------------------------------------------
    def find_key(self, node: Node, values: Mapping[str, Any]) -> str | None:
        """Return the key of a node with what is known now, or None where it has to run."""
        self.keys.pop(node.name, None)
        signature = self._signature(node.name)
        if signature is None or node.name in self._changes_inputs:
            return None
        reads: dict[str, str] = {}
        for name in self._read(node):
            if name in values and self.behaviors[name] is not CachingBehavior.IGNORE:
                version = self.version_of(name, values)
                if version is None:
                    return None
                reads[name] = version
        tokens = self._tokens(node.name) if node.kind is NodeKind.LOADER else {}
        if tokens is None:
            return None
        key = self.keys[node.name] = fold("cache", _SCHEME, signature, reads, tokens)
        self.event(CachingEventType.SET_CACHE_KEY, node.name, key)
        return key

    @staticmethod
    def _read(node: Node) -> Iterator[str]:
        for binding in node.bindings.values():
            yield from sources_of(binding)

    def _signature(self, name: str) -> str | None:
        if name not in self._signatures:
            unknowable: list[str] = []
            signature = self.cones.signature(name, unknowable)
            code = self.cones.code(name)
            self.codes[name] = code.version if code else ""
            for reason in dict.fromkeys(unknowable):
                _LOG.warning(
                    "node %r is never taken from the cache, since it cannot be known for certain: %s", name, reason
                )
            statements = self.cones.statements([name]) if self.graph.nodes[name].kind is NodeKind.LOADER else {}
            self._signatures[name] = None if unknowable else fold(signature, statements)
        return self._signatures[name]

    # --- sources ------------------------------------------------------------------------------------------------------
    @property
    def planner(self) -> Planner:
        """Knows the tokens of sources, in the session of the run."""
        if self._planner is None:
            with current_session() as session:
                # A loader then says which version it has read, whatever the source has become since it was asked.
                session.tracks_sources = True
                self._planner = Planner(self.graph, self.cones, session, ())
        return self._planner

    def _tokens(self, loader: str) -> Mapping[str, str] | None:
        tokens = self.planner.source_tokens(loader)
        return None if not tokens or {UNKNOWN, PENDING} & set(tokens.values()) else tokens

    def note_read(self, node: Node, value: Any) -> None:
        """Note which version of its source a loader has read."""
        source, session = self.cones.source(node.name), self.planner.session
        read = input_read(session, node.name, source, metadata_of(value))
        if read is not None:
            self.planner.read(node.name, {boundary_key(session, source, read, node.name): read.token})

    # --- values that change -------------------------------------------------------------------------------------------
    def check_inputs(self, node: Node, values: Mapping[str, Any]) -> None:
        """Notice that a node has changed a value that it reads: neither it nor later readers of it can be kept."""
        for name in dict.fromkeys(self._read(node)):
            version = self.versions.get(name)
            value = values.at_hand(name) if isinstance(values, Values) else values.get(name)
            if version is None or isinstance(value, _ATOMS):
                continue
            now = self.data_version(self.graph.nodes[name], value)
            if now is not None and now != version:
                _LOG.warning(
                    "node %r changes the value of %r, which it reads: neither its value nor that of later readers is "
                    "kept; let it change a copy",
                    node.name,
                    name,
                )
                self.versions[name] = None
                self._changes_inputs.add(node.name)


def is_secret(name: str, value: Any) -> bool:
    """Say whether a value is one of those that its name calls secret; a table of tokens is none."""
    return isinstance(value, str | bytes) and is_secret_name(name)
