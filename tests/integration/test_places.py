"""One table or file is one place, however it is spelled: readers follow its writer, and it has one writer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from engine.errors import DuplicateNodeError
from engine.function_modifiers import source
from engine.io.materialization import from_, to
from tests.fixtures.dataflows import reasons, run_sql, states

if TYPE_CHECKING:
    from tests.fixtures.dataflows import Project

FLOW = """
import pandas as pd


def numbers(number: int) -> pd.DataFrame:
    return pd.DataFrame({"n": [number]})


def summed(stored: pd.DataFrame) -> pd.DataFrame:
    return stored.assign(n=stored["n"] + 1)
"""

SPELLINGS = {
    "duckdb": {"plain": "numbers", "schema": "main.numbers", "case": "Main.NUMBERS"},
    "sqlite": {"plain": "numbers", "case": "Numbers"},
    "postgresql": {"plain": "numbers", "schema": "public.numbers"},
}
"""Names of one table, per database."""


def urls(project: Project, database: str, folder: Path) -> dict[str, str | None]:
    """Return URLs that lead to the project's warehouse."""
    url = sa.make_url(project.warehouse)
    spelled: dict[str, str | None] = {"none": None, "same": project.warehouse}
    if database == "postgresql":
        socket = dict(url.query)
        spelled["driver"] = url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        spelled["port"] = url.set(query={**socket, "port": "5432"}).render_as_string(hide_password=False)
        return spelled
    path = Path(str(url.database))
    link = folder / "link.db"
    if not link.is_symlink():
        link.symlink_to(path)
    spelled["relative"] = f"{database}:///{os.path.relpath(path)}"
    spelled["dots"] = f"{database}:///{path.parent}/../{path.parent.name}/{path.name}"
    spelled["link"] = f"{database}:///{link}"
    return spelled


def sums(project: Project, *, saved: dict[str, Any], loaded: dict[str, Any]) -> list[int]:
    """Save a number, load it and save one more, for two numbers; return what was saved last."""
    project.write("flow", FLOW)
    seen = []
    for number in (1, 10):
        driver = project.driver(
            from_.table(target="stored", **loaded),
            to.table(id="summed_table", dependencies=["summed"], table="summed"),
            to.table(id="numbers_table", dependencies=["numbers"], **saved),
        )
        result = driver.refresh(inputs={"number": number})
        assert set(states(result).values()) == {"built"}, result
        driver.close()
        seen.append(run_count(project, "SELECT n FROM summed"))
    return seen


def run_count(project: Project, query: str) -> int:
    """Return the one number that a query gives."""
    from engine.dialects.warehouse import Warehouse

    with Warehouse(project.warehouse) as warehouse:
        return int(warehouse.read(warehouse.query_text(query))[0].read_all().column(0)[0].as_py())


def test_a_reader_follows_the_writer_however_the_database_is_spelled(
    project: Project, database: str, tmp_path: Path
) -> None:
    """No URL, the same URL, another path or driver: the reader sees what this run wrote."""
    for url in urls(project, database, tmp_path).values():
        assert sums(project, saved={"table": "numbers"}, loaded={"table": "numbers", "warehouse": url}) == [2, 11]
        assert sums(project, saved={"table": "numbers", "warehouse": url}, loaded={"table": "numbers"}) == [2, 11]


def test_a_reader_follows_the_writer_however_the_table_is_spelled(project: Project, database: str) -> None:
    """With the default schema or without it, in capitals where they do not count: it is one table and one dataset."""
    names = SPELLINGS[database].values()
    for name in names:
        assert sums(project, saved={"table": "numbers"}, loaded={"table": name}) == [2, 11]
        assert sums(project, saved={"table": name}, loaded={"table": "numbers"}) == [2, 11]
    store = project.driver(to.table(id="numbers_table", dependencies=["numbers"], table="numbers")).store
    assert store is not None
    _, rows = store.query("SELECT name FROM dataset WHERE name LIKE '%umbers' OR name LIKE '%UMBERS'")
    assert len(rows) == 1


def test_postgresql_tells_capitals_apart(make_project: Any, postgresql_url: str) -> None:
    """Where two names are two tables, they may have two writers."""
    project = make_project(postgresql_url)
    project.write("flow", FLOW)
    requests = [to.table(id=f"{name}_table", dependencies=["numbers"], table=name) for name in ("numbers", "Numbers")]
    result = project.driver(*requests).refresh(inputs={"number": 1})
    assert set(states(result).values()) == {"built"}


def test_two_writers_of_one_table_are_refused_however_it_is_spelled(
    project: Project, database: str, tmp_path: Path
) -> None:
    """Two savers that name one table in two ways are refused when the driver is built."""
    project.write("flow", FLOW)
    first = to.table(id="first", dependencies=["numbers"], table="numbers")
    spelled = [{"table": name} for name in SPELLINGS[database].values()]
    spelled += [{"table": "numbers", "warehouse": url} for url in urls(project, database, tmp_path).values()]
    for options in spelled:
        with pytest.raises(DuplicateNodeError, match=r"first.*second.*umbers|NUMBERS"):
            project.driver(first, to.table(id="second", dependencies=["numbers"], **options))


def test_a_table_named_by_an_input_is_read_after_it_is_written(project: Project) -> None:
    """A loader whose table comes from an input waits for the saver of that table."""
    project.write("flow", FLOW)
    for number in (1, 10):
        driver = project.driver(
            from_.table(target="stored", table=source("name")),
            to.table(id="summed_table", dependencies=["summed"], table="summed"),
            to.table(id="numbers_table", dependencies=["numbers"], table=source("other_name")),
        )
        inputs = {"number": number, "name": "numbers", "other_name": "numbers"}
        assert [d.output for d in driver.plan(inputs=inputs).decisions] == ["numbers_table", "summed_table"]
        driver.refresh(inputs=inputs)
        driver.close()
    assert run_count(project, "SELECT n FROM summed") == 11


def test_two_writers_of_a_table_named_by_an_input_are_refused(project: Project) -> None:
    """Whatever the inputs make of two savers' options is known before anything is written."""
    project.write("flow", FLOW)
    driver = project.driver(
        to.table(id="first", dependencies=["numbers"], table=source("name")),
        to.table(id="second", dependencies=["numbers"], table="numbers"),
    )
    for call in (driver.plan, driver.refresh):
        with pytest.raises(DuplicateNodeError, match="both write table numbers"):
            call(inputs={"number": 1, "name": "numbers"})
    assert states(driver.refresh(inputs={"number": 1, "name": "other"})) == {"first": "built", "second": "built"}


COMPUTED = (
    FLOW
    + """

def name(number: int) -> str:
    return "num" + "bers"
"""
)


def test_a_second_writer_whose_table_is_computed_is_refused_before_it_writes(project: Project) -> None:
    """A table named by a node is known when the node has run: a saver of another output's table writes nothing."""
    project.write("flow", COMPUTED)
    driver = project.driver(
        to.table(id="computed", dependencies=["numbers"], table=source("name")),
        to.table(id="fixed", dependencies=["summed"], table="numbers"),
        from_.table(target="stored", table="given"),
    )
    run_sql(project.warehouse, "CREATE TABLE given (n BIGINT)", "INSERT INTO given VALUES (7)")
    result = driver.refresh(inputs={"number": 1})
    assert states(result) == {"computed": "failed", "fixed": "built"}
    (failed,) = [o for o in result.outputs if o.name == "computed"]
    assert isinstance(failed.error, DuplicateNodeError)
    driver.close()
    assert run_count(project, "SELECT n FROM numbers") == 8


def test_a_table_named_by_a_node_is_recorded(project: Project) -> None:
    """A saver whose table a node names saves and records like any other."""
    project.write("flow", COMPUTED)
    driver = project.driver(to.table(id="computed", dependencies=["numbers"], table=source("name")))
    assert states(driver.refresh(inputs={"number": 5})) == {"computed": "built"}
    driver.close()
    assert run_count(project, "SELECT n FROM numbers") == 5


def test_a_reader_of_a_view_follows_the_writers_of_the_tables_behind_it(project: Project) -> None:
    """A view made by hand over an output, and a view over that view, are read after the output is written."""
    project.write("flow", FLOW)
    run_sql(
        project.warehouse,
        "CREATE TABLE numbers (n BIGINT)",
        "CREATE VIEW hand AS SELECT n FROM numbers",
        "CREATE VIEW upon AS SELECT n FROM hand",
    )
    by_table = {"table": "upon"}
    save = to.table(id="numbers_table", dependencies=["numbers"], table="numbers", adopt=True)
    for number, load in (
        (1, from_.table(target="stored", **by_table)),
        (10, from_.query(target="stored", sql="SELECT n FROM upon")),
    ):
        driver = project.driver(load, to.table(id="summed_table", dependencies=["summed"], table="summed"), save)
        result = driver.refresh(inputs={"number": number})
        assert set(states(result).values()) == {"built"}, reasons(result)
        assert set(states(driver.refresh(inputs={"number": number})).values()) == {"fresh"}
        driver.close()
        assert run_count(project, "SELECT n FROM summed") == number + 1


@pytest.mark.parametrize("spelled", ["out/n.csv", "out/../out/n.csv", "link/n.csv"])
def test_a_reader_of_a_file_follows_its_writer(
    spelled: str, make_project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path, a roundabout one and a link mean the file that the saver writes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    project = make_project(f"duckdb:///{tmp_path}/warehouse.duckdb")
    project.write("flow", FLOW)
    with pytest.raises(DuplicateNodeError, match=r"n\.csv"):
        project.driver(
            *(
                to.csv(id=id_, dependencies=["numbers"], path=p)
                for id_, p in (("a", spelled), ("b", f"{tmp_path}/out/n.csv"))
            )
        )
    driver = project.driver(
        from_.csv(target="stored", path=spelled),
        to.table(id="summed_table", dependencies=["summed"], table="summed"),
        to.csv(id="numbers_file", dependencies=["numbers"], path=f"{tmp_path}/out/n.csv", index=False),
    )
    for number in (1, 10):
        assert set(states(driver.refresh(inputs={"number": number})).values()) == {"built"}
    driver.close()
    assert run_count(project, "SELECT n FROM summed") == 11


@pytest.mark.parametrize("pattern", ["out/*.parquet", "out", "link/n.*"])
def test_a_reader_of_many_files_follows_their_writers(
    pattern: str, make_project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pattern that matches what a saver writes, and the folder around it, are read after it is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    project = make_project(f"duckdb:///{tmp_path}/warehouse.duckdb")
    project.write(
        "flow",
        FLOW.replace("stored: pd.DataFrame", "stored: pl.DataFrame")
        .replace("import pandas as pd", "import pandas as pd\nimport polars as pl")
        .replace('stored.assign(n=stored["n"] + 1)', 'stored.with_columns(pl.col("n") + 1).to_pandas()'),
    )
    driver = project.driver(
        from_.parquet(target="stored", path=pattern),
        to.table(id="summed_table", dependencies=["summed"], table="summed"),
        to.parquet(id="numbers_file", dependencies=["numbers"], path=f"{tmp_path}/out/n.parquet"),
    )
    assert driver.graph.nodes["load_data.stored"].after == ("numbers_file",)
