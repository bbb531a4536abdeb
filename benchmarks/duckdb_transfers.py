"""How fast do rows get into a DuckDB file and out of it, compared with DuckDB alone?

TPC-H's ``lineitem`` (16 columns). Writing is a new table in a new file with content hash and ledger row, or the replace
of a table by other rows; its limit is DuckDB's ``CREATE TABLE AS`` from its own memory. Reading is compared with
``to_arrow_table``, and beside it with the same converted by the library itself; each case begins with all free memory
given back, as the first load of a process does. ``duckdb_transfers.py [rows]``, one
million by default; 6001215 are TPC-H's at scale 1. Prints tables and JSON.
"""

from __future__ import annotations

import collections
import functools
import itertools
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from measure.memory import give_back
from measure.timing import Case, fails, measure, results, table
from measure.tpch import lineitem

from engine.frames import library_of
from engine.frames.base import BATCH_ROWS
from engine.frames.hashing import hashed
from engine.frames.pandas import Pandas
from engine.io.tables import TableLoader, TableSaver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROWS = 1_000_000
FILE = 1.05
"""How much larger than the limit's the file may be."""
HASH = 0.1
"""How large a part of a save's CPU time the content hash may take."""


def emptied(folder: Path) -> Path:
    """Return the folder without what was in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def copying(rows: pa.Table, folder: Path) -> Callable[[], int]:
    """Return what copies a table from DuckDB's memory into a new file, and gives the file's size."""
    memory = duckdb.connect()
    memory.register("given", rows)
    memory.execute("CREATE TABLE source AS SELECT * FROM given")

    def copy() -> int:
        path = emptied(folder) / "own.duckdb"
        memory.execute(f"ATTACH '{path}' AS target")
        memory.execute("CREATE TABLE target.lineitem AS SELECT * FROM source")
        memory.execute("DETACH target")
        return path.stat().st_size

    return copy


def scanning(rows: pa.Table, folder: Path) -> Callable[[], None]:
    """Return what lets DuckDB write a table of Arrow batches by itself, without hash, ledger or anything else."""

    def scan() -> None:
        path = emptied(folder) / "scanned.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.register("given", rows.to_reader(max_chunksize=BATCH_ROWS))
            connection.execute("CREATE TABLE lineitem AS SELECT * FROM given")

    return scan


def saving(frame: Any, folder: Path) -> Callable[[], int]:
    """Return what saves a frame as the table of a new file, and gives the file's size."""

    def save() -> int:
        path = emptied(folder) / "w.duckdb"
        TableSaver("lineitem", warehouse=f"duckdb:///{path}").save_data(frame)
        return path.stat().st_size

    return save


def replacing(frames: Sequence[pa.Table], folder: Path) -> Callable[[], None]:
    """Return what replaces the rows of a table, each time by those of the next frame."""
    turns = itertools.cycle(frames)

    def replace() -> None:
        TableSaver("lineitem", warehouse=f"duckdb:///{folder}/replaced.duckdb").save_data(next(turns))

    return replace


def passing(frame: Any) -> list[Case]:
    """Return what brings a frame's rows as a save takes them, without and with their content hash."""
    library = library_of(frame)
    assert library is not None

    def drain(*, is_hashed: bool) -> None:
        rows = library.to_arrow(frame)
        collections.deque(hashed(rows)[0] if is_hashed else rows, maxlen=0)

    name = type(frame).__module__.partition(".")[0]
    return [
        Case(f"{name} as a stream", functools.partial(drain, is_hashed=False)),
        Case(f"{name} as a stream, hashed", functools.partial(drain, is_hashed=True)),
    ]


def reads(path: Path) -> list[Case]:
    """Return the ways to read the table of a file."""

    def own() -> pa.Table:
        with duckdb.connect(str(path)) as connection:
            return connection.sql("SELECT * FROM lineitem").to_arrow_table()

    def load(type_: type) -> Callable[[], Any]:
        return lambda: TableLoader("lineitem", warehouse=f"duckdb:///{path}").load_data(type_)

    return [
        Case("limit: to_arrow_table", own),
        Case("to_arrow_table, then polars.from_arrow", lambda: pl.from_arrow(own()), "limit: to_arrow_table"),
        Case("to_arrow_table, then to_pandas", lambda: own().to_pandas(), "limit: to_arrow_table"),
        Case("Arrow", load(pa.Table), "limit: to_arrow_table", least=0.8),
        Case("polars", load(pl.DataFrame), "limit: to_arrow_table", least=0.8),
        Case("pandas", load(pd.DataFrame), "limit: to_arrow_table", least=0.8),
    ]


def main() -> int:
    """Measure, print, and return 1 where a limit is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    rows, floats = (_as_text(lineitem(count, decimals=decimals)) for decimals in (True, False))
    frames = {
        "from Arrow, decimals": (rows, "limit: CREATE TABLE AS, decimals", 0.95),
        "from pandas, floats": (
            Pandas().from_arrow(floats.to_reader(), pd.DataFrame),
            "limit: CREATE TABLE AS, floats",
            0.9,
        ),
        "from polars, decimals": (pl.DataFrame(rows), "limit: CREATE TABLE AS, decimals", 0.85),
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder, other = Path(scratch) / "files", Path(scratch) / "other"
        other.mkdir()
        writes = [
            Case("limit: CREATE TABLE AS, decimals", copying(rows, folder)),
            Case("limit: CREATE TABLE AS, floats", copying(floats, folder)),
            Case("DuckDB alone from Arrow, decimals", scanning(rows, folder), "limit: CREATE TABLE AS, decimals"),
            Case("DuckDB alone from Arrow, floats", scanning(floats, folder), "limit: CREATE TABLE AS, floats"),
            *(Case(name, saving(frame, folder), limit, least=least) for name, (frame, limit, least) in frames.items()),
            Case(
                "other rows again, from Arrow", replacing([rows, rows[1:]], other), "limit: CREATE TABLE AS, decimals"
            ),
            Case("the same rows again, from Arrow", replacing([rows], other), "limit: CREATE TABLE AS, decimals"),
        ]
        measure(writes)
        passes = [case for frame, *_ in frames.values() for case in passing(frame)]
        measure(passes)
        size = saving(rows, folder)() / copying(rows, folder)()
        saving(floats, folder)()
        back = reads(folder / "w.duckdb")
        measure(back, before=give_back)
    shares = dict(zip(frames, _hash_shares([case for case in writes if case.name in frames], passes), strict=True))
    print(f"{count:,} rows to DuckDB {duckdb.__version__}\n\n{table(writes)}\n\n{count:,} rows back\n\n{table(back)}\n")
    print(f"the file is {size:.2f} of the limit's; at most {FILE}")
    print(f"the content hash is of the save {', '.join(f'{s:.1%} {n}' for n, s in shares.items())}; at most {HASH:.0%}")
    said = {"rows": count, "file": round(size, 3), "hash": shares, "write": results(writes), "read": results(back)}
    print(json.dumps(said))
    return int(fails(writes) or fails(back) or size > FILE or max(shares.values()) > HASH)


def _hash_shares(saves: Sequence[Case], passes: Sequence[Case]) -> list[float]:
    """Return which part of the CPU time of each save is that of the content hash."""
    used = [statistics.median(case.cpu_s) for case in passes]
    hashes = [with_hash - without for without, with_hash in zip(used[::2], used[1::2], strict=True)]
    return [round(own / statistics.median(save.cpu_s), 4) for own, save in zip(hashes, saves, strict=True)]


def _as_text(rows: pa.Table) -> pa.Table:
    """Return the rows with plain texts and in one piece, as a dataflow would have them."""
    fields = [f.with_type(pa.string()) if pa.types.is_string_view(f.type) else f for f in rows.schema]
    return rows.cast(pa.schema(fields)).combine_chunks()


if __name__ == "__main__":
    sys.exit(main())
