"""stub."""

import click


@click.command()
def lineage() -> None:
    """X."""
