"""Deciding asks each database the same number of questions, however many outputs there are."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from engine.dialects.duckdb.dialect import DuckDB
from engine.io.materialization import from_, to
from tests.fixtures.dataflows import run_sql, states

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tests.fixtures.dataflows import Project

NODES = 1_000
ASKING = {getattr(DuckDB, name).__code__ for name in ("run", "read", "tables", "views", "schema", "checksum")}


def flow(outputs: int) -> str:
    """Return nodes in chains, one per output, each chain ending in a frame."""
    lines = ["import polars as pl\n"]
    for chain in range(outputs):
        before = "number"
        for place in range(NODES // outputs - 1):
            name = f"n{chain}_{place}"
            lines.append(f"def {name}({before}: int) -> int:\n    return {before}\n")
            before = name
        lines.append(
            f"def frame_{chain}({before}: int) -> pl.DataFrame:\n    return pl.DataFrame({{'n': [{before}]}})\n"
        )
    return "\n".join(lines)


KEPT = ("made", "copied")


def copies(outputs: int) -> str:
    """Return, per output, a node that makes a frame and one that copies a loaded one."""
    text = """
def made_{0}() -> pl.DataFrame:
    return pl.DataFrame({{'n': [{0}]}})

def copied_{0}(loaded_{0}: pl.DataFrame) -> pl.DataFrame:
    return loaded_{0}
"""
    return "import polars as pl\n" + "".join(map(text.format, range(outputs)))


def questions(work: Callable[[], Any]) -> Counter[str]:
    """Count what a piece of work asks: statements on the metadata, calls of the warehouse's dialect by name."""
    asked: Counter[str] = Counter()

    def note_metadata(*_: Any) -> None:
        asked["metadata"] += 1

    def note_warehouse(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in ASKING:
            asked[frame.f_code.co_name] += 1

    sa.event.listen(sa.Engine, "before_cursor_execute", note_metadata)
    sys.setprofile(note_warehouse)
    try:
        work()
    finally:
        sys.setprofile(None)
        sa.event.remove(sa.Engine, "before_cursor_execute", note_metadata)
    return asked


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_plan_asks_the_same_number_of_questions(make_project: Any, tmp_path: Any, mode: str) -> None:
    """A plan over ten outputs and one over a hundred ask the metadata and the warehouse as often."""
    seen = []
    for outputs in (10, 100):
        project: Project = make_project(f"duckdb:///{tmp_path}/{outputs}.duckdb")
        project.metadata = f"sqlite:///{tmp_path}/{outputs}.db"
        project.write("flow", flow(outputs))
        tables = [
            to.table(id=f"table_{i}", dependencies=[f"frame_{i}"], table=f"t{i}", mode=mode) for i in range(outputs)
        ]
        driver = project.driver(*tables)
        missing = questions(lambda driver=driver: driver.plan(inputs={"number": 1}))
        assert set(states(driver.refresh(inputs={"number": 1})).values()) == {"built"}
        fresh = questions(lambda driver=driver: driver.plan(inputs={"number": 1}))
        again = questions(lambda driver=driver: driver.refresh(inputs={"number": 1}))
        assert all(counted["metadata"] and counted["tables"] for counted in (missing, fresh, again))
        seen.append([missing, fresh, again])
        if mode == "replace":  # appended rows stay, so that each table is looked through for its new recipe
            seen[-1].append(questions(lambda driver=driver: driver.plan(inputs={"number": 2})))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("is_own", [True, False], ids=["the engine's", "another's"])
def test_sources_are_asked_about_together(make_project: Any, tmp_path: Any, *, is_own: bool) -> None:
    """What the ledger says of tables that are loaded is asked once for all; only another's table is looked into."""
    seen = []
    for outputs in (2, 12):
        url = f"duckdb:///{tmp_path}/{outputs}.duckdb"
        project: Project = make_project(url)
        project.metadata = f"sqlite:///{tmp_path}/{outputs}.db"
        run_sql(url, *(f"CREATE TABLE s{i} AS SELECT {i} AS n" for i in range(outputs)))
        project.write("flow", copies(outputs))
        requests: list[Any] = []
        for i in range(outputs):
            loaded = from_.table(target=f"loaded_{i}", table=f"m{i}" if is_own else f"s{i}")
            kept = [
                to.table(id=f"{node}_table_{i}", dependencies=[f"{node}_{i}"], table=f"{node[0]}{i}") for node in KEPT
            ]
            requests += [loaded, *kept]
        driver = project.driver(*requests)
        assert set(states(driver.refresh()).values()) == {"built"}
        fresh, again = questions(driver.plan), questions(driver.refresh)
        assert driver.plan().is_empty
        for counted in (fresh, again):
            assert counted["checksum"] == counted["schema"] == (0 if is_own else outputs)
            if not is_own:
                for look in ("checksum", "schema", "tables"):
                    del counted[look]
        seen.append((fresh, again))
    assert seen[0] == seen[1]
