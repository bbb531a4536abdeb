"""Files: a drawing written where it is wanted, its format by the suffix."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ExtensionError, OptionError, SaveError
from engine.visualization.dot import to_digraph, to_dot
from engine.visualization.svg import to_svg

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from engine.node import Node

BY_GRAPHVIZ = frozenset({".png", ".pdf", ".jpg", ".webp"})
SUFFIXES = frozenset({".svg", ".dot", ".gv"}) | BY_GRAPHVIZ

_ACCEPTED = {
    "bypass_validation",
    "custom_style_function",
    "deduplicate_inputs",
    "graphviz_kwargs",
    "keep_dot",
    "render_kwargs",
    "show_schema",
}
"""Options of Apache Hamilton's drawings that change nothing here, so that its callers need not be changed."""


def draw(
    nodes: Iterable[Node],
    *,
    output_file_path: str | None = None,
    orient: str = "LR",
    hide_inputs: bool = False,
    show_legend: bool = True,
    highlight: Collection[str] = (),
    **accepted: Any,
) -> Any:
    """Draw nodes, and write the drawing to a file if one is named.

    Args:
        nodes: What lies outside of them is not drawn.
        output_file_path: Its suffix says the format; without one it is an SVG.
        orient: ``LR``, ``TB``, ``RL`` or ``BT``, for Graphviz; an SVG of our own runs from left to right.
        hide_inputs: Leave external inputs out.
        show_legend: Explain the shapes.
        highlight: Names of nodes to draw with a thick line.
        accepted: Other options of Apache Hamilton, which change nothing.

    Returns:
        A ``graphviz.Digraph`` where that library is installed, else the text of an SVG.

    Raises:
        OptionError: An option, or the suffix, is unknown.
        ExtensionError: The suffix needs Graphviz, which is not there.
    """
    by_name = {node.name: node for node in nodes}
    for option in accepted.keys() - _ACCEPTED:
        known = {"orient", "hide_inputs", "show_legend", "highlight", "output_file_path", *_ACCEPTED}
        raise OptionError.unknown(option, "a drawing", known)
    if output_file_path:
        write(Path(output_file_path), by_name, hide_inputs=hide_inputs, show_legend=show_legend, highlight=highlight)
    if importlib.util.find_spec("graphviz") is None:
        return to_svg(by_name, hide_inputs=hide_inputs, show_legend=show_legend, highlight=highlight)
    return to_digraph(by_name, orient=orient, hide_inputs=hide_inputs, show_legend=show_legend, highlight=highlight)


def write(path: Path, nodes: Mapping[str, Node], *, title: str = "dataflow", **options: Any) -> Path:
    """Write a drawing to a file, and return the path with its suffix.

    Args:
        path: ``.svg`` and ``.dot`` need nothing else, other suffixes need Graphviz; without one it becomes ``.svg``.
        nodes: By name.
        title: What the drawing is called.
        options: Those that `to_svg` and `to_dot` both have.

    Raises:
        OptionError: The suffix is unknown.
        ExtensionError: The suffix needs Graphviz, which is not there.
        SaveError: The file cannot be written.
    """
    path = path if path.suffix else path.with_suffix(".svg")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OptionError(
            f"a drawing cannot be written as {path.name!r}",
            hint=f"end its name in one of {', '.join(sorted(SUFFIXES))}",
        )
    try:
        if suffix in BY_GRAPHVIZ:
            _render(path, to_dot(nodes, **options))
        else:
            text = to_svg(nodes, title=title, **options) if suffix == ".svg" else to_dot(nodes, **options)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SaveError(
            f"{path} cannot be written: {error.strerror}", location=str(path), hint="name another file"
        ) from error
    return path


def _render(path: Path, text: str) -> None:
    program = shutil.which("dot")
    if program is None:
        raise ExtensionError(
            f"a {path.suffix} needs the program 'dot' of Graphviz, which is not there",
            hint="install Graphviz (https://graphviz.org), or write an .svg, which needs nothing",
        )
    command = [program, f"-T{path.suffix.lower()[1:]}", "-o", str(path)]
    done = subprocess.run(  # noqa: S603 - a program found on the user's own path, without a shell
        command, input=text, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise SaveError(
            f"Graphviz cannot write {path}: {done.stderr.strip()}",
            location=str(path),
            hint="write an .svg, which does not need it",
        )
