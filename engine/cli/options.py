"""Options that several commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.cli.failures import DEBUG

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")


def _remember_debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    ctx.meta[DEBUG] = ctx.meta.get(DEBUG, False) or value


project_option = click.option(
    "--project",
    "directory",
    metavar="DIR",
    type=click.Path(file_okay=False),
    default=".",
    help="The project folder.  [default: the present one]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_remember_debug,
    help="Show stack traces of errors.",
)
outputs_argument = click.argument("outputs", metavar="[OUTPUT]...", nargs=-1)


def common_options(command: Command) -> Command:
    """Add what every command takes: --project, --json and --debug."""
    return project_option(json_option(debug_option(command)))
