"""What grows must not break: long chains, wide layers, two runs at once."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from engine.driver import Builder
from engine.errors import InputError
from engine.io.tables import TableLoader

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 100_000
CHUNK = 1_000
"""Functions compiled at once: the time of one text grows faster than its length."""


@pytest.fixture(scope="module")
def chain() -> types.ModuleType:
    """A module of 100,000 functions, each of which reads the one before."""
    module = types.ModuleType("chain")
    exec("def n0(start: int) -> int: return start", module.__dict__)  # noqa: S102 - our own text
    for first in range(1, LENGTH, CHUNK):
        names = range(first, min(first + CHUNK, LENGTH))
        lines = [f"def n{i}(n{i - 1}: int) -> int: return n{i - 1} + 1\n" for i in names]
        exec("".join(lines), module.__dict__)  # noqa: S102 - our own text
    return module


def test_a_chain_of_a_hundred_thousand_nodes_runs(chain: types.ModuleType) -> None:
    """Building, checking and executing walk the graph without recursion."""
    driver = Builder().with_modules(chain).build()
    last = f"n{LENGTH - 1}"
    assert driver.execute([last], inputs={"start": 1}) == {last: LENGTH}
    assert len(driver.what_is_upstream_of(last)) == LENGTH + 1
    with pytest.raises(InputError, match="start"):
        driver.validate_execution([last])


RUN = """
import sys
import polars as pl
from engine.ad_hoc_utils import create_temporary_module
from engine.driver import Builder
from engine.io.materialization import to


def appended(who: int) -> pl.DataFrame:
    return pl.DataFrame({"who": [who]})


def replaced(who: int) -> pl.DataFrame:
    return pl.DataFrame({"who": [who] * 1000})


warehouse, metadata, who = sys.argv[1], sys.argv[2], int(sys.argv[3])
requests = (
    to.table(id="appended_table", dependencies=["appended"], table="appended", mode="append"),
    to.table(id="replaced_table", dependencies=["replaced"], table="replaced"),
)
builder = Builder().with_modules(create_temporary_module(appended, replaced)).with_materializers(*requests)
with builder.with_warehouse(warehouse).with_metadata(metadata, project="two").build() as driver:
    result = driver.refresh(inputs={"who": who})
    print(result.summary())
    for output in result.outputs:
        if output.error is not None:
            raise output.error
"""


@pytest.mark.parametrize("whom", [(1, 2), (3, 3)])
def test_two_runs_at_once_both_succeed(warehouse_url: str, tmp_path: Path, whom: tuple[int, int]) -> None:
    """Two processes that write the same tables at once take turns; nothing is lost, and no recipe is appended twice."""
    metadata = warehouse_url if warehouse_url.startswith("postgresql") else f"sqlite:///{tmp_path}/metadata.db"
    script = tmp_path / "run.py"
    script.write_text(RUN)
    processes = [
        subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, str(script), warehouse_url, metadata, str(who)],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for who in whom
    ]
    for process in processes:
        _, stderr = process.communicate(timeout=90)
        assert process.returncode == 0, stderr[-3000:]

    def column(table: str) -> list[Any]:
        from pyarrow import Table

        return sorted(TableLoader(table, warehouse=warehouse_url).load_data(Table)[0]["who"].to_pylist())

    assert column("appended") == sorted(set(whom))
    assert len(column("replaced")) == 1000
    assert len(set(column("replaced"))) == 1
