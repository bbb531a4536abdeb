"""The ready-made adapters: errors survived, types checked, lines printed."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.driver import Builder, Driver
from engine.htypes import Parallelizable  # noqa: TC001 - node annotations are evaluated
from engine.lifecycle import (
    FunctionInputOutputTypeChecker,
    GracefulErrorAdapter,
    PrintLn,
    PrintLnHook,
    SlowDownYouMoveTooFast,
    accept_error_sentinels,
)
from engine.lifecycle.default import should_run_node


def start(number: int) -> int:
    """A node."""
    return number + 1


def broken(start: int) -> int:
    """A node that fails."""
    message = f"no {start}"
    raise ValueError(message)


def after_broken(broken: int, start: int) -> int:
    """A node that never runs."""
    return broken + start


@accept_error_sentinels
def summary(broken: int, start: int) -> str:
    """A node that copes with what failed."""
    return f"{broken} {start}"


def build(*adapters: Any) -> Driver:
    """Build a driver of the functions above."""
    module = create_temporary_module(start, broken, after_broken, summary)
    return Builder().with_modules(module).with_adapters(*adapters).build()


WANTED = ["start", "broken", "after_broken", "summary"]


@pytest.mark.parametrize(
    ("adapter", "expected"),
    [
        (GracefulErrorAdapter(ValueError), [2, None, None, "None 2"]),
        (GracefulErrorAdapter(ValueError, "failed"), [2, "failed", "failed", "failed 2"]),
        (GracefulErrorAdapter(ValueError, "failed", allow_injection=False), [2, "failed", "failed", "failed"]),
    ],
)
def test_what_can_run_runs_after_an_error(adapter: GracefulErrorAdapter, expected: list[Any]) -> None:
    """A failed node and what reads it are the sentinel; what accepts sentinels is given them."""
    assert list(build(adapter).execute(WANTED, inputs={"number": 1}).values()) == expected


def test_other_errors_are_raised() -> None:
    """Only the class that was named is caught."""
    with pytest.raises(ValueError, match="no 2"):
        build(GracefulErrorAdapter(KeyError)).execute(["broken"], inputs={"number": 1})


def items(count: int) -> Parallelizable[int]:
    """Items, the third of which cannot be made."""
    for number in range(count):
        if number == 2:
            message = "no third"
            raise ValueError(message)
        yield number


@pytest.mark.parametrize(("keeps", "expected"), [(True, [0, 1, "x"]), (False, ["x"])])
def test_branches_before_an_error_are_kept(keeps: bool, expected: list[Any]) -> None:
    """Of a node that gives items, those before the error run, unless all or none is asked for."""
    adapter = GracefulErrorAdapter(ValueError, "x", try_all_parallel=keeps)
    facts: dict[str, Any] = {"node_callable": items, "is_collect": False}
    assert adapter.run_to_execute_node(node_kwargs={"count": 4}, is_expand=True, **facts) == expected
    assert adapter.run_to_execute_node(node_kwargs={"count": 2}, is_expand=True, **facts) == [0, 1]
    assert adapter.run_to_execute_node(node_kwargs={"count": "x"}, is_expand=True, **facts) == ["x"]


def wrong_result(numbers: list[int]) -> dict[str, int]:
    """Gives a text where a number is promised."""
    return dict.fromkeys("a", f"{numbers}")  # type: ignore[arg-type]


def checked(adapter: FunctionInputOutputTypeChecker) -> Driver:
    """Build a driver of the function above."""
    return Builder().with_modules(create_temporary_module(wrong_result)).with_adapters(adapter).build()


def test_types_are_checked_where_values_pass() -> None:
    """Arguments and results are checked in depth, each unless told not to."""
    with pytest.raises(TypeError, match=r"'wrong_result' is to give dict\[str, int\]"):
        checked(FunctionInputOutputTypeChecker()).execute(["wrong_result"], inputs={"numbers": [1]})
    with pytest.raises(TypeError, match=r"'wrong_result' takes list\[int\] for 'numbers'"):
        checked(FunctionInputOutputTypeChecker()).execute(["wrong_result"], inputs={"numbers": ["a"]})
    lenient = FunctionInputOutputTypeChecker(check_input=False, check_output=False)
    assert checked(lenient).execute(["wrong_result"], inputs={"numbers": ["a"]})


@pytest.mark.parametrize(
    ("name", "is_about"),
    [(None, True), ("start", True), ("other", False), (["start"], True), ([], False), (lambda n, _: n > "s", True)],
)
def test_filters_of_nodes(name: Any, is_about: bool) -> None:
    """A filter is a name, a list of names, a function, or nothing."""
    assert should_run_node("start", {}, name) is is_about


def test_printing_nodes() -> None:
    """Each node is printed when it begins and ends; values only when asked for."""
    lines: list[str] = []
    with pytest.raises(ValueError, match="no 2"):
        build(PrintLn(print_fn=lines.append)).execute(["broken"], inputs={"number": 1})
    assert [line.split(" in ")[0] for line in lines] == [
        "Executing node: start.",
        "Finished debugging node: start",
        "Executing node: broken.",
        "Finished debugging node: broken",
    ]
    assert lines[-1].endswith("Status: Failure.")
    lines.clear()
    build(PrintLnHook(verbosity=2, print_fn=lines.append)).execute(["start"], inputs={"number": 1})
    assert lines[0] == "Executing node: start. Inputs: \n{'number': 1}"
    assert lines[1].endswith("Status: Success. Result: \n2\n")
    lines.clear()
    build(PrintLn(print_fn=lines.append, node_filter="other")).execute(["start"], inputs={"number": 1})
    assert lines == []
    with pytest.raises(ValueError, match="verbosity 3"):
        PrintLn(verbosity=3)


def test_slowing_down_waits() -> None:
    """Each node waits before it runs."""
    started = time.perf_counter()
    build(SlowDownYouMoveTooFast(0.02, 0.0)).execute(["start"], inputs={"number": 1})
    assert time.perf_counter() - started >= 0.02


DEBUGGED = """
from engine.ad_hoc_utils import module_from_source
from engine.driver import Builder
from engine.lifecycle import PDBDebugger
module = module_from_source("def start(number: int) -> int:\\n    return number + 1\\n")
debugger = PDBDebugger("start", before=True, during=True, after=True)
print(Builder().with_modules(module).with_adapters(debugger).build().execute(["start"], inputs={"number": 1}))
"""


def test_the_debugger_stops_where_it_is_told() -> None:
    """It stops before, inside and after the nodes it is about; the values are at hand."""
    commands = "p node_kwargs\nc\np number * 50\nc\np result * 50\nc\n"
    done = subprocess.run(  # noqa: S603 - our own code; pytest puts a debugger of its own in the place of Python's
        [sys.executable, "-c", DEBUGGED], input=commands, capture_output=True, text=True, check=True
    )
    shown = done.stdout
    assert all(place in shown for place in ("before node 'start'", "in node 'start'", "after node 'start'"))
    assert all(value in shown for value in ("{'number': 1}", "(Pdb) 50", "(Pdb) 100", "{'start': 2}"))
