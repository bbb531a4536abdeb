"""``sql`` and ``database``: through a warehouse where a URL is given, through the library over an open connection."""

from __future__ import annotations

import sqlite3
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine import driver
from engine.ad_hoc_utils import create_temporary_module
from engine.errors import LoadError, OptionError, SaveError
from engine.frames import library_of_type
from engine.io.lookup import find_loader, find_saver
from engine.io.materialization import from_, to

if TYPE_CHECKING:
    from pathlib import Path

ROWS = {"id": [1, 2], "name": ["a", "b"]}
FACES = {
    "sql": {"read": "query_or_table", "write": "table_name", "connection": "db_connection", "exists": "if_exists"},
    "database": {"read": "query", "write": "table_name", "connection": "connection", "exists": "if_table_exists"},
}


def frame_of(type_: Any) -> Any:
    """Return a frame of a type."""
    library = library_of_type(type_)
    assert library is not None
    return library.from_arrow(pa.table(ROWS).to_reader(), type_)


def rows_of(frame: Any) -> Any:
    """Return the rows of a frame."""
    library = library_of_type(type(frame))
    assert library is not None
    return library.to_arrow(frame).read_all().to_pydict()


def save(face: str, type_: Any, connection: Any, frame: Any = None, **options: Any) -> Any:
    """Save a frame under the face's own option names."""
    words = FACES[face]
    mode = {words["exists"]: options.pop("exists")} if "exists" in options else {}
    given = {words["write"]: "orders", words["connection"]: connection, **mode, **options}
    choice = find_saver(face, type_)
    choice.check(given, face)
    adapter = choice.make(**given)
    adapter.target()
    return adapter.save_data(frame_of(type_) if frame is None else frame)


def load(face: str, type_: Any, connection: Any, text: str = "orders", **options: Any) -> Any:
    """Load a frame under the face's own option names."""
    words = FACES[face]
    given = {words["read"]: text, words["connection"]: connection, **options}
    choice = find_loader(face, type_)
    choice.check(given, face)
    adapter = choice.make(**given)
    adapter.source()
    return adapter.load_data(type_)


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
@pytest.mark.parametrize("face", ["sql", "database"])
@pytest.mark.parametrize("type_", [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.Table])
def test_a_url_serves_every_frame_type(face: str, type_: Any, scheme: str, tmp_path: Path) -> None:
    """Rows come back equal through a table and a query, and a table that exists is replaced, added to or refused."""
    url = f"{scheme}:///{tmp_path / 'file.db'}"
    without_index = {"index": False} if type_ is pd.DataFrame else {}
    saved = save(face, type_, url, **without_index)
    assert saved["sql_metadata"]["rows"] == 2
    assert saved["sql_metadata"]["table_name"].endswith("orders")
    assert saved["dataframe_metadata"]["column_names"] == ["id", "name"]
    assert rows_of(load(face, type_, url)[0]) == ROWS
    with pytest.raises(SaveError, match="exists"):
        save(face, type_, url, **without_index)
    save(face, type_, url, exists="append", **without_index)
    loaded, metadata = load(face, type_, url, "SELECT id FROM orders WHERE id >= :least", params={"least": 2})
    assert rows_of(loaded) == {"id": [2, 2]}
    assert metadata["sql_metadata"]["query"].startswith("SELECT")
    save(face, type_, url, exists="replace", **without_index)
    assert rows_of(load(face, type_, url, columns=["name"])[0]) == {"name": ["a", "b"]}


def test_a_table_of_another_hand_is_replaced_whole(tmp_path: Path) -> None:
    """A table that the engine did not write is refused, added to or replaced as told; a failure leaves it."""
    path = tmp_path / "file.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, name TEXT)")
        connection.execute("INSERT INTO orders VALUES (9, 'old')")
    connection.close()
    url = f"sqlite:///{path}"
    with pytest.raises(SaveError, match="exists"):
        save("sql", pd.DataFrame, url, index=False)
    with pytest.raises(SaveError):
        save("sql", pd.DataFrame, url, pd.DataFrame({"id": [object()]}), exists="replace", index=False)
    assert rows_of(load("sql", pa.Table, url)[0]) == {"id": [9], "name": ["old"]}
    save("sql", pd.DataFrame, url, exists="append", index=False)
    assert rows_of(load("sql", pa.Table, url)[0])["id"] == [9, 1, 2]
    save("sql", pd.DataFrame, url, exists="replace", index=False)
    assert rows_of(load("sql", pa.Table, url)[0]) == ROWS


def test_the_index_of_pandas_is_written_as_pandas_does(tmp_path: Path) -> None:
    """The index becomes a column, named as told, and comes back as the index when asked for."""
    url = f"sqlite:///{tmp_path / 'file.db'}"
    save("sql", pd.DataFrame, url)
    assert list(load("sql", pd.DataFrame, url)[0].columns) == ["index", "id", "name"]
    save("sql", pd.DataFrame, url, exists="replace", index_label="row")
    loaded, _ = load("sql", pd.DataFrame, url, index_col="row")
    assert loaded.index.name == "row"
    dated = pd.DataFrame({"day": ["2024-01-31", "2024-02-01"]})
    save("sql", pd.DataFrame, url, dated, exists="replace", index=False)
    loaded, _ = load("sql", pd.DataFrame, url, parse_dates=["day"])
    assert loaded["day"].dt.month.tolist() == [1, 2]


@pytest.mark.parametrize("face", ["sql", "database"])
@pytest.mark.parametrize("type_", [pd.DataFrame, pl.DataFrame, pl.LazyFrame])
def test_an_open_connection_is_the_librarys(face: str, type_: Any, tmp_path: Path) -> None:
    """The library's own function reads and writes over an open connection, with its own options."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'file.db'}")
    without_index = {"index": False} if type_ is pd.DataFrame else {}
    saved = save(face, type_, engine, **without_index)
    assert saved["sql_metadata"]["table_name"] == "orders"
    with pytest.raises(SaveError, match="orders"):
        save(face, type_, engine, **without_index)
    save(face, type_, engine, exists="replace", **without_index)
    loaded, metadata = load(face, type_, engine, "SELECT * FROM orders")
    assert isinstance(loaded, type_)
    assert rows_of(loaded) == ROWS
    assert metadata["dataframe_metadata"]["column_names"] == ["id", "name"]
    with pytest.raises(LoadError, match="absent"):
        load(face, type_, engine, "SELECT * FROM absent")
    engine.dispose()


def test_a_connection_of_the_standard_library_serves(tmp_path: Path) -> None:
    """``sqlite3.connect`` is an open connection as well."""
    with sqlite3.connect(tmp_path / "file.db") as connection, warnings.catch_warnings():
        warnings.simplefilter("error")
        save("sql", pd.DataFrame, connection, index=False)
        loaded, _ = load("sql", pd.DataFrame, connection, "SELECT * FROM orders WHERE id = ?", params=(2,))
        assert loaded["name"].tolist() == ["b"]
    connection.close()


@pytest.mark.parametrize(
    ("face", "type_", "connection", "options", "message"),
    [
        ("sql", pd.DataFrame, "sqlite://", {"dtype": {"id": "int"}}, "open connection"),
        ("sql", pd.DataFrame, "sqlite://", {"params": [1]}, "params"),
        ("database", pl.DataFrame, "sqlite://", {"iter_batches": True}, "open connection"),
        ("sql", pa.Table, None, {}, "URL"),
    ],
)
def test_what_a_connection_does_not_serve_is_refused(
    face: str, type_: Any, connection: Any, options: dict[str, Any], message: str
) -> None:
    """An option of the other kind of connection, or a type that no library serves, is refused before anything runs."""
    with pytest.raises(OptionError, match=message):
        load(face, type_, connection or object(), **options)


def test_an_unknown_word_for_an_existing_table_is_refused() -> None:
    """A misspelt ``if_exists`` names the nearest."""
    with pytest.raises(OptionError, match="replace"):
        save("sql", pd.DataFrame, "sqlite://", exists="replce")


def test_a_dataflow_uses_both(tmp_path: Path) -> None:
    """A table is written and read by requests in a dataflow, by URL and over a connection from the inputs."""

    def doubled(orders: pd.DataFrame) -> pd.DataFrame:
        return orders.assign(id=orders["id"] * 2)

    url = f"sqlite:///{tmp_path / 'file.db'}"
    save("sql", pd.DataFrame, url, index=False)
    module = create_temporary_module(doubled)
    dr = driver.Builder().with_modules(module).build()
    saved, values = dr.materialize(
        from_.sql(target="orders", query_or_table="SELECT * FROM orders", db_connection=url),
        to.sql(id="out", dependencies=["doubled"], table_name="twice", db_connection=url, index=False),
        additional_vars=["doubled"],
    )
    assert values["doubled"]["id"].tolist() == [2, 4]
    assert saved["out"]["sql_metadata"]["rows"] == 2
    assert rows_of(load("sql", pa.Table, url, "twice")[0])["id"] == [2, 4]
