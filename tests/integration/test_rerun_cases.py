"""What a rerun must notice and what it must not, case by case: on every database where a table is part of the case."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from engine.io.materialization import from_, to
from engine.io.tables import TableLoader
from engine.lifecycle import NodeExecutionHook
from tests.fixtures.dataflows import reasons, run_sql, states

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.dataflows import Project

SUMMED = """
import polars as pl


def summed(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.select(pl.col("amount").sum())
"""
SUMMED_TABLE = to.table(id="summed_table", dependencies=["summed"], table="summed")


@pytest.fixture
def with_source(project: Project) -> Project:
    """A project that reads a table which somebody else writes, through a view of theirs."""
    project.write("flow", SUMMED)
    run_sql(
        project.warehouse,
        "CREATE TABLE orders (id INTEGER, amount INTEGER)",
        "INSERT INTO orders VALUES (1, 10), (2, 20), (2, 20)",
        "CREATE VIEW large_orders AS SELECT * FROM orders WHERE amount > 15",
    )
    return project


def refresh_from(project: Project, table: str, *more: Any) -> Any:
    """Refresh the output that sums a table's rows."""
    return project.driver(from_.table(target="orders", table=table), SUMMED_TABLE, *more).refresh()


def test_an_emptied_source_is_seen(with_source: Project) -> None:
    """A table without its rows is another source."""
    refresh_from(with_source, "orders")
    run_sql(with_source.warehouse, "DELETE FROM orders")
    assert states(refresh_from(with_source, "orders")) == {"summed_table": "built"}


def test_what_was_rolled_back_is_no_change(with_source: Project) -> None:
    """Rows that another transaction inserted and took back leave everything fresh."""
    refresh_from(with_source, "orders")
    with pytest.raises(Exception, match="nowhere"):
        run_sql(with_source.warehouse, "INSERT INTO orders VALUES (9, 9)", "DELETE FROM nowhere")
    assert states(refresh_from(with_source, "orders")) == {"summed_table": "fresh"}


def test_a_change_behind_a_foreign_view_is_seen(with_source: Project) -> None:
    """What is read through somebody else's view is its rows: others behind it do not count."""
    refresh_from(with_source, "large_orders")
    run_sql(with_source.warehouse, "UPDATE orders SET amount = 11 WHERE id = 1")
    assert states(refresh_from(with_source, "large_orders")) == {"summed_table": "fresh"}
    run_sql(with_source.warehouse, "UPDATE orders SET amount = 50 WHERE id = 2")
    result = refresh_from(with_source, "large_orders")
    assert states(result) == {"summed_table": "built"}
    assert reasons(result)["summed_table"][0].startswith("source: large_orders")


class Meddler(NodeExecutionHook):
    """Changes the source as soon as the node that reads it has run, once."""

    def __init__(self, project: Project) -> None:
        self.project, self.is_done = project, False

    def run_before_node_execution(self, **_: Any) -> None:
        """Do nothing."""

    def run_after_node_execution(self, *, node_name: str, **_: Any) -> None:
        """Change the source after ``summed``."""
        if node_name == "summed" and not self.is_done:
            self.is_done = True
            run_sql(self.project.warehouse, "UPDATE orders SET amount = 99 WHERE id = 1")


def test_a_source_that_changes_while_it_is_used_is_seen_next_time(with_source: Project) -> None:
    """What is recorded is what was read, so the next run sees the change that came during this one."""
    with_source.hooks = [Meddler(with_source)]
    assert states(refresh_from(with_source, "orders")) == {"summed_table": "built"}
    assert states(refresh_from(with_source, "orders")) == {"summed_table": "built"}
    assert states(refresh_from(with_source, "orders")) == {"summed_table": "fresh"}


@pytest.fixture
def orders_file(project: Project, tmp_path: Path) -> Path:
    """The first file of a folder that a project reads."""
    project.write("flow", SUMMED)
    folder = tmp_path / "orders"
    folder.mkdir()
    path = folder / "1.csv"
    path.write_text("id,amount\n1,10\n")
    return path


def refresh_files(project: Project, pattern: Path | str) -> Any:
    """Refresh the output that sums the rows of files."""
    return project.driver(from_.csv(target="orders", file=str(pattern)), SUMMED_TABLE).refresh()


def test_other_bytes_of_the_same_size_and_time_are_seen(project: Project, orders_file: Path) -> None:
    """A file's content counts although its size and time of change are as they were."""
    refresh_files(project, orders_file)
    before = orders_file.stat()
    orders_file.write_text("id,amount\n1,11\n")
    os.utime(orders_file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert orders_file.stat().st_size == before.st_size
    assert states(refresh_files(project, orders_file)) == {"summed_table": "built"}


def test_a_file_more_or_less_is_seen(project: Project, orders_file: Path) -> None:
    """A pattern reads what files there are: one more or one less makes its readers stale."""
    pattern = orders_file.parent / "*.csv"
    assert states(refresh_files(project, pattern)) == {"summed_table": "built"}
    (orders_file.parent / "2.csv").write_text("id,amount\n2,20\n")
    assert states(refresh_files(project, pattern)) == {"summed_table": "built"}
    assert states(refresh_files(project, pattern)) == {"summed_table": "fresh"}
    orders_file.unlink()
    assert states(refresh_files(project, pattern)) == {"summed_table": "built"}


CHAIN = """
import polars as pl

STEP = 1


def n0() -> pl.DataFrame:
    return pl.DataFrame({"id": [1, 2, 3], "noise": [STEP, STEP, STEP]})


def n1(n0: pl.DataFrame) -> pl.DataFrame:
    return n0.with_columns(pl.col("noise") * 2)


def n2(n1: pl.DataFrame) -> pl.DataFrame:
    return n1.select("id")
"""


def test_a_chain_of_ten_is_cut_off_at_three(project: Project) -> None:
    """A change reaches the first output that comes out equal, and the seven after it are not even computed."""
    links = "".join(
        f"\n\ndef n{i}(n{i - 1}: pl.DataFrame) -> pl.DataFrame:\n    return n{i - 1}\n" for i in range(3, 10)
    )
    project.write("flow", CHAIN + links)
    requests = [to.table(id=f"t{i}", dependencies=[f"n{i}"], table=f"n{i}") for i in range(10)]
    project.driver(*requests).refresh()
    project.edit("flow", "STEP = 1", "STEP = 2")
    assert list(states(project.driver(*requests).refresh()).values()) == ["built", "built", "unchanged"] + ["fresh"] * 7


TWICE = """
import polars as pl
from engine.function_modifiers import parameterize, value


@parameterize(low={"k": value(1)}, high={"k": value(10)})
def scaled(k: int) -> pl.DataFrame:
    return pl.DataFrame({"k": [k]})


def configured(kind: object) -> pl.DataFrame:
    return pl.DataFrame({"kind": [type(kind).__name__]})
"""


def test_nodes_made_from_one_function_are_told_apart(project: Project) -> None:
    """Of two nodes made from one function, the one whose own value changed is stale."""
    project.write("flow", TWICE)
    requests = [to.table(id=f"{name}_table", dependencies=[name], table=name) for name in ("low", "high")]
    project.driver(*requests).refresh()
    project.edit("flow", "value(10)", "value(11)")
    assert states(project.driver(*requests).refresh()) == {"low_table": "fresh", "high_table": "built"}


def test_a_configuration_value_counts_with_its_type(project: Project) -> None:
    """1, "1" and True are three values of a configuration key that a node reads."""
    project.write("flow", TWICE)
    request = to.table(id="kinds", dependencies=["configured"], table="kinds")
    for value in (1, "1", True):
        project.config = {"kind": value}
        assert states(project.driver(request).refresh()) == {"kinds": "built"}
        assert states(project.driver(request).refresh()) == {"kinds": "fresh"}


FETCHED = """
import polars as pl


def fetched(api_token: str) -> pl.DataFrame:
    return pl.DataFrame({"length": [len(api_token)]})
"""


def test_another_secret_makes_stale_and_is_shown_nowhere(project: Project, tmp_path: Path) -> None:
    """A secret input counts like any other; its value is in no reason and in no file of the engine's."""
    project.write("flow", FETCHED)
    request = to.table(id="fetched_table", dependencies=["fetched"], table="fetched")
    project.driver(request).refresh(inputs={"api_token": "opensesame-one"})
    result = project.driver(request).refresh(inputs={"api_token": "opensesame-second"})
    assert states(result) == {"fetched_table": "built"}
    assert reasons(result)["fetched_table"][0].startswith("input: api_token")
    assert "opensesame" not in str(reasons(result))
    project.close()
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"opensesame" not in path.read_bytes(), path


EMPTY = """
import polars as pl


def no_rows() -> pl.DataFrame:
    return pl.DataFrame(schema={"id": pl.Int64, "name": pl.String})


def no_values() -> pl.DataFrame:
    return pl.DataFrame({"id": [1, 2], "name": pl.Series([None, None], dtype=pl.String)})
"""


def test_nothing_is_content_too(project: Project) -> None:
    """A table without rows and a column without values are built once, then fresh, and unchanged when forced."""
    project.write("flow", EMPTY)
    requests = [to.table(id=f"{name}_t", dependencies=[name], table=name) for name in ("no_rows", "no_values")]
    assert set(states(project.driver(*requests).refresh()).values()) == {"built"}
    assert set(states(project.driver(*requests).refresh()).values()) == {"fresh"}
    assert set(states(project.driver(*requests).refresh(rerun="all")).values()) == {"unchanged"}


def test_an_old_copy_of_the_metadata_is_corrected_by_the_ledger(project: Project, tmp_path: Path) -> None:
    """Metadata restored from before the last run does not make its outputs stale, nor an older recipe fresh."""
    project.write("flow", CHAIN)
    request = to.table(id="t1", dependencies=["n1"], table="n1")
    driver = project.driver(request)
    driver.refresh()
    driver.close()
    shutil.copy(tmp_path / "metadata.db", tmp_path / "backup.db")
    project.edit("flow", "STEP = 1", "STEP = 2")
    driver = project.driver(request)
    driver.refresh()
    driver.close()
    for name in ("metadata.db-wal", "metadata.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", tmp_path / "metadata.db")
    assert states(project.driver(request).refresh()) == {"t1": "fresh"}
    project.edit("flow", "STEP = 2", "STEP = 1")
    assert states(project.driver(request).refresh()) == {"t1": "built"}


OUTSIDE = """
import os
import polars as pl


def _home():
    return os.environ.get("HOME", "") + os.environ.get("USER", "")


def placed() -> pl.DataFrame:
    return pl.DataFrame({"home": [_home()]})


def read(path: str) -> pl.DataFrame:
    with open(path) as file:
        return pl.DataFrame({"text": [file.read()]})
"""


def test_a_node_that_reaches_outside_is_named_once(
    project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a node takes from the environment or a file it opens is not watched, and one warning per node says so."""
    project.write("flow", OUTSIDE)
    path = tmp_path / "text.txt"
    path.write_text("a")
    requests = [to.table(id=f"{name}_table", dependencies=[name], table=name) for name in ("placed", "read")]
    project.driver(*requests).refresh(inputs={"path": str(path)})
    warned = [record.getMessage() for record in caplog.records if "not watched" in record.getMessage()]
    assert len(warned) == 2
    assert "'placed'" in warned[0]
    assert "_home() in flow.py uses os.environ" in warned[0]
    assert "'read'" in warned[1]


ORDERED = """
import polars as pl

REVERSED = False


def rows() -> pl.DataFrame:
    return pl.DataFrame({"id": [1, 2, 2]}).sort("id", descending=REVERSED)


def first(seen: pl.DataFrame) -> pl.DataFrame:
    return seen.head(1)
"""


@pytest.mark.parametrize("order_matters", [False, True])
def test_the_order_of_rows_counts_where_it_matters(project: Project, order_matters: bool) -> None:
    """Equal rows in another order are the same content, unless an output says that their order matters."""
    project.write("flow", ORDERED)

    def refresh() -> dict[str, str]:
        return states(
            project.driver(
                to.table(id="rows_table", dependencies=["rows"], table="rows_", order_matters=order_matters),
                from_.table(target="seen", table="rows_"),
                to.table(id="first_table", dependencies=["first"], table="first_"),
            ).refresh()
        )

    assert refresh() == {"rows_table": "built", "first_table": "built"}
    assert refresh() == {"rows_table": "fresh", "first_table": "fresh"}
    project.edit("flow", "REVERSED = False", "REVERSED = True")
    expected = "built" if order_matters else "unchanged"
    assert refresh() == {"rows_table": expected, "first_table": "built" if order_matters else "fresh"}
    first, _ = TableLoader("first_", warehouse=project.warehouse).load_data(pl.DataFrame)
    assert first["id"].to_list() == ([2] if order_matters else [1])
    assert refresh() == {"rows_table": "fresh", "first_table": "fresh"}


OWN_LOADER = """
from pathlib import Path

import polars as pl
from engine.function_modifiers import dataloader
from engine.io.utils import get_file_metadata

FOLDER = {folder!r}


@dataloader()
def newest() -> tuple[pl.DataFrame, dict]:
    path = max(Path(FOLDER).iterdir())
    return pl.read_csv(path), get_file_metadata(path)


def doubled(newest: pl.DataFrame) -> pl.DataFrame:
    return newest * 2


def counted(doubled: pl.DataFrame) -> pl.DataFrame:
    return doubled.select(pl.len().cast(pl.Int64).alias("rows"))
"""


def test_what_a_loader_of_ones_own_will_read_is_not_known(project: Project, tmp_path: Path) -> None:
    """An output below a loader that does not say what it will read is computed every time, and cut off when equal."""
    folder = tmp_path / "arriving"
    folder.mkdir()
    (folder / "1.csv").write_text("a\n1\n")
    project.write("flow", OWN_LOADER.format(folder=str(folder)))

    def refresh() -> Any:
        return project.driver(
            to.table(id="doubled_table", dependencies=["doubled"], table="doubled"),
            to.table(id="counted_table", dependencies=["counted"], table="counted"),
        ).refresh()

    assert states(refresh()) == {"doubled_table": "built", "counted_table": "built"}
    again = refresh()
    assert states(again) == {"doubled_table": "unchanged", "counted_table": "fresh"}
    assert reasons(again)["doubled_table"] == ["unknowable: what newest reads"]
    (folder / "2.csv").write_text("a\n5\n")
    assert states(refresh()) == {"doubled_table": "built", "counted_table": "unchanged"}


NAMED = """
import pandas as pd
from shop import RATES, rate


def priced() -> pd.DataFrame:
    return pd.DataFrame({"price": [RATES.value * rate()]})
"""
SHOP = """
from shop.rates import RATES, make

rate = make(2)
"""
RATES = """
class Rates:
    def __init__(self, value):
        self.value = value


def make(by):
    def scaled():
        return by
    return scaled


RATES = Rates(1)
"""


@pytest.mark.parametrize(
    ("module", "old", "new", "reason"),
    [
        ("shop/rates", "Rates(1)", "Rates(3)", "code: RATES in rates.py"),
        ("shop/__init__", "make(2)", "make(3)", "code: make.<locals>.scaled() captured by in rates.py"),
        ("shop/rates", "self.value = value", "self.value = -value", "code: RATES in rates.py"),
        ("shop/rates", "return by", "return -by", "code: make.<locals>.scaled() in rates.py"),
    ],
)
def test_a_reason_names_the_file_where_the_change_is(
    project: Project, module: str, old: str, new: str, reason: str
) -> None:
    """Objects and captured variables are named where they are made, whatever module a node takes them from."""
    (project.folder / "shop").mkdir()
    project.write("flow", NAMED)
    project.write("shop/__init__", SHOP)
    project.write("shop/rates", RATES)
    request = to.table(id="priced_table", dependencies=["priced"], table="priced")
    project.driver(request).refresh()
    project.edit(module, old, new)
    assert reason in reasons(project.driver(request).refresh())["priced_table"]


def test_plan_and_run_call_a_table_upstream_by_one_name(with_source: Project) -> None:
    """A table that another output writes is an output upstream, in the plan and in the run, however it is read."""
    with_source.write("flow", SUMMED + "\n\ndef more(seen: pl.DataFrame) -> pl.DataFrame:\n    return seen * 2\n")

    def driver() -> Any:
        return with_source.driver(
            from_.table(target="orders", table="orders"),
            to.table(id="summed_table", dependencies=["summed"], table="summed"),
            from_.table(target="seen", table="summed"),
            to.table(id="more_table", dependencies=["more"], table="more"),
        )

    driver().refresh()
    run_sql(with_source.warehouse, "UPDATE orders SET amount = 50 WHERE id = 2")
    planned = {decision.output: decision for decision in driver().plan().decisions}["more_table"]
    assert planned.state == "maybe"
    assert [str(reason) for reason in planned.reasons] == ["upstream: summed"]
    assert reasons(driver().refresh())["more_table"][0].startswith("upstream: summed")


ADAPTERS = """
from engine.lifecycle import NodeExecutionMethod


class Doubles(NodeExecutionMethod):
    def __init__(self, by):
        self.by = by

    def run_to_execute_node(self, *, node_callable, node_kwargs, node_name, **_):
        value = node_callable(**node_kwargs)
        return value * self.by if node_name == "n1" else value
"""


def test_an_adapter_that_runs_the_nodes_counts(project: Project) -> None:
    """Where an adapter runs every node, its code and what it was given are part of what outputs are made from."""
    project.write("flow", CHAIN)
    project.write("adapters", ADAPTERS)
    request = to.table(id="t1", dependencies=["n1"], table="n1")

    def refresh(by: int) -> Any:
        (module,) = project.load("adapters")
        project.hooks = [module.Doubles(by)]
        return project.driver(request).refresh()

    assert states(refresh(1)) == {"t1": "built"}
    assert states(refresh(1)) == {"t1": "fresh"}
    assert states(refresh(2)) == {"t1": "built"}
    project.edit("adapters", "* self.by", "* -self.by")
    result = refresh(2)
    assert states(result) == {"t1": "built"}
    assert reasons(result)["t1"] == ["code: Doubles.run_to_execute_node() in adapters.py"]
