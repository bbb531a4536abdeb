"""Plan: decisions with reasons, in the order they will be carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.metadata.records import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done about one output, and why.

    Attributes:
        output: The saver's name.
        state: ``fresh``, ``stale``, ``maybe`` (only if an upstream output changes), ``missing`` or ``blocked``.
        reasons: The first is what decided; empty for fresh.
        location: The table or file.
        hint: What to do about a blocked one.
    """

    output: str
    state: str
    reasons: tuple[Reason, ...] = ()
    location: str = ""
    hint: str = ""

    def lines(self) -> list[str]:
        """Return the reasons, and what to do, a line each; none for a fresh one."""
        return [*map(str, self.reasons), *([f"hint: {self.hint}"] if self.hint else [])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Decisions in the order of execution."""

    decisions: tuple[Decision, ...]

    @property
    def is_empty(self) -> bool:
        """Whether every output is fresh."""
        return all(decision.state == "fresh" for decision in self.decisions)

    def explain(self) -> str:
        """Say in plain lines what will be rebuilt, and why."""
        return "\n".join(
            f"{decision.state:8} {decision.output}" + "".join(f"\n         {line}" for line in decision.lines())
            for decision in self.decisions
        )

    def __str__(self) -> str:
        return self.explain()
