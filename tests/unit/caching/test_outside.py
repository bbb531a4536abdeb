"""Loaders and savers with a cache: what is outside is looked at, not trusted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from engine.ad_hoc_utils import module_from_source
from engine.driver import Builder
from engine.io.materialization import from_, to
from tests.fixtures.caching import ran
from tests.fixtures.dataflows import run_sql

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.caching import CachedFlow

FLOW = """
import pandas as pd
import polars as pl

def total(orders: FRAME) -> int:
    return int(orders["amount"].sum())

def after(total: int) -> int:
    return total + 1
"""


def reading(flow: CachedFlow, warehouse: str, *requests: Any, frame: str = "pl.DataFrame", **settings: Any) -> Any:
    """Build a driver that reads, and return what it gives and what ran."""
    flow.write(FLOW.replace("FRAME", frame))
    with flow.driver(*requests, builder=Builder().with_warehouse(warehouse), **settings) as driver:
        return driver.execute(["after"])["after"], ran(driver)


def test_an_external_table_is_known_by_its_rows(flow: CachedFlow, warehouse_url: str) -> None:
    """While nobody touches a table nothing runs, not even its loader; any change of its rows is seen."""
    request = from_.table(target="orders", table="orders")
    run_sql(warehouse_url, "CREATE TABLE orders (id INTEGER, amount INTEGER)", "INSERT INTO orders VALUES (1, 10)")
    everything = ["load_data.orders", "orders", "total", "after"]
    assert reading(flow, warehouse_url, request) == (11, everything)
    assert reading(flow, warehouse_url, request) == (11, [])
    run_sql(warehouse_url, "UPDATE orders SET amount = 20")
    assert reading(flow, warehouse_url, request) == (21, everything)
    run_sql(warehouse_url, "UPDATE orders SET id = 2")
    assert reading(flow, warehouse_url, request) == (21, ["load_data.orders", "orders", "total"])
    run_sql(warehouse_url, "DROP TABLE orders", "CREATE TABLE orders (id INTEGER, amount INTEGER)")
    assert reading(flow, warehouse_url, request)[0] == 1
    run_sql(warehouse_url, "INSERT INTO orders VALUES (2, 20)")
    assert reading(flow, warehouse_url, request) == (21, [])


def test_a_dropped_table_is_missing(flow: CachedFlow, warehouse_url: str) -> None:
    """A table that is gone is an error, as without a cache."""
    request = from_.table(target="orders", table="orders")
    run_sql(warehouse_url, "CREATE TABLE orders (id INTEGER, amount INTEGER)")
    reading(flow, warehouse_url, request)
    run_sql(warehouse_url, "DROP TABLE orders")
    with pytest.raises(Exception, match="orders"):
        reading(flow, warehouse_url, request)


def test_a_query_is_known_by_its_text_parameters_and_rows(flow: CachedFlow, warehouse_url: str) -> None:
    """White space in SQL counts for nothing; its words, its parameters and the rows it gives do."""
    run_sql(
        warehouse_url, "CREATE TABLE orders (id INTEGER, amount INTEGER)", "INSERT INTO orders VALUES (1, 10), (2, 5)"
    )

    def query(sql: str, **params: Any) -> Any:
        return reading(flow, warehouse_url, from_.query(target="orders", sql=sql, params=params))

    sql = "SELECT amount FROM orders WHERE id <= :limit"
    assert query(sql, limit=1)[0] == 11
    assert query(sql.replace(" FROM", "\n  FROM"), limit=1) == (11, [])
    assert query(sql, limit=2)[0] == 16
    assert query(sql.replace("<=", ">"), limit=1)[0] == 6


def test_a_table_of_the_engine_is_known_by_the_ledger(flow: CachedFlow, warehouse_url: str) -> None:
    """A table that another driver writes again is read again, and only then."""
    write_orders(warehouse_url, [10])
    request = from_.table(target="orders", table="orders")
    assert reading(flow, warehouse_url, request)[0] == 11
    assert reading(flow, warehouse_url, request) == (11, [])
    write_orders(warehouse_url, [10, 5])
    assert reading(flow, warehouse_url, request)[0] == 16


def write_orders(warehouse: str, amounts: list[int]) -> None:
    """Write a table as another project would."""
    module = module_from_source(
        "import polars as pl\n\n"
        "def orders(amounts: list) -> pl.DataFrame:\n    return pl.DataFrame({'amount': amounts})\n"
    )
    request = to.table(id="save", dependencies=["orders"], table="orders")
    with Builder().with_modules(module).with_warehouse(warehouse).build() as driver:
        driver.materialize(request, inputs={"amounts": amounts})


@pytest.mark.parametrize("frame", ["pl.DataFrame", "pd.DataFrame"])
def test_a_file_is_known_by_its_content(flow: CachedFlow, tmp_path: Path, frame: str) -> None:
    """A file that was only touched is not read again; one with other bytes is, of the same size and time too."""
    path = tmp_path / "orders.csv"
    path.write_text("id,amount\n1,10\n")
    request = from_.csv(target="orders", path=str(path))
    warehouse = f"sqlite:///{tmp_path}/w.db"
    assert reading(flow, warehouse, request, frame=frame)[0] == 11
    os.utime(path)
    assert reading(flow, warehouse, request, frame=frame) == (11, [])
    status = path.stat()
    path.write_text("id,amount\n1,20\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert reading(flow, warehouse, request, frame=frame)[0] == 21


def test_settings_of_a_loader(flow: CachedFlow, tmp_path: Path) -> None:
    """A loader runs always when it is told to, by name or in general; an equal table stops what is downstream."""
    path = tmp_path / "orders.csv"
    path.write_text("id,amount\n1,10\n")
    request, warehouse = from_.csv(target="orders", path=str(path)), f"sqlite:///{tmp_path}/w.db"
    reading(flow, warehouse, request)
    assert reading(flow, warehouse, request, default_loader_behavior="recompute") == (11, ["load_data.orders"])
    assert reading(flow, warehouse, request, recompute=["orders"]) == (11, ["load_data.orders", "orders"])
    path.unlink()
    with pytest.raises(Exception, match=r"orders\.csv"):
        reading(flow, warehouse, request)


def test_a_loader_of_the_users_runs_always(flow: CachedFlow) -> None:
    """What a loader cannot say beforehand it is asked again; an equal value stops what is downstream."""
    flow.write(
        "from engine.function_modifiers import dataloader\n\n"
        "@dataloader()\ndef numbers() -> tuple[list, dict]:\n    return [1, 2], {}\n\n"
        "def total(numbers: list) -> int:\n    return sum(numbers)\n"
    )
    flow.run("total")
    assert flow.run("total") == ([3], ["numbers.loader"])


SAVED = """
import polars as pl

def frame(x: int) -> pl.DataFrame:
    return pl.DataFrame({"x": [x]})
"""


def saving(flow: CachedFlow, request: Any, x: int, warehouse: str | None = None, **settings: Any) -> Any:
    """Save a frame; return what the saver says and what ran."""
    flow.write(SAVED)
    builder = Builder().with_warehouse(warehouse) if warehouse else Builder()
    with flow.driver(builder=builder, **settings) as driver:
        saved, _ = driver.materialize(request, inputs={"x": x})
        return saved[request.id], ran(driver)


def test_a_saver_runs_unless_its_file_is_still_there(flow: CachedFlow, tmp_path: Path) -> None:
    """A file that stands as it was written is not written again; one that is gone or differs is."""
    path = tmp_path / "frame.parquet"
    request = to.parquet(id="save", dependencies=["frame"], path=str(path))
    first, executed = saving(flow, request, 1)
    assert executed == ["frame", "save"]
    assert saving(flow, request, 1) == (first, [])
    path.unlink()
    assert saving(flow, request, 1)[1] == ["save"]
    assert path.is_file()
    path.write_bytes(b"other")
    assert saving(flow, request, 1)[1] == ["save"]
    assert saving(flow, request, 2)[1] == ["frame", "save"]
    assert saving(flow, request, 1)[1] == ["save"], "the file holds another value now"
    assert saving(flow, request, 1, default_saver_behavior="recompute")[1] == ["save"]


def test_a_saver_runs_unless_its_table_is_still_there(flow: CachedFlow, warehouse_url: str) -> None:
    """A table is saved again when it was dropped, changed by another saver, or is appended to."""
    request = to.table(id="save", dependencies=["frame"], table="kept")
    saving(flow, request, 1, warehouse_url)
    assert saving(flow, request, 1, warehouse_url)[1] == []
    run_sql(warehouse_url, "DROP TABLE kept")
    assert saving(flow, request, 1, warehouse_url)[1] == ["save"]
    assert saving(flow, request, 2, warehouse_url)[1] == ["frame", "save"]
    assert saving(flow, request, 1, warehouse_url)[1] == ["save"]
    append = to.table(id="save", dependencies=["frame"], table="many", mode="append")
    assert [saving(flow, append, 1, warehouse_url)[1] for _ in range(2)] == [["save"], ["save"]]


def test_with_a_record_the_plan_decides_about_outputs(flow: CachedFlow, tmp_path: Path) -> None:
    """With metadata, savers and loaders run as ever, so that the record is whole; nodes between are still kept."""
    path, warehouse = tmp_path / "in.csv", f"duckdb:///{tmp_path}/w.duckdb"
    path.write_text("id,amount\n1,10\n")
    flow.write(FLOW.replace("FRAME", "pl.DataFrame"))
    load = from_.csv(target="orders", path=str(path))
    save = to.table(id="save", dependencies=["orders"], table="kept")

    def run() -> list[str]:
        builder = Builder().with_warehouse(warehouse).with_metadata(f"sqlite:///{tmp_path}/metadata.db")
        with flow.driver(load, builder=builder) as driver:
            driver.materialize(save, additional_vars=["after"])
            return ran(driver)

    assert set(run()) == {"load_data.orders", "orders", "total", "after", "save"}
    assert set(run()) == {"load_data.orders", "save"}
