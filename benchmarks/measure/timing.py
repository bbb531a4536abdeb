"""Timing: cases taken in turn, each compared with its limit in the same round, because a machine's speed changes."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 5


@dataclass(slots=True)
class Case:
    """One way to do it.

    Attributes:
        name: What is done.
        run: Does it once.
        limit: The name of the case it is compared with, which comes before it; empty for a limit.
        share: How much of the limit's work it does: a slow peer moves fewer rows.
        least: The least ratio to reach, or None.
        wall_s: Seconds per round.
        cpu_s: CPU seconds per round, of this process and of the server where one is watched.
    """

    name: str
    run: Callable[[], object]
    limit: str = ""
    share: float = 1.0
    least: float | None = None
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def measure(
    cases: Sequence[Case],
    *,
    server_cpu: Callable[[], float] = lambda: 0.0,
    rounds: int = ROUNDS,
    before: Callable[[], object] = gc.collect,
) -> None:
    """Run all cases in turn, once to warm up and then once per round.

    Args:
        cases: What to measure; their times are kept in them.
        server_cpu: CPU seconds that a server has used so far.
        rounds: How often.
        before: Makes each case begin in the same state.
    """
    for number in range(rounds + 1):
        for case in cases:
            before()
            cpu, start = time.process_time() + server_cpu(), time.perf_counter()
            case.run()
            wall = time.perf_counter() - start
            if number:
                case.wall_s.append(wall)
                case.cpu_s.append(time.process_time() + server_cpu() - cpu)


def ratio(case: Case, cases: Sequence[Case]) -> float:
    """Return how fast a case is, as a part of its limit's speed: the median over the rounds of both's wall times."""
    limit = next(other for other in cases if other.name == case.limit)
    return case.share * statistics.median(a / b for a, b in zip(limit.wall_s, case.wall_s, strict=True))


def cpu_ratio(case: Case, cases: Sequence[Case]) -> float:
    """Return the limit's CPU time as a part of a case's: other programs disturb it less than wall time."""
    limit = next(other for other in cases if other.name == case.limit)
    return case.share * statistics.median(a / b for a, b in zip(limit.cpu_s, case.cpu_s, strict=True))


def table(cases: Sequence[Case], *, digits: int = 2) -> str:
    """Return the medians as a Markdown table, seconds with so many digits."""
    lines = ["| what | wall s | CPU s | speed ÷ limit | by CPU | to reach |", "|---|--:|--:|--:|--:|--:|"]
    for case in cases:
        wall, cpu = (statistics.median(times) / case.share for times in (case.wall_s, case.cpu_s))
        of_limit = f"{ratio(case, cases):.2f} | {cpu_ratio(case, cases):.2f}" if case.limit else "1 | 1"
        least = "" if case.least is None else f"{case.least:.2f}"
        estimated = "" if case.share == 1 else f" ({case.share:.0%} of the rows, scaled up)"
        lines.append(f"| {case.name}{estimated} | {wall:.{digits}f} | {cpu:.{digits}f} | {of_limit} | {least} |")
    return "\n".join(lines)


def results(cases: Sequence[Case]) -> dict[str, dict[str, float]]:
    """Return the medians for machines."""
    return {
        case.name: {
            "wall_s": round(statistics.median(case.wall_s) / case.share, 4),
            "cpu_s": round(statistics.median(case.cpu_s) / case.share, 4),
            **(
                {"ratio": round(ratio(case, cases), 3), "cpu_ratio": round(cpu_ratio(case, cases), 3)}
                if case.limit
                else {}
            ),
        }
        for case in cases
    }


def fails(cases: Sequence[Case]) -> bool:
    """Say whether a case does not reach what it is to reach."""
    return any(case.least is not None and ratio(case, cases) < case.least for case in cases)
