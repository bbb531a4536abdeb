"""TPC-H: the rows that transfers move, made by ``tpchgen-cli`` and kept in the system's temporary folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

CACHE = Path(tempfile.gettempdir()) / "engine-benchmarks"


def lineitem(rows: int, *, decimals: bool = True) -> pa.Table:
    """Return the first rows of TPC-H's ``lineitem`` at scale 1, which has 6,001,215.

    Args:
        rows: How many.
        decimals: Prices and the like are ``decimal(15, 2)``, as specified; otherwise floats.
    """
    batches, count = [], 0
    for batch in pq.ParquetFile(lineitem_file(1)).iter_batches(122_880):
        batches.append(batch.slice(0, rows - count))
        count += batches[-1].num_rows
        if count == rows:
            break
    table = pa.Table.from_batches(batches)
    if decimals:
        return table
    fields = [pa.field(f.name, pa.float64() if pa.types.is_decimal(f.type) else f.type) for f in table.schema]
    return table.cast(pa.schema(fields))


def lineitem_file(scale: int) -> Path:
    """Return TPC-H's ``lineitem`` at a scale as a Parquet file: 6,001,215 rows at 1, ten times as many at 10."""
    path = CACHE / ("lineitem.parquet" if scale == 1 else f"lineitem-{scale}.parquet")
    if not path.exists():
        program = shutil.which("tpchgen-cli") or shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent))
        if program is None:
            raise SystemExit("the rows are made by tpchgen-cli: python -m pip install '.[bench]'")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([program, "parquet", "-s", str(scale), "-T", "lineitem", "-o", folder], check=True)
            CACHE.mkdir(exist_ok=True)
            shutil.move(Path(folder) / "lineitem.parquet", path)
    return path
