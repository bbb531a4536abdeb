"""Inspection: what a driver tells about its graph, by name, as drawings and as JSON. Nothing runs here."""

from __future__ import annotations

import abc
import json
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigurationError, RequestError, UnknownNodeError
from engine.execution.request import names_of
from engine.graph_types import HamiltonGraph, HamiltonNode
from engine.io.materialization import SaveRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from types import ModuleType

    from engine.caching.adapter import HamiltonCacheAdapter
    from engine.graph import FunctionGraph
    from engine.io.materialization import LoadRequest
    from engine.lifecycle.base import LifecycleAdapterSet


class Inspection(abc.ABC):
    """The part of a driver that looks and does not run.

    All drawings are a ``graphviz.Digraph`` where that library is installed, else the text of an SVG. They take the
    options of `engine.visualization.draw`.

    Attributes:
        graph: The graph, static requests attached.
        graph_modules: The modules it was made of.
        hooks: The adapters.
    """

    graph: FunctionGraph
    graph_modules: tuple[ModuleType, ...]
    hooks: LifecycleAdapterSet

    @property
    def adapter(self) -> LifecycleAdapterSet:
        """The adapters, under Apache Hamilton's name."""
        return self.hooks

    @property
    def cache(self) -> HamiltonCacheAdapter:
        """What keeps the values of nodes from one call to the next.

        Raises:
            ConfigurationError: The driver has no cache.
        """
        recall = self.hooks.method("do_node_recall")
        if recall is None:
            raise ConfigurationError("the driver has no cache", hint="Builder().with_cache()")
        cache: HamiltonCacheAdapter = recall.__self__  # type: ignore[attr-defined]  # a method
        return cache

    @abc.abstractmethod
    def validate_execution(
        self,
        final_vars: Sequence[Any],
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Check what an execution would check."""

    @abc.abstractmethod
    def validate_materialization(
        self,
        *materializers: SaveRequest | LoadRequest,
        additional_vars: Sequence[Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Check what a materialization would check."""

    # --- nodes --------------------------------------------------------------------------------------------------------
    def list_available_variables(self, *, tag_filter: Mapping[str, Any] | None = None) -> list[HamiltonNode]:
        """Return all nodes, or those whose tags match.

        Args:
            tag_filter: Per tag, the value, a list of values of which one must be there, or None: the tag exists.

        Raises:
            RequestError: A list in the filter is empty.
        """
        return HamiltonGraph.from_graph(self.graph).filtered(tag_filter or {})

    def what_is_upstream_of(self, *node_names: str) -> list[HamiltonNode]:
        """Return these nodes and all they depend on, in the order of execution.

        Raises:
            UnknownNodeError: A name is not in the graph.
        """
        return self._views(self.graph.order(node_names))

    def what_is_downstream_of(self, *node_names: str) -> list[HamiltonNode]:
        """Return these nodes and all that depends on them.

        Raises:
            UnknownNodeError: A name is not in the graph.
        """
        return self._views(self.graph.downstream_of(node_names))

    def what_is_the_path_between(self, upstream_node_name: str, downstream_node_name: str) -> list[HamiltonNode]:
        """Return the nodes on all ways from one node to another, both included; none if there is no way.

        Raises:
            UnknownNodeError: A name is not in the graph.
        """
        return self._views(self._between(upstream_node_name, downstream_node_name))

    def has_cycles(self, final_vars: Sequence[Any]) -> bool:
        """Say no: a graph with a cycle is refused when it is built.

        Raises:
            UnknownNodeError: A name is not in the graph.
        """
        for name in names_of(final_vars):
            self.graph.node(name)
        return False

    def export_execution(
        self,
        final_vars: Sequence[Any],
        inputs: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the nodes that an execution would run, as JSON text ``{"nodes": […]}`` sorted by name.

        Raises:
            RequestError: The execution could not be served.
        """
        self.validate_execution(final_vars, overrides, inputs)
        nodes = self._views(sorted(_needed(self.graph, names_of(final_vars), overrides or {})))
        return json.dumps({"nodes": [node.as_dict() for node in nodes]})

    def _views(self, names: Iterable[str]) -> list[HamiltonNode]:
        return [HamiltonNode.from_node(self.graph.nodes[name]) for name in names]

    def _between(self, first: str, last: str) -> list[str]:
        below = set(self.graph.downstream_of([first]))
        return [name for name in self.graph.order([last]) if name in below]

    # --- drawings -----------------------------------------------------------------------------------------------------
    def display_all_functions(
        self,
        output_file_path: str | None = None,
        render_kwargs: Mapping[str, Any] | None = None,
        graphviz_kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Draw the whole graph."""
        files = _files(output_file_path, render_kwargs, graphviz_kwargs)
        return _drawn(self.graph, self.graph.nodes, **files, **options)

    def display_upstream_of(
        self,
        *node_names: str,
        output_file_path: str | None = None,
        render_kwargs: Mapping[str, Any] | None = None,
        graphviz_kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Draw these nodes and all they depend on.

        Raises:
            UnknownNodeError: A name is not in the graph.
        """
        files = _files(output_file_path, render_kwargs, graphviz_kwargs)
        return _drawn(self.graph, self.graph.order(node_names), **files, **options)

    def display_downstream_of(
        self,
        *node_names: str,
        output_file_path: str | None = None,
        render_kwargs: Mapping[str, Any] | None = None,
        graphviz_kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Draw these nodes, all that depends on them, and what those read directly.

        Raises:
            UnknownNodeError: A name is not in the graph.
        """
        files = _files(output_file_path, render_kwargs, graphviz_kwargs)
        names = _with_parents(self.graph, self.graph.downstream_of(node_names))
        return _drawn(self.graph, names, **files, **options)

    def visualize_path_between(
        self,
        upstream_node_name: str,
        downstream_node_name: str,
        output_file_path: str | None = None,
        render_kwargs: Mapping[str, Any] | None = None,
        graphviz_kwargs: Mapping[str, Any] | None = None,
        strict_path_visualization: bool = False,
        **options: Any,
    ) -> Any:
        """Draw the ways from one node to another with thick lines, and what their nodes read beside them.

        Args:
            upstream_node_name: Where the ways begin.
            downstream_node_name: Where they end.
            output_file_path: See `engine.visualization.draw`, as for the other options.
            render_kwargs: As above.
            graphviz_kwargs: As above.
            strict_path_visualization: Leave out what is beside the ways.
            options: As above.

        Raises:
            UnknownNodeError: A name is not in the graph.
            RequestError: There is no way.
        """
        path = self._between(upstream_node_name, downstream_node_name)
        if not path:
            raise RequestError(
                f"no way leads from {upstream_node_name!r} to {downstream_node_name!r}",
                hint="name the node that is read first",
            )
        names = path if strict_path_visualization else _with_parents(self.graph, path)
        files = _files(output_file_path, render_kwargs, graphviz_kwargs)
        return _drawn(self.graph, names, highlight=path, **files, **options)

    def visualize_execution(
        self,
        final_vars: Sequence[Any],
        output_file_path: str | None = None,
        render_kwargs: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        graphviz_kwargs: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        bypass_validation: bool = False,
        **options: Any,
    ) -> Any:
        """Draw what an execution would run.

        Args:
            final_vars: Names of nodes, or their functions; drawn with thick lines.
            output_file_path: See `engine.visualization.draw`, as for the other options.
            render_kwargs: As above.
            inputs: Values for external inputs, to be checked.
            graphviz_kwargs: As above.
            overrides: Nodes that would not run.
            bypass_validation: Draw without checking, so that no inputs are needed.
            options: As above.

        Raises:
            RequestError: The execution could not be served.
        """
        if not bypass_validation:
            self.validate_execution(final_vars, overrides, inputs)
        names = names_of(final_vars)
        files = _files(output_file_path, render_kwargs, graphviz_kwargs)
        return _drawn(self.graph, _needed(self.graph, names, overrides or {}), highlight=names, **files, **options)

    def visualize_materialization(
        self,
        *materializers: SaveRequest | LoadRequest,
        output_file_path: str | None = None,
        render_kwargs: Mapping[str, Any] | None = None,
        additional_vars: Sequence[Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        graphviz_kwargs: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        bypass_validation: bool = False,
        **options: Any,
    ) -> Any:
        """Draw what a materialization would run; with neither requests nor variables, the whole graph.

        Args:
            materializers: Requests to draw beside the static ones.
            output_file_path: See `engine.visualization.draw`, as for the other options.
            render_kwargs: As above.
            additional_vars: Nodes that are wanted too; drawn with thick lines.
            inputs: Values for external inputs, to be checked.
            graphviz_kwargs: As above.
            overrides: Nodes that would not run.
            bypass_validation: Draw without checking, so that no inputs are needed.
            options: As above.

        Raises:
            RequestError: The materialization could not be served.
        """
        names = names_of(additional_vars or ())
        files = _files(output_file_path, render_kwargs, graphviz_kwargs)
        wanted = [r.id for r in materializers if isinstance(r, SaveRequest)] + names
        if not wanted:
            graph = self.graph.attach(materializers)
            return _drawn(graph, graph.nodes, **files, **options)
        if not bypass_validation:
            given: dict[str, Any] = {"overrides": overrides, "inputs": inputs}
            self.validate_materialization(*materializers, additional_vars=additional_vars, **given)
        graph = self.graph.attach(materializers)
        return _drawn(graph, _needed(graph, wanted, overrides or {}), highlight=names, **files, **options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        """Draw the whole graph for a notebook."""
        from engine.visualization import to_svg

        bundle = {"text/plain": repr(self), "image/svg+xml": to_svg(self.graph.nodes)}
        return {k: v for k, v in bundle.items() if (include is None or k in include) and k not in (exclude or ())}


def _needed(graph: FunctionGraph, names: Sequence[str], overrides: Mapping[str, Any]) -> list[str]:
    """Return what names need, overridden nodes in it but not what only these need."""
    for name in overrides:
        if name not in graph.nodes:
            raise UnknownNodeError.among(name, graph.nodes)
    order = graph.order(names, stop=overrides.__contains__)
    read = {parent for name in order for parent in graph.nodes[name].upstream}
    return [*(name for name in overrides if name in read or name in names), *order]


def _with_parents(graph: FunctionGraph, names: Sequence[str]) -> Collection[str]:
    return dict.fromkeys([*names, *(parent for name in names for parent in graph.nodes[name].upstream)])


def _files(
    output_file_path: str | None, render_kwargs: Mapping[str, Any] | None, graphviz_kwargs: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "output_file_path": output_file_path,
        "render_kwargs": render_kwargs,
        "graphviz_kwargs": graphviz_kwargs,
    }


def _drawn(graph: FunctionGraph, names: Iterable[str], **options: Any) -> Any:
    from engine.visualization import draw

    return draw([graph.nodes[name] for name in names], **options)
