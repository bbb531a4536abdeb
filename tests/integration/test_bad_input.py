"""What is wrong with a project is one clear error of the command: it names the thing and says what to do.

It comes before anything ran where that can be known, without a stack trace, with the exit status that scripts rely on.
"""

from __future__ import annotations

import importlib
import linecache
import sqlite3
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from engine.cli import main
from tests.fixtures.dataflows import run_sql

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

FLOW = """
import pandas as pd

from engine.io.materialization import from_, to


def orders() -> pd.DataFrame:
    return pd.DataFrame({"id": [1, 2], "amount": [3.5, 4.5]})


def total(orders: pd.DataFrame, factor: int) -> pd.DataFrame:
    return pd.DataFrame({"total": [orders["amount"].sum() * factor]})


materializers = [
    to.table(id="orders_table", dependencies=["orders"], table="orders"),
    to.table(id="total_table", dependencies=["total"], table="total"),
]
"""
SETTINGS = """modules = ["flow"]
materializers = "flow:materializers"
warehouse = "{warehouse}"
[inputs]
factor = 2
"""
ORDERS = 'return pd.DataFrame({"id": [1, 2], "amount": [3.5, 4.5]})'


class Scratch:
    """A project in a folder of its own, with its command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write(SETTINGS.format(warehouse="duckdb:///warehouse.duckdb"), "engine.toml")
        self.write(FLOW)

    def write(self, text: str, name: str = "flow.py") -> None:
        """Write a file."""
        (self.folder / name).write_text(text)

    def edit(self, old: str, new: str, name: str = "flow.py") -> None:
        """Replace a text, which must be there."""
        text = (self.folder / name).read_text()
        assert old in text
        self.write(text.replace(old, new), name)

    def warehouse(self, url: str) -> None:
        """Choose the database."""
        self.edit("duckdb:///warehouse.duckdb", url, "engine.toml")

    def load(self, request: str) -> None:
        """Add a request to load."""
        self.edit("materializers = [", f"materializers = [\n    {request},")

    def call(self, *arguments: str) -> Result:
        """Call the command in this process."""
        importlib.invalidate_caches()
        linecache.clearcache()
        before = set(sys.modules)
        try:
            return CliRunner().invoke(main, list(arguments), prog_name="engine")
        finally:
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", "")).startswith(str(self.folder)):
                    del sys.modules[name]

    def refused(self, *said: str, status: int = 2, ran: bool = False) -> None:
        """Check that a run ends with one error and its hint, and unless ``ran`` that it never began."""
        result = self.call("run")
        assert result.exit_code == status, result.output
        if not ran:
            lines = result.stderr.splitlines()
            assert [line.partition(":")[0] for line in lines] == ["error", "hint"], result.stderr
            assert not result.stdout
            assert not (self.folder / ".engine").exists() or not self.ask("SELECT * FROM node_run")
        for text in (*said, *(["hint: "] if ran else [])):
            assert text in result.output, result.output
        for noise in ("Traceback", "unexpected", "\t", "load_data."):
            assert noise not in result.output

    def ask(self, sql: str) -> list[Any]:
        """Ask the metadata."""
        connection = sqlite3.connect(self.folder / ".engine" / "metadata.db")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scratch:
    """A project without fault; nothing that it changes in this process stays."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("ENGINE_WAREHOUSE", "ENGINE_METADATA"):
        monkeypatch.delenv(name, raising=False)
    return Scratch(folder)


def test_the_project_itself_is_right(scratch: Scratch) -> None:
    """Without a fault the project runs."""
    assert scratch.call("run").exit_code == 0


DEFINITIONS = {
    "unknown node": (
        'dependencies=["total"]',
        'dependencies=["totl"]',
        ["to.table(id='total_table')", "'totl'", "'total'"],
    ),
    "unknown target": ("materializers = [", 'materializers = [from_.csv(target="ordrs", path="x.csv"),', ["'ordrs'"]),
    "type mismatch": (
        "total(orders: pd.DataFrame",
        "total(orders: int",
        ["takes int for 'orders'", "pandas.DataFrame"],
    ),
    "cycle": ("def orders()", "def orders(total: pd.DataFrame)", ["orders → total → orders form a cycle"]),
    "name taken": ('id="total_table"', 'id="total"', ["'total' is taken"]),
    "unknown loader": (
        "materializers = [",
        'materializers = [from_.tabel(target="orders", table="x"),',
        ["'tabel'", "did you mean from_.table?", "flow.py:15"],
    ),
    "unknown saver": ('to.table(id="total', 'to.tabel(id="total', ["'tabel'", "did you mean to.table?", "flow.py:17"]),
    "missing option": ('table="total"', "", ["to.table(id='total_table') needs the option 'table'"]),
    "misspelt option of a saver": (
        'table="total"',
        'tabel="total"',
        ["to.table(id='total_table') has no option 'tabel'", "did you mean 'table'?"],
    ),
    "options without names": ('id="total_table", ', '"total_table", ', ["to.table() takes its options by name"]),
    "unknown mode": ('table="total"', 'table="total", mode="replce"', ["no mode 'replce'", "did you mean 'replace'?"]),
    "keys without their mode": ('table="total"', 'table="total", mode="upsert"', ["'upsert') needs keys="]),
    "several dependencies": ('["total"]', '["total", "orders"]', ["has 2 dependencies", "combine="]),
    "no name of a table": ('table="total"', 'table="a.b.c"', ["'a.b.c' is not the name of a table"]),
    "syntax error": ("def orders()", "def orders(", ["'flow' does not import: SyntaxError", "flow.py:7"]),
    "missing dependency": ("import pandas", "import nowhere_to_be_found\nimport pandas", ["install", "flow.py:2"]),
    "no annotation": ("factor: int", "factor", ["parameter 'factor' of function total", "no type annotation"]),
}


@pytest.mark.parametrize(("old", "new", "said"), DEFINITIONS.values(), ids=DEFINITIONS)
def test_a_wrong_dataflow(scratch: Scratch, old: str, new: str, said: list[str]) -> None:
    """What is wrong with the dataflow itself is said before any database is touched."""
    scratch.edit(old, new)
    scratch.refused(*said)
    assert {path.name for path in scratch.folder.iterdir()} == {"engine.toml", "flow.py"}


MISSPELT = {
    "table": ('from_.table(target="orders", table="x", colums=["id"])', "colums", "columns"),
    "query": ('from_.query(target="orders", sql="SELECT 1", parms={})', "parms", "params"),
    "csv": ('from_.csv(target="orders", path="x.csv", skiprow=1)', "skiprow", "skiprows"),
    "parquet": ('from_.parquet(target="orders", path="x.parquet", colums=["a"])', "colums", "columns"),
}


@pytest.mark.parametrize(("request_", "given", "meant"), MISSPELT.values(), ids=MISSPELT)
def test_a_misspelt_option_of_a_loader(scratch: Scratch, request_: str, given: str, meant: str) -> None:
    """An option that a loader does not have is named, with the one that may be meant."""
    scratch.load(request_)
    scratch.refused("(target='orders')", f"has no option {given!r}", f"did you mean {meant!r}?")


INPUTS = {
    "missing": ("factor = 2", "", ["'factor', which node 'total' reads, is missing"]),
    "misspelt": ("factor = 2", "factr = 2", ["'factor'", "'factr' was given, which nothing reads"]),
    "of another type": ("factor = 2", 'factor = "two"', ["'factor' is to be of type int, but is of type str"]),
}


@pytest.mark.parametrize(("old", "new", "said"), INPUTS.values(), ids=INPUTS)
def test_a_wrong_input(scratch: Scratch, old: str, new: str, said: list[str]) -> None:
    """An input that is missing, misspelt or of another type is named, and nothing runs."""
    scratch.edit(old, new, "engine.toml")
    scratch.refused(*said)


def test_two_nodes_of_one_name(scratch: Scratch) -> None:
    """A name that two modules claim is named with both places."""
    scratch.write("def orders() -> int:\n    return 1\n", "other.py")
    scratch.edit('["flow"]', '["flow", "other"]', "engine.toml")
    scratch.refused("'orders'", "flow.py:7", "other.py:1")


@pytest.fixture
def sourced(scratch: Scratch, warehouse_url: str) -> Scratch:
    """A project on each database, with a table that somebody else made."""
    run_sql(warehouse_url, "CREATE TABLE source (id INTEGER, amount INTEGER)", "INSERT INTO source VALUES (1, 10)")
    scratch.warehouse(warehouse_url)
    scratch.edit("[inputs]", 'metadata = "sqlite:///.engine/metadata.db"\n[inputs]', "engine.toml")
    return scratch


READS = {
    "missing table": ('table(target="orders", table="sorce")', 1, ["no table", "sorce", "did you mean"]),
    "missing column": ('table(target="orders", table="source", columns=["amont"])', 1, ["'amont'", "'amount'"]),
    "wrong where": ('table(target="orders", table="source", where="amont > 3")', 1, ["amont", "check the names"]),
    "broken where": ('table(target="orders", table="source", where="amount > > 3")', 1, ["syntax error"]),
    "missing parameter": ('table(target="orders", table="source", where="id = :day")', 2, [":day", "params="]),
    "broken SQL": ('query(target="orders", sql="SELECT id FRM source WHERE")', 1, ["syntax error"]),
    "misspelt SQL": ('query(target="orders", sql="SELCT id FROM source")', 1, []),
    "query of a missing table": ('query(target="orders", sql="SELECT id FROM sorce")', 1, ["sorce", "check the names"]),
    "query of a missing column": (
        'query(target="orders", sql="SELECT idd FROM source")',
        1,
        ["idd", "check the names"],
    ),
    "query that writes": ('query(target="orders", sql="DELETE FROM source")', 1, ["one statement that reads"]),
    "two queries": ('query(target="orders", sql="SELECT 1 AS a; SELECT 2 AS a")', 1, []),
}


@pytest.mark.parametrize(("request_", "status", "said"), READS.values(), ids=READS)
def test_a_wrong_read(sourced: Scratch, warehouse_url: str, request_: str, status: int, said: list[str]) -> None:
    """A table, column or query that is wrong is found before anything ran, and named with its node."""
    sourced.load(f"from_.{request_}")
    sourced.refused("node 'orders': ", *said, status=status)
    run_sql(warehouse_url, "INSERT INTO source VALUES (2, 20)", "DELETE FROM source WHERE id = 2 AND amount = 20")


VALUES = {
    "None": ("return None", ["orders cannot be written", "None", "no frame"]),
    "list": ("return [1, 2]", ["orders cannot be written", "type list", "no frame"]),
    "twice a column": ('return pd.DataFrame([[1, 2]], columns=["a", "a"])', ["orders", "two columns are named 'a'"]),
    "no columns": ("return pd.DataFrame()", ["orders", "no columns"]),
    "empty and untyped": ('return pd.DataFrame({"id": []}, dtype=object)', ["orders", "'id'", "no type"]),
    "only NULL": ('return pd.DataFrame({"id": [None, None]})', ["orders", "'id'", "nothing but NULL"]),
    "mixed": ('return pd.DataFrame({"id": [1, "x"]})', ["orders", "'id'", "row 1", "str", "int"]),
    "an index with names": (
        'return pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="key"))',
        ["orders", "'key'", "reset_index"],
    ),
}


@pytest.mark.parametrize(("returns", "said"), VALUES.values(), ids=VALUES)
def test_a_value_that_is_no_table(sourced: Scratch, returns: str, said: list[str]) -> None:
    """What a node gives and no table can hold is refused by table and column; what reads it is blocked."""
    sourced.edit(ORDERS, returns)
    sourced.refused(*said, "1 failed, 1 blocked", status=1, ran=True)
    assert sourced.ask("SELECT state FROM run") == [("failed",)]


def test_an_empty_frame_with_types(sourced: Scratch, warehouse_url: str) -> None:
    """A frame without rows whose columns have types is a table without rows."""
    sourced.edit(ORDERS, 'return pd.DataFrame({"id": [1], "amount": [1.5]}).head(0)')
    assert sourced.call("run").exit_code == 0
    assert _rows(warehouse_url, "SELECT * FROM orders") == []


def test_nan_becomes_null(sourced: Scratch, warehouse_url: str) -> None:
    """A NaN of a pandas frame is NULL in every database."""
    sourced.edit(ORDERS, 'return pd.DataFrame({"id": [1, 2], "amount": [float("nan"), 4.5]})')
    assert sourced.call("run").exit_code == 0
    assert _rows(warehouse_url, "SELECT id FROM orders WHERE amount IS NULL") == [(1,)]


def _rows(url: str, query: str) -> list[Any]:
    from engine.dialects.warehouse import Warehouse

    with Warehouse(url) as warehouse:
        batches, _ = warehouse.read(warehouse.query_text(query))
        return [tuple(row.values()) for row in batches.read_all().to_pylist()]


def test_a_missing_file(scratch: Scratch) -> None:
    """A file that is not there is found before anything ran."""
    scratch.load('from_.csv(target="orders", path="nowhere.csv")')
    scratch.refused("node 'orders': there is no file nowhere.csv", f"start at {scratch.folder}", status=1)


def test_an_empty_folder_for_a_file(scratch: Scratch) -> None:
    """A folder without files is none either."""
    (scratch.folder / "data").mkdir()
    scratch.load('from_.csv(target="orders", path="data")')
    scratch.refused("node 'orders': there is no file in the folder data", status=1)


@pytest.mark.parametrize(
    ("path", "said"),
    [("data", "data cannot be written: it is a folder"), ("engine.toml/x.csv", "engine.toml is no folder")],
)
def test_something_in_the_way_of_a_file(scratch: Scratch, path: str, said: str) -> None:
    """A folder where a file is to be written, and a file where a folder is needed, are named."""
    (scratch.folder / "data").mkdir()
    scratch.edit('to.table(id="total_table"', 'to.csv(id="total_table"')
    scratch.edit('table="total"', f'path="{path}"')
    scratch.refused(said, "1 built, 1 failed", status=1, ran=True)


PLACES = {
    "a folder": ("folder", "{folder}/folder is a folder"),
    "in a file": ("engine.toml/w", "{folder}/engine.toml is a file and no folder"),
    "another file": ("engine.toml", "is not a {name} database"),
}


@pytest.mark.parametrize(("scheme", "name"), [("duckdb", "DuckDB"), ("sqlite", "SQLite")])
@pytest.mark.parametrize(("path", "said"), PLACES.values(), ids=PLACES)
def test_a_place_that_no_database_can_have(scratch: Scratch, scheme: str, name: str, path: str, said: str) -> None:
    """A path that leads to a folder, through a file, or to another file is said to do so."""
    (scratch.folder / "folder").mkdir()
    scratch.warehouse(f"{scheme}:///{path}")
    scratch.refused(f"{scheme}:///{path}", said.format(folder=scratch.folder, name=name), status=1)


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_a_database_in_a_folder_that_is_not_there(scratch: Scratch, scheme: str) -> None:
    """The folder of a database is made."""
    scratch.warehouse(f"{scheme}:///new/folder/warehouse.db")
    assert scratch.call("run").exit_code == 0
    assert (scratch.folder / "new/folder/warehouse.db").is_file()


URLS = {
    "unreachable": ("postgresql://ann:C4n%40ry@127.0.0.1:1/shop", 1, ["ann@127.0.0.1:1/shop", "nothing listens there"]),
    "unknown host": ("postgresql://ann:C4n%40ry@nowhere.invalid/shop", 1, ["no machine has this name"]),
    "unknown dialect": ("duckbd:///w", 2, ["no dialect named 'duckbd'", "did you mean 'duckdb'?"]),
    "no driver": ("mssql+pymssql://ann:C4n%40ry@h/d", 2, ["'mssql+pymssql'", "does not import", "install"]),
    "no URL": ("warehouse.duckdb", 2, ["not the URL of a database", "duckdb:///"]),
    "password in the query": ("postgresql://ann@h/d?password=C4nary", 2, ["'password' in its query", "before the @"]),
}


@pytest.mark.parametrize(("url", "status", "said"), URLS.values(), ids=URLS)
@pytest.mark.parametrize("metadata", ["", 'metadata = "sqlite:///.engine/metadata.db"\n'], ids=["own", "file"])
def test_a_database_that_cannot_be_reached(
    scratch: Scratch, metadata: str, url: str, status: int, said: list[str]
) -> None:
    """A server, driver or URL at fault is named without the password."""
    scratch.warehouse(url)
    scratch.edit("[inputs]", f"{metadata}[inputs]", "engine.toml")
    scratch.refused(*said, status=status)
    assert "C4n" not in scratch.call("run").output


@pytest.mark.parametrize("password", ["", "C4n%40ry"])
def test_a_wrong_password(scratch: Scratch, login: Callable[[str], str], password: str) -> None:
    """A password that the server refuses, and none where it wants one, are said to be so."""
    user, _, rest = login("the right one").partition("://")[2].partition(":")
    scratch.warehouse(f"postgresql://{user}{':' * bool(password)}{password}@{rest.partition('@')[2]}")
    said = f"refuses the password of user '{user}'" if password else "asks for a password"
    scratch.refused(said, status=1)
