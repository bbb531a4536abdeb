"""`engine lineage`: what an output was made from, and what is made from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.options import common_options
from engine.cli.output import console, counted, echo_json, local_time, short_id
from engine.cli.project import enter_project, open_store

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from engine.metadata.store import MetadataStore

_EDGES = """
    SELECT DISTINCT input_namespace, input_dataset, output_namespace, output_dataset
      FROM lineage_edge ORDER BY output_namespace, output_dataset
"""


@click.command()
@click.argument("output")
@common_options
def lineage(output: str, directory: str, as_json: bool) -> None:
    """Show what an output was made from, and what is made from it.

    OUTPUT is an output's name or its table's.
    """
    settings = enter_project(directory)
    with open_store(settings) as store:
        made_from = store.lineage(settings.project, output)
        readers = _readers(store, made_from)
    if as_json:
        echo_json({**made_from, "readers": readers})
        return
    out = console()
    out.print(_tree(made_from))
    if readers:
        out.print("\nread by")
        for reader in readers:
            out.print(f"  {_near(reader)}")


def _readers(store: MetadataStore, made_from: dict[str, Any]) -> list[str]:
    """Return the names of all datasets that are made from this one, nearest first."""
    following: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for namespace, name, reader_namespace, reader in store.query(_EDGES)[1]:
        following.setdefault((namespace, name), []).append((reader_namespace, reader))
    start = (made_from["namespace"], made_from["table"])
    found = [start]
    for dataset in found:  # grows while it is walked
        found += [reader for reader in following.get(dataset, ()) if reader not in found]
    return [name for _, name in found[1:]]


def _tree(entry: dict[str, Any]) -> Tree:
    from rich.tree import Tree

    root = Tree(_line(entry), guide_style="bright_black")
    rest = [(root, entry)]
    while rest:
        branch, current = rest.pop()
        rest += [(branch.add(_line(read)), read) for read in current["inputs"]]
    return root


def _near(name: str) -> str:
    """Shorten the name of a file of the project."""
    return str(Path(name).relative_to(Path.cwd())) if Path(name).is_relative_to(Path.cwd()) else name


def _line(entry: dict[str, Any]) -> Text:
    from rich.text import Text

    text = Text(_near(entry["table"]), style="bold" if entry["output"] else "")
    facts = [counted(entry["rows"], "row") if entry["rows"] is not None else ""]
    if entry["run_id"]:
        facts += [f"run {short_id(entry['run_id'])}", local_time(entry["committed_at"])]
    if entry.get("repeated"):
        facts = ["shown above"]
    text.append("".join(f"  {fact}" for fact in facts if fact), style="bright_black")
    return text
