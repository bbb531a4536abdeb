"""What is printed is aligned, fits the terminal and takes no colour where none is wanted."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from rich.console import Console

from engine.cli.output import SHORT_ID, local_time, print_table, short_id
from engine.cli.progress import RunProgress
from engine.execution.results import OutputResult
from engine.metadata.records import Reason

REASON = Reason(code="code", subject="a_helper_with_a_rather_long_name() in a_module_of_the_project.py")
RESULTS = [
    OutputResult(name="daily", state="built", rows=336776, duration_s=12.34, reasons=(REASON,)),
    OutputResult(name="monthly_performance", state="fresh", rows=36, reasons=(REASON,)),
]


def printed(console: Console) -> list[str]:
    """Print two outputs, and return the lines."""
    progress = RunProgress(console)
    names = [result.name for result in RESULTS]
    with progress.shown(names, names):
        progress.run_before_output(output="daily", location="", reasons=(), run_id="r")
        progress.run_before_node_execution(node_name="a_node")
        for result in RESULTS:
            progress.run_after_output(result=result, run_id="r")
            progress.print(result)
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).replace("\r", "\n").splitlines()


def test_lines_of_a_log_are_not_wrapped() -> None:
    """Without a terminal each output is one whole line without trailing blanks, and nothing moves."""
    lines = printed(Console(file=io.StringIO(), width=100_000))
    assert lines == [
        "output               state            rows        time  reason",
        f"daily                built         336,776      12.3 s  {REASON}",
        "monthly_performance  fresh              36",
    ]


def test_lines_of_a_terminal_fit_it() -> None:
    """On a terminal of 80 columns a long reason goes on below itself, and no line is wider."""
    stream = io.StringIO()
    lines = printed(Console(file=stream, width=80, force_terminal=True, color_system=None, legacy_windows=False))
    told = [line for line in lines if line.startswith(("daily", "monthly", " " * 50)) and line.strip()]
    assert "".join(line[56:].strip() for line in told).replace(" ", "") == str(REASON).replace(" ", "")
    assert all(len(line.rstrip()) <= 80 for line in told)


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 11, 3, 12, 0, 0, 5, tzinfo=UTC), datetime(2026, 11, 3, 12), "2026-11-03T12:00:00"],  # noqa: DTZ001
)
def test_times_are_read_as_utc_and_shown_as_local(moment: object) -> None:
    """However a database gives a time, it is the same moment on the user's clock."""
    expected = datetime(2026, 11, 3, 12, tzinfo=UTC).astimezone()
    assert local_time(moment) == f"{expected:%Y-%m-%d %H:%M:%S}"


def test_short_id_is_the_random_end() -> None:
    """The beginning of a run id is the time, which neighbours share; the end tells them apart."""
    assert short_id("01a20663-463d-7f41-b2f1-56aaae04e46e") == "ae04e46e"
    assert len(short_id("x" * 36)) == SHORT_ID


def test_tables_print_any_value(capsys: pytest.CaptureFixture[str]) -> None:
    """Cells are printed as they are: no markup is read into them, None is nothing."""
    print_table(["name", "n"], [["[bold]x[/bold] :smile:", 3], [None, 12]], right=["n"])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["name                     n", "[bold]x[/bold] :smile:   3", "                        12"]
