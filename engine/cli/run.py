"""`engine run`: bring outputs up to date."""

from __future__ import annotations

import contextlib
import linecache
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.failures import FAILED, masked, scrubbed
from engine.cli.options import common_options, outputs_argument
from engine.cli.output import console, duration, echo, echo_json, reason_row, short_id
from engine.cli.project import build_driver, chosen_outputs, enter_project
from engine.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.cli.progress import RunProgress
    from engine.execution.results import OutputResult, RunResult


@click.command()
@outputs_argument
@click.option("--full-refresh", is_flag=True, help="Rebuild, whether or not anything changed.")
@click.option("--adopt", is_flag=True, help="Write over tables that the engine did not write.")
@common_options
def run(outputs: tuple[str, ...], full_refresh: bool, adopt: bool, directory: str, as_json: bool) -> None:
    """Bring outputs up to date: those named, or all.

    Only what is stale is rebuilt; `engine plan` says beforehand what that is.
    """
    settings = enter_project(directory)
    progress = None if as_json else _progress()
    with contextlib.ExitStack() as stack:
        driver = stack.enter_context(build_driver(settings, *([progress] if progress else [])))
        chosen = chosen_outputs(driver, outputs)
        stack.enter_context(progress.shown(chosen, driver.graph.savers()) if progress else contextlib.nullcontext())
        rerun = "all" if full_refresh else "stale"
        result = driver.refresh(chosen, inputs=dict(settings.inputs), rerun=rerun, adopt=adopt)
    if progress:
        _print(result)
    else:
        echo_json(_as_json(result))
    if not result.succeeded:
        click.get_current_context().exit(FAILED)


def _progress() -> RunProgress:
    from engine.cli.progress import RunProgress

    return RunProgress(console())


def _print(result: RunResult) -> None:
    for line in _failures(result):
        echo(line)
    recorded = f"  ·  run {short_id(result.run_id)}" if result.run_id else ""
    echo(f"\n{_summary(result)} in {duration(result.duration_s)}{recorded}")


def _summary(result: RunResult) -> str:
    colours = {"built": "green", "unchanged": "cyan", "failed": "red", "blocked": "red"}
    parts = (part.split(" ", 1) for part in result.summary().split(", "))
    return ", ".join(click.style(" ".join(part), fg=colours.get(part[-1])) for part in parts)


def _failures(result: RunResult) -> Iterator[str]:
    """Yield what is to be said of each fault; outputs that failed by the same one are named together."""
    together: dict[int, list[OutputResult]] = {}
    for output in result.outputs:
        if output.error is not None and output.state == "failed":
            together.setdefault(id(output.error), []).append(output)
    for outputs in together.values():
        error = outputs[0].error
        if error is not None:
            yield from _failure(error, [output.name for output in outputs])


def _failure(error: BaseException, outputs: list[str]) -> Iterator[str]:
    from engine.execution.runner import failed_node

    node = failed_node(error)
    names = ", ".join(outputs)
    yield ""
    yield click.style(f"{names} failed", fg="red", bold=True) + ("" if node in {None, names} else f" in node {node}")
    yield from (f"  {line}" for line in _sentence(error).splitlines())
    yield from _own_lines(error)
    hint = getattr(error, "hint", "")
    if hint:
        yield "  " + click.style("hint: ", fg="cyan") + masked(hint)


def _sentence(error: BaseException) -> str:
    if isinstance(error, EngineError):
        return masked(error.message)
    return scrubbed(f"{type(error).__name__}: {error}".rstrip(": "))


def _own_lines(error: BaseException) -> Iterator[str]:
    """Yield the user's own lines of a traceback: file, line, function and the text of the line."""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if not path.exists() or any(path.is_relative_to(folder) for folder in _FOREIGN):
            continue
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        yield click.style(f"  {shown}:{frame.lineno}", fg="cyan") + f"  {frame.name}"
        yield f"      {linecache.getline(frame.filename, frame.lineno or 0).strip()}"


_FOREIGN = (
    Path(__file__).parents[1],
    *{Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")},
)
"""Where code lies that is not the user's: the engine, the standard library, installed packages."""


def _as_json(result: RunResult) -> dict[str, Any]:
    return {
        "run_id": result.run_id,
        "succeeded": result.succeeded,
        "summary": result.summary(),
        "duration_s": result.duration_s,
        "outputs": [
            {
                "output": output.name,
                "state": output.state,
                "location": output.location,
                "rows": output.rows,
                "duration_s": output.duration_s,
                "reasons": [reason_row(reason) for reason in output.reasons],
                "error": None if output.error is None else _sentence(output.error),
            }
            for output in result.outputs
        ],
    }
