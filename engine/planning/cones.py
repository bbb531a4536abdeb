"""Cones: what lies between an output and its boundary, and the recipe that follows from it.

An in-memory node that another output keeps whole, as a table that is replaced, is a boundary: its readers depend on
that output's token, so equal content upstream cuts the recomputation off. Everything here is pure; tokens come from
outside.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.bindings import Group, Source, Value, sources_of
from engine.dialects.base import WriteMode
from engine.dialects.secrets import is_secret_name, scrub
from engine.io.data_adapters import TableSource, TableTarget
from engine.io.nodes import SaveData, adapter_of
from engine.masking import masked
from engine.node import NodeKind
from engine.planning.fingerprint.sql_text import normalise_sql
from engine.planning.fingerprint.values import fold, value_hash
from engine.planning.recipe import UNKNOWN, Recipe
from engine.planning.selection import kept_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from engine.bindings import Binding
    from engine.graph import FunctionGraph
    from engine.io.data_adapters import DataSource, Target
    from engine.metadata.records import CodeUnit
    from engine.node import Node
    from engine.planning.fingerprint import CodeVersion, Fingerprinter

_LOG = logging.getLogger("engine")
_UNRECORDED_OPTIONS = {"adopt", "types"}
_NOT_AIRTIGHT = {"opaque", "dynamic"}
"""Code of which something that decides cannot be read: when in doubt, rebuild."""
_READS_OR_WRITES = {NodeKind.LOADER, NodeKind.SAVER}
"""Nodes that are there to deal with the outside, so that nobody need be told that they do."""
_LONGEST_SAID = 40


@dataclass(frozen=True, slots=True)
class Cone:
    """What an output is made of.

    Attributes:
        output: The saver's name.
        nodes: The in-memory nodes and the saver itself, in order.
        loaders: Those of them that read the outside.
        inputs: External inputs, configuration values among them.
        overrides: Nodes whose value the caller gives.
        boundaries: Per boundary node, the output that keeps it.
    """

    output: str
    nodes: tuple[str, ...]
    loaders: tuple[str, ...]
    inputs: tuple[str, ...]
    overrides: tuple[str, ...]
    boundaries: Mapping[str, str]


class Cones:
    """The cones of a graph's outputs, under given inputs and overrides.

    Args:
        graph: The graph, requests attached.
        inputs: What the caller gives for external inputs; the configuration's values stand behind them.
        overrides: What the caller gives for nodes.
        fingerprinter: Gives code versions.
        runs_nodes: The adapter's method that runs every node in the engine's stead, if there is one.
    """

    def __init__(
        self,
        graph: FunctionGraph,
        inputs: Mapping[str, Any],
        overrides: Mapping[str, Any],
        fingerprinter: Fingerprinter,
        runs_nodes: Callable[..., Any] | None = None,
    ) -> None:
        self.graph = graph
        self.inputs = {**graph.config, **inputs}
        self._given = inputs
        self.overrides = overrides
        self._fingerprinter = fingerprinter
        self._runs_nodes = runs_nodes
        self._code: dict[str, CodeVersion | None] = {}
        self._cones: dict[str, Cone] = {}
        self._hashes: dict[tuple[str, int], str | None] = {}

    @functools.cached_property
    def targets(self) -> Mapping[str, Target | None]:
        """What each saver of the graph writes, or None where that cannot be said beforehand."""
        return {name: self._ask(self.graph.nodes[name], "target") for name in self.graph.savers()}

    @functools.cached_property
    def keepers(self) -> Mapping[str, str]:
        """The output that keeps a node whole, per node that one does."""
        keepers: dict[str, str] = {}
        for name, target in self.targets.items():
            node = kept_node(self.graph, name)
            if node and isinstance(target, TableTarget) and target.write.mode is WriteMode.REPLACE:
                keepers.setdefault(node, name)
        return keepers

    @functools.cached_property
    def read_savers(self) -> frozenset[str]:
        """The savers that other nodes read by a binding."""
        return frozenset(
            name
            for node in self.graph.nodes.values()
            for binding in node.bindings.values()
            for name in sources_of(binding)
            if name in self.targets
        )

    def _ask(self, node: Node, question: str) -> Any:
        adapter = adapter_of(node, {**self.inputs, **self.overrides})
        return getattr(adapter, question, lambda: None)()

    def source(self, loader: str) -> DataSource | None:
        """Return what a loader will read, or None where that cannot be said beforehand."""
        source: DataSource | None = self._ask(self.graph.nodes[loader], "source")
        return source

    def cone(self, output: str) -> Cone:
        """Return the cone of an output."""
        if output not in self._cones:
            self._cones[output] = self._walk(output)
        return self._cones[output]

    def _walk(self, output: str) -> Cone:
        own = kept_node(self.graph, output)
        nodes, boundaries, overrides = self.graph.nodes, {}, []

        def stop(name: str) -> bool:
            if name in self.overrides:
                overrides.append(name)
            elif name in self.keepers and name != own:
                boundaries[name] = self.keepers[name]
            elif nodes[name].kind is NodeKind.SAVER and name != output:
                # A loader that merely runs after a saver has a token of its own.
                if name in self.read_savers:
                    boundaries[name] = name
            else:
                return False
            return True

        order = self.graph.order([output], stop)
        return Cone(
            output,
            nodes=tuple(n for n in order if nodes[n].kind is not NodeKind.INPUT),
            loaders=tuple(n for n in order if nodes[n].kind is NodeKind.LOADER),
            inputs=tuple(n for n in order if nodes[n].kind is NodeKind.INPUT),
            overrides=tuple(dict.fromkeys(overrides)),
            boundaries=boundaries,
        )

    def code(self, name: str) -> CodeVersion | None:
        """Return the code version of a node; None for an input."""
        if name not in self._code:
            function = self.graph.nodes[name].function
            code = self._code[name] = None if function is None else self._fingerprinter.code_version(function)
            if code and not (
                self.graph.nodes[name].kind in _READS_OR_WRITES and code.completeness not in _NOT_AIRTIGHT
            ):
                for warning in code.warnings:
                    _LOG.warning("node %r: %s", name, warning)
        return self._code[name]

    def recipe(self, output: str, token: Callable[[str], str], read: Callable[[str], Mapping[str, str]]) -> Recipe:
        """Return the recipe of an output.

        Args:
            output: The saver's name.
            token: Gives the token of an output upstream, or `PENDING`.
            read: Gives, per loader, the datasets it reads with their tokens.
        """
        cone = self.cone(output)
        unknowable: list[str] = []
        sections: dict[str, dict[str, str]] = {
            "nodes": {n: self.signature(n, unknowable, is_output=n == output) for n in cone.nodes}
            | self._adapter(unknowable),
            "units": self._units(cone.nodes),
            "config": self._values(cone, unknowable, given=False),
            "inputs": self._values(cone, unknowable, given=True),
            "overrides": {n: self._hash(self.overrides[n], f"override {n}", unknowable) for n in cone.overrides},
            "sql": self.statements(cone.loaders),
            "upstream": {output_: token(output_) for output_ in cone.boundaries.values()},
            "sources": {},
            "write": self._write(output, unknowable),
        }
        written: set[str] = set()
        for loader in cone.loaders:
            tokens = read(loader)
            if self.graph.nodes[loader].after:
                written.update(tokens)
            if not tokens:
                unknowable.append(f"what {loader.removesuffix('.loader')} reads")
            sections["sources"].update(tokens)
        return Recipe(sections, tuple(dict.fromkeys(unknowable)), frozenset(written))

    def _values(self, cone: Cone, unknowable: list[str], *, given: bool) -> dict[str, str]:
        names = [n for n in cone.inputs if n in self.inputs and (n in self._given) is given]
        kind = "input" if given else "configuration value"
        return {n: self._hash(self.inputs[n], f"{kind} {n}", unknowable) + _said(n, self.inputs[n]) for n in names}

    def _hash(self, value: Any, subject: str, unknowable: list[str]) -> str:
        # Once: a node may change what it was given, and what counts is what the caller gave.
        place = (subject, id(value))
        if place not in self._hashes:
            self._hashes[place] = value_hash(value)
        hashed = self._hashes[place]
        if hashed is None:
            unknowable.append(f"{subject} ({type(value).__qualname__})")
        return hashed or UNKNOWN

    def signature(self, name: str, unknowable: list[str], *, is_output: bool = False) -> str:
        """Return what a node computes: its code, and how its parameters are filled.

        Args:
            name: The node.
            unknowable: Takes what cannot be known of it.
            is_output: The node is the saver the recipe is of, whose options are a section of their own.
        """
        node, code = self.graph.nodes[name], self.code(name)
        if code is not None and code.completeness in _NOT_AIRTIGHT:
            unknowable.extend(code.warnings or [f"the code of {name}"])
        skipped = set(self._options(node)) if is_output else set()
        skipped |= {"sql"} & set(node.bindings) if node.kind is NodeKind.LOADER else set()
        bindings = {
            p: self._encoded(b, f"{name}({p}=)", unknowable) for p, b in node.bindings.items() if p not in skipped
        }
        return fold(name, code.version if code else "", bindings)

    @functools.cached_property
    def _adapters_code(self) -> CodeVersion | None:
        return None if self._runs_nodes is None else self._fingerprinter.code_version(self._runs_nodes)

    def _adapter(self, unknowable: list[str]) -> dict[str, str]:
        """Return the adapter that runs the nodes as one more node, under a name that no node can have."""
        code = self._adapters_code
        if code is None:
            return {}
        if code.completeness in _NOT_AIRTIGHT:
            unknowable.extend(code.warnings)
        return {f"adapter {type(getattr(self._runs_nodes, '__self__', None)).__qualname__}": code.version}

    def _encoded(self, binding: Binding, subject: str, unknowable: list[str]) -> Any:
        if isinstance(binding, Source):
            return ("source", binding.name)
        if isinstance(binding, Group):
            items = [self._encoded(item, subject, unknowable) for item in binding.items]
            return ("group", binding.keys or (), items)
        if isinstance(binding, Value):
            return ("value", self._hash(_without_password(binding.value), subject, unknowable))
        return ("configuration", binding.key)

    def _units(self, nodes: tuple[str, ...]) -> dict[str, str]:
        units = {}
        for code in (*(self.code(name) for name in nodes), self._adapters_code):
            for unit in code.units if code else ():
                if unit.kind != "external":
                    units[_shown(unit)] = unit.unit_hash
        return units

    def statements(self, loaders: Iterable[str]) -> dict[str, str]:
        """Return the hash of the SQL text of each loader that has one; white space and comments do not count."""
        statements = {}
        for loader in loaders:
            source = self.source(loader)
            if isinstance(source, TableSource) and source.sql is not None:
                statements[loader] = fold(normalise_sql(source.sql))
        return statements

    def _options(self, node: Node) -> list[str]:
        data = node.function.data if isinstance(node.function, SaveData) else ""
        return [p for p, b in node.bindings.items() if p != data and isinstance(b, Value)]

    def _write(self, output: str, unknowable: list[str]) -> dict[str, str]:
        node = self.graph.nodes[output]
        options = {}
        for name in self._options(node):
            binding = node.bindings[name]
            if name not in _UNRECORDED_OPTIONS and isinstance(binding, Value):
                value = _without_password(binding.value)
                plain = isinstance(value, str) and not is_secret_name(name)
                options[name] = value if plain else self._hash(value, f"{output}({name}=)", unknowable)
        target = self.targets.get(output)
        if isinstance(target, TableTarget) and target.write.definition.types:  # SQLAlchemy's have no hash of their own
            options["types"] = self._hash(target.write.definition.types, f"{output}(types=)", unknowable)
        return options


def _without_password(value: Any) -> Any:
    """Return an option without the password of a URL: a new one makes nothing else, and belongs in no record."""
    return masked(value) if isinstance(value, str) else value


def _said(name: str, value: Any) -> str:
    """Return a short value as reasons show it, behind its hash; nothing for a long one or one that looks secret."""
    if not isinstance(value, str | int | float | date) or is_secret_name(name):
        return ""
    text = scrub(str(value))
    return f" {text}" if len(text) <= _LONGEST_SAID else ""


def _shown(unit: CodeUnit) -> str:
    """Name a function, class or constant with its file, as reasons do: ``clean_name() in helpers.py``."""
    call = "()" if unit.kind == "function" else ""
    if unit.file_path:
        *folders, file = Path(unit.file_path).parts
        return f"{unit.qualname}{call} in {'/'.join([*folders[-1:], file]) if file == '__init__.py' else file}"
    return f"{unit.qualname}{call} in {unit.module.rsplit('.', 1)[-1]}.py" if unit.module else f"{unit.qualname}{call}"
