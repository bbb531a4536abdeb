"""`engine viz`: draw the dataflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import debug_option, outputs_argument, project_option
from engine.cli.output import counted, echo
from engine.cli.project import build_driver, chosen_outputs, enter_project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.node import Node


@click.command()
@outputs_argument
@click.option("-o", "--file", metavar="FILE", help="Where to; the suffix says what. `-`: SVG to standard output.")
@click.option("--hide-inputs", is_flag=True, help="Leave external inputs out.")
@project_option
@debug_option
def viz(outputs: tuple[str, ...], file: str | None, hide_inputs: bool, directory: str) -> None:
    """Draw the dataflow, or what the named outputs need.

    An .svg (the default, named after the project) or a .dot needs nothing else; .png and .pdf need Graphviz.
    """
    # The file is meant from where the command was called, not from the project folder.
    here = Path.cwd()
    settings = enter_project(directory)
    driver = build_driver(settings)
    nodes: Mapping[str, Node] = driver.graph.nodes
    if outputs:
        nodes = {name: nodes[name] for name in driver.graph.order(chosen_outputs(driver, outputs))}
    from engine import visualization

    if file == "-":
        click.echo(visualization.to_svg(nodes, title=settings.project, hide_inputs=hide_inputs), nl=False)
        return
    path = here / (file or f"{settings.project}.svg")
    path = visualization.write(path, nodes, title=settings.project, hide_inputs=hide_inputs)
    echo(f"wrote {path.relative_to(here) if path.is_relative_to(here) else path}, {counted(len(nodes), 'node')}")
