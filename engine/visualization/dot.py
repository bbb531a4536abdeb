"""DOT: a graph as text for Graphviz."""

from __future__ import annotations

import html
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from engine.errors import ExtensionError
from engine.visualization.shapes import shapes_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from engine.node import Node
    from engine.visualization.shapes import Shape, StyleFunction

_STYLES: Mapping[str, tuple[str, str, str]] = {
    "input": ("box", "rounded,filled,dashed", 'fillcolor="#f8fafc" color="#94a3b8"'),
    "function": ("box", "rounded,filled", 'fillcolor="#eef2ff" color="#818cf8"'),
    "loader": ("note", "filled", 'fillcolor="#ecfdf5" color="#34d399"'),
    "saver": ("note", "filled", 'fillcolor="#fffbeb" color="#f59e0b"'),
    "check": ("octagon", "filled", 'fillcolor="#fdf2f8" color="#f472b6"'),
}
"""Per kind: shape, style and colours, the same ones as in the SVG."""
_DEFAULTS: Mapping[str, tuple[str, str]] = {
    "graph_attr": ("graph", 'nodesep="0.2" ranksep="0.5"'),
    "node_attr": ("node", 'fontname="Helvetica" fontsize="11" margin="0.15,0.07"'),
    "edge_attr": ("edge", 'color="#94a3b8" arrowsize="0.7"'),
}
"""Per argument of the graphviz library that sets attributes: what they are about, and ours."""


def to_dot(nodes: Mapping[str, Node], **options: Any) -> str:
    """Draw nodes as DOT text.

    Args:
        nodes: By name; what lies outside of them is not drawn.
        options: ``orient`` (``LR``, ``TB``, ``RL`` or ``BT``: where the drawing runs to), ``hide_inputs`` (leave
            external inputs out), ``show_legend`` (explain the shapes), ``show_schema`` (list declared columns),
            ``highlight`` (names of nodes to draw with a thick line), ``style`` (a function that gives nodes another
            look) and ``graphviz_kwargs`` (arguments of a ``graphviz.Digraph``).
    """
    return "".join(("digraph dataflow {\n", *_lines(nodes, **options), "}\n"))


def to_digraph(nodes: Mapping[str, Node], **options: Any) -> Any:
    """Draw nodes as a ``graphviz.Digraph``; the options are those of `to_dot`.

    Raises:
        ExtensionError: The library `graphviz` is not installed.
    """
    try:
        import graphviz
    except ImportError as error:
        raise ExtensionError(
            "a drawing as a graphviz object needs the Python library 'graphviz'",
            hint="pip install 'materialization-engine[viz]'; an SVG needs nothing: engine viz -o graph.svg",
        ) from error
    arguments = {k: v for k, v in options.get("graphviz_kwargs", {}).items() if k not in _DEFAULTS}
    return graphviz.Digraph(**{"name": "dataflow", "body": list(_lines(nodes, **options)), **arguments})


def _lines(
    nodes: Mapping[str, Node],
    *,
    orient: str = "LR",
    hide_inputs: bool = False,
    show_legend: bool = False,
    show_schema: bool = True,
    highlight: Collection[str] = (),
    style: StyleFunction | None = None,
    graphviz_kwargs: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[str]:
    shapes, edges = shapes_of(nodes, hide_inputs=hide_inputs, show_schema=show_schema, style=style)
    yield f"\trankdir={_quoted(orient)}\n"
    for argument, (about, ours) in _DEFAULTS.items():
        # Of two values of one attribute the later one counts: the user's.
        yield f"\t{about} [{' '.join((ours, *_pairs(graphviz_kwargs.get(argument) or {})))}]\n"
    for shape in shapes:
        yield f"\t{_quoted(shape.name)} [{_attributes(shape, is_bold=shape.name in highlight)}]\n"
    for edge in edges:
        yield f"\t{_quoted(edge.tail)} -> {_quoted(edge.head)}{' [style=dashed]' if edge.is_order else ''}\n"
    if show_legend:
        yield from _legend(shapes)


def _attributes(shape: Shape, *, is_bold: bool) -> str:
    form, style, colours = _STYLES.get(shape.kind, _STYLES["function"])
    form = "cylinder" if shape.in_database else form
    label = f'<b>{_escaped(shape.label)}</b><br/><font point-size="9">{_escaped(shape.detail)}</font>'
    label += "".join(f'<br/><font point-size="8">{_escaped(column)}</font>' for column in shape.columns)
    width = " penwidth=3" if is_bold else ""
    own = "".join(f" {pair}" for pair in _pairs(shape.style))
    tooltip = _quoted(shape.doc or shape.name)
    return f'label=<{label}> shape={form} style="{style}" {colours}{width} tooltip={tooltip}{own}'


def _pairs(attributes: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_quoted(str(name))}={_quoted(str(value))}" for name, value in attributes.items())


def _legend(shapes: Sequence[Shape]) -> Iterator[str]:
    kinds = {shape.kind for shape in shapes}
    yield '\tsubgraph cluster_legend {\n\t\tlabel="legend" color="#cbd5e1" fontname="Helvetica"\n'
    for kind, (form, style, colours) in _STYLES.items():
        if kind in kinds:
            yield f'\t\t"legend: {kind}" [label="{kind}" shape={form} style="{style}" {colours}]\n'
    for text, shape in {shape.legend: shape for shape in shapes if shape.legend}.items():
        form, style, colours = _STYLES[shape.kind]
        own = " ".join(_pairs(shape.style))
        yield f'\t\t{_quoted(f"legend: {text}")} [label={_quoted(text)} shape={form} style="{style}" {colours} {own}]\n'
    yield "\t}\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    # Graphviz refuses control characters in HTML-like labels.
    return html.escape("".join(character for character in text if character.isprintable()), quote=False) or " "
