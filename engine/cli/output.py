"""Output: tables, humane numbers and JSON, alike in every command."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from engine.cli.failures import colour

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from engine.metadata.records import Reason

STYLES: Mapping[str, str] = {
    "built": "green",
    "success": "green",
    "complete": "green",
    "unchanged": "cyan",
    "fresh": "bright_black",
    "maybe": "cyan",
    "stale": "yellow",
    "missing": "yellow",
    "running": "yellow",
    "failed": "red",
    "blocked": "red",
    "aborted": "red",
}
"""The colour of each state, by click's names."""

WIDE = 100_000
"""Columns of a pipe or file: nothing is wrapped there."""

SHORT_ID = 8
"""Characters of a short run id: the last ones, because the first ones of a UUIDv7 are the time."""


def duration(seconds: float | None) -> str:
    """Say how long something took.

    >>> [duration(s) for s in (0.0004, 0.42, 12.34, 75, 3725, None)]
    ['0.00 s', '0.42 s', '12.3 s', '1 min 15 s', '1 h 02 min', '']
    """
    if seconds is None:
        return ""
    if seconds < 9.995:  # noqa: PLR2004 - two decimals below ten seconds
        return f"{seconds:.2f} s"
    if seconds < 59.95:  # noqa: PLR2004 - one decimal below a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def number(count: int | None) -> str:
    """Write a number with its thousands apart.

    >>> number(336776)
    '336,776'
    """
    return "" if count is None else f"{count:,}"


def counted(count: int, noun: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "output"), counted(3, "output")
    ('1 output', '3 outputs')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def short_id(run_id: str | None) -> str:
    """Return the end of a run id that is enough to name it."""
    return (run_id or "")[-SHORT_ID:]


def local_time(moment: Any) -> str:
    """Write a moment as the user's clock showed it.

    Args:
        moment: An aware time, a naive one in UTC, or either as ISO text.
    """
    if moment is None:
        return ""
    if isinstance(moment, str):
        moment = dt.datetime.fromisoformat(moment)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def reason_row(reason: Reason) -> dict[str, str | None]:
    """Return a reason as JSON shows it."""
    return {"code": reason.code, "subject": reason.subject, "old": reason.old, "new": reason.new}


def styled(text: str, state: str) -> str:
    """Colour a text as its state wants, by ANSI codes that click drops where they are not wanted."""
    return click.style(text, fg=STYLES.get(state))


def echo(text: str = "") -> None:
    """Print a line that may hold colours."""
    click.echo(text, color=colour())


def echo_json(value: Any) -> None:
    """Print a value as JSON; times become ISO text, anything else unknown its text."""
    click.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def console(*, stderr: bool = False) -> Console:
    """Make the rich console of a command: as wide as the terminal, and unwrapped where there is none."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=None if stream.isatty() else WIDE)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """Print rows below their column names.

    Args:
        columns: The names.
        rows: A cell that is no text is written as Python writes it, None as nothing.
        right: Names of columns to align at the right.
    """
    from rich.text import Text

    table = _table()
    right = set(right)
    for name in columns:
        table.add_column(Text(name), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*[_cell(value) for value in row])
    console().print(table)


def _table() -> Table:
    from rich.table import Table

    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", collapse_padding=True)


def _cell(value: Any) -> Any:
    from rich.text import Text

    if value is None:
        return Text("")
    text = str(value)
    return Text(text, style=STYLES.get(text, "") if len(text) < max(map(len, STYLES)) + 1 else "")
