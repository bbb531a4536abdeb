"""Progress bars count the nodes of a run, and branches by branch."""

from __future__ import annotations

import importlib
import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from engine.ad_hoc_utils import create_temporary_module
from engine.driver import Builder, Driver
from engine.plugins.h_rich import RichProgressBar


def start(number: int) -> int:
    """A node."""
    return number + 1


def end(start: int) -> int:
    """Another."""
    return 10 // start


def build(*adapters: Any) -> Driver:
    """Build a driver of two nodes."""
    return Builder().with_modules(create_temporary_module(start, end)).with_adapters(*adapters).build()


def test_tqdm_counts_nodes() -> None:
    """The bar is full after a run, names the node that failed after one that did, and can be used again."""
    pytest.importorskip("tqdm")
    bar_class = importlib.import_module("engine.plugins.h_tqdm").ProgressBar
    stream = io.StringIO()
    driver = build(bar_class(desc="Work", max_node_name_width=3, file=stream, mininterval=0))
    driver.execute(["end"], inputs={"number": 1})
    assert "2/2" in stream.getvalue()
    assert "Work -> sta" in stream.getvalue()
    assert "Work -> start" not in stream.getvalue()
    with pytest.raises(ZeroDivisionError):
        driver.execute(["end"], inputs={"number": -1})
    driver.execute(["start"], inputs={"number": 1})
    assert "1/1" in stream.getvalue()


def test_rich_counts_nodes() -> None:
    """The bar is full after a run that succeeds."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    driver = build(RichProgressBar("Work", console=console))
    driver.execute(["end"], inputs={"number": 1})
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Work" in shown
    assert "100%" in shown
    with pytest.raises(ZeroDivisionError):
        driver.execute(["end"], inputs={"number": -1})


def test_rich_counts_branches_on_a_bar_of_their_own() -> None:
    """The nodes of branches do not move the run's bar; the branches move theirs."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    bar = RichProgressBar("Work", "Branches", columns=["{task.description} {task.completed:.0f}/{task.total:.0f}"])
    bar._kwargs["console"] = console
    task: Any = {"run_id": "r", "nodes": [SimpleNamespace(name="n")], "purpose": None}
    bar.run_before_graph_execution(execution_path=["items", "n", "gathered"])
    bar.run_after_node_execution(task_id="items")
    bar.run_after_task_expansion(task_id="items", parameters={"0": 1, "1": 2})
    for name in ("n.0", "n.1"):
        bar.run_before_task_execution(task_id=name, spawning_task_id="items", **task)
        bar.run_after_node_execution(task_id=name)
        bar.run_after_task_execution(task_id=name, spawning_task_id="items", **task)
    assert bar._progress is not None
    assert [(t.description, t.completed, t.total) for t in bar._progress.tasks] == [("Work", 1, 3), ("Branches", 2, 2)]
    bar.run_after_graph_execution(success=True)
