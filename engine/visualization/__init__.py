"""Visualization: a graph as a drawing.

`to_svg` needs nothing but this package; `to_dot` is text for Graphviz, and `to_digraph` an object of the `graphviz`
library, where that is installed; `draw` and `write` choose among them. All draw what `engine.visualization.shapes` sees
in the nodes.
"""

from __future__ import annotations

from engine.visualization.dot import to_digraph, to_dot
from engine.visualization.files import draw, write
from engine.visualization.svg import to_svg

__all__ = ["draw", "to_digraph", "to_dot", "to_svg", "write"]
