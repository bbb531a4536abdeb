"""Results: what a run did, output by output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.metadata.records import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputResult:
    """What became of one output in a run.

    Attributes:
        name: The saver's name.
        state: ``built``, ``unchanged`` (computed, equal to what stood there), ``fresh`` (not computed), ``failed`` or
            ``blocked`` (something upstream failed).
        location: The table or file.
        reasons: Why it was built, or why it could not be.
        rows: How many rows were written, where known.
        duration_s: Seconds spent on the nodes that only this output needed, and on saving it.
        metadata: What the saver returned.
        error: The failure, in one line, of a failed output.
    """

    name: str
    state: str
    location: str = ""
    reasons: tuple[Reason, ...] = ()
    rows: int | None = None
    duration_s: float = 0.0
    metadata: Mapping[str, Any] | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run did.

    Attributes:
        run_id: The id under which the metadata has it; None without a metadata store.
        outputs: One result per output, in the order they were decided.
        values: The values of the other nodes that were asked for.
        duration_s: Seconds from start to end.
    """

    run_id: str | None
    outputs: tuple[OutputResult, ...]
    values: Mapping[str, Any] = field(default_factory=dict)
    duration_s: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Whether no output failed or was blocked."""
        return all(output.state not in {"failed", "blocked"} for output in self.outputs)

    def count(self, *states: str) -> int:
        """Return how many outputs ended in one of these states."""
        return sum(output.state in states for output in self.outputs)

    def summary(self) -> str:
        """Say in one line what happened, such as ``3 built, 1 unchanged, 4 fresh``."""
        counted = ((self.count(state), state) for state in ("built", "unchanged", "fresh", "failed", "blocked"))
        return ", ".join(f"{count} {state}" for count, state in counted if count) or "nothing to do"
