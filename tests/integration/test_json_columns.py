"""Nested values in columns that are declared as JSON come back as they were, or are refused."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.errors import SaveError
from engine.io.tables import TableLoader, TableSaver

if TYPE_CHECKING:
    from engine.dialects.warehouse import Warehouse

_PARTS = {
    "whole": pa.array([2**63 - 1, -(2**63), 0, None]),
    "unsigned": pa.array([2**64 - 1, 0, 1, None], pa.uint64()),
    "float": pa.array([0.1, 5e-324, 1e22, -0.0]),
    "short": pa.array([0.1, -1.5, None, 3.4e38], pa.float32()),
    "decimal": pa.array([decimal.Decimal("9" * 36 + ".10"), None, decimal.Decimal("-0.01"), decimal.Decimal(0)]),
    "truth": pa.array([True, False, None, True]),
    "text": pa.array(["", None, '\t"\\ \u2028 é 🛫', "null"]),
    "bytes": pa.array([b"", None, b"\x00\xff", b"a"]),
    "day": pa.array([dt.date(1, 1, 1), None, dt.date(9999, 12, 31), dt.date(1969, 1, 1)]),
    "time": pa.array([0, 86_399_999_999_999, None, 1], pa.time64("ns")),
    "moment": pa.array([1, None, -1, 10**18], pa.timestamp("ns")),
    "instant": pa.array([1_792_888_200, None, 1_792_891_800, -1], pa.timestamp("s", "Europe/Paris")),
    "span": pa.array([1, None, -(2**62), 0], pa.duration("us")),
}


def _of_all_parts() -> pa.Array:
    return pa.StructArray.from_arrays(list(_PARTS.values()), list(_PARTS), mask=pa.array([False, False, True, False]))


NESTED: dict[str, pa.Array] = {
    "struct": _of_all_parts(),
    "list of structs": pa.ListArray.from_arrays([0, 2, 2, 4], _of_all_parts()),
    "list of lists": pa.array([[[1], [], None], None, [], [[None, 2**53 + 1]]], pa.list_(pa.list_(pa.int64()))),
    "empty and NULL": pa.array([{"a": None, "b": []}, None, {"a": {"c": None}, "b": None}]),
    "list of fixed size": pa.array([[1.5, None], None, [0.0, -0.0]], pa.list_(pa.float64(), 2)),
    "large list": pa.array([["a"], None, []], pa.large_list(pa.large_string())),
    "map": pa.array([[("a", 1), ("bb", None)], None, []], pa.map_(pa.string(), pa.int64())),
    "map of days": pa.array([[(dt.date(2026, 1, 1), 1.5)], None], pa.map_(pa.date32(), pa.float64())),
    "map of numbers": pa.array([[(1, ["x"]), (20, None)], None], pa.map_(pa.int32(), pa.list_(pa.string()))),
}


def json_of(database: str) -> list[Any]:
    """Return the types that keep JSON in a database."""
    return ["json", "jsonb", sa.JSON] if database == "postgresql" else ["json", sa.JSON]


@pytest.mark.parametrize("name", NESTED)
def test_nested_values_come_back_from_json(warehouse_url: str, database: str, name: str) -> None:
    """Every part of a nested value is equal and of the same type again, and writing it again changes nothing."""
    table = pa.table({"row": range(len(NESTED[name])), "x": NESTED[name]})
    for number, type_ in enumerate(json_of(database)):
        saver = TableSaver(f"t{number}", types={"x": type_}, warehouse=warehouse_url)
        assert saver.save_data(table)["commit"]["changed"]
        back, _ = TableLoader(f"t{number}", warehouse=warehouse_url).load_data(pa.Table)
        back = back.sort_by("row")
        assert back.schema.types == table.schema.types
        assert repr(back["x"].to_pylist()) == repr(table["x"].to_pylist())
        assert not saver.save_data(table)["commit"]["changed"]


def test_json_is_what_the_database_sees(warehouse: Warehouse, database: str) -> None:
    """The column has the declared type, and the database finds its way in it."""
    rows = pa.table({"x": [{"a": [1, 2], "b": "x"}, None]})
    TableSaver("t", types={"x": "json"}, warehouse=str(warehouse._url.render_as_string(hide_password=False))).save_data(
        rows
    )
    found = warehouse.tables([warehouse.name("t")])[warehouse.name("t")]
    assert found is not None
    assert [column.type.lower() for column in found.columns] == ["json"]
    path = {"postgresql": "x #>> '{a,1}'", "duckdb": "x ->> '$.a[1]'", "sqlite": "json_extract(x, '$.a[1]')"}[database]
    query = warehouse.query_text(f"SELECT CAST({path} AS INTEGER) AS y FROM t WHERE x IS NOT NULL")
    assert warehouse.read(query)[0].read_all()["y"].to_pylist() == [2]


@pytest.mark.parametrize("frame", [pl.DataFrame({"x": [{"a": [1], "b": 0.5}, None]}), pd.DataFrame({"x": [[[1], []]]})])
def test_frames_of_any_library_come_back_from_json(warehouse_url: str, frame: Any) -> None:
    """A frame of polars or pandas has its nested column again."""
    TableSaver("t", types={"x": "json"}, warehouse=warehouse_url).save_data(frame)
    back, _ = TableLoader("t", warehouse=warehouse_url).load_data(type(frame))
    if isinstance(frame, pl.DataFrame):
        assert back.equals(frame)
        assert back.schema == frame.schema
    else:
        assert [[list(part) for part in value] for value in back["x"]] == frame["x"].tolist()


@pytest.mark.parametrize("rows", [0, 1])
def test_a_column_of_no_values_keeps_its_type(warehouse_url: str, rows: int) -> None:
    """Without rows, or with NULL only, the type comes back all the same."""
    table = pa.table({"row": pa.array([1] * rows, pa.int64()), "x": pa.nulls(rows, pa.list_(pa.list_(pa.int64())))})
    TableSaver("t", types={"x": "json"}, warehouse=warehouse_url).save_data(table)
    assert TableLoader("t", warehouse=warehouse_url).load_data(pa.Table)[0].equals(table)


@pytest.mark.parametrize(
    ("values", "row", "said"),
    [
        (pa.array([[[1.0]], [[float("nan")]]]), 1, "JSON has no nan"),
        (pa.array([[[1.0]], [[float("-inf")]]]), 1, "JSON has no -inf"),
        (pa.array([[], [("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int64())), 1, "it changes"),
        (pa.array([[], [[(1, 2, 3)]]], pa.list_(pa.list_(pa.month_day_nano_interval()))), 0, "no JSON"),
    ],
)
def test_what_json_cannot_hold_is_refused(warehouse: Warehouse, values: pa.Array, row: int, said: str) -> None:
    """A value without JSON of its own is refused by column and row, and nothing is written."""
    url = warehouse._url.render_as_string(hide_password=False)
    with pytest.raises(SaveError, match=rf"column 'x'.* row {row} .*{said}") as caught:
        TableSaver("t", types={"x": "json"}, warehouse=url).save_data(pa.table({"x": values}))
    assert caught.value.hint
    assert warehouse.tables([warehouse.name("t")])[warehouse.name("t")] is None


def test_a_map_that_jsonb_would_reorder_is_refused(postgresql_url: str) -> None:
    """The keys of a map keep their order, or the save is refused."""
    rows = pa.table({"x": pa.array([[("bb", 1), ("a", 2)]], pa.map_(pa.string(), pa.int64()))})
    with pytest.raises(SaveError, match=r"row 0 .* another order"):
        TableSaver("t", types={"x": "jsonb"}, warehouse=postgresql_url).save_data(rows)


def test_without_a_declaration_the_remedy_is_named(warehouse_url: str, database: str) -> None:
    """A database that has no column for a nested type says how it can be kept."""
    rows = pa.table({"x": pa.array([[[1]]])})
    if database == "duckdb":
        assert TableSaver("t", warehouse=warehouse_url).save_data(rows)["commit"]["changed"]
        return
    with pytest.raises(SaveError, match="'x'") as caught:
        TableSaver("t", warehouse=warehouse_url).save_data(rows)
    assert f"types={{'x': '{'jsonb' if database == 'postgresql' else 'json'}'}}" in caught.value.hint
