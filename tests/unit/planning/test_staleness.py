"""What the decision about an output says, given evidence."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from engine.planning.recipe import PENDING, UNKNOWN, Recipe
from engine.planning.staleness import Evidence, Presence, State, Trace, decide

SECTIONS: dict[str, dict[str, str]] = {
    "nodes": {"clean": "n1", "saver": "n2"},
    "units": {"clean() in a.py": "u1"},
    "config": {"unit": "c1"},
    "inputs": {"day": "i1"},
    "overrides": {},
    "sql": {},
    "upstream": {"raw_table": "t1"},
    "sources": {"raw.orders": "s1"},
    "write": {"mode": "replace"},
}
RECIPE = Recipe(SECTIONS)


def changed(section: str, key: str, value: str) -> Recipe:
    """Return the recipe with one token moved."""
    return Recipe({**SECTIONS, section: {**SECTIONS[section], key: value}})


def evidence(recipe: Recipe = RECIPE, **facts: Any) -> Evidence:
    """Return evidence for an output whose live version was made by `RECIPE`."""
    known: dict[str, Any] = {"traces": (Trace(RECIPE.version, RECIPE.manifest()),), "location": "marts.daily"}
    return Evidence(recipe=recipe, **{**known, **facts})


def test_equal_recipe_and_own_table_is_fresh() -> None:
    """An output whose recipe is recorded and whose table is ours is fresh, without reasons."""
    verdict = decide(evidence())
    assert verdict.state is State.FRESH
    assert verdict.reasons == ()


def test_no_trace_is_stale() -> None:
    """What was never recorded is stale because there is no record."""
    verdict = decide(evidence(traces=(), presence=Presence.MISSING))
    assert verdict.state is State.MISSING
    assert [r.code for r in verdict.reasons] == ["no_record"]


@pytest.mark.parametrize(
    ("section", "key", "code"),
    [
        ("config", "unit", "config"),
        ("inputs", "day", "input"),
        ("upstream", "raw_table", "upstream"),
        ("sources", "raw.orders", "source"),
        ("write", "mode", "write_spec"),
    ],
)
def test_a_moved_token_is_named(section: str, key: str, code: str) -> None:
    """A token that moved makes the output stale, with a reason that names the key."""
    verdict = decide(evidence(changed(section, key, "other")))
    assert verdict.state is State.STALE
    assert [(r.code, r.subject) for r in verdict.reasons] == [(code, key)]


def test_a_file_that_moved_is_a_source_file() -> None:
    """A source whose token is a file's content is named as a file."""
    verdict = decide(evidence(changed("sources", "raw.orders", "xxh3_128:00")))
    assert [r.code for r in verdict.reasons] == ["source_file"]


def test_moved_code_names_the_helper() -> None:
    """A node whose code moved is explained by the function that moved."""
    recipe = Recipe({**SECTIONS, "nodes": {**SECTIONS["nodes"], "clean": "n9"}, "units": {"clean() in a.py": "u9"}})
    verdict = decide(evidence(recipe))
    assert [(r.code, r.subject) for r in verdict.reasons] == [("code", "clean() in a.py")]


def test_a_moved_binding_names_the_node() -> None:
    """A node that moved while no function did is named itself."""
    verdict = decide(evidence(changed("nodes", "clean", "n9")))
    assert [(r.code, r.subject) for r in verdict.reasons] == [("code", "node clean")]


@pytest.mark.parametrize(
    ("presence", "code", "state"),
    [
        (Presence.MISSING, "output_missing", State.MISSING),
        (Presence.FOREIGN, "output_foreign", State.STALE),
        (Presence.REPLACED, "output_tampered", State.STALE),
        (Presence.ALTERED, "schema_drift", State.STALE),
        (Presence.UNVERIFIABLE, "unknowable", State.STALE),
    ],
)
def test_what_stands_there_counts(presence: Presence, code: str, state: State) -> None:
    """A table that is not the one the engine wrote is stale although the recipe is equal."""
    verdict = decide(evidence(presence=presence))
    assert verdict.state is state
    assert [r.code for r in verdict.reasons] == [code]


def test_pending_upstream_is_maybe() -> None:
    """An output whose only open question is an upstream output that may run is maybe."""
    verdict = decide(evidence(changed("upstream", "raw_table", PENDING)))
    assert verdict.state is State.MAYBE
    assert [(r.code, r.subject) for r in verdict.reasons] == [("upstream", "raw_table")]


def test_pending_does_not_hide_a_change() -> None:
    """A change of its own makes an output stale at once, whatever is pending upstream."""
    moved = changed("upstream", "raw_table", PENDING)
    recipe = Recipe({**moved.sections, "config": {"unit": "c2"}})
    verdict = decide(evidence(recipe))
    assert verdict.state is State.STALE
    assert [r.code for r in verdict.reasons] == ["config"]


def test_unknown_is_never_fresh() -> None:
    """An unknown token is never equal, not even to the same unknown token on record."""
    recipe = changed("sources", "raw.orders", UNKNOWN)
    verdict = decide(evidence(recipe, traces=(Trace(recipe.version, recipe.manifest()),)))
    assert verdict.state is State.STALE


def test_unknowable_parts_are_never_fresh() -> None:
    """What cannot be fingerprinted makes an output stale every time, and is named."""
    recipe = dataclasses.replace(RECIPE, unknowable=("input model",))
    verdict = decide(evidence(recipe, traces=(Trace(recipe.version, recipe.manifest()),)))
    assert [(r.code, r.subject) for r in verdict.reasons] == [("unknowable", "input model")]


def test_any_recorded_way_to_the_live_content_counts() -> None:
    """A recipe that was seen to give the live content is fresh although a later one gave it too."""
    later = changed("config", "unit", "c2")
    traces = (Trace(later.version, later.manifest()), Trace(RECIPE.version, RECIPE.manifest()))
    assert decide(evidence(traces=traces)).state is State.FRESH


def test_invalidation_and_failure_are_reasons() -> None:
    """Somebody's request to rebuild is a reason, and the last failure is mentioned with it."""
    verdict = decide(evidence(invalidations=("bad batch",), failed="boom"))
    assert [(r.code, r.subject) for r in verdict.reasons] == [("invalidated", "bad batch"), ("previous_failed", "boom")]


def test_a_failure_alone_leaves_the_live_version_fresh() -> None:
    """A failed attempt does not make the version before it stale."""
    assert decide(evidence(failed="boom")).state is State.FRESH
