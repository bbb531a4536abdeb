"""The same hooks under Apache Hamilton and under the engine are told the same, in the same order."""

from __future__ import annotations

import contextlib
import importlib
import logging
from typing import Any

import pytest

pytest.importorskip("hamilton", reason="apache-hamilton is not installed")

ROOTS = ("hamilton", "engine")
SOURCE = """
from typing import Dict, List
from ROOT.function_modifiers import *

def start(number: int) -> int:
    return number + 1

@tag(team="data")
def end(start: int, factor: int = 3) -> int:
    return start * factor

@parameterize(plus_one={"step": value(1)}, plus_start={"step": source("start")})
def plus(start: int, step: int) -> int:
    return start + step

@extract_fields({"low": int, "high": int})
def both(plus_one: int, plus_start: int) -> dict:
    return {"low": min(plus_one, plus_start), "high": max(plus_one, plus_start)}

@inject(parts=group(source("low"), source("plus_one"), value(3)), named=group(start=source("start")))
def gathered(high: int, parts: List[int], named: Dict[str, int]) -> int:
    return high + sum(parts) + named["start"]

def broken(start: int) -> int:
    raise RuntimeError("boom")
"""


def hooks(root: str, calls: list[Any]) -> Any:
    """Make a hook under a root that notes every call without what differs by nature."""
    lifecycle = importlib.import_module(f"{root}.lifecycle")
    without = {"graph", "run_id", "node_tags"}

    def note(name: str) -> Any:
        def method(_: Any, **facts: Any) -> None:
            told = {key: repr(value) for key, value in facts.items() if key not in without}
            told |= {"given": sorted(facts)}
            if "node_tags" in facts:
                told["team"] = facts["node_tags"].get("team")
            if "overrides" in facts:  # Apache Hamilton tells None where nothing is given, and another order
                told |= {"overrides": facts["overrides"] or {}, "execution_path": sorted(facts["execution_path"])}
            calls.append((name, told))

        return method

    names = (
        "run_before_graph_execution",
        "run_after_graph_execution",
        "run_after_graph_construction",
        "run_before_node_execution",
        "run_after_node_execution",
    )
    bases = (lifecycle.NodeExecutionHook, lifecycle.GraphExecutionHook, lifecycle.GraphConstructionHook)
    return type("Noting", bases, {name: note(name) for name in names})()


def told(root: str, wanted: list[str], **call: Any) -> list[Any]:
    """Run under a root and return what the hook was told."""
    calls: list[Any] = []
    make = importlib.import_module(f"{root}.ad_hoc_utils").module_from_source
    module = make(SOURCE.replace("ROOT", root), f"hooked_{root}_{len(wanted)}_{abs(hash(repr((wanted, call))))}")
    builder = importlib.import_module(f"{root}.driver").Builder().with_modules(module)
    driver = builder.with_adapters(hooks(root, calls)).build()
    logging.getLogger("hamilton").setLevel(logging.CRITICAL)
    with contextlib.suppress(RuntimeError, ValueError):
        driver.execute(wanted, **call)
    return calls


@pytest.mark.parametrize(
    ("wanted", "call"),
    [
        (["end"], {"inputs": {"number": 1}}),
        (["high"], {"inputs": {"number": 1}}),
        (["gathered"], {"inputs": {"number": 1}}),
        (["end"], {"inputs": {}, "overrides": {"start": 5}}),
        (["broken"], {"inputs": {"number": 1}}),
        (["end"], {"inputs": {"number": 1, "factor": 2}}),
    ],
)
def test_hooks_are_told_the_same(wanted: list[str], call: dict[str, Any]) -> None:
    """Moments, their order and their facts agree."""
    theirs, ours = (told(root, wanted, **call) for root in ROOTS)
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    for (name, mine), (_, other) in zip(ours, theirs, strict=True):
        if name == "run_before_graph_execution" and "overrides" in call:
            mine["execution_path"] = other["execution_path"]  # theirs names what an override makes needless, too
        assert mine == other, name
