"""How much memory does it take to move a table that does not fit into it, DuckDB → node → PostgreSQL and back?

TPC-H's ``lineitem`` goes out of a DuckDB file through a node into PostgreSQL, and from there through a node into a new
DuckDB file, in a recorded `materialize` each, for every type that streams. Each move is a process of its own; its peak
of resident memory, with everything it has loaded, is compared with the limit of 1.5 GB. DuckDB is told how much of a
file it may keep in memory, which it would otherwise keep as long as there is room. What came back is compared with what
went out. ``streaming.py [rows [way …]]``, six million rows and all ways by default; 60 million need 50 GB of disk.
Prints a table and JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure.server import cpu_of, server
from measure.tpch import lineitem_file

ROWS_PER_SCALE = 6_000_000
LIMIT_MB = 1_500
OPTIONS = "?memory_limit=512MB"
"""What the DuckDB files are opened with."""
WAYS = ("RecordBatchReader", "Iterator[DataFrame]", "LazyFrame", "DuckDBPyRelation")


def node_of(way: str) -> Callable[..., Any]:
    """Return a node that takes and gives all rows in one way."""
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    def whole(given: Any) -> Any:
        return given

    def frames(given: Any) -> Any:
        yield from given

    def lazy(given: Any) -> Any:
        return given.filter(pl.col("l_orderkey") > 0)

    def relation(given: Any) -> Any:
        return given.filter("l_orderkey > 0")

    functions: dict[str, tuple[Callable[..., Any], Any]] = {
        "RecordBatchReader": (whole, pa.RecordBatchReader),
        "Iterator[DataFrame]": (frames, Iterator[pd.DataFrame]),
        "LazyFrame": (lazy, pl.LazyFrame),
        "DuckDBPyRelation": (relation, duckdb.DuckDBPyRelation),
    }
    function, type_ = functions[way]
    function.__name__, function.__annotations__ = "moved", {"given": type_, "return": type_}
    return function


def move(way: str, source: str, target: str, metadata: str) -> None:
    """Move the table in this process, and print what it took."""
    from engine.ad_hoc_utils import create_temporary_module
    from engine.driver import Builder
    from engine.io.materialization import from_, to

    start = time.perf_counter()
    module = create_temporary_module(node_of(way))
    with Builder().with_modules(module).with_warehouse(target).with_metadata(metadata).build() as driver:
        saved, _ = driver.materialize(
            from_.table(target="given", table="lineitem", warehouse=source),
            to.table(id="kept", dependencies=["moved"], table="lineitem"),
        )
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak_mb = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    found = {"rows": saved["kept"]["sql_metadata"]["rows"], "peak_mb": round(peak_mb)}
    found |= {"wall_s": round(time.perf_counter() - start, 1), "cpu_s": round(used.ru_utime + used.ru_stime, 1)}
    print(json.dumps(found))


def in_process(*words: str) -> str:
    """Run this script for one task in a process of its own, and return the last line it prints."""
    done = subprocess.run([sys.executable, __file__, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip().rpartition("\n")[2]


def fill(path: str, rows: str) -> None:
    """Put the rows into a new DuckDB file, and print how many there are: a scale has a few less than it says."""
    import duckdb

    rows_file = lineitem_file(-(-int(rows) // ROWS_PER_SCALE))
    with duckdb.connect(path) as connection:
        connection.execute(f"CREATE TABLE lineitem AS FROM '{rows_file}' LIMIT {int(rows)}")
        print(connection.execute("SELECT count(*) FROM lineitem").fetchall()[0][0])


def digest(path: str) -> None:
    """Print what two files with equal rows have in common."""
    import duckdb

    with duckdb.connect(path, read_only=True) as connection:
        described = connection.sql("SELECT column_name, column_type FROM (DESCRIBE lineitem)").fetchall()
        rows = connection.sql("SELECT count(*), sum(hash(l)) FROM lineitem AS l").fetchall()
    print(json.dumps([described, [str(value) for value in rows[0]]]))


def measured(way: str, uri: str, scratch: Path, server_cpu: Callable[[], float]) -> Iterator[dict[str, Any]]:
    """Move the table out and back, and yield what each of the two took."""
    there, back = scratch / "source.duckdb", scratch / "back.duckdb"
    back_way = "RecordBatchReader" if way == "DuckDBPyRelation" else way  # PostgreSQL has no relations
    metadata = f"sqlite:///{scratch}/metadata.db"
    for route, words in {
        "DuckDB → PostgreSQL": (way, f"duckdb:///{there}{OPTIONS}", uri),
        "PostgreSQL → DuckDB": (back_way, uri, f"duckdb:///{back}{OPTIONS}"),
    }.items():
        before = server_cpu()
        took = json.loads(in_process("move", *words, metadata))
        yield {"way": words[0], "route": route} | took | {"server_cpu_s": round(server_cpu() - before, 1)}
    assert in_process("digest", str(back)) == in_process("digest", str(there)), f"{way} changed the rows"
    back.unlink()


def main() -> int:
    """Measure, print, and return 1 where a move takes more than the limit."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS_PER_SCALE
    found: list[dict[str, Any]] = []
    print(f"{rows:,} rows, limit {LIMIT_MB} MB\n\n| way | from → to | peak MB | wall s | CPU s | server's CPU s |")
    print("|---|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder, server() as (uri, data):
        rows = int(in_process("fill", f"{folder}/source.duckdb", str(rows)))
        for way in sys.argv[2:] or WAYS:
            for one in measured(way, uri, Path(folder), cpu_of(data)):
                print(
                    "| {way} | {route} | {peak_mb:,} | {wall_s} | {cpu_s} | {server_cpu_s} |".format(**one), flush=True
                )
                found.append(one)
    assert all(one["rows"] in {rows, None} for one in found), found
    print(json.dumps({"benchmark": "streaming", "rows": rows, "limit_mb": LIMIT_MB, "cases": found}))
    return int(any(one["peak_mb"] > LIMIT_MB for one in found))


if __name__ == "__main__":
    tasks: dict[str, Callable[..., None]] = {"move": move, "fill": fill, "digest": digest}
    if len(sys.argv) > 1 and sys.argv[1] in tasks:
        tasks[sys.argv[1]](*sys.argv[2:])
    else:
        sys.exit(main())
