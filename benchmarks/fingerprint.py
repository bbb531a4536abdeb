"""How long does it take to fingerprint a project of 1,000 functions, seen for the first time and seen again?

The peer is what Python's own `ast` needs to parse and dump the same files. Prints one line and one JSON object.
"""

from __future__ import annotations

import ast
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine.planning.fingerprint import Fingerprinter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MODULES, FUNCTIONS = 10, 100
REPEATS = 3
"""The best counts: the others tell of the machine's other work."""

LIMIT = 4.0
"""How many times the peer's seconds are allowed: names are looked up, and text is compared with the code that runs."""

HELPERS = '''"""Helpers."""
import math

RATES = {"a": 1.5, "b": [1, 2, 3]}
NAMES = {"x", "y", "z"}


def scale(value, by=2):
    """Scale."""
    return [math.sqrt(v) * by * RATES["a"] for v in value if v not in NAMES]
'''

NODE = '''
def node_{number}(orders: list, rate: float, names: dict) -> list:
    """Do what a node does."""
    kept = [order for order in orders if order["total"] > THRESHOLD and order.get("name") in names]
    scaled = helpers.scale([order["total"] * rate for order in kept], by={number})
    # A comment.
    if not scaled:
        return []
    total = sum(scaled) or 1
    return sorted((value / total for value in scaled), key=lambda value: -value)[:{number}]
'''


def write_project(folder: Path) -> list[str]:
    """Write the project and return the names of its modules."""
    (folder / "helpers.py").write_text(HELPERS)
    names = []
    for module in range(MODULES):
        numbers = range(module * FUNCTIONS, (module + 1) * FUNCTIONS)
        text = "import helpers\n\nTHRESHOLD = 3\n" + "".join(NODE.format(number=number) for number in numbers)
        (folder / f"flow_{module}.py").write_text(text)
        names.append(f"flow_{module}")
    return names


def peer(files: Iterable[Path]) -> float:
    """Return the seconds that Python's own parsing and dumping of the files takes."""
    start = time.perf_counter()
    for file in files:
        ast.dump(ast.parse(file.read_text()))
    return time.perf_counter() - start


def measure(functions: list[Callable[..., Any]]) -> tuple[float, float]:
    """Return the seconds for all functions, first and again, of a new fingerprinter."""
    fingerprinter = Fingerprinter()
    seconds = []
    for _ in ("first", "again"):
        start = time.perf_counter()
        versions = {fingerprinter.code_version(function).version for function in functions}
        seconds.append(time.perf_counter() - start)
    assert len(versions) == len(functions) == MODULES * FUNCTIONS
    return seconds[0], seconds[1]


def main() -> None:
    """Measure and compare with the limit."""
    with tempfile.TemporaryDirectory() as folder:
        names = write_project(Path(folder))
        sys.path.insert(0, folder)
        functions = [
            function
            for module in map(importlib.import_module, names)
            for name, function in vars(module).items()
            if name.startswith("node_")
        ]
        runs = [(*measure(functions), peer(Path(folder).glob("*.py"))) for _ in range(REPEATS)]
    first, again, parsed = (min(times) for times in zip(*runs, strict=True))
    result = {
        "benchmark": "fingerprint",
        "functions": len(functions),
        "first_us": round(1e6 * first / len(functions), 1),
        "again_us": round(1e6 * again / len(functions), 1),
        "peer_us": round(1e6 * parsed / len(functions), 1),
        "limit": LIMIT,
        "passed": first < LIMIT * parsed,
    }
    print(
        "fingerprint: {functions} functions, {first_us:.0f} µs each, seen again {again_us:.0f} µs, "
        "ast.parse and dump {peer_us:.0f} µs".format(**result)
        + f": {first / parsed:.1f} of {LIMIT:.0f} times the peer's, {'ok' if result['passed'] else 'TOO SLOW'}"
    )
    print(json.dumps(result))
    sys.exit(not result["passed"])


if __name__ == "__main__":
    main()
