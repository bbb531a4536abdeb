"""DOT: a graph as text for Graphviz."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from engine.errors import ExtensionError
from engine.visualization.shapes import shapes_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from engine.node import Node
    from engine.visualization.shapes import Shape

_STYLES: Mapping[str, tuple[str, str, str]] = {
    "input": ("box", "rounded,filled,dashed", 'fillcolor="#f8fafc" color="#94a3b8"'),
    "function": ("box", "rounded,filled", 'fillcolor="#eef2ff" color="#818cf8"'),
    "loader": ("note", "filled", 'fillcolor="#ecfdf5" color="#34d399"'),
    "saver": ("note", "filled", 'fillcolor="#fffbeb" color="#f59e0b"'),
    "check": ("octagon", "filled", 'fillcolor="#fdf2f8" color="#f472b6"'),
}
"""Per kind: shape, style and colours, the same ones as in the SVG."""


def to_dot(
    nodes: Mapping[str, Node],
    *,
    orient: str = "LR",
    hide_inputs: bool = False,
    show_legend: bool = False,
    highlight: Collection[str] = (),
) -> str:
    """Draw nodes as DOT text.

    Args:
        nodes: By name; what lies outside of them is not drawn.
        orient: ``LR``, ``TB``, ``RL`` or ``BT``: where the drawing runs to.
        hide_inputs: Leave external inputs out.
        show_legend: Explain the shapes.
        highlight: Names of nodes to draw with a thick line.
    """
    lines = _lines(nodes, orient=orient, hide_inputs=hide_inputs, show_legend=show_legend, highlight=highlight)
    return "".join(("digraph dataflow {\n", *lines, "}\n"))


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
    return graphviz.Digraph("dataflow", body=list(_lines(nodes, **options)))


def _lines(
    nodes: Mapping[str, Node],
    *,
    orient: str = "LR",
    hide_inputs: bool = False,
    show_legend: bool = False,
    highlight: Collection[str] = (),
) -> Iterator[str]:
    shapes, edges = shapes_of(nodes, hide_inputs=hide_inputs)
    yield f"\trankdir={_quoted(orient)} nodesep=0.2 ranksep=0.5\n"
    yield '\tnode [fontname="Helvetica" fontsize=11 margin="0.15,0.07"]\n'
    yield '\tedge [color="#94a3b8" arrowsize=0.7]\n'
    for shape in shapes:
        yield f"\t{_quoted(shape.name)} [{_attributes(shape, is_bold=shape.name in highlight)}]\n"
    for edge in edges:
        yield f"\t{_quoted(edge.tail)} -> {_quoted(edge.head)}{' [style=dashed]' if edge.is_order else ''}\n"
    if show_legend:
        yield from _legend({shape.kind for shape in shapes})


def _attributes(shape: Shape, *, is_bold: bool) -> str:
    form, style, colours = _STYLES.get(shape.kind, _STYLES["function"])
    form = "cylinder" if shape.in_database else form
    label = f'<b>{_escaped(shape.label)}</b><br/><font point-size="9">{_escaped(shape.detail)}</font>'
    width = " penwidth=3" if is_bold else ""
    return f'label=<{label}> shape={form} style="{style}" {colours}{width} tooltip={_quoted(shape.doc or shape.name)}'


def _legend(kinds: set[str]) -> Iterator[str]:
    yield '\tsubgraph cluster_legend {\n\t\tlabel="legend" color="#cbd5e1" fontname="Helvetica"\n'
    for kind, (form, style, colours) in _STYLES.items():
        if kind in kinds:
            yield f'\t\t"legend: {kind}" [label="{kind}" shape={form} style="{style}" {colours}]\n'
    yield "\t}\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    # Graphviz refuses control characters in HTML-like labels.
    return html.escape("".join(character for character in text if character.isprintable()), quote=False) or " "
