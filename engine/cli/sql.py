"""`engine sql`: ask the metadata in plain SQL."""

from __future__ import annotations

import click

from engine.cli.options import common_options
from engine.cli.output import echo_json, print_table
from engine.cli.project import enter_project, open_store


@click.command()
@click.argument("statement", metavar='"SELECT …"')
@common_options
def sql(statement: str, directory: str, as_json: bool) -> None:
    """Ask the metadata a question: one SELECT over its tables and views.

    \b
    The views: run_summary, output_writer, output_input, lineage_edge, version_edge,
    node_lineage, stale_output, node_duration, code_impact.
    Nothing can be changed this way.
    """  # noqa: D301 - \b is click's mark for lines to be kept as they are
    with open_store(enter_project(directory)) as store:
        columns, rows = store.query(statement)
    if as_json:
        echo_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    numeric = [name for place, name in enumerate(columns) if rows and all(_is_number(row[place]) for row in rows)]
    print_table(columns, rows, right=numeric)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
