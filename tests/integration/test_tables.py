"""Tables come in as the type a node asks for and go out from any frame: on every database."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa  # noqa: TC002 - the annotations of nodes are resolved at run time

from engine.ad_hoc_utils import create_temporary_module
from engine.base import PandasDataFrameResult
from engine.driver import Builder
from engine.errors import EngineError, LoadError, SaveError, SchemaMismatchError
from engine.io.materialization import from_, to
from engine.io.tables import QueryLoader, TableLoader, TableSaver
from tests.fixtures.dataflows import run_sql

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = {"id": [1, 2, 3], "name": ["a", None, "c'\"\\\t"], "amount": [0.5, 1.5, 2.5]}


@pytest.fixture
def orders(warehouse_url: str) -> str:
    """A warehouse with a table of three orders that the engine wrote."""
    TableSaver("orders", warehouse=warehouse_url).save_data(pl.DataFrame(ROWS))
    return warehouse_url


def driver_of(url: str, *functions: Callable[..., Any]) -> Any:
    """Build an unrecorded driver of functions."""
    return Builder().with_modules(create_temporary_module(*functions)).with_warehouse(url).build()


def as_rows(value: Any) -> list[dict[str, Any]]:
    """Return any frame as dictionaries, missing values as None."""
    if isinstance(value, pl.LazyFrame):
        value = value.collect()
    if isinstance(value, pd.DataFrame):
        value = pa.Table.from_pandas(value, preserve_index=False)
    if isinstance(value, duckdb.DuckDBPyRelation):
        value = value.to_arrow_table()
    if isinstance(value, pa.RecordBatchReader):
        value = value.read_all()
    rows: list[dict[str, Any]] = value.to_dicts() if isinstance(value, pl.DataFrame) else value.to_pylist()
    return sorted(rows, key=lambda row: row["id"])


EXPECTED = [dict(zip(ROWS, values, strict=True)) for values in zip(*ROWS.values(), strict=True)]


def test_texts_of_polars_come_back_in_a_layout_that_all_readers_know(orders: str) -> None:
    """What passes as views into a table is no column of views there, and the same rows again change nothing."""
    read, _ = TableLoader("orders", warehouse=orders).load_data(pa.Table)
    assert read.schema.field("name").type == pa.large_string()
    for frame in (pl.DataFrame(ROWS), pl.LazyFrame(ROWS), iter([pl.DataFrame(ROWS)])):
        assert not TableSaver("orders", warehouse=orders).save_data(frame)["commit"]["changed"]


@pytest.mark.parametrize("type_", [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.Table, pa.RecordBatchReader])
def test_the_annotation_chooses_the_frame(orders: str, type_: Any) -> None:
    """A table is read as the type its reader asks for, and written from that type, unchanged."""

    def same(given: Any) -> Any:
        return given

    same.__annotations__ = {"given": type_, "return": type_}
    driver = driver_of(orders, same)
    driver.materialize(
        from_.table(target="given", table="orders"),
        to.table(id="out", dependencies=["same"], table="copied"),
    )
    loaded, metadata = TableLoader("copied", warehouse=orders).load_data(pl.DataFrame)
    assert as_rows(loaded) == EXPECTED
    assert metadata["sql_metadata"]["rows"] == 3
    _, values = driver.materialize(from_.table(target="given", table="orders"), additional_vars=["same"])
    assert isinstance(values["same"], type_)
    assert as_rows(values["same"]) == EXPECTED
    driver.close()


def test_a_select_stays_in_the_database(orders: str) -> None:
    """A node on a Select writes its table and its view without a row in Python."""

    def large(given: sa.Select) -> sa.Select:
        return given.where(given.selected_columns.amount > 1)

    driver = driver_of(orders, large)
    driver.materialize(
        from_.table(target="given", table="orders"),
        to.table(id="table", dependencies=["large"], table="large"),
        to.table(id="view", dependencies=["large"], table="large_view", mode="view"),
    )
    for name in ("large", "large_view"):
        loaded, _ = TableLoader(name, warehouse=orders).load_data(pa.Table)
        assert [row["id"] for row in as_rows(loaded)] == [2, 3]
    driver.close()


@pytest.mark.parametrize("databases", [("duckdb", "sqlite")])
def test_a_select_of_another_database_streams(tmp_path: Any, databases: tuple[str, str]) -> None:
    """A query of one warehouse can be kept in another: then its rows pass through Arrow."""
    source, target = (f"{name}:///{tmp_path}/w.{name}" for name in databases)
    TableSaver("orders", warehouse=source).save_data(pl.DataFrame(ROWS))

    def same(given: sa.Select) -> sa.Select:
        return given

    driver = driver_of(target, same)
    driver.materialize(
        from_.table(target="given", table="orders", warehouse=source),
        to.table(id="out", dependencies=["same"], table="copied"),
    )
    assert as_rows(TableLoader("copied", warehouse=target).load_data(pa.Table)[0]) == EXPECTED
    driver.close()


def test_a_relation_stays_in_duckdb(tmp_path: Any) -> None:
    """A node on a DuckDB relation is kept as a table of the same file."""
    url = f"duckdb:///{tmp_path}/w.duckdb"
    TableSaver("orders", warehouse=url).save_data(pl.DataFrame(ROWS))

    def large(given: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return given.filter("amount > 1")

    driver = driver_of(url, large)
    driver.materialize(
        from_.query(target="given", sql="SELECT * FROM orders WHERE id < :most", params={"most": 3}),
        to.table(id="table", dependencies=["large"], table="large"),
    )
    assert [row["id"] for row in as_rows(TableLoader("large", warehouse=url).load_data(pa.Table)[0])] == [2]
    driver.close()


def test_columns_rows_and_parameters(orders: str) -> None:
    """A loader reads the columns and rows it is asked for; values go in as parameters, never into the text."""
    loader = TableLoader(
        "orders", columns=["name", "id"], where="amount > :least", params={"least": 1}, warehouse=orders
    )
    table, _ = loader.load_data(pa.Table)
    assert table.column_names == ["name", "id"]
    assert [row["id"] for row in as_rows(table)] == [2, 3]
    sql = (
        "SELECT id, amount::text AS text FROM orders WHERE name = :name"
        if orders.startswith("p")
        else ("SELECT id FROM orders WHERE name = :name")
    )
    found, _ = QueryLoader(sql, params={"name": ROWS["name"][2]}, warehouse=orders).load_data(pl.DataFrame)
    assert found["id"].to_list() == [3]


@pytest.mark.parametrize(
    ("loader", "names"),
    [
        (TableLoader("ordrs"), "ordrs"),
        (TableLoader("orders", columns=["nme"]), "nme"),
        (QueryLoader("SELECT nme FROM orders"), "nme"),
        (QueryLoader("SELECT * FROM orders WHERE id = :id"), "id"),
    ],
)
def test_what_is_missing_is_named(orders: str, loader: Any, names: str) -> None:
    """A missing table, column or parameter is one error of ours that names it."""
    loader.warehouse = orders
    with pytest.raises(EngineError, match=names):
        loader.load_data(pl.DataFrame)


def test_append_adds_and_upsert_updates(warehouse_url: str) -> None:
    """Each mode leaves the rows its name promises, and a key given twice is refused before anything is written."""

    def write(frame: pl.DataFrame, mode: str, *keys: str) -> None:
        TableSaver("t", mode=mode, keys=keys, warehouse=warehouse_url).save_data(frame)

    def read() -> list[tuple[Any, ...]]:
        return sorted(TableLoader("t", warehouse=warehouse_url).load_data(pl.DataFrame)[0].rows())

    write(pl.DataFrame({"k": [1, 2], "v": ["a", "b"]}), "append")
    write(pl.DataFrame({"v": ["c"], "k": [3]}), "append")
    assert read() == [(1, "a"), (2, "b"), (3, "c")]
    write(pl.DataFrame({"k": [2, 4], "v": ["B", "d"]}), "upsert", "k")
    assert read() == [(1, "a"), (2, "B"), (3, "c"), (4, "d")]
    write(pl.DataFrame({"k": [1, 1], "v": ["x", "y"]}), "delete_insert", "k")
    assert read() == [(1, "x"), (1, "y"), (2, "B"), (3, "c"), (4, "d")]
    before = read()
    with pytest.raises(SaveError, match="k=7"):
        write(pl.DataFrame({"k": [7, 7], "v": ["p", "q"]}), "upsert", "k")
    with pytest.raises(SchemaMismatchError, match="missing: v"):
        write(pl.DataFrame({"k": [9]}), "append")
    assert read() == before


def test_combine_writes_one_table(warehouse_url: str) -> None:
    """Several nodes are joined into one frame and written as one table."""

    def left() -> pd.Series:
        return pd.Series([1, 2])

    def right() -> pd.Series:
        return pd.Series(["a", "b"])

    driver = driver_of(warehouse_url, left, right)
    driver.materialize(
        to.table(id="joined", dependencies=["left", "right"], table="joined", combine=PandasDataFrameResult())
    )
    loaded, _ = TableLoader("joined", warehouse=warehouse_url).load_data(pl.DataFrame)
    assert loaded.to_dict(as_series=False) == {"left": [1, 2], "right": ["a", "b"]}
    driver.close()


def test_the_three_ways_give_the_same_table(warehouse_url: str) -> None:
    """Loading and saving inside nodes, around the driver, or as materializers leave equal tables."""
    run_sql(warehouse_url, "CREATE TABLE raw (id INTEGER)", "INSERT INTO raw VALUES (1), (2)")

    def doubled(given: pl.DataFrame) -> pl.DataFrame:
        return given.with_columns(pl.col("id") * 2)

    def given_inside(url: str) -> pl.DataFrame:
        return TableLoader("raw", warehouse=url).load_data(pl.DataFrame)[0]

    def saved_inside(given_inside: pl.DataFrame, url: str) -> dict:  # type: ignore[type-arg]
        return TableSaver("inside", warehouse=url).save_data(doubled(given_inside))

    with driver_of(warehouse_url, doubled, given_inside, saved_inside) as driver:
        driver.execute(["saved_inside"], inputs={"url": warehouse_url})
        raw, _ = TableLoader("raw", warehouse=warehouse_url).load_data(pl.DataFrame)
        around = driver.execute(["doubled"], inputs={"given": raw})["doubled"]
        TableSaver("around", warehouse=warehouse_url).save_data(around)
        driver.materialize(
            from_.table(target="given", table="raw"), to.table(id="out", dependencies=["doubled"], table="requested")
        )
    tables = [
        TableLoader(name, warehouse=warehouse_url).load_data(pl.DataFrame)[0].sort("id").rows()
        for name in ("inside", "around", "requested")
    ]
    assert tables[0] == tables[1] == tables[2] == [(2,), (4,)]


def test_a_value_that_is_no_frame_is_refused(warehouse_url: str) -> None:
    """A node whose value turns out to be no frame is refused with its type, and nothing is written."""

    def wrong() -> pd.DataFrame:
        return None  # type: ignore[return-value]

    driver = driver_of(warehouse_url, wrong)
    with pytest.raises(SaveError, match="gives None, which is no frame"):
        driver.materialize(to.table(id="out", dependencies=["wrong"], table="wrong"))
    with pytest.raises(LoadError):
        TableLoader("wrong", warehouse=warehouse_url).load_data(pl.DataFrame)
    driver.close()


class Big:
    """Something one can watch."""


def test_values_are_dropped_after_their_last_reader() -> None:
    """A value that no node needs any more is not held: memory is bounded by what is still to be read."""
    seen: list[weakref.ref[Big]] = []

    def first() -> Big:
        seen.append(weakref.ref(value := Big()))
        return value

    def second(first: Big) -> int:
        return id(first)

    def third(second: int) -> bool:
        gc.collect()
        return second != 0 and seen[0]() is None

    driver = Builder().with_modules(create_temporary_module(first, second, third)).build()
    assert driver.execute(["third"]) == {"third": True}
