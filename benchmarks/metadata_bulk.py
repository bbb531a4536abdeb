"""How long do 4,000 rows of the metadata take, on SQLite and on PostgreSQL?

A thousand node runs with three edges each, written by the store in its one transaction, beside the database's own way
with the same rows in tuples or text that stand ready, the same tables, keys, indexes and one commit: ``executemany`` of
sqlite3, ``COPY`` of psycopg. To reach are 20 ms, by the clock, in the best round: the others tell of other
work on the machine. Prints two lines and one JSON object.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psycopg
from measure.server import cpu_of, server

from engine.identifiers import new_id
from engine.metadata.records import NodeRun, NodeRunState, NodeVersion, Run
from engine.metadata.store import MetadataStore

if TYPE_CHECKING:
    from collections.abc import Callable

NODES, EDGES = 1_000, 3
ROUNDS = 10
LIMIT_S = 0.020
TABLES = ("node_run", "node_run_edge")
CODE = [NodeVersion(name=f"n{i}", kind="function", code_version=f"c{i}", scheme=1, units=()) for i in range(NODES)]


def begin_run(store: MetadataStore) -> list[NodeRun]:
    """Start a run, and return what its nodes came to."""
    now, run_id, ids = dt.datetime.now(dt.UTC), new_id(), [new_id() for _ in range(NODES)]
    store.start_run(Run(run_id=run_id, project="p", mode="materialize", started_at=now))
    store.declare(run_id, CODE, [])
    return [
        NodeRun(
            node_run_id=ids[i],
            run_id=run_id,
            node=f"n{i}",
            state=NodeRunState.SUCCESS,
            started_at=now,
            ended_at=now,
            duration_s=0.1,
            rows=10,
            edges=tuple((ids[i - k], f"p{k}") for k in range(1, EDGES + 1)),
        )
        for i in range(NODES)
    ]


def taken_out(raw: Any, run_id: str) -> list[list[tuple[Any, ...]]]:
    """Take the rows of a run out of the database, and return them by table."""
    own = f"(SELECT node_run_id FROM node_run WHERE run_id = '{run_id}')"
    rows = [raw.execute(f"SELECT * FROM {table} WHERE node_run_id IN {own}").fetchall() for table in TABLES]
    raw.execute(f"DELETE FROM node_run_edge WHERE node_run_id IN {own}")
    raw.execute(f"DELETE FROM node_run WHERE run_id = '{run_id}'")
    raw.commit()
    return rows


def write_sqlite(raw: sqlite3.Connection, rows: list[list[tuple[Any, ...]]]) -> float:
    """Write the rows as sqlite3 does it; return the seconds it took."""
    start = time.perf_counter()
    for table, of_table in zip(TABLES, rows, strict=True):
        raw.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(of_table[0]))})", of_table)
    raw.commit()
    return time.perf_counter() - start


def write_postgresql(raw: psycopg.Connection[Any], rows: list[list[tuple[Any, ...]]]) -> float:
    """Write the rows by COPY; return the seconds it took."""
    texts = [
        "".join("\t".join(r"\N" if value is None else str(value) for value in row) + "\n" for row in of_table)
        for of_table in rows
    ]
    start = time.perf_counter()
    for table, text in zip(TABLES, texts, strict=True):
        with raw.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copying:
            copying.write(text)
    raw.commit()
    return time.perf_counter() - start


def compare(
    url: str, raw: Any, write: Callable[[Any, list[list[tuple[Any, ...]]]], float], server_cpu: Callable[[], float]
) -> dict[str, float]:
    """Measure both in turn; return the best seconds of each, and the CPU seconds of the engine's with its server's."""
    own, ours, cpu = [], [], 0.0
    with closing(MetadataStore(url)) as store, closing(raw):
        store.runs(None)
        for _ in range(ROUNDS):
            done = begin_run(store)
            store.record(done)
            own.append(write(raw, taken_out(raw, done[0].run_id)))
            done = begin_run(store)
            cpu -= time.process_time() + server_cpu()
            start = time.perf_counter()
            store.record(done)
            ours.append(time.perf_counter() - start)
            cpu += time.process_time() + server_cpu()
    return {"engine_s": min(ours), "own_s": min(own), "ratio": min(own) / min(ours), "engine_cpu_s": cpu / ROUNDS}


def sqlite() -> dict[str, float]:
    """Compare on a SQLite file, whose writers both wait for the disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metadata.db"
        raw = sqlite3.connect(path)
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA synchronous = FULL")
        return compare(f"sqlite:///{path}", raw, write_sqlite, lambda: 0.0)


def postgresql() -> dict[str, float]:
    """Compare on a PostgreSQL server of its own."""
    with server() as (url, folder):
        raw = psycopg.connect(url, options="-c search_path=engine")
        return compare(url, raw, write_postgresql, cpu_of(folder))


def main() -> int:
    """Measure, print, and return 1 where the limit is broken."""
    found = {"sqlite": sqlite(), "postgresql": postgresql()}
    for name, figures in found.items():
        print(
            f"{NODES * (1 + EDGES):,} rows of metadata, {name}: {figures['engine_s'] * 1000:.0f} ms of "
            f"{LIMIT_S * 1000:.0f} (CPU {figures['engine_cpu_s'] * 1000:.0f}), the database's own way "
            f"{figures['own_s'] * 1000:.0f} ms: {figures['ratio']:.2f} of its speed"
        )
    rounded = {name: {key: round(value, 4) for key, value in figures.items()} for name, figures in found.items()}
    print(json.dumps({"benchmark": "metadata_bulk", "limit_s": LIMIT_S, **rounded}))
    return int(any(figures["engine_s"] > LIMIT_S for figures in found.values()))


if __name__ == "__main__":
    sys.exit(main())
