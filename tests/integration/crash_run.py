"""A process that is killed at one joint of the commit protocol, again and again, and healed by a plain run each time.

Run by ``test_crash.py`` with a warehouse URL, a metadata URL and a write mode; prints one line of JSON per joint.
Children are forked before any library starts threads; each is a run of its own, and each first one dies of SIGKILL.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from engine.ad_hoc_utils import create_temporary_module
from engine.dialects import dialect_of
from engine.dialects.ledger import Ledger
from engine.driver import Builder
from engine.execution.recorder import Recorder
from engine.io.materialization import to
from engine.metadata.store import MetadataStore

if TYPE_CHECKING:
    from collections.abc import Callable

WAREHOUSE, METADATA, MODE = sys.argv[1:4] if __name__ == "__main__" else ("", "", "")
# Imported once here, not in every child.
LIBRARIES = (
    "alembic.command",
    "duckdb",
    "engine.frames.duckdb",
    "engine.frames.hashing",
    "engine.frames.polars",
    "engine.frames.sqlalchemy",
    "pgpq",
    "psycopg",
    "sqlalchemy.dialects.postgresql",
)


def first(step: int) -> pl.DataFrame:
    """One row that says which step wrote it."""
    if os.environ.get("JOINT") == "node":
        die()
    return pl.DataFrame({"key": [1], "step": [step]})


def second(step: int) -> pl.DataFrame:
    """Another output, after the first."""
    return pl.DataFrame({"step": [step, step]})


def die() -> None:
    """End as a process ends whose machine lost patience."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying(owner: Any, name: str, *, after: bool) -> None:
    """Make a method kill the process before or after it does its work."""
    original: Callable[..., Any] = getattr(owner, name)

    def method(*args: Any, **kwargs: Any) -> Any:
        if not after:
            die()
        original(*args, **kwargs)
        die()

    setattr(owner, name, method)


def arm(joint: str) -> None:
    """Set the trap for a joint of the protocol."""
    os.environ["JOINT"] = joint
    dialect = type(dialect_of(WAREHOUSE))
    traps: dict[str, Callable[[], None]] = {
        "node": lambda: None,
        "before intent": lambda: dying(MetadataStore, "declare", after=False),
        "after intent": lambda: dying(MetadataStore, "declare", after=True),
        "staged": lambda: dying(dialect, "publish", after=False),
        "published": lambda: dying(dialect, "publish", after=True),
        "ledger written": lambda: dying(Ledger, "insert", after=True),
        "committed": lambda: dying(Recorder, "commit", after=False),
        "recorded": lambda: dying(MetadataStore, "apply", after=True),
    }
    traps[joint]()


def refresh(step: int) -> dict[str, Any]:
    """Bring both outputs up to date, as a plain run does."""
    keys = {"upsert": ["key"], "delete_insert": ["key"]}.get(MODE, [])
    requests = (
        to.table(id="first_table", dependencies=["first"], table="first", mode=MODE, keys=keys),
        to.table(id="second_table", dependencies=["second"], table="second"),
    )
    builder = Builder().with_modules(create_temporary_module(first, second))
    builder = builder.with_warehouse(WAREHOUSE).with_metadata(METADATA, project="crash").with_materializers(*requests)
    with builder.build() as driver:
        result = driver.refresh(inputs={"step": step})
        return {o.name: o.state if o.error is None else repr(o.error) for o in result.outputs}


def look() -> dict[str, Any]:
    """Say what the tables, the ledger and the metadata hold."""
    dialect, url = dialect_of(WAREHOUSE), sa.make_url(WAREHOUSE)
    connection = dialect.connect(url, wait_s=5)
    ledger = "_engine_ledger" if dialect.traits.name == "sqlite" else "_engine._engine_ledger"
    with dialect.transaction(connection, write=False):
        found = {
            "steps": sorted(row[0] for row in dialect.run(connection, "SELECT step FROM first")),
            "heads": dict(dialect.run(connection, f"SELECT dataset, MAX(seq) FROM {ledger} GROUP BY dataset")),
            "tables": sorted(t.name for t in dialect.table_names(connection) if not t.schema.startswith("engine")),
        }
    dialect.close(connection)
    store = MetadataStore(METADATA, read_only=True)
    _, found["runs"] = store.query("SELECT state, COUNT(*) FROM run GROUP BY state")
    _, found["live"] = store.query(
        "SELECT name, seq FROM dataset_version v JOIN dataset d ON d.dataset_id = v.dataset_id WHERE state = 'live'"
    )
    store.close()
    return found


def heal(step: int) -> dict[str, Any]:
    """Run twice as anybody would, and look."""
    return {"healed": refresh(step), "again": refresh(step), **look()}


def in_child(work: Callable[[], Any]) -> Any:
    """Do the work in a forked process; return what it returns, or the signal that killed it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            answer = work()
        except BaseException as error:  # noqa: BLE001 - told to the parent
            answer = {"error": repr(error)}
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    text = b""
    while part := os.read(reader, 65_536):
        text += part
    os.close(reader)
    _, status = os.waitpid(child, 0)
    return json.loads(text) if text else {"signal": os.WTERMSIG(status)}


JOINTS = ("before intent", "after intent", "node", "staged", "published", "ledger written", "committed", "recorded")


def main() -> None:
    """Kill and heal at every joint."""
    for library in LIBRARIES:
        importlib.import_module(library)
    print(json.dumps({"joint": "first run"} | in_child(lambda: heal(0))), flush=True)  # noqa: T201
    for step, joint in enumerate(JOINTS, start=1):
        died = in_child(lambda joint=joint, step=step: (arm(joint), refresh(step)))
        after = in_child(lambda step=step: heal(step))
        print(json.dumps({"joint": joint, "step": step, "died": died} | after), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
