"""How fast do rows get into a SQLite file and out of it, compared with Python's sqlite3?

300,000 rows of TPC-H's ``lineitem`` with floats. The limits are ``executemany`` of rows that stand ready, in one
transaction, and ``fetchall``; both leave out every conversion. Prints tables and JSON.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pandas as pd
import polars as pl
import pyarrow as pa
from measure.timing import Case, measure, results, table
from measure.tpch import lineitem

from engine.io.tables import TableLoader, TableSaver

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 300_000


def executing(rows: pa.Table, path: Path) -> Callable[[], None]:
    """Return what writes rows that stand ready by ``executemany``."""
    fields = [f.with_type(pa.string()) if pa.types.is_date(f.type) else f for f in rows.schema]
    ready = list(zip(*(column.to_pylist() for column in rows.cast(pa.schema(fields)).columns), strict=True))
    names, marks = ", ".join(rows.column_names), ", ".join("?" * rows.num_columns)

    def write() -> None:
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"CREATE TABLE lineitem ({names})")
            connection.executemany(f"INSERT INTO lineitem VALUES ({marks})", ready)

    return write


def main() -> None:
    """Measure and print."""
    rows = lineitem(ROWS, decimals=False)
    frame = pl.DataFrame(rows)
    with tempfile.TemporaryDirectory() as folder:
        own, path = Path(folder) / "own.sqlite", Path(folder) / "w.sqlite"

        def save(frame: Any) -> Callable[[], None]:
            def run() -> None:
                path.unlink(missing_ok=True)
                TableSaver("lineitem", warehouse=f"sqlite:///{path}").save_data(frame)

            return run

        def fetch() -> list[Any]:
            with closing(sqlite3.connect(own)) as connection:
                return connection.execute("SELECT * FROM lineitem").fetchall()

        def load(type_: type) -> Callable[[], Any]:
            return lambda: TableLoader("lineitem", warehouse=f"sqlite:///{path}").load_data(type_)

        writes = [
            Case("limit: executemany", executing(rows, own)),
            Case("pandas", save(frame.to_pandas()), "limit: executemany", least=1.5),
            Case("polars", save(frame), "limit: executemany", least=1.5),
        ]
        measure(writes)
        back = [
            Case("limit: fetchall", fetch),
            Case("polars", load(pl.DataFrame), "limit: fetchall", least=2.0),
            Case("pandas", load(pd.DataFrame), "limit: fetchall", least=2.0),
            Case(
                "pandas.read_sql", lambda: pd.read_sql("SELECT * FROM lineitem", f"sqlite:///{own}"), "limit: fetchall"
            ),
        ]
        measure(back)
    print(f"{ROWS:,} rows to SQLite {sqlite3.sqlite_version}\n\n{table(writes)}\n\n{ROWS:,} rows back\n\n{table(back)}")
    print(json.dumps({"rows": ROWS, "write": results(writes), "read": results(back)}))


if __name__ == "__main__":
    main()
