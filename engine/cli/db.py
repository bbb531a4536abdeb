"""`engine db`: the schema of the metadata database."""

from __future__ import annotations

import click

from engine.cli.failures import FAILED
from engine.cli.options import common_options
from engine.cli.output import echo, echo_json
from engine.cli.project import enter_project
from engine.settings import metadata_url


@click.group()
def db() -> None:
    """Look after the schema of the metadata."""


@db.command()
@common_options
def upgrade(directory: str, as_json: bool) -> None:
    """Bring the schema up to date, or make it.

    This happens by itself when a run needs it; the command is for those who want to say when.
    """
    from engine.metadata import migrate

    revision = migrate.upgrade(_url(directory))
    if as_json:
        echo_json({"revision": revision})
    else:
        echo(f"the metadata is at revision {revision}")


@db.command()
@common_options
def current(directory: str, as_json: bool) -> None:
    """Show the schema's revision; exit status 1 if it is not the one this version of the engine works with."""
    from engine.metadata import migrate
    from engine.metadata.schema import HEAD as WANTED

    found, wanted = migrate.current(_url(directory)), WANTED
    if as_json:
        echo_json({"revision": found, "wanted": wanted})
    elif found is None:
        echo("there is no metadata yet; it is made by the first: engine run")
    else:
        echo(f"the metadata is at revision {found}" + (", up to date" if found == wanted else f"; wanted is {wanted}"))
    if found is not None and found != wanted:
        click.get_current_context().exit(FAILED)


def _url(directory: str) -> str:
    settings = enter_project(directory)
    return metadata_url(settings.metadata, settings.warehouse)
