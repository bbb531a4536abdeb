"""`engine --version`."""

from __future__ import annotations

import click


def print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Print the installed version and leave."""
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"engine {version('materialization-engine')}")
    ctx.exit()
