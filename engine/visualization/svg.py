"""SVG: a graph as a drawing that needs no other program to be made or seen."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from engine.visualization.layout import lay_out
from engine.visualization.shapes import shapes_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from engine.node import Node
    from engine.visualization.layout import Point
    from engine.visualization.shapes import Edge, Shape, StyleFunction

_LABEL_PX, _DETAIL_PX = 12.5, 10.5
_LABEL_EM, _DETAIL_EM = 0.602, 0.56
"""Width of a letter: exact for the monospaced label, on the safe side for the detail."""
_PADDING, _HEIGHT, _MARGIN, _LEGEND_HEIGHT = 13.0, 44.0, 28.0, 44.0
_COLUMN_HEIGHT, _LEGEND_WIDTH = 13.0, 110.0
_VARIABLES = {"fillcolor": "fill", "color": "stroke", "fontcolor": "ink"}
"""Per attribute of Graphviz that counts here, the variable of the style sheet."""
_COLOUR = re.compile(r"#[0-9A-Fa-f]{3,8}|[A-Za-z]+")
_CURVE = 0.5
"""Where the control points of a curve stand between its ends; a half makes it leave and arrive level."""

_KINDS = {"input": "input", "loader": "loader", "function": "function", "check": "check", "saver": "output"}
"""The kinds in the order of the legend, with their words."""

_STYLE = """
.engine-graph{--paper:#fff;--ink:#0f172a;--soft:#64748b;--line:#a8b3c5;font-family:ui-sans-serif,system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.engine-graph .paper{fill:var(--paper)}
.engine-graph .label{font:600 12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink)}
.engine-graph .detail,.engine-graph .legend{font-size:10.5px;fill:var(--soft)}
.engine-graph .legend{font-size:11.5px}
.engine-graph .body,.engine-graph .rim{fill:var(--fill);stroke:var(--stroke);stroke-width:1.4}
.engine-graph .rim{fill:none}
.engine-graph .strong .body{stroke-width:3}
.engine-graph .edge{fill:none;stroke:var(--line);stroke-width:1.4}
.engine-graph .order{stroke-dasharray:5 4}
.engine-graph .tip{fill:var(--line)}
.engine-graph .input{--fill:#f8fafc;--stroke:#94a3b8}.engine-graph .input .body{stroke-dasharray:4 3}
.engine-graph .function{--fill:#eef2ff;--stroke:#818cf8}
.engine-graph .loader{--fill:#ecfdf5;--stroke:#34b98a}
.engine-graph .saver{--fill:#fff7e0;--stroke:#e59e0b}
.engine-graph .check{--fill:#fdf2f8;--stroke:#f472b6}
@media (prefers-color-scheme:dark){.engine-graph{--paper:#0b1120;--ink:#e2e8f0;--soft:#94a3b8;--line:#52617a}
.engine-graph .input{--fill:#111a2e;--stroke:#64748b}.engine-graph .function{--fill:#1a1f45;--stroke:#6366f1}
.engine-graph .loader{--fill:#062f26;--stroke:#10a37a}.engine-graph .saver{--fill:#352508;--stroke:#d08b0a}
.engine-graph .check{--fill:#3a1029;--stroke:#db2777}}
"""  # noqa: E501 - one rule, one line


def to_svg(
    nodes: Mapping[str, Node],
    *,
    hide_inputs: bool = False,
    show_legend: bool = True,
    show_schema: bool = True,
    highlight: Collection[str] = (),
    style: StyleFunction | None = None,
    title: str = "dataflow",
) -> str:
    """Draw nodes as SVG text, from left to right; it follows the viewer's light or dark colours.

    Args:
        nodes: By name; what lies outside of them is not drawn.
        hide_inputs: Leave external inputs out.
        show_legend: Explain the shapes.
        show_schema: List declared columns.
        highlight: Names of nodes to draw with a thick line.
        style: Gives nodes another look; ``fillcolor``, ``color`` and ``fontcolor`` count here.
        title: What the drawing is called, for those who cannot see it.
    """
    shapes, edges = shapes_of(nodes, hide_inputs=hide_inputs, show_schema=show_schema, style=style)
    sizes = {shape.name: (_width(shape), _HEIGHT + _COLUMN_HEIGHT * len(shape.columns)) for shape in shapes}
    layout = lay_out(sizes, [(edge.tail, edge.head) for edge in edges])
    kinds = [kind for kind in _KINDS if any(shape.kind == kind for shape in shapes)] if show_legend else []
    own = {shape.legend for shape in shapes if shape.legend} if kinds else set()
    width = max(layout.width, _LEGEND_WIDTH * (len(kinds) + len(own))) + 2 * _MARGIN
    height = layout.height + 2 * _MARGIN + (_LEGEND_HEIGHT if kinds else 0)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="engine-graph" role="img" aria-label="{escape(title)}" '
            f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
        ),
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="paper" width="{width:.0f}" height="{height:.0f}"/>',
        f'<g transform="translate({_MARGIN:.0f} {_MARGIN:.0f})">',
        *(_line(edge, layout.lines[edge.tail, edge.head]) for edge in edges),
        *(_box(shape, sizes[shape.name], layout.places[shape.name], shape.name in highlight) for shape in shapes),
        "</g>",
        *_legend(kinds, shapes if show_legend else (), height - _LEGEND_HEIGHT - _MARGIN / 2),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _width(shape: Shape) -> float:
    label = len(shape.label) * _LABEL_PX * _LABEL_EM
    detail = max(map(len, (shape.detail, *shape.columns))) * _DETAIL_PX * _DETAIL_EM
    return max(label, detail, 40.0) + 2 * _PADDING


def _box(shape: Shape, size: tuple[float, float], place: Point, is_strong: bool) -> str:
    (width, height), (x, middle) = size, place
    words = f"{shape.name}: {shape.detail}" + (f"\n\n{shape.doc}" if shape.doc else "")
    down = 3.0 if shape.in_database else 0.0
    return (
        f'<g class="{shape.kind}{" strong" if is_strong else ""}"{_own_style(shape)} data-node="{escape(shape.name)}" '
        f'transform="translate({x:.1f} {middle - height / 2:.1f})"><title>{escape(words)}</title>'
        f"{_outline(shape, width, height)}"
        f'<text class="label" x="{_PADDING}" y="{18.5 + down}">{escape(shape.label)}</text>'
        f'<text class="detail" x="{_PADDING}" y="{33.5 + down}">{escape(shape.detail)}</text>'
        f"{''.join(_column(column, place, down) for place, column in enumerate(shape.columns, 1))}</g>"
    )


def _column(text: str, place: int, down: float) -> str:
    return f'<text class="detail" x="{_PADDING}" y="{33.5 + down + place * _COLUMN_HEIGHT}">{escape(text)}</text>'


def _own_style(shape: Shape) -> str:
    """Write what the user's style says of colours, in words an SVG understands."""
    said = {variable: shape.style[name] for name, variable in _VARIABLES.items() if name in shape.style}
    text = "".join(f"--{variable}:{colour};" for variable, colour in said.items() if _COLOUR.fullmatch(colour))
    return f' style="{text}"' if text else ""


def _outline(shape: Shape, width: float, height: float) -> str:
    """Draw what a box looks like: inputs are pills, tables are drums, files are sheets, functions are plates."""
    if shape.in_database:
        rim, w = 4.5, f"{width:.1f}"
        curve, foot = f"{width / 2:.1f} {rim}", f"{height - rim:.1f}"
        return (
            f'<path class="body" d="M0 {rim}A{curve} 0 0 1 {w} {rim}V{foot}A{curve} 0 0 1 0 {foot}Z"/>'
            f'<path class="rim" d="M0 {rim}A{curve} 0 0 0 {w} {rim}"/>'
        )
    if shape.kind in {"loader", "saver"}:
        fold, w = 10.0, f"{width:.1f}"
        inner = f"{width - fold:.1f}"
        return (
            f'<path class="body" d="M3 0H{inner}L{w} {fold}V{height - 3:.1f}q0 3 -3 3H3q-3 0 -3 -3V3q0 -3 3 -3Z"/>'
            f'<path class="rim" d="M{inner} 0V{fold}H{w}"/>'
        )
    radius = height / 2 if shape.kind == "input" else 8.0
    return f'<rect class="body" width="{width:.1f}" height="{height:.1f}" rx="{radius}"/>'


def _line(edge: Edge, points: Sequence[Point]) -> str:
    (x, y), *_ = points
    end_x, end_y = points[-1]
    tip = 7.0
    path = [f"M{x:.1f} {y:.1f}"]
    targets = [*points[1:-1], (end_x - tip, end_y)]
    for number, (to_x, to_y) in enumerate(targets):
        if number % 2 == 0:  # across a layer, level
            path.append(f"H{to_x:.1f}")
        else:  # from one layer to the next
            middle = x + (to_x - x) * _CURVE
            path.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return (
        f'<path class="edge{" order" if edge.is_order else ""}" d="{"".join(path)}"/>'
        f'<path class="tip" d="M{end_x:.1f} {end_y:.1f}l-{tip} -3.5v7z"/>'
    )


def _legend(kinds: Sequence[str], shapes: Sequence[Shape], y: float) -> Iterator[str]:
    own = {shape.legend: shape for shape in shapes if shape.legend}
    words = [(kind, _KINDS[kind], "") for kind in kinds]
    words += [(shape.kind, text, _own_style(shape)) for text, shape in own.items()]
    for place, (kind, text, style) in enumerate(words):
        x = _MARGIN + _LEGEND_WIDTH * place
        radius = 7 if kind == "input" else 3
        yield (
            f'<g class="{kind}"{style} transform="translate({x:.0f} {y + 16:.0f})">'
            f'<rect class="body" width="22" height="14" rx="{radius}"/>'
            f'<text class="legend" x="30" y="11">{escape(text)}</text></g>'
        )
