"""Blocks in recorded runs: what their branches did is in the record, and what was saved of them is fresh or stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from engine.ad_hoc_utils import module_from_source
from engine.driver import Builder
from engine.errors import BlockError
from engine.execution.executors import (
    MultiProcessingExecutor,
    MultiThreadingExecutor,
    SynchronousLocalTaskExecutor,
    TaskExecutor,
)
from engine.io.data_adapters import DataLoader
from engine.io.materialization import from_, to
from engine.registry import register_adapter
from tests.fixtures.dataflows import ask, run_sql, states

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.dataflows import Project

FLOW = """
import polars as pl

from engine.htypes import Collect, Parallelizable


def part(parts: int) -> Parallelizable[int]:
    yield from range(parts)


def frame(part: int, factor: int) -> pl.DataFrame:
    if part == 7:
        raise ValueError("the eighth part is broken")
    return pl.DataFrame({"part": [part] * 10, "value": [part * factor] * 10})


def cleaned(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("value") >= 0)


def whole(cleaned: Collect[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema={"part": pl.Int64, "value": pl.Int64}), *cleaned])


def counted(whole: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"rows": [len(whole)]})
"""
TABLES = [to.table(id=f"{name}_table", dependencies=[name], table=name) for name in ("whole", "counted")]


@pytest.fixture(params=["synchronous", "threads", "processes"])
def blocks(project: Project, request: pytest.FixtureRequest) -> Project:
    """A project with a block, once per executor."""
    project.write("flow", FLOW)
    project.config = {"factor": 2}
    executors = {
        "synchronous": SynchronousLocalTaskExecutor,
        "threads": lambda: MultiThreadingExecutor(4),
        "processes": lambda: MultiProcessingExecutor(2),
    }
    project.executor = executors[request.param]()
    return project


NODE_RUNS = (
    "SELECT n.name, r.state, r.rows FROM node_run r JOIN node n USING (node_id) JOIN run USING (run_id) "
    "WHERE run.run_id = (SELECT max(run_id) FROM run) ORDER BY n.name"
)


def test_a_block_is_recorded_node_by_node(blocks: Project) -> None:
    """Each node of a block is one node run: its rows are those of all branches, and lineage leads through it."""
    result = blocks.driver(*TABLES).refresh(inputs={"parts": 3})
    assert states(result) == {"whole_table": "built", "counted_table": "built"}
    assert ask(blocks, NODE_RUNS) == [
        ("cleaned", "success", 30),
        ("counted", "success", 1),
        ("counted_table", "success", 1),
        ("frame", "success", 30),
        ("part", "success", None),
        ("whole", "success", 30),
        ("whole_table", "success", 30),
    ]
    edges = ask(
        blocks,
        "SELECT u.name, d.name FROM node_run_edge e JOIN node_run ur ON ur.node_run_id = e.upstream_node_run_id "
        "JOIN node u ON u.node_id = ur.node_id JOIN node_run dr ON dr.node_run_id = e.node_run_id "
        "JOIN node d ON d.node_id = dr.node_id ORDER BY 1, 2",
    )
    assert {("part", "frame"), ("frame", "cleaned"), ("cleaned", "whole")} <= set(edges)
    (times,) = ask(
        blocks,
        "SELECT r.started_at <= r.ended_at, r.duration_s > 0 FROM node_run r JOIN node n USING (node_id) "
        "WHERE n.name = 'frame'",
    )
    assert times == (1, 1)


def test_what_is_saved_of_a_block_is_fresh_until_something_changes(blocks: Project) -> None:
    """A second run runs nothing; an edit of a function inside the block makes what is saved of it stale."""
    blocks.driver(*TABLES).refresh(inputs={"parts": 3})
    again = blocks.driver(*TABLES).refresh(inputs={"parts": 3})
    assert states(again) == {"whole_table": "fresh", "counted_table": "fresh"}
    blocks.edit("flow", "part * factor", "part * factor + 1")
    driver = blocks.driver(*TABLES)
    assert "frame()" in str(driver.plan(inputs={"parts": 3}))
    result = driver.refresh(inputs={"parts": 3})
    assert states(result) == {"whole_table": "built", "counted_table": "unchanged"}


def test_a_failing_branch_fails_its_output_and_is_recorded(blocks: Project) -> None:
    """The output fails with the node's own error; what read it is blocked, and the record says which node failed."""
    result = blocks.driver(*TABLES).refresh(inputs={"parts": 10})
    assert states(result) == {"whole_table": "failed", "counted_table": "blocked"}
    rows = {name: state for name, state, _ in ask(blocks, NODE_RUNS)}
    assert rows["frame"] == "failed"
    assert rows["part"] == "success"
    ((kind, message),) = ask(
        blocks,
        "SELECT r.error_type, r.error_message FROM node_run r JOIN node n USING (node_id) WHERE n.name = 'frame'",
    )
    assert (kind, message) == ("ValueError", "the eighth part is broken")
    again = blocks.driver(*TABLES).refresh(inputs={"parts": 5})
    assert states(again) == {"whole_table": "built", "counted_table": "built"}


def test_a_block_without_items_keeps_its_lineage(blocks: Project) -> None:
    """Nodes that no branch ran are recorded all the same, so that lineage leads through them."""
    blocks.driver(*TABLES).refresh(inputs={"parts": 0})
    assert {("cleaned", "success", None), ("frame", "success", None)} <= set(ask(blocks, NODE_RUNS))


def test_what_is_gathered_is_materialized(blocks: Project, tmp_path: Path) -> None:
    """Savers stand behind a block, attached in a call or with the driver."""
    saved, values = blocks.driver().materialize(
        to.parquet(id="kept", dependencies=["whole"], file=str(tmp_path / "parts.parquet")),
        additional_vars=["counted"],
        inputs={"parts": 4},
    )
    assert saved["kept"]["dataframe_metadata"]["rows"] == 40
    assert values["counted"].item() == 40


def test_a_saver_inside_a_block_is_refused(blocks: Project) -> None:
    """What has a value in every branch cannot be kept as one table."""
    driver = blocks.driver(to.table(id="frames", dependencies=["frame"], table="frames"), *TABLES)
    with pytest.raises(BlockError, match="'frames' saves 'frame', which has a value in every branch"):
        driver.refresh(inputs={"parts": 1})


READING = """
import polars as pl

from engine.function_modifiers import load_from, source, value
from engine.htypes import Collect, Parallelizable


def number(numbers: list) -> Parallelizable[int]:
    yield from numbers


def path(number: int, folder: str) -> str:
    return f"{folder}/{number}.csv"


@load_from.csv(inject_="file", file=source("path"))
@load_from.table(inject_="known", table="known")
def joined(file: pl.DataFrame, known: pl.DataFrame, number: int) -> pl.DataFrame:
    return file.join(known, on="id").with_columns(number=pl.lit(number))


def whole(joined: Collect[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(joined)
"""


@pytest.mark.parametrize("executor", [SynchronousLocalTaskExecutor(), MultiThreadingExecutor(4)])
def test_branches_load_files_and_tables(project: Project, tmp_path: Path, executor: TaskExecutor) -> None:
    """Loaders in branches read side by side, and every file and table they read is in the record."""
    project.write("flow", READING)
    project.executor = executor
    run_sql(project.warehouse, "CREATE TABLE known (id BIGINT)", "INSERT INTO known VALUES (1), (2)")
    for number in range(8):
        (tmp_path / f"{number}.csv").write_text(f"id\n1\n{number}\n")
    driver = project.driver(to.table(id="whole_table", dependencies=["whole"], table="whole"))
    inputs = {"numbers": list(range(8)), "folder": str(tmp_path)}
    result = driver.refresh(inputs=inputs)
    assert states(result) == {"whole_table": "built"}
    assert result.outputs[0].rows == 10
    read = ask(
        project,
        "SELECT DISTINCT d.name FROM node_run_input i JOIN dataset_version USING (dataset_version_id) "
        "JOIN dataset d USING (dataset_id)",
    )
    assert {str(tmp_path / f"{number}.csv") for number in range(8)} <= {name for (name,) in read}


def test_a_database_with_one_connection_is_asked_in_turn() -> None:
    """A database in memory has one connection; branches on threads use it one after another."""
    module = module_from_source(
        READING.replace('@load_from.csv(inject_="file", file=source("path"))', "")
        .replace("file: pl.DataFrame, ", "")
        .replace('file.join(known, on="id")', "known")
    )
    known = module_from_source(
        "import polars as pl\n\n\ndef start() -> pl.DataFrame:\n    return pl.DataFrame({'id': [1, 2]})\n"
    )
    builder = Builder().with_modules(module, known).with_warehouse("duckdb:///:memory:")
    builder.enable_dynamic_execution(allow_experimental_mode=True)
    driver = builder.with_materializers(to.table(id="kept", dependencies=["start"], table="known")).build()
    _, values = driver.materialize(
        to.memory(id="all", dependencies=["whole"]),
        additional_vars=["kept", "whole"],
        inputs={"numbers": list(range(40))},
    )
    assert len(values["whole"]) == 80


LOADS: list[str] = []


@dataclass
class CountingLoader(DataLoader):
    """Counts how often it loads."""

    may_leave_thread = True
    label: str

    @classmethod
    def name(cls) -> str:
        """Return what it is called."""
        return "counting"

    @classmethod
    def applicable_types(cls) -> list[type]:
        """Serve polars."""
        return [pl.DataFrame]

    def load_data(self, type_: type) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Count, and return a frame."""
        del type_
        LOADS.append(self.label)
        return pl.DataFrame({"id": [1, 2]}), {}


def test_what_was_loaded_before_its_turn_is_not_loaded_again(project: Project) -> None:
    """A load that a recorded run begins ahead is what the task of that loader gives."""
    register_adapter(CountingLoader)
    project.write(
        "flow",
        READING.replace('@load_from.csv(inject_="file", file=source("path"))', "")
        .replace('@load_from.table(inject_="known", table="known")', "")
        .replace("file: pl.DataFrame, ", "")
        .replace('file.join(known, on="id")', "known"),
    )
    project.executor = MultiThreadingExecutor(2)
    LOADS.clear()
    driver = project.driver(
        from_.counting(target="known", label="once"), to.table(id="kept", dependencies=["whole"], table="kept")
    )
    assert states(driver.refresh(inputs={"numbers": [1, 2, 3]})) == {"kept": "built"}
    assert LOADS == ["once"]
