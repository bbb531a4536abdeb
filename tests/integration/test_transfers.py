"""Loads and saves of a recorded run go on beside the nodes, and nobody can tell but by the clock."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl
import pytest

from engine import registry
from engine.errors import SaveError
from engine.io.data_adapters import DataLoader, DataSaver, FileSource, FileTarget
from engine.io.materialization import from_, to
from engine.io.tables import TableLoader
from engine.io.utils import get_file_metadata
from engine.lifecycle import NodeExecutionHook
from tests.fixtures.dataflows import states

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.fixtures.dataflows import Project

PATIENCE_S = 20

events: dict[str, threading.Event] = defaultdict(threading.Event)
threads: dict[str, str] = {}
saved: list[str] = []


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", [PatientSaver, PatientLoader])
    events.clear()
    threads.clear()
    saved.clear()


@dataclass
class PatientSaver(DataSaver):
    """Saves when an event has come, if it is to wait for one; may fail instead."""

    path: str
    waits_for: str = ""
    fails: bool = False
    may_leave_thread: ClassVar[bool] = True

    @classmethod
    def name(cls) -> str:
        """Return the word."""
        return "patient"

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        """Return the type of frame."""
        return [pl.DataFrame]

    def target(self) -> FileTarget:
        """Return the file."""
        return FileTarget(self.path)

    def save_data(self, data: Any) -> dict[str, Any]:
        """Wait, then fail or write the file."""
        threads[self.path.rpartition("/")[2]] = threading.current_thread().name
        if self.waits_for and not events[self.waits_for].wait(PATIENCE_S):
            message = f"{self.waits_for} has not come"
            raise TimeoutError(message)
        if self.fails:
            message = "the disk is full"
            raise SaveError(message, location=self.path)
        data.write_csv(self.path)
        saved.append(self.path.rpartition("/")[2])
        return get_file_metadata(self.path)


@dataclass
class PatientLoader(DataLoader):
    """Says that it has begun."""

    path: str
    may_leave_thread: ClassVar[bool] = True

    @classmethod
    def name(cls) -> str:
        """Return the word."""
        return "patient"

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        """Return the type of frame."""
        return [pl.DataFrame]

    def source(self) -> FileSource:
        """Return the file."""
        return FileSource(self.path)

    def load_data(self, type_: type) -> tuple[Any, dict[str, Any]]:
        """Read the file."""
        del type_
        events["load"].set()
        return pl.read_csv(self.path), {}


FLOW = """
import polars as pl
from tests.integration.test_transfers import PATIENCE_S, events


def first() -> pl.DataFrame:
    return pl.DataFrame({"n": [1, 2]})


def second() -> pl.DataFrame:
    events["second"].set()
    return pl.DataFrame({"n": [3]})


def loaded_first(loaded: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    return loaded


def waits_for_a_load() -> pl.DataFrame:
    assert events["load"].wait(PATIENCE_S)
    return pl.DataFrame({"n": [4]})


def from_first(first: pl.DataFrame) -> pl.DataFrame:
    return first
"""


def flow(make_project: Any, tmp_path: Any) -> Project:
    """Make a project of the nodes above on a DuckDB file."""
    project: Project = make_project(f"duckdb:///{tmp_path}/t.duckdb")
    project.write("flow", FLOW)
    return project


def patient(node: str, tmp_path: Any, **options: Any) -> Any:
    """Save a node by the patient saver, under its own name."""
    return to.patient(id=f"{node}_file", dependencies=[node], path=f"{tmp_path}/{node}", **options)


def test_a_save_goes_on_while_the_next_node_runs(make_project: Any, tmp_path: Any) -> None:
    """A save that nobody waits for is left to finish, and is recorded as if it had been waited for."""
    project = flow(make_project, tmp_path)
    driver = project.driver(patient("first", tmp_path, waits_for="second"), patient("second", tmp_path))
    assert states(driver.refresh()) == {"first_file": "built", "second_file": "built"}
    assert saved == ["first", "second"]


def test_a_load_begins_before_its_turn(make_project: Any, tmp_path: Any) -> None:
    """While an early node runs, the load that a later output needs is under way."""
    project = flow(make_project, tmp_path)
    (tmp_path / "data").write_text("n\n7\n")
    load = from_.patient(target="loaded", path=f"{tmp_path}/data")
    driver = project.driver(load, patient("waits_for_a_load", tmp_path), patient("loaded_first", tmp_path))
    assert set(states(driver.refresh()).values()) == {"built"}
    assert (tmp_path / "loaded_first").read_text() == "n\n7\n"


def test_a_frame_that_is_read_again_is_saved_at_its_turn(make_project: Any, tmp_path: Any) -> None:
    """What a later node could change in place is saved before that node runs."""
    project = flow(make_project, tmp_path)
    driver = project.driver(patient("first", tmp_path), patient("from_first", tmp_path))
    assert set(states(driver.refresh()).values()) == {"built"}
    assert threads["first"] == threading.current_thread().name != threads["from_first"]


class Turns(NodeExecutionHook):
    """Watches every node."""

    def run_before_node_execution(self, **_: Any) -> None:
        """Do nothing."""

    def run_after_node_execution(self, **_: Any) -> None:
        """Do nothing."""


def test_under_hooks_every_node_has_its_turn(make_project: Any, tmp_path: Any) -> None:
    """A hook on nodes never sees one begin before the one before it has ended."""
    project = flow(make_project, tmp_path)
    project.hooks.append(Turns())
    driver = project.driver(patient("first", tmp_path), patient("second", tmp_path))
    driver.refresh()
    assert set(threads.values()) == {threading.current_thread().name}


def test_a_failed_save_stops_those_after_it(make_project: Any, tmp_path: Any) -> None:
    """Where the first failure ends the run, no later save is made, as if they had been one after the other."""
    project = flow(make_project, tmp_path)
    driver = project.driver(patient("first", tmp_path, fails=True, waits_for="second"), patient("second", tmp_path))
    with pytest.raises(SaveError, match="the disk is full") as caught:
        driver.execute(["first_file", "second_file"])
    assert "while running node 'first_file'" in caught.value.__notes__
    assert saved == []


def test_a_failed_save_blocks_only_what_reads_it(make_project: Any, tmp_path: Any) -> None:
    """A refresh goes on with independent outputs, and says which failed."""
    project = flow(make_project, tmp_path)
    load = from_.patient(target="loaded", path=f"{tmp_path}/first")
    driver = project.driver(
        patient("first", tmp_path, fails=True), load, patient("second", tmp_path), patient("loaded_first", tmp_path)
    )
    result = driver.refresh()
    assert states(result) == {"first_file": "failed", "second_file": "built", "loaded_first_file": "blocked"}
    assert saved == ["second"]


MANY = """
import pandas as pd
import polars as pl
from engine.function_modifiers import parameterize, value


@parameterize(**{f"part_{i}": {"number": value(i)} for i in range(12)})
def part(number: int) -> pl.DataFrame:
    return pl.DataFrame({"number": [number] * 1000, "row": range(1000)})


def total(table_3: pd.DataFrame, table_4: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rows": [len(table_3) + len(table_4)]})
"""


@pytest.mark.parametrize("hooks", [(), (Turns(),)], ids=["beside", "in turn"])
def test_tables_are_the_same_beside_and_in_turn(project: Project, hooks: Any) -> None:
    """Many tables of one run are each written whole, read after they were written, and fresh the next time."""
    project.write("flow", MANY)
    project.hooks.extend(hooks)
    tables = [to.table(id=f"p{i}", dependencies=[f"part_{i}"], table=f"part_{i}") for i in range(12)]
    loads = [from_.table(target=f"table_{i}", table=f"part_{i}") for i in (3, 4)]
    last = to.table(id="total_table", dependencies=["total"], table="total")
    first = project.driver(*tables, *loads, last).refresh()
    assert set(states(first).values()) == {"built"}
    for i in range(12):
        frame = TableLoader(f"part_{i}", warehouse=project.warehouse).load_data(pl.DataFrame)[0]
        assert frame["number"].unique().to_list() == [i]
        assert frame["row"].sum() == sum(range(1000))
    assert TableLoader("total", warehouse=project.warehouse).load_data(pl.DataFrame)[0].rows() == [(2000,)]
    assert set(states(project.driver(*tables, *loads, last).refresh()).values()) == {"fresh"}
