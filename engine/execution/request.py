"""Request: one call of a driver, checked as a whole before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import InputError, RequestError, UnknownNodeError, did_you_mean
from engine.htypes import fits_value
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.graph import FunctionGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller wants.

    Attributes:
        final_vars: Nodes whose values are asked for.
        outputs: Savers that are to be brought up to date.
        inputs: Values for external inputs.
        overrides: Values for nodes, which then do not run.
        rerun: ``all`` runs what is asked for, ``stale`` only what is not fresh.
        brings_upstream: Outputs that the asked-for ones read are brought up to date first.
        stops_at_failure: The first failure ends the run and is raised; else independent outputs go on.
        mode: What the record calls it: execute or materialize.
    """

    final_vars: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    rerun: str = "all"
    brings_upstream: bool = False
    stops_at_failure: bool = True
    mode: str = "execute"

    def check(self, graph: FunctionGraph) -> None:
        """Check names and inputs against a graph, all faults of one kind together.

        Raises:
            RequestError: The rerun mode is unknown.
            UnknownNodeError: A name is not in the graph.
            InputError: Inputs are missing, of the wrong type, or given twice.
        """
        if self.rerun not in {"all", "stale"}:
            raise RequestError(f"rerun={self.rerun!r} is unknown", hint='write rerun="all" or rerun="stale"')
        for name in self.outputs:
            if name not in graph.nodes or graph.nodes[name].kind is not NodeKind.SAVER:
                raise UnknownNodeError.among(name, graph.savers(), what="output")
        for name in (*self.final_vars, *self.overrides):
            graph.node(name)
        faults = [*self._double(graph), *self._missing(graph), *self._mistyped(graph)]
        if faults:
            raise InputError(faults, hint="pass them as inputs={'name': value}")

    def _double(self, graph: FunctionGraph) -> list[str]:
        return [
            f"input {n!r} is given both as input and in the configuration" for n in self.inputs if n in graph.config
        ]

    def _missing(self, graph: FunctionGraph) -> list[str]:
        given = self.inputs.keys() | graph.config.keys() | self.overrides.keys()
        needed = graph.order((*self.final_vars, *self.outputs), stop=lambda n: n in given)
        readers: dict[str, str] = {}
        for name in needed:
            for parent in graph.nodes[name].upstream:
                readers.setdefault(parent, name)
        faults = []
        for name in needed:
            node = graph.nodes[name]
            if node.kind is NodeKind.INPUT and not node.optional:
                reader = f", which node {readers[name]!r} reads," if name in readers else ""
                faults.append(f"input {name!r}{reader} is missing{self._near(name, graph)}")
        return faults

    def _near(self, name: str, graph: FunctionGraph) -> str:
        """Say what a missing name may have been meant to be: an input that was given, or a node."""
        if near := did_you_mean(name, self.inputs.keys() - graph.nodes.keys()):
            return f"; {near[0]!r} was given, which nothing reads"
        near = did_you_mean(name, graph.nodes.keys() - {name})
        return f"; did you mean {near[0]!r}?" if near else ""

    def _mistyped(self, graph: FunctionGraph) -> list[str]:
        faults = []
        for name, value in self.inputs.items():
            node = graph.nodes.get(name)
            if node is not None and value is not None and not fits_value(value, node.type):
                wanted = getattr(node.type, "__name__", str(node.type))
                faults.append(f"input {name!r} is to be of type {wanted}, but is of type {type(value).__name__}")
        return faults
