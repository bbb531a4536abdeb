"""Files: a drawing written where it is wanted, its format by the suffix."""

from __future__ import annotations

import importlib.util
import inspect
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
    from engine.visualization.shapes import StyleFunction

BY_GRAPHVIZ = frozenset({".png", ".pdf", ".jpg", ".webp"})
SUFFIXES = frozenset({".svg", ".dot", ".gv"}) | BY_GRAPHVIZ


def draw(
    nodes: Iterable[Node],
    *,
    output_file_path: str | Path | None = None,
    render_kwargs: Mapping[str, Any] | None = None,
    graphviz_kwargs: Mapping[str, Any] | None = None,
    show_legend: bool = True,
    orient: str = "LR",
    hide_inputs: bool = False,
    deduplicate_inputs: bool = False,
    show_schema: bool = True,
    custom_style_function: StyleFunction | None = None,
    keep_dot: bool = False,
    highlight: Collection[str] = (),
    **unknown: Any,
) -> Any:
    """Draw nodes, and write the drawing to a file if one is named.

    Args:
        nodes: What lies outside of them is not drawn.
        output_file_path: Its suffix says the format; without one it is an SVG.
        render_kwargs: Arguments of ``graphviz.Digraph.render``; with them, Graphviz makes the file.
        graphviz_kwargs: Arguments of ``graphviz.Digraph``, such as ``graph_attr``; with them, Graphviz makes the file.
        show_legend: Explain the shapes.
        orient: ``LR``, ``TB``, ``RL`` or ``BT``, for Graphviz; an SVG of our own runs from left to right.
        hide_inputs: Leave external inputs out.
        deduplicate_inputs: Accepted; each input is drawn once in any case.
        show_schema: List the columns that ``@schema.output`` declares.
        custom_style_function: Gives nodes another look: called with ``node`` and ``node_class``, it returns attributes
            of Graphviz, another class or None, and a text for the legend or None.
        keep_dot: Keep the DOT text beside the file.
        highlight: Names of nodes to draw with a thick line.
        unknown: Refused.

    Returns:
        A ``graphviz.Digraph`` where that library is installed, else the text of an SVG.

    Raises:
        OptionError: An option, or the suffix, is unknown.
        ExtensionError: The suffix, or an option, needs Graphviz, which is not there.
    """
    del deduplicate_inputs
    for option in unknown:
        raise OptionError.unknown(option, "a drawing", set(inspect.signature(draw).parameters) - {"nodes", "unknown"})
    by_name = {node.name: node for node in nodes}
    seen: dict[str, Any] = {"hide_inputs": hide_inputs, "show_legend": show_legend, "show_schema": show_schema}
    seen |= {"highlight": highlight, "style": custom_style_function}
    for_graphviz = {**seen, "orient": orient, "graphviz_kwargs": graphviz_kwargs or {}}
    if output_file_path:
        path = Path(output_file_path)
        if render_kwargs or graphviz_kwargs:
            path = _render_by_library(path, to_digraph(by_name, **for_graphviz), dict(render_kwargs or {}))
        else:
            path = write(path, by_name, **seen)
        if keep_dot:
            path.with_suffix(".gv").write_text(to_dot(by_name, **for_graphviz), encoding="utf-8")
    if importlib.util.find_spec("graphviz") is None:
        return to_svg(by_name, **seen)
    return to_digraph(by_name, **for_graphviz)


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
        raise _no_graphviz(path)
    command = [program, f"-T{path.suffix.lower()[1:]}", "-o", str(path)]
    done = subprocess.run(  # noqa: S603 - a program found on the user's own path, without a shell
        command, input=text, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise _not_rendered(path, done.stderr.strip())


def _no_graphviz(path: Path) -> ExtensionError:
    return ExtensionError(
        f"a {path.suffix} needs the program 'dot' of Graphviz, which is not there",
        hint="install Graphviz (https://graphviz.org), or write an .svg without its options, which needs nothing",
    )


def _not_rendered(path: Path, reason: str) -> SaveError:
    return SaveError(
        f"Graphviz cannot write {path}: {reason}", location=str(path), hint="write an .svg, which does not need it"
    )


def _render_by_library(path: Path, digraph: Any, options: dict[str, Any]) -> Path:
    import graphviz

    suffix = options.pop("format", None) or path.suffix.lower()[1:] or "svg"
    path = path if path.suffix else path.with_suffix(f".{suffix}")
    try:
        digraph.render(outfile=path, **{"format": suffix, "cleanup": True, **options})
    except graphviz.ExecutableNotFound as error:
        raise _no_graphviz(path) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise _not_rendered(path, str(error)) from error
    return path
