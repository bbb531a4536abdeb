"""How fast do rows get into a DuckDB file and out of it, compared with DuckDB alone?

TPC-H's ``lineitem`` (16 columns). Writing is a new table in a new file with content hash and ledger row; its limit is
DuckDB's ``CREATE TABLE AS`` from its own memory. Reading is compared with ``to_arrow_table``, converted by the library
itself. ``duckdb_transfers.py [rows]``, two million by default. Prints tables and JSON.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from measure.timing import Case, fails, measure, results, table
from measure.tpch import lineitem

from engine.frames.pandas import Pandas
from engine.io.tables import TableLoader, TableSaver

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 2_000_000
FILE = 1.05
"""How much larger than the limit's the file may be."""


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


def saving(frame: Any, folder: Path) -> Callable[[], int]:
    """Return what saves a frame as the table of a new file, and gives the file's size."""

    def save() -> int:
        path = emptied(folder) / "w.duckdb"
        TableSaver("lineitem", warehouse=f"duckdb:///{path}").save_data(frame)
        return path.stat().st_size

    return save


def reads(path: Path) -> list[Case]:
    """Return the ways to read the table of a file."""

    def own() -> pa.Table:
        with duckdb.connect(str(path)) as connection:
            return connection.sql("SELECT * FROM lineitem").to_arrow_table()

    def load(type_: type) -> Callable[[], Any]:
        return lambda: TableLoader("lineitem", warehouse=f"duckdb:///{path}").load_data(type_)

    return [
        Case("limit: to_arrow_table", own),
        Case("limit: to_arrow_table, then polars", lambda: pl.from_arrow(own())),
        Case("limit: to_arrow_table, then pandas", lambda: own().to_pandas()),
        Case("Arrow", load(pa.Table), "limit: to_arrow_table", least=0.8),
        Case("polars", load(pl.DataFrame), "limit: to_arrow_table, then polars", least=0.8),
        Case("pandas", load(pd.DataFrame), "limit: to_arrow_table, then pandas", least=0.8),
    ]


def main() -> int:
    """Measure, print, and return 1 where a limit is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    rows, floats = (_as_text(lineitem(count, decimals=decimals)) for decimals in (True, False))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "files"
        pandas = Pandas().from_arrow(floats.to_reader(), pd.DataFrame)
        writes = [
            Case("limit: CREATE TABLE AS, decimals", copying(rows, folder)),
            Case("limit: CREATE TABLE AS, floats", copying(floats, folder)),
            Case("from Arrow, decimals", saving(rows, folder), "limit: CREATE TABLE AS, decimals", least=0.95),
            Case("from pandas, floats", saving(pandas, folder), "limit: CREATE TABLE AS, floats", least=0.9),
            Case(
                "from polars, decimals",
                saving(pl.DataFrame(rows), folder),
                "limit: CREATE TABLE AS, decimals",
                least=0.85,
            ),
        ]
        measure(writes)
        size = saving(rows, folder)() / copying(rows, folder)()
        saving(floats, folder)()
        back = reads(folder / "w.duckdb")
        measure(back)
    print(f"{count:,} rows to DuckDB {duckdb.__version__}\n\n{table(writes)}\n\n{count:,} rows back\n\n{table(back)}")
    print(f"the file is {size:.2f} of the limit's; at most {FILE}")
    print(json.dumps({"rows": count, "file": round(size, 3), "write": results(writes), "read": results(back)}))
    return int(fails(writes) or fails(back) or size > FILE)


def _as_text(rows: pa.Table) -> pa.Table:
    """Return the rows with plain texts and in one piece, as a dataflow would have them."""
    fields = [f.with_type(pa.string()) if pa.types.is_string_view(f.type) else f for f in rows.schema]
    return rows.cast(pa.schema(fields)).combine_chunks()


if __name__ == "__main__":
    sys.exit(main())
