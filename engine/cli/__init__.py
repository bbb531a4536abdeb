"""The `engine` command.

One file per command; what they share stands in one place: `options` (what every command takes), `project` (from a
folder to a driver or a metadata store), `output` (tables and humane numbers), `progress` (what is seen of a run at
work) and `failures` (errors and exit statuses). Importing this package loads click and nothing else of weight.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from engine.cli import failures
from engine.cli.db import db
from engine.cli.init import init
from engine.cli.lineage import lineage
from engine.cli.plan import plan
from engine.cli.run import run
from engine.cli.runs import runs
from engine.cli.show import show
from engine.cli.sql import sql
from engine.cli.version import print_version
from engine.cli.viz import viz


class _Root(click.Group):
    """The group of commands, which turns every fault into two plain lines and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name the commands in the order one needs them, which is the order they were added in."""
        return list(self.commands)

    def main(self, *arguments: Any, **extra: Any) -> NoReturn:
        """Run the command line and leave with its exit status."""
        extra["standalone_mode"] = False
        try:
            status = super().main(*arguments, **extra)
        except click.ClickException as error:
            status = failures.report_usage(error)
        except click.Abort:
            status = failures.report_interrupt()
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; a fault inside it becomes an exit status."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise  # dealt with in `main`, here or in click
        except Exception as error:  # noqa: BLE001 - the last place before the user's terminal
            ctx.exit(failures.report(error, debug=ctx.meta.get(failures.DEBUG, False)))


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 a node or output failed, 2 used wrongly, 130 interrupted.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="Show the version."
)
def main() -> None:
    """Bring the tables of a dataflow up to date, and ask why they are as they are.

    A project is a folder with an engine.toml; `engine init` makes a first one.
    """


for command in (init, run, plan, runs, show, lineage, sql, db, viz):
    main.add_command(command)
