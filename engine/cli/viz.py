"""`engine viz`: draw the dataflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.bindings import sources_of
from engine.cli.options import common_options, outputs_argument
from engine.cli.output import counted, echo, echo_json
from engine.cli.project import build_driver, chosen_outputs, enter_project
from engine.htypes import type_name
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.node import Node


@click.command()
@outputs_argument
@click.option("-o", "--file", metavar="FILE", help="Where to; the suffix says what. `-`: SVG to standard output.")
@click.option("--hide-inputs", is_flag=True, help="Leave external inputs out.")
@common_options
def viz(outputs: tuple[str, ...], file: str | None, hide_inputs: bool, directory: str, as_json: bool) -> None:
    """Draw the dataflow, or what the named outputs need.

    An .svg (the default, named after the project) or a .dot needs nothing else; .png and .pdf need Graphviz. With
    --json nothing is drawn: the nodes are printed, and which they read.
    """
    if as_json and file is not None:
        message = "--json prints the nodes; it does not go with --file"
        raise click.UsageError(message)
    # The file is meant from where the command was called, not from the project folder.
    here = Path.cwd()
    settings = enter_project(directory)
    driver = build_driver(settings)
    nodes: Mapping[str, Node] = driver.graph.nodes
    if outputs:
        nodes = {name: nodes[name] for name in driver.graph.order(chosen_outputs(driver, outputs))}
    if as_json:
        shown = [node for node in nodes.values() if not (hide_inputs and node.kind is NodeKind.INPUT)]
        echo_json({"project": settings.project, "nodes": [_row(node) for node in shown]})
        return
    from engine import visualization

    if file == "-":
        click.echo(visualization.to_svg(nodes, title=settings.project, hide_inputs=hide_inputs), nl=False)
        return
    path = here / (file or f"{settings.project}.svg")
    path = visualization.write(path, nodes, title=settings.project, hide_inputs=hide_inputs)
    echo(f"wrote {path.relative_to(here) if path.is_relative_to(here) else path}, {counted(len(nodes), 'node')}")


def _row(node: Node) -> dict[str, object]:
    reads = list(dict.fromkeys(name for binding in node.bindings.values() for name in sources_of(binding)))
    return {
        "name": node.name,
        "kind": node.kind.value,
        "type": type_name(node.type),
        "reads": reads,
        "waits_for": list(node.after),
        "documentation": node.doc,
    }
