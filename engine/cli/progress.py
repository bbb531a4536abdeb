"""Progress: a hook that prints a line when an output is done, and shows below what is at work.

The lines are the same on a terminal and in a log; the moving line below them exists on a terminal only.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from engine.cli.output import STYLES, duration, number
from engine.lifecycle.api import NodeExecutionHook, OutputExecutionHook

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from engine.execution.results import OutputResult

_STATE_WIDTH, _ROWS_WIDTH, _TIME_WIDTH, _REASON_WIDTH = 9, 10, 10, 16
_NAME_WIDTH_MAX = 40


class RunProgress(NodeExecutionHook, OutputExecutionHook):
    """Prints what a run does while it does it.

    Args:
        console: Where to; a moving line is shown if it is a terminal.
    """

    allows_overlap = True

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name_width = 0
        self._printed: set[str] = set()
        self._output = ""
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    @contextlib.contextmanager
    def shown(self, outputs: Sequence[str], possible: Sequence[str]) -> Iterator[None]:
        """Show progress while the block runs.

        Args:
            outputs: The names of the outputs that lines will come for.
            possible: The names of all outputs: those that are read by them may have lines too.
        """
        self._name_width = min(max(map(len, possible), default=6), _NAME_WIDTH_MAX)
        self._task = self._bar.add_task("planning", total=len(outputs))
        with self._bar:
            yield

    def run_before_output(self, *, output: str, location: str, reasons: tuple[Any, ...], run_id: str) -> None:  # noqa: ARG002
        """Name the output that is at work."""
        self._output = output
        self._bar.update(self._task, description=output)

    def run_before_node_execution(self, *, node_name: str, **_: Any) -> None:
        """Name the node that is at work."""
        both = node_name if node_name == self._output else f"{self._output} · {node_name}"
        self._bar.update(self._task, description=both.removeprefix(" · "))

    def run_after_node_execution(self, **_: Any) -> None:
        """Do nothing: the next node will show itself."""

    def run_after_output(self, *, result: OutputResult, run_id: str) -> None:  # noqa: ARG002
        """Print the line of an output that is done."""
        self.print(result)
        self._bar.update(self._task, advance=1)

    def print(self, result: OutputResult) -> None:
        """Print the line of an output, once."""
        if result.name in self._printed:
            return
        if not self._printed:
            self._line("output", "state", "rows", "time", "reason", is_header=True)
        self._printed.add(result.name)
        took = duration(result.duration_s) if result.state in {"built", "unchanged", "failed"} else ""
        reason = str(result.reasons[0]) if result.reasons and result.state != "fresh" else ""
        self._line(result.name, result.state, number(result.rows), took, reason)

    def _line(self, name: str, state: str, rows: str, took: str, reason: str, *, is_header: bool = False) -> None:
        if not self._console.is_terminal:
            cells = (name.ljust(self._name_width), state.ljust(_STATE_WIDTH), rows.rjust(_ROWS_WIDTH))
            self._console.out("  ".join((*cells, took.rjust(_TIME_WIDTH), reason)).rstrip())
            return
        grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        grid.add_column(width=self._name_width, overflow="fold")
        grid.add_column(width=_STATE_WIDTH)
        grid.add_column(width=_ROWS_WIDTH, justify="right")
        grid.add_column(width=_TIME_WIDTH, justify="right")
        grid.add_column(min_width=_REASON_WIDTH, overflow="fold")
        coloured = Text(state, style=STYLES.get(state, ""))
        grid.add_row(Text(name), coloured, Text(rows), Text(took), Text(reason), style="bold" if is_header else "")
        self._console.print(grid)
