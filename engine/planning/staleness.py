"""Staleness: evidence about an output becomes a decision with reasons. Pure: no database, no clock, no graph.

Theory of operation. Two rules stand above all: a stale output is never called fresh, and every decision names what
changed. An output is *fresh* when all of these hold: the engine recorded how its live version was made; the recipe it
would be made by now is comparable and has the same version; the table or file is the one the engine wrote. What is not
known counts as changed. An output whose only open question is whether an upstream output will come out differently is
*maybe*: it is decided again when that is known. One that is to be made where something stands that may not be written
over is *blocked*.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from engine.metadata.records import Reason
from engine.planning.recipe import differences, pending_upstream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.planning.recipe import Recipe


class Presence(StrEnum):
    """What stands where an output should be."""

    OURS = "ours"
    MISSING = "missing"
    FOREIGN = "foreign"
    """Something is there that the engine never wrote."""
    REPLACED = "replaced"
    """The engine wrote there, and somebody dropped and recreated it or wrote over it."""
    ALTERED = "altered"
    """It is the engine's own, with other columns than were written."""
    UNVERIFIABLE = "unverifiable"
    """The saver cannot say what it wrote."""


class State(StrEnum):
    """What a plan says of an output."""

    FRESH = "fresh"
    STALE = "stale"
    MAYBE = "maybe"
    MISSING = "missing"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Trace:
    """How one version of an output was made, as the metadata or the ledger has it."""

    recipe_version: str
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of an output.

    Attributes:
        recipe: What it would be made from now.
        traces: How its live version was made: one trace per way that was seen to give this very content.
        presence: What stands in its place.
        location: The table or file, for the reasons.
        detail: What differs, for an altered table.
        invalidations: Reasons of people who asked for a rebuild.
        failed: The message of its last attempt, when that failed.
        is_refused: What stands in its place may not be written over.
    """

    recipe: Recipe
    traces: tuple[Trace, ...] = ()
    presence: Presence = Presence.OURS
    location: str = ""
    detail: str = ""
    invalidations: tuple[str, ...] = ()
    failed: str | None = None
    is_refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The state of an output, and why; a fresh one has no reasons."""

    state: State
    reasons: tuple[Reason, ...] = ()


_PRESENCE_REASONS = {
    Presence.MISSING: "output_missing",
    Presence.FOREIGN: "output_foreign",
    Presence.REPLACED: "output_tampered",
    Presence.ALTERED: "schema_drift",
    Presence.UNVERIFIABLE: "unknowable",
}


def decide(evidence: Evidence) -> Verdict:
    """Decide whether an output is fresh, collecting every reason why it is not."""
    reasons = [*_presence_reasons(evidence), *_recipe_reasons(evidence)]
    reasons += [Reason(code="invalidated", subject=why) for why in evidence.invalidations]
    if reasons:
        if evidence.failed is not None:
            reasons.append(Reason(code="previous_failed", subject=evidence.failed))
        state = State.MISSING if evidence.presence is Presence.MISSING else State.STALE
        state = State.BLOCKED if evidence.is_refused else state
        return Verdict(state=state, reasons=tuple(reasons))
    if evidence.recipe.is_pending:
        return Verdict(state=State.MAYBE, reasons=tuple(pending_upstream(evidence.recipe)))
    return Verdict(state=State.FRESH)


def _presence_reasons(evidence: Evidence) -> list[Reason]:
    code = _PRESENCE_REASONS.get(evidence.presence)
    if code is None or (evidence.presence is Presence.MISSING and not evidence.traces):
        return []  # never built: one reason is enough
    return [Reason(code=code, subject=evidence.location + (f" {evidence.detail}" if evidence.detail else ""))]


def _recipe_reasons(evidence: Evidence) -> list[Reason]:
    recipe = evidence.recipe
    unknown = [Reason(code="unknowable", subject=subject) for subject in recipe.unknowable]
    if not evidence.traces:
        return [Reason(code="no_record", subject=evidence.location), *unknown]
    if unknown:
        return unknown
    if recipe.is_pending:
        # A key that is pending is left out of the comparison: it is what "maybe" is about.
        compared = [list(differences(recipe, trace.manifest)) for trace in evidence.traces]
        return min(compared, key=len)
    if recipe.is_comparable and any(trace.recipe_version == recipe.version for trace in evidence.traces):
        return []
    newest = list(differences(recipe, evidence.traces[0].manifest))
    return newest or [Reason(code="graph", subject="it is made in another way")]
