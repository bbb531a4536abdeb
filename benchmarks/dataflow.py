"""What does the dataflow itself cost: to build a graph, to execute it, with a hook, with a saver on top, to import?

Layers of 50 nodes with two parents each, in one process, side by side with a plain loop that calls the same functions
in order, and with Apache Hamilton where it is installed (``pip install apache-hamilton``). Hamilton walks by recursion,
so it takes part where its depth allows. Prints a table and one JSON object.

Before them, a block of 10,000 branches, each of two nodes (2,000 for Hamilton).

Limits: execute at most 2 times the plain loop; at least 8 times less per node than Hamilton at 5,000 nodes, build at
least 5 times; 100,000 nodes build in 5 s and execute in 1 s.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 50
SIZES = (1_000, 5_000, 100_000)
REPEATS = 5
STEADY = 20_000
"""Nodes after which the processor's caches hold what is executed again and again."""
BRANCHES = 10_000
BRANCHES_OF_HAMILTON = 2_000
"""Its time per branch grows with their number: at 5,000 it is nearly three times as long."""
DEEPEST_FOR_HAMILTON = 10_000
"""Nodes: 200 layers, near the depth at which its recursion ends."""


def make_module(size: int) -> types.ModuleType:
    """Return a module of ``size`` functions in layers, and one on top that reads the last layer's first."""
    lines = []
    for index in range(size):
        layer, place = divmod(index, WIDTH)
        parents = [f"n{(layer - 1) * WIDTH + (place + shift) % WIDTH}" for shift in (0, 1)] if layer else ["x", "y"]
        lines.append(
            f"def n{index}({parents[0]}: int, {parents[1]}: int) -> int:\n    return {parents[0]} ^ {parents[1]}\n"
        )
    lines.append(f"def top(n{size - 1}: int) -> dict:\n    return {{'value': n{size - 1}}}\n")
    module = types.ModuleType(f"layers_{size}")
    sys.modules[module.__name__] = module
    exec("".join(lines), module.__dict__)  # noqa: S102 - the text above
    return module


def make_decorated(root: str, size: int) -> types.ModuleType:
    """Return a module of decorated functions that stand for ``size`` nodes, linked as those of `make_module`."""
    lines = [f"from {root}.function_modifiers import parameterize, source, tag, value\n"]
    for index in range(size):
        layer, place = divmod(index, WIDTH)
        one, two = (f"n{(layer - 1) * WIDTH + (place + shift) % WIDTH}" for shift in (0, 1)) if layer else ("x", "y")
        lines.append(
            f"@tag(layer='{layer}')\n@parameterize(n{index}={{'a': source('{one}'), 'k': value(1)}})\n"
            f"def f{index}(a: int, {two}: int, k: int) -> int:\n    return a ^ {two} ^ k\n"
        )
    module = types.ModuleType(f"decorated_{root}_{size}")
    sys.modules[module.__name__] = module
    exec("".join(lines), module.__dict__)  # noqa: S102 - the text above
    return module


def best_of(*works: Callable[[], Any], repeats: int = REPEATS, rounds: int = 1) -> list[float]:
    """Return, per piece of work, the median of the CPU seconds of several runs, each of some rounds, taken in turn."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, taken in zip(works, times, strict=True):
            gc.collect()
            start = time.process_time()
            for _ in range(rounds):
                work()
            taken.append((time.process_time() - start) / rounds)
    return [statistics.median(taken) for taken in times]


def plain_loop(module: types.ModuleType, size: int) -> Callable[[], Any]:
    """Return a loop that calls the functions in order."""
    calls = []
    for index in range(size):
        function = getattr(module, f"n{index}")
        calls.append((f"n{index}", function, *function.__code__.co_varnames[:2]))

    def loop() -> dict[str, int]:
        values = {"x": 1, "y": 2}
        for name, function, first, second in calls:
            values[name] = function(values[first], values[second])
        return values

    return loop


def measure(root: str, module: types.ModuleType, size: int) -> dict[str, float]:
    """Return the CPU seconds of one library on one graph."""
    driver_module = importlib.import_module(f"{root}.driver")
    lifecycle = importlib.import_module(f"{root}.lifecycle")
    materialization = importlib.import_module(f"{root}.io.materialization")

    class Hook(lifecycle.NodeExecutionHook):  # type: ignore[misc,name-defined]
        """Looks and does nothing."""

        def run_before_node_execution(self, **kwargs: Any) -> None:
            """Look."""

        def run_after_node_execution(self, **kwargs: Any) -> None:
            """Look."""

    def build(*hooks: Any, module: types.ModuleType = module) -> Any:
        return driver_module.Builder().with_modules(module).with_adapters(*hooks).build()

    targets = [f"n{index}" for index in range(size - WIDTH, size)]
    inputs = {"x": 1, "y": 2}
    driver, hooked = build(), build(Hook())
    seconds = dict(zip(["build"], best_of(build, repeats=3), strict=True))
    if size <= DEEPEST_FOR_HAMILTON:
        decorated = make_decorated(root, size)
        (seconds["build decorated"],) = best_of(lambda: build(module=decorated), repeats=3)
    start = time.process_time()
    driver.execute(targets, inputs=inputs)
    seconds["first execute"] = time.process_time() - start
    seconds["loop"], seconds["execute"] = best_of(
        plain_loop(module, size),
        lambda: driver.execute(targets, inputs=inputs),
        rounds=max(1, STEADY // size),
    )
    (seconds["with a hook"],) = best_of(lambda: hooked.execute(targets, inputs=inputs), repeats=3)
    with tempfile.TemporaryDirectory() as folder:
        saver = materialization.to.json(id="saved", dependencies=["top"], path=f"{folder}/top.json")
        start = time.process_time()
        driver.materialize(saver, inputs=inputs)
        seconds["first materialize"] = time.process_time() - start
        seconds["execute top"], seconds["materialize"] = best_of(
            lambda: driver.execute(["top"], inputs=inputs), lambda: driver.materialize(saver, inputs=inputs)
        )
    return seconds


def peak_bytes(root: str, size: int) -> int:
    """Return the memory that building a graph and executing it once takes at most, beside the functions themselves."""
    code = (
        f"import tracemalloc, dataflow, {root}.driver as d\n"
        f"module = dataflow.make_module({size})\n"
        "tracemalloc.start()\n"
        f"d.Builder().with_modules(module).build().execute(['n{size - 1}'], inputs={{'x': 1, 'y': 2}})\n"
        "print(tracemalloc.get_traced_memory()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
    )
    return int(done.stdout)


def make_block(root: str) -> types.ModuleType:
    """Return a module with a block of two nodes per branch."""
    source = f"""
from {root}.htypes import Collect, Parallelizable

def item(count: int) -> Parallelizable[int]:
    yield from range(count)

def flipped(item: int) -> int:
    return item ^ 1

def mixed(flipped: int, item: int) -> int:
    return flipped ^ item

def total(mixed: Collect[int]) -> int:
    return sum(mixed)
"""
    return importlib.import_module(f"{root}.ad_hoc_utils").module_from_source(source, f"block_of_{root}")  # type: ignore[no-any-return]


def branch_seconds(root: str) -> dict[str, float]:
    """Return the CPU seconds that a block takes per branch, by what runs the branches."""
    executors = importlib.import_module(f"{root}.execution.executors")
    builder = importlib.import_module(f"{root}.driver").Builder
    module, count = make_block(root), BRANCHES if root == "engine" else BRANCHES_OF_HAMILTON
    seconds = {}
    for name, executor in (
        ("one after another", executors.SynchronousLocalTaskExecutor()),
        ("ten threads", executors.MultiThreadingExecutor(10)),
    ):
        dynamic = builder().enable_dynamic_execution(allow_experimental_mode=True).with_modules(module)
        driver = dynamic.with_remote_executor(executor).build()
        run = functools.partial(driver.execute, ["total"], inputs={"count": count})
        seconds[name] = best_of(run, repeats=REPEATS if root == "engine" else 1)[0] / count
    return seconds


def import_seconds(root: str) -> float:
    """Return the CPU seconds that importing a driver, compiled before as any installed package is, adds to Python's."""

    def median(code: str, environment: dict[str, str]) -> float:
        command = [sys.executable, "-c", f"{code}; import time; print(time.process_time())"]
        runs = [
            subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
            for _ in range(REPEATS + 1)
        ]
        return statistics.median(map(float, runs[1:]))  # the first one compiles

    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        return median(f"import {root}.driver", environment) - median("pass", environment)


def main() -> None:
    """Measure both libraries and print what was seen."""
    roots = ["engine"]
    with contextlib.suppress(ImportError):
        importlib.import_module("hamilton.driver")
        roots.append("hamilton")
    report: dict[str, Any] = {"import": {root: import_seconds(root) for root in roots}}
    print("import    " + "   ".join(f"{root} {seconds * 1e3:.0f} ms CPU" for root, seconds in report["import"].items()))
    report["branches"] = {root: branch_seconds(root) for root in roots}
    for root, seconds in report["branches"].items():
        shown = "   ".join(f"{what} {s * 1e6:.1f} µs" for what, s in seconds.items())
        print(f"branches  {root:9} {shown}   (CPU per branch of two nodes)")
    for size in SIZES:
        module = make_module(size)
        report[str(size)] = {}
        print(f"{size} nodes, CPU per node:")
        for root in roots:
            if root == "hamilton" and size > DEEPEST_FOR_HAMILTON:
                continue
            seconds = measure(root, module, size)
            report[str(size)][root] = seconds
            shown = "   ".join(f"{what} {s / size * 1e6:.2f} µs" for what, s in seconds.items())
            print(f"  {root:9} {shown}   (execute: {seconds['execute'] / seconds['loop']:.1f} x the loop)")
            seconds["peak bytes"] = peak_bytes(root, size)
            print(f"  {'':9} peak memory {seconds['peak bytes'] / size:.0f} bytes per node")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
