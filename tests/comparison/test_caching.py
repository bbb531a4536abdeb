"""What a cache runs and gives under Apache Hamilton and the engine is the same where both look at the same things."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("hamilton", reason="apache-hamilton is not installed")

ROOTS = ("hamilton", "engine")
SOURCE = """
from ROOT.function_modifiers import cache, extract_fields, parameterize, value

def start(x: int) -> int:
    return x % 10

def middle(start: int) -> dict:
    return {"value": start}

@cache(behavior="recompute")
def always(start: int) -> int:
    return start + 1

def end(middle: dict, always: int) -> int:
    return middle["value"] + always

@extract_fields({"low": int, "high": int})
def both(end: int) -> dict:
    return {"low": end, "high": end * 2}

@parameterize(plus_one={"k": value(1)}, plus_two={"k": value(2)})
def plus(low: int, k: int) -> int:
    return low + k
"""
WANTED = ["plus_one", "plus_two", "high", "end"]


class Calls:
    """Builds drivers of one root with one cache folder."""

    def __init__(self, root: str, folder: Path) -> None:
        self.root, self.folder = root, folder
        make = importlib.import_module(f"{root}.ad_hoc_utils").module_from_source
        self.module = make(SOURCE.replace("ROOT", root), f"cached_{root}_{folder.parent.name}")

    def __call__(self, wanted: list[str], x: int, overrides: Any = None, **settings: Any) -> tuple[Any, list[str]]:
        """Execute nodes; return their values and the names of the nodes that ran."""
        builder = importlib.import_module(f"{self.root}.driver").Builder().with_modules(self.module)
        driver = builder.with_cache(path=str(self.folder), **settings).build()
        values = driver.execute(wanted, inputs={"x": x}, overrides=overrides)
        logs = driver.cache.logs(driver.cache.last_run_id)
        return values, sorted(
            n for n, events in logs.items() if any(e.event_type.value == "execute_node" for e in events)
        )


@pytest.mark.parametrize(
    "calls",
    [
        [{"x": 1}, {"x": 1}, {"x": 11}, {"x": 2}, {"x": 1}],
        [{"x": 1}, {"x": 1, "recompute": ["middle"]}, {"x": 1}],
        [{"x": 1}, {"x": 1, "recompute": True}, {"x": 1}],
        [{"x": 1}, {"x": 1, "ignore": ["middle"]}, {"x": 1, "ignore": ["middle"]}, {"x": 2, "ignore": ["middle"]}],
        [{"x": 1}, {"x": 1, "disable": ["middle"]}, {"x": 1, "disable": ["middle"]}, {"x": 1}],
        [{"x": 1, "disable": True}, {"x": 1}],
        [{"x": 1}, {"x": 1, "default": ["always"]}, {"x": 11, "default": ["always"]}],
        [{"x": 1, "default_behavior": "recompute"}, {"x": 1, "default_behavior": "recompute"}],
        [{"x": 1}, {"x": 1, "overrides": {"middle": {"value": 5}}}, {"x": 1, "overrides": {"middle": {"value": 5}}}],
    ],
)
def test_the_same_nodes_run(calls: list[dict[str, Any]], tmp_path: Path) -> None:
    """Call by call, values and nodes that run are equal."""
    told = []
    for root in ROOTS:
        call = Calls(root, tmp_path / root)
        told.append([call(WANTED, **arguments) for arguments in calls])
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "settings", [{"recompute": ["end"], "disable": ["end"]}, {"recompute": True, "ignore": ["end"]}]
)
def test_two_behaviors_are_an_error(settings: dict[str, Any], tmp_path: Path) -> None:
    """Under either root a node with two behaviors is a ValueError."""
    for root in ROOTS:
        with pytest.raises(ValueError, match="end"):
            Calls(root, tmp_path / root)(["end"], 1, **settings)
