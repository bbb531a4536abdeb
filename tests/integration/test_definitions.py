"""What a saver asks of its table beyond rows: types, primary key, indexes, NOT NULL, comments; and drift from it."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.ad_hoc_utils import create_temporary_module
from engine.dialects.base import Intent, Write, WriteMode
from engine.dialects.definitions import TableDefinition
from engine.dialects.warehouse import Warehouse
from engine.driver import Builder
from engine.errors import OptionError, SaveError, SchemaMismatchError
from engine.io.materialization import to

if TYPE_CHECKING:
    from pathlib import Path

    from engine.dialects.base import Commit

_IDS = itertools.count()
ROWS = pa.table({"id": [1, 2, 3], "price": [1.5, None, 0.1], "name": ["a", "b", "c"]})


def save(warehouse: Warehouse, rows: Any, mode: str = "replace", *, adopt: bool = False, **asked: Any) -> Commit:
    """Save rows into table ``t`` with a definition, or skip where the database keeps no such thing."""
    definition = TableDefinition.of(**asked)
    if not definition.parts() <= warehouse.dialect.traits.defines:
        pytest.skip(f"{warehouse.dialect.traits.name} keeps no {', '.join(definition.parts())}")
    write = Write(warehouse.name("t"), WriteMode(mode), (), definition)
    stream = rows.to_reader() if isinstance(rows, pa.Table) else rows
    return warehouse.save(stream, write, Intent(commit_id=f"definition-{next(_IDS)}", adopt=adopt))


def run(warehouse: Warehouse, text: str) -> list[tuple[Any, ...]]:
    """Run a statement behind the engine's back, over its connection."""
    with warehouse.dialect.transaction(warehouse._connection(), write=True):
        return warehouse.dialect.run(warehouse._connection(), text)


def read(warehouse: Warehouse) -> pa.Table:
    """Read table ``t``."""
    return warehouse.read(warehouse.query_table(warehouse.name("t")))[0].read_all()


@pytest.mark.parametrize("price", ["numeric(12,2)", sa.Numeric(12, 2)])
def test_a_declared_type_is_the_column_s(warehouse: Warehouse, price: Any) -> None:
    """A column gets its declared type, as SQL text or from SQLAlchemy, and its values come back exactly in it."""
    assert save(warehouse, ROWS, types={"price": price, "id": sa.Integer}).changed
    found = read(warehouse)
    assert found.schema.field("price").type == pa.decimal128(12, 2)
    assert found["price"].to_pylist() == [Decimal("1.50"), None, Decimal("0.10")]
    assert not save(warehouse, ROWS, types={"price": price, "id": sa.Integer}).changed


def test_views_of_texts_take_a_declared_type(warehouse: Warehouse) -> None:
    """Texts that come as Arrow's views are parsed as others are."""
    views = pa.table({"id": [1, 2], "day": pa.array(["2026-01-31", None], pa.string_view())})
    save(warehouse, views, types={"day": "date"})
    assert read(warehouse)["day"].to_pylist() == [dt.date(2026, 1, 31), None]


def test_another_declared_type_is_another_table(warehouse: Warehouse) -> None:
    """Changing only a declared type writes the table anew, though the rows are the same."""
    save(warehouse, ROWS)
    assert save(warehouse, ROWS, types={"price": "numeric(12,4)"}).changed
    assert read(warehouse).schema.field("price").type == pa.decimal128(12, 4)


@pytest.mark.parametrize(
    ("column", "type_", "values"),
    [
        ("price", "numeric(12,2)", pa.array([1.25, 1.239])),
        ("price", "integer", pa.array([1.0, 2.7])),
        ("id", "smallint", pa.array([1, 70_000])),
        ("price", "real", pa.array([0.5, 0.1])),
        ("name", "integer", pa.array(["1", "x"])),
        ("at", "timestamp with time zone", pa.array([0, 1], pa.timestamp("us"))),
    ],
)
def test_what_does_not_fit_a_declared_type_is_refused(
    warehouse: Warehouse, column: str, type_: str, values: pa.Array
) -> None:
    """A value that would change on its way into a declared type is refused by column, and nothing is written."""
    if warehouse.dialect.traits.name == "sqlite" and type_ in ("smallint", "real"):
        pytest.skip("these words stand for types of eight bytes here")
    with pytest.raises(SaveError, match=column):
        save(warehouse, pa.table({column: values}), types={column: type_})
    assert warehouse.tables([warehouse.name("t")])[warehouse.name("t")] is None


def test_a_column_of_nothing_but_null_takes_its_declared_type(warehouse: Warehouse) -> None:
    """A column without a type gets the declared one instead of being refused."""
    save(warehouse, pa.table({"id": [1], "note": pa.nulls(1)}), types={"note": "text"})
    assert read(warehouse).schema.field("note").type == pa.string()


@pytest.mark.parametrize(
    "asked",
    [
        {"types": {"nme": "text"}},
        {"primary_key": "nme"},
        {"indexes": [["id", "nme"]]},
        {"not_null": ["nme"]},
    ],
)
def test_columns_that_are_not_there_are_named(warehouse: Warehouse, asked: dict[str, Any]) -> None:
    """An option about a column that the value has not is an error with the near name."""
    with pytest.raises(SaveError, match="nme") as caught:
        save(warehouse, ROWS, **asked)
    assert "'name'" in caught.value.hint


@pytest.mark.parametrize(
    "bad", ["integer; DROP TABLE t", "text) --", "", "int\0", 7, 'text COLLATE "C"', sa.String(collation="C")]
)
def test_a_type_is_a_type(bad: Any) -> None:
    """What is no type, above all what holds more SQL, is refused before anything runs."""
    with pytest.raises(OptionError):
        TableDefinition.of(types={"id": bad})


@pytest.mark.parametrize(
    "type_",
    ["int[]", "numeric(12, 2)", "timestamp with time zone", "double precision", 'public."Odd Type"', "e('a','b')"],
)
def test_types_of_all_spellings_are_taken(type_: str) -> None:
    """Types of several words, with numbers, labels, schemas and arrays are types."""
    assert TableDefinition.of(types={"id": type_}).types[0][1].text == type_


def test_a_definition_is_kept(warehouse: Warehouse) -> None:
    """Key, index and NOT NULL are there after the first save and after others."""
    asked: dict[str, Any] = {"primary_key": "id", "indexes": ["price", ["name", "price"]], "not_null": "name"}
    save(warehouse, ROWS, **asked)
    for rows in (ROWS.slice(1), ROWS.slice(2)):
        assert save(warehouse, rows, **asked).changed
        columns = {c.name: c.nullable for c in warehouse.tables([warehouse.name("t")])[warehouse.name("t")].columns}  # type: ignore[union-attr]  # it is there
        assert (columns["id"], columns["name"], columns["price"]) == (False, False, True)
        with pytest.raises(SaveError):
            save(warehouse, pa.concat_tables([rows, rows]), **asked)
        assert read(warehouse).num_rows == rows.num_rows


@pytest.mark.parametrize("column", ["id", "name"])
def test_null_where_none_may_be(warehouse: Warehouse, column: str) -> None:
    """A NULL in a column of the key or of not_null= is refused by column and row, and the old table stands."""
    asked: dict[str, Any] = {"primary_key": "id", "not_null": "name"}
    save(warehouse, ROWS, **asked)
    holed = ROWS.set_column(
        ROWS.schema.get_field_index(column), column, pa.array([None, None, None], ROWS[column].type)
    )
    with pytest.raises(SaveError, match=f"'{column}'.*row 0"):
        save(warehouse, holed, **asked)
    assert read(warehouse).num_rows == 3


def test_what_is_asked_later_is_added(warehouse: Warehouse) -> None:
    """A definition that grows is added to the table that is there, though its rows are the same."""
    save(warehouse, ROWS)
    assert save(warehouse, ROWS, primary_key="id").changed
    with pytest.raises(SaveError):
        save(warehouse, pa.concat_tables([ROWS, ROWS]), primary_key="id")


def test_another_primary_key_is_a_mismatch(warehouse: Warehouse) -> None:
    """A table with another primary key than asked for is left alone; the error names both."""
    save(warehouse, ROWS, primary_key="id")
    with pytest.raises(SchemaMismatchError, match="name → id"):
        save(warehouse, ROWS, primary_key="name")


def test_a_key_that_occurs_twice_is_refused(warehouse: Warehouse) -> None:
    """Two rows of one declared key are the value's fault: the error names the table and says so; nothing changes."""
    save(warehouse, ROWS, primary_key="id")
    with pytest.raises(SaveError, match="a key stands for one row") as caught:
        save(warehouse, pa.table({"id": [7, 7], "price": [1.5, 2.5], "name": ["a", "b"]}), primary_key="id")
    assert str(warehouse.name("t")) in str(caught.value)
    assert sorted(read(warehouse)["id"].to_pylist()) == [1, 2, 3]


def test_a_view_has_no_key(warehouse: Warehouse) -> None:
    """What only tables have is refused for a view."""
    save(warehouse, ROWS)
    query = warehouse.query_table(warehouse.name("t"))
    with pytest.raises(OptionError, match="view"):
        warehouse.save(
            query,
            Write(warehouse.name("v"), WriteMode.VIEW, (), TableDefinition.of(primary_key="id")),
            Intent(commit_id="view"),
        )


def test_a_query_is_cast_to_declared_types(warehouse: Warehouse) -> None:
    """The rows of a query get a declared type inside the database, where none can change; else it is refused."""
    save(warehouse, ROWS)
    query = warehouse.query_text("SELECT id, price FROM t")
    write = Write(warehouse.name("q"), WriteMode.REPLACE, (), TableDefinition.of(types={"id": "bigint"}))
    assert warehouse.save(query, write, Intent(commit_id="query")).changed
    write = Write(warehouse.name("q"), WriteMode.REPLACE, (), TableDefinition.of(types={"price": "integer"}))
    with pytest.raises(SaveError, match="price"):
        warehouse.save(query, write, Intent(commit_id="query2"))


@pytest.mark.parametrize(
    ("altered", "named"),
    [
        ("ALTER TABLE t ADD COLUMN note TEXT", "missing: note"),
        ("ALTER TABLE t DROP COLUMN name", "unexpected: name"),
        ("ALTER TABLE t RENAME COLUMN name TO title", "missing: title; unexpected: name"),
    ],
)
def test_drift_is_reported_with_its_columns(warehouse: Warehouse, altered: str, named: str) -> None:
    """An append to a table that somebody altered names the columns; a replace makes the table as the value says."""
    save(warehouse, ROWS)
    run(warehouse, altered)
    with pytest.raises(SchemaMismatchError, match=named):
        save(warehouse, ROWS.slice(1), "append")
    assert read(warehouse).num_rows == 3
    assert save(warehouse, ROWS.slice(1)).changed
    assert read(warehouse).column_names == ROWS.column_names


def test_a_declared_type_is_compared_with_the_table_s(warehouse: Warehouse) -> None:
    """An append whose declared type is not the table's is refused by column, though its values would fit."""
    save(warehouse, ROWS, types={"price": "numeric(12,2)"})
    save(warehouse, ROWS, "append", types={"price": "numeric(12,2)"})
    with pytest.raises(SchemaMismatchError, match="price") as caught:
        save(warehouse, ROWS, "append", types={"price": "numeric(10,2)"})
    assert len(caught.value.differing) == 1


def readings() -> pd.DataFrame:
    """Readings by hour.

    Columns:
        hour: in UTC,
            from midnight
        value (float): as read

    Not part of it.
    """
    return pd.DataFrame({"value": [1.5, 2.5]}, index=pd.Index([1, 2], name="hour"))


def test_the_docstring_becomes_comments(warehouse_url: str) -> None:
    """With comment=True the node's docstring is the table's comment, and its section on columns theirs."""
    if warehouse_url.startswith("sqlite"):
        pytest.skip("sqlite keeps no comment")
    asked = {"comment": True, "index": True, "types": {"value": sa.Numeric(10, 2)}, "primary_key": "hour"}
    saver = to.table(id="saved", dependencies=["readings"], table="marts.readings", **asked)
    driver = Builder().with_modules(create_temporary_module(readings)).with_warehouse(warehouse_url)
    driver.build().materialize(saver)
    with Warehouse(warehouse_url) as warehouse:
        if warehouse.dialect.traits.name == "postgresql":
            question = (
                "SELECT obj_description('marts.readings'::regclass), col_description('marts.readings'::regclass, 1)"
            )
        else:
            question = (
                "SELECT t.comment, c.comment FROM duckdb_tables() t JOIN duckdb_columns() c USING (table_oid)"
                " WHERE column_name = 'hour'"
            )
        ((table, hour),) = run(warehouse, question)
    assert table.startswith("Readings by hour.\n\n")
    assert hour == "in UTC, from midnight"


def test_options_make_an_output_stale(tmp_path: Path) -> None:
    """An output is fresh while its options are the same, a SQLAlchemy type among them, and stale when one changes."""

    def built(**asked: Any) -> int:
        saver = to.table(id="saved", dependencies=["readings"], table="readings", index=False, **asked)
        driver = (
            Builder()
            .with_modules(create_temporary_module(readings))
            .with_warehouse(f"duckdb:///{tmp_path}/w.duckdb")
            .with_metadata(f"sqlite:///{tmp_path}/m.db")
            .with_materializers(saver)
            .build()
        )
        return driver.refresh(["saved"]).count("built")

    assert built(types={"value": sa.Numeric(10, 2)}) == 1
    assert built(types={"value": sa.Numeric(10, 2)}) == 0
    assert built(types={"value": sa.Numeric(12, 2)}) == 1
    assert built(types={"value": sa.Numeric(12, 2)}, not_null="value") == 1
