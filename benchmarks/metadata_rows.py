"""How long does it take to record a run of 1,000 nodes and 100 outputs, and how much does it add to the file?

Told to a SQLite file as a run tells it: declared, recorded, applied, ended; then again with the same code. The limit is
1 ms per node for the runs after the first. Prints one line and one JSON object; a URL as the argument asks another
database.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine.identifiers import new_id
from engine.metadata.records import (
    CodeUnit,
    Dataset,
    DatasetVersion,
    NodeRun,
    NodeRunState,
    NodeVersion,
    Reason,
    Run,
    RunState,
)
from engine.metadata.store import MetadataStore

NODES, OUTPUTS, UNITS = 1_000, 100, 3
REPEATS = 5
"""The best counts: the others tell of the machine's other work."""
LIMIT_S = NODES * 0.001


def record_run(store: MetadataStore, seq: int) -> float:
    """Record one run, and return the seconds it took."""
    now, run_id, ids = dt.datetime.now(dt.UTC), new_id(), [new_id() for _ in range(NODES)]
    savers = range(NODES - OUTPUTS, NODES)
    code = [
        NodeVersion(
            name=f"n{i}",
            kind="saver" if i in savers else "function",
            code_version=f"c{i}",
            scheme=1,
            units=tuple(_unit((i + j) % NODES) for j in range(UNITS)),
        )
        for i in range(NODES)
    ]
    reasons = (Reason(code="code", subject="f"),)
    intents = [_node_run(run_id, ids, i, NodeRunState.RUNNING, reasons) for i in savers]
    done = [_node_run(run_id, ids, i, NodeRunState.SUCCESS, ()) for i in range(NODES)]
    versions = [_version(run_id, ids[i], i, seq, now) for i in savers]
    start = time.perf_counter()
    store.start_run(Run(run_id=run_id, project="p", mode="materialize", started_at=now))
    store.declare(run_id, code, intents)
    store.record(done)
    store.apply(versions)
    store.end_run(run_id, RunState.COMPLETE, built=OUTPUTS, fresh=0, failed=0, error=None)
    return time.perf_counter() - start


def _unit(number: int) -> CodeUnit:
    text = f"def f{number}(x):\n" + "    x = x + 1\n" * 20
    return CodeUnit(
        unit_hash=f"u{number}", kind="function", qualname=f"f{number}", reference=f"h.f{number}", source=text
    )


def _node_run(run_id: str, ids: list[str], i: int, state: NodeRunState, reasons: tuple[Reason, ...]) -> NodeRun:
    edges = tuple((ids[k], f"p{k}") for k in range(max(0, i - 2), i))
    return NodeRun(
        node_run_id=ids[i],
        run_id=run_id,
        node=f"n{i}",
        state=state,
        duration_s=0.1,
        rows=10,
        edges=edges,
        reasons=reasons,
    )


def _version(run_id: str, node_run_id: str, i: int, seq: int, now: dt.datetime) -> DatasetVersion:
    manifest = {"units": {f"module.f{k}": "0123456789abcdef" for k in range(50)}}
    return DatasetVersion(
        version_id=new_id(),
        dataset=Dataset(namespace="ns", name=f"table{i}", dataset_type="table"),
        seq=seq,
        token_kind="ledger",  # noqa: S106 - not a password
        token=f"t{seq}",
        run_id=run_id,
        node_run_id=node_run_id,
        recipe_version=f"r{i}",
        committed_at=now,
        schema_hash=f"s{i}",
        row_count=10,
        record={"project": "p", "node": f"n{i}", "recipe": manifest, "columns": [["a", "INT", True]] * 10},
    )


def main() -> int:
    """Measure, print, and return 1 where the limit is broken."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metadata.db"
        store = MetadataStore(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{path}")
        store.runs(None)
        first = record_run(store, 1)
        before = path.stat().st_size if path.exists() else 0
        again = min(record_run(store, 2 + n) for n in range(REPEATS))
        per_run = (path.stat().st_size - before) // REPEATS if path.exists() else 0
        store.close()
    print(
        f"record of {NODES} nodes and {OUTPUTS} outputs: first {first:.2f} s, again {again:.2f} s of {LIMIT_S:.2f}, "
        f"{per_run / 1000:.0f} kB per run"
    )
    result = {"first_s": round(first, 3), "again_s": round(again, 3), "limit_s": LIMIT_S, "bytes_per_run": per_run}
    print(json.dumps({"benchmark": "metadata_rows", **result}))
    return int(again > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
