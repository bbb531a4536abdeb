"""`engine plan`: say what a run would rebuild, and why, without running anything."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from engine.cli.options import common_options, outputs_argument
from engine.cli.output import counted, echo, echo_json, reason_row, styled
from engine.cli.project import build_driver, chosen_outputs, enter_project

if TYPE_CHECKING:
    from engine.planning.plan import Decision, Plan

_STATE_WIDTH = 9


@click.command()
@outputs_argument
@common_options
def plan(outputs: tuple[str, ...], directory: str, as_json: bool) -> None:
    """Say what `engine run` would rebuild, and why.

    Nothing is run or written. `maybe`: only if what it reads comes out different. `blocked`: cannot be built as
    things stand.
    """
    settings = enter_project(directory)
    with build_driver(settings) as driver:
        made = driver.plan(chosen_outputs(driver, outputs), inputs=dict(settings.inputs))
    if as_json:
        echo_json({"summary": _summary(made), "outputs": [_row(decision) for decision in made.decisions]})
        return
    for decision in made.decisions:
        _print(decision)
    echo(("\n" if made.decisions else "") + _summary(made))


def _print(decision: Decision) -> None:
    place = click.style(f"  → {decision.location}", fg="bright_black") if decision.location else ""
    name = click.style(decision.output, bold=decision.state != "fresh")
    echo(styled(f"{decision.state:{_STATE_WIDTH}}", decision.state) + name + place)
    if decision.state != "fresh":
        for line in decision.lines():
            echo(f"{'':{_STATE_WIDTH}}  {line}")


def _summary(made: Plan) -> str:
    states = Counter(decision.state for decision in made.decisions)
    if not states:
        return "nothing to do: the project has no outputs"
    if set(states) == {"fresh"}:
        return f"nothing to do: {counted(states['fresh'], 'output')}, all fresh"
    order = ("blocked", "missing", "stale", "maybe", "fresh")
    known = sorted(states, key=lambda state: order.index(state) if state in order else len(order))
    return ", ".join(f"{states[state]} {state}" for state in known)


def _row(decision: Decision) -> dict[str, object]:
    return {
        "output": decision.output,
        "state": decision.state,
        "location": decision.location,
        "reasons": [reason_row(reason) for reason in decision.reasons],
        "hint": decision.hint or None,
    }
