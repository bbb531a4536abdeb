"""How much longer is the first run of the flights example than the same work written by hand, without a record?

Both are whole processes, taken in turn: `engine run` into a fresh DuckDB file and fresh metadata, and
`flights_by_hand.py`, which calls the same functions in order and writes the same tables and files. The limit is 1.15
times the time by hand. Prints one line and one JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "flights"
REPEATS = 5
LIMIT = 1.15


def timed(command: list[str], bytecode: str) -> tuple[float, float]:
    """Run a process in a fresh copy of the example, and return its wall and CPU seconds.

    Args:
        command: What to run.
        bytecode: A folder for compiled modules, so that neither pays for compiling them.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "flights"
        shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns(".engine", "out", "*.duckdb*"))
        environment = {name: text for name, text in os.environ.items() if not name.startswith("ENGINE_")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = bytecode
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), str(project)])
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure, print, and return 1 where the limit is broken."""
    engine = [sys.executable, "-m", "engine", "run"]
    by_hand = [sys.executable, str(HERE / "flights_by_hand.py")]
    with tempfile.TemporaryDirectory() as bytecode:
        timed(by_hand, bytecode), timed(engine, bytecode)
        pairs = [(timed(by_hand, bytecode), timed(engine, bytecode)) for _ in range(REPEATS)]
    hand, ours = (tuple(statistics.median(pair[i][k] for pair in pairs) for k in range(2)) for i in range(2))
    ratio = statistics.median(pair[1][0] / pair[0][0] for pair in pairs)
    print(
        f"flights, first run: {ours[0]:.2f} s (CPU {ours[1]:.2f}), by hand without record {hand[0]:.2f} s "
        f"(CPU {hand[1]:.2f}): {ratio:.2f} times, limit {LIMIT}"
    )
    result = {"engine_s": ours[0], "engine_cpu_s": ours[1], "hand_s": hand[0], "hand_cpu_s": hand[1], "ratio": ratio}
    print(json.dumps({"benchmark": "flights", **{name: round(value, 3) for name, value in result.items()}}))
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
