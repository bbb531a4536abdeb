"""How much longer is the first run of the flights example than the same work written by hand, without a record?

Both are whole processes, taken in turn: `engine run` into a fresh DuckDB file and fresh metadata, and
`flights_by_hand.py`, which calls the same functions in order and writes the same tables and files; that they are the
same is checked first, to the last value. The limit is 1.15 times the time by hand. Prints one line and one JSON object.
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

import duckdb

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "flights"
REPEATS = 5
LIMIT = 1.15


def timed(command: list[str], bytecode: Path, project: Path) -> tuple[float, float]:
    """Run a process in a fresh copy of the example, and return its wall and CPU seconds.

    Args:
        command: What to run.
        bytecode: A folder for compiled modules, so that neither pays for compiling them.
        project: Where the copy is to be.
    """
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns(".engine", "out", "*.duckdb*"))
    environment = {name: text for name, text in os.environ.items() if not name.startswith("ENGINE_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(bytecode)
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), str(project)])
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def check_same(one: Path, other: Path) -> None:
    """Check that two projects have written the same tables, columns, rows and files.

    Raises:
        AssertionError: They have not; it names the first difference.
    """
    with duckdb.connect() as connection:
        for name, project in (("a", one), ("b", other)):
            connection.execute(f"ATTACH '{project / 'flights.duckdb'}' AS {name} (READ_ONLY)")
        columns = (
            "SELECT table_name, column_name, data_type FROM duckdb_columns()"
            f" WHERE database_name = '{name}' AND schema_name = 'marts' ORDER BY table_name, column_index"
            for name in ("a", "b")
        )
        a, b = (connection.execute(query).fetchall() for query in columns)
        assert a == b, set(a) ^ set(b)
        for table in sorted({row[0] for row in a}):
            query = f"FROM a.marts.{table} EXCEPT ALL FROM b.marts.{table}"
            counts = f"SELECT (SELECT count(*) FROM a.marts.{table}) - (SELECT count(*) FROM b.marts.{table})"
            assert connection.execute(query).fetchall() == [], table
            assert connection.execute(counts).fetchall() == [(0,)], table
    names = sorted(path.name for path in (one / "out").iterdir())
    assert names == sorted(path.name for path in (other / "out").iterdir())
    for name in names:
        assert (one / "out" / name).read_bytes() == (other / "out" / name).read_bytes(), name


def main() -> int:
    """Measure, print, and return 1 where the limit is broken."""
    engine = [sys.executable, "-m", "engine", "run"]
    by_hand = [sys.executable, str(HERE / "flights_by_hand.py")]
    with tempfile.TemporaryDirectory() as folder:
        bytecode, one, other = (Path(folder) / name for name in ("bytecode", "by_hand", "engine"))
        timed(by_hand, bytecode, one), timed(engine, bytecode, other)
        check_same(one, other)
        pairs = [(timed(by_hand, bytecode, one), timed(engine, bytecode, other)) for _ in range(REPEATS)]
    hand, ours = (tuple(statistics.median(pair[i][k] for pair in pairs) for k in range(2)) for i in range(2))
    ratio, cpu_ratio = (statistics.median(pair[1][k] / pair[0][k] for pair in pairs) for k in range(2))
    print(
        f"flights, first run: {ours[0]:.2f} s (CPU {ours[1]:.2f}), by hand without record {hand[0]:.2f} s "
        f"(CPU {hand[1]:.2f}): {ratio:.2f} times, limit {LIMIT} (CPU {cpu_ratio:.2f} times)"
    )
    result = {"engine_s": ours[0], "engine_cpu_s": ours[1], "hand_s": hand[0], "hand_cpu_s": hand[1]}
    result |= {"ratio": ratio, "cpu_ratio": cpu_ratio}
    print(json.dumps({"benchmark": "flights", **{name: round(value, 3) for name, value in result.items()}}))
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
