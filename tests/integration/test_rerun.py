"""The next run rebuilds only what is stale, and says why: on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from engine.dialects.warehouse import Warehouse
from engine.errors import EngineError, LoadError, SaveError
from engine.io.materialization import from_, to
from engine.io.tables import TableLoader
from tests.fixtures.dataflows import reasons, run_sql, states

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.dataflows import Project

FLOW = """
import pandas as pd
import polars as pl
from helpers import clean
import helpers

THRESHOLD = 10
NAMES = {"b", "a"}


def raw(number: int) -> pd.DataFrame:
    return pd.DataFrame({"id": range(number), "name": [f" n{i} " for i in range(number)]})


def cleaned(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.assign(name=raw["name"].map(clean))


def large(cleaned: pd.DataFrame) -> pl.DataFrame:
    return pl.from_pandas(cleaned).filter(pl.col("id") >= THRESHOLD)


def counted(large: pl.DataFrame) -> pl.DataFrame:
    return large.select(pl.len().cast(pl.Int64).alias("rows"))


def unrelated(number: int) -> pd.DataFrame:
    return pd.DataFrame({"names": sorted(NAMES)})
"""
HELPERS = '''
def clean(text: str) -> str:
    """Clean."""
    return text.strip()
'''
OUTPUTS = ("cleaned", "large", "counted", "unrelated")
INPUTS = {"number": 20}


def requests() -> list[Any]:
    """Four tables: three in a chain, one beside."""
    return [to.table(id=f"{name}_table", dependencies=[name], table=name) for name in OUTPUTS]


@pytest.fixture
def built(project: Project) -> Project:
    """A project whose four tables have been built."""
    project.write("flow", FLOW)
    project.write("helpers", HELPERS)
    first = project.driver(*requests()).refresh(inputs=INPUTS)
    assert set(states(first).values()) == {"built"}
    return project


def rerun(project: Project, inputs: dict[str, Any] | None = None) -> Any:
    """Refresh with the modules as they stand now."""
    return project.driver(*requests()).refresh(inputs=inputs or INPUTS)


def test_a_second_run_builds_nothing(built: Project) -> None:
    """With nothing changed every output is fresh."""
    assert set(states(rerun(built)).values()) == {"fresh"}
    assert built.driver(*requests()).plan(inputs=INPUTS).is_empty


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("helpers", '"""Clean."""', '"""Clean a text."""'),
        ("helpers", "return text.strip()", "# why\n    return (  text.strip( ) )"),
        ("flow", "def raw(number: int) -> pd.DataFrame:", "\n\ndef raw(\n    number: int,\n) -> pd.DataFrame:"),
        ("flow", 'NAMES = {"b", "a"}', 'NAMES = {"a", "b"}'),
    ],
)
def test_what_does_not_count(built: Project, module: str, old: str, new: str) -> None:
    """Docstrings, comments, formatting, moved lines and the order of a set leave everything fresh."""
    built.edit(module, old, new)
    assert set(states(rerun(built)).values()) == {"fresh"}


def test_a_helpers_edit_rebuilds_what_depends_on_it(built: Project) -> None:
    """Editing a helper rebuilds exactly the outputs that depend on it, and the reason names it."""
    built.edit("helpers", "text.strip()", "text.strip().upper()")
    result = rerun(built)
    assert states(result)["cleaned_table"] == "built"
    assert states(result)["large_table"] == "built"
    assert states(result)["unrelated_table"] == "fresh"
    assert reasons(result)["cleaned_table"] == ["code: clean() in helpers.py"]


def test_equal_content_cuts_off(built: Project) -> None:
    """An output that comes out equal writes nothing, and what reads it stays fresh."""
    built.edit("helpers", "text.strip()", "text.strip().strip()")
    result = rerun(built)
    assert states(result) == {
        "cleaned_table": "unchanged",
        "large_table": "fresh",
        "counted_table": "fresh",
        "unrelated_table": "fresh",
    }
    assert set(states(rerun(built)).values()) == {"fresh"}


def test_a_chain_is_cut_off_in_the_middle(built: Project) -> None:
    """A change travels down a chain to the first output that comes out equal, and what reads that one is fresh."""
    more = "\n\ndef doubled(counted: pl.DataFrame) -> pl.DataFrame:\n    return pl.concat([counted, counted])\n"
    built.write("flow", FLOW + more)
    outputs = [*requests(), to.table(id="doubled_table", dependencies=["doubled"], table="doubled")]
    built.driver(*outputs).refresh(inputs=INPUTS)
    built.edit("helpers", "text.strip()", "text.strip().upper()")
    assert states(built.driver(*outputs).refresh(inputs=INPUTS)) == {
        "cleaned_table": "built",
        "large_table": "built",
        "counted_table": "unchanged",
        "doubled_table": "fresh",
        "unrelated_table": "fresh",
    }


def test_a_constant_counts(built: Project) -> None:
    """A module constant that a node reads is part of its code."""
    built.edit("flow", "THRESHOLD = 10", "THRESHOLD = 12")
    result = rerun(built)
    assert states(result) == {
        "cleaned_table": "fresh",
        "large_table": "built",
        "counted_table": "built",
        "unrelated_table": "fresh",
    }
    assert reasons(result)["large_table"] == ["code: THRESHOLD in flow.py"]


def test_an_input_counts_where_it_is_read(built: Project) -> None:
    """Another input rebuilds what reads it; an equal result is not written."""
    result = rerun(built, {"number": 21})
    assert states(result)["cleaned_table"] == "built"
    assert states(result)["unrelated_table"] == "unchanged"
    assert any(reason.startswith("input: number") for reason in reasons(result)["cleaned_table"])


def test_one_is_not_true_is_not_text(built: Project) -> None:
    """Configuration values of different types are different, and unused keys do not count."""
    built.config = {"unused": 1}
    assert set(states(rerun(built)).values()) == {"fresh"}
    built.config = {"unused": "1"}
    assert set(states(rerun(built)).values()) == {"fresh"}


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("DROP TABLE large", "output_missing"),
        (
            "CREATE TABLE large_copy AS SELECT * FROM large; DROP TABLE large; ALTER TABLE large_copy RENAME TO large",
            "",
        ),
        ("ALTER TABLE large ADD COLUMN more INTEGER", "schema_drift"),
    ],
)
def test_a_table_that_is_no_longer_ours_is_rebuilt(built: Project, statement: str, code: str) -> None:
    """A table dropped, recreated or altered by hand is stale, alone, and is as it was afterwards."""
    run_sql(built.warehouse, *statement.split(";"))
    result = rerun(built)
    assert states(result)["large_table"] == "built"
    assert states(result)["cleaned_table"] == "fresh"
    assert states(result)["counted_table"] == "fresh"
    assert reasons(result)["large_table"][0].startswith(code)
    assert set(states(rerun(built)).values()) == {"fresh"}


def test_asking_for_one_output_brings_its_upstream_up_to_date(built: Project) -> None:
    """The outputs that a named one reads are refreshed with it; others are left alone."""
    built.edit("helpers", "text.strip()", "text.strip().upper()")
    result = built.driver(*requests()).refresh(["large_table"], inputs=INPUTS)
    assert list(states(result)) == ["cleaned_table", "large_table"]


def test_a_failure_blocks_only_what_reads_it(built: Project) -> None:
    """A node that fails leaves independent outputs built, and the next run does only the rest."""
    built.edit("helpers", "text.strip()", "1 / 0")
    built.edit("flow", 'NAMES = {"b", "a"}', 'NAMES = {"c", "a"}')
    result = rerun(built)
    assert states(result) == {
        "cleaned_table": "failed",
        "large_table": "blocked",
        "counted_table": "blocked",
        "unrelated_table": "built",
    }
    assert not result.succeeded
    built.edit("helpers", "1 / 0", "text.strip() + '!'")
    again = rerun(built)
    assert states(again)["unrelated_table"] == "fresh"
    assert states(again)["cleaned_table"] == "built"


def test_rerun_all_computes_everything_and_writes_what_changed(built: Project) -> None:
    """A full refresh computes every output; equal content is not written again."""
    result = built.driver(*requests()).refresh(inputs=INPUTS, rerun="all")
    assert set(states(result).values()) == {"unchanged"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE large SET name = 'mine' WHERE id = 12",
        "DELETE FROM large WHERE id = 12",
        "INSERT INTO large SELECT * FROM large",
    ],
)
def test_rerun_all_puts_right_rows_that_another_hand_changed(built: Project, statement: str) -> None:
    """A full refresh leaves the rows that the dataflow gives, though the ledger knows of no change."""
    run_sql(built.warehouse, statement)
    result = built.driver(*requests()).refresh(inputs=INPUTS, rerun="all")
    assert states(result)["large_table"] == "built"
    assert states(result)["cleaned_table"] == "unchanged"
    with Warehouse(built.warehouse) as warehouse:
        rows = warehouse.read(warehouse.query_table(warehouse.name("large")))[0].read_all()
    assert sorted(rows["id"].to_pylist()) == list(range(10, 20))
    assert "mine" not in rows["name"].to_pylist()


def test_materialize_runs_all_by_default(built: Project) -> None:
    """A plain materialize writes what it was asked to; a stale one does nothing when nothing changed."""
    driver = built.driver()
    request = to.table(id="more", dependencies=["large"], table="more")
    saved, _ = driver.materialize(request, inputs=INPUTS)
    assert saved["more"]["commit"]["changed"] is True
    saved, _ = driver.materialize(request, inputs=INPUTS, rerun="stale")
    assert saved["more"] == {"state": "fresh"}


def test_a_foreign_table_is_never_overwritten(project: Project) -> None:
    """A table that the engine did not write is refused, and stands as it was; adopting it is explicit."""
    project.write("flow", FLOW)
    project.write("helpers", HELPERS)
    run_sql(project.warehouse, "CREATE TABLE large (mine INTEGER)")
    request = to.table(id="large_table", dependencies=["large"], table="large")
    result = project.driver(request).refresh(inputs=INPUTS)
    assert states(result) == {"large_table": "failed"}
    assert isinstance(result.outputs[0].error, EngineError)
    assert "large" in str(result.outputs[0].error)
    adopting = to.table(id="large_table", dependencies=["large"], table="large", adopt=True)
    assert states(project.driver(adopting).refresh(inputs=INPUTS)) == {"large_table": "built"}
    assert states(project.driver(request).refresh(inputs=INPUTS)) == {"large_table": "fresh"}


FOREIGN = """
from pathlib import Path

import polars as pl


def mine() -> pl.DataFrame:
    Path("ran").touch()
    return pl.DataFrame({"n": [1]})


def reader(stored: pl.DataFrame) -> pl.DataFrame:
    return stored


def other() -> pl.DataFrame:
    return pl.DataFrame({"n": [2]})
"""


def foreign(project: Project) -> Any:
    """Return a driver of three outputs: one whose table somebody else has made, one that reads it, one apart."""
    return project.driver(
        to.table(id="mine_table", dependencies=["mine"], table="mine"),
        from_.table(target="stored", table="mine"),
        to.table(id="reader_table", dependencies=["reader"], table="reader"),
        to.table(id="other_table", dependencies=["other"], table="other"),
    )


@pytest.mark.parametrize("rerun", ["stale", "all"])
def test_a_foreign_table_blocks_its_output_before_a_node_runs(
    project: Project, rerun: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan says that the output is blocked and what to do; a run refuses it and what reads it, and does the rest."""
    monkeypatch.chdir(tmp_path)
    project.write("flow", FOREIGN)
    run_sql(project.warehouse, "CREATE TABLE mine (n INTEGER)")
    driver = foreign(project)
    plan = driver.plan()
    assert {d.output: d.state for d in plan.decisions} == {
        "mine_table": "blocked",
        "reader_table": "blocked",
        "other_table": "missing",
    }
    assert "output_foreign: mine" in plan.explain()
    assert "--adopt" in plan.explain()
    result = driver.refresh(rerun=rerun)
    assert states(result) == {"mine_table": "failed", "reader_table": "blocked", "other_table": "built"}
    assert not (tmp_path / "ran").exists()
    adopted = driver.refresh(["mine_table"], rerun=rerun, adopt=True)
    assert states(adopted) == {"mine_table": "built"}
    assert states(driver.refresh())["mine_table"] == "fresh"


def test_materialize_refuses_a_foreign_table_before_anything_runs(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the first failure ends the call, nothing runs at all."""
    monkeypatch.chdir(tmp_path)
    project.write("flow", FOREIGN)
    run_sql(project.warehouse, "CREATE TABLE mine (n INTEGER)")
    driver = project.driver()
    with pytest.raises(SaveError, match="mine exists and was not written by the engine"):
        driver.materialize(
            to.table(id="other_table", dependencies=["other"], table="other"),
            to.table(id="mine_table", dependencies=["mine"], table="mine"),
        )
    assert not (tmp_path / "ran").exists()
    with pytest.raises(LoadError, match="no table"):
        driver.materialize(from_.table(target="stored", table="other"), additional_vars=["reader"])


SOURCES = """
import polars as pl


def summed(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.select(pl.col("amount").sum())
"""


@pytest.fixture
def with_source(project: Project) -> Project:
    """A project that reads a table which somebody else writes."""
    project.write("flow", SOURCES)
    run_sql(
        project.warehouse,
        "CREATE TABLE orders (id INTEGER, amount INTEGER)",
        "INSERT INTO orders VALUES (1, 10), (2, 20), (2, 20)",
    )
    return project


def refresh_source(project: Project) -> Any:
    """Refresh the one output that reads the foreign table."""
    requests = (
        from_.table(target="orders", table="orders"),
        to.table(id="summed_table", dependencies=["summed"], table="summed"),
    )
    return project.driver(*requests).refresh()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders VALUES (3, 5)",
        "UPDATE orders SET amount = 11 WHERE id = 1",
        "DELETE FROM orders WHERE id = 2",
        "UPDATE orders SET id = 9 WHERE id = 1",
    ],
)
def test_a_source_that_changed_is_seen(with_source: Project, statement: str) -> None:
    """Rows inserted, updated or deleted in a foreign table make its readers stale, with the table as the reason."""
    assert states(refresh_source(with_source)) == {"summed_table": "built"}
    assert states(refresh_source(with_source)) == {"summed_table": "fresh"}
    run_sql(with_source.warehouse, statement)
    result = refresh_source(with_source)
    assert states(result)["summed_table"] in {"built", "unchanged"}
    assert reasons(result)["summed_table"][0].startswith("source: orders")
    assert states(refresh_source(with_source)) == {"summed_table": "fresh"}


@pytest.mark.parametrize(
    "statements",
    [
        ["DELETE FROM orders WHERE id = 1", "INSERT INTO orders VALUES (1, 10)"],
        [
            "DROP TABLE orders",
            "CREATE TABLE orders (id INTEGER, amount INTEGER)",
            "INSERT INTO orders VALUES (2, 20), (1, 10), (2, 20)",
        ],
    ],
)
def test_a_source_with_equal_rows_is_fresh(with_source: Project, statements: list[str]) -> None:
    """Equal rows in another order, or in a recreated table, are the same source."""
    refresh_source(with_source)
    run_sql(with_source.warehouse, *statements)
    assert states(refresh_source(with_source)) == {"summed_table": "fresh"}


def test_a_query_is_its_rows_and_its_text(with_source: Project) -> None:
    """A query's output is fresh while its text means the same and its rows are equal."""

    def refresh(sql: str) -> Any:
        return with_source.driver(
            from_.query(target="orders", sql=sql),
            to.table(id="summed_table", dependencies=["summed"], table="summed"),
        ).refresh()

    assert states(refresh("SELECT amount FROM orders WHERE id < 3")) == {"summed_table": "built"}
    assert states(refresh("SELECT  amount -- why\n FROM orders WHERE id < 3")) == {"summed_table": "fresh"}
    other = refresh("SELECT amount FROM orders WHERE id < 2")
    assert states(other) == {"summed_table": "built"}
    assert any(reason.startswith("sql_text") for reason in reasons(other)["summed_table"])


def test_a_file_is_its_content(project: Project, tmp_path: Path) -> None:
    """A file that was only touched is fresh; other bytes of the same size are not."""
    project.write("flow", SOURCES)
    path = tmp_path / "orders.csv"
    path.write_text("id,amount\n1,10\n")

    def refresh() -> Any:
        return project.driver(
            from_.csv(target="orders", file=str(path)),
            to.table(id="summed_table", dependencies=["summed"], table="summed"),
        ).refresh()

    assert states(refresh()) == {"summed_table": "built"}
    path.touch()
    assert states(refresh()) == {"summed_table": "fresh"}
    path.write_text("id,amount\n1,11\n")
    result = refresh()
    assert states(result) == {"summed_table": "built"}
    assert reasons(result)["summed_table"][0].startswith(f"source_file: {path}")


VIEWED = """
import sqlalchemy as sa
import polars as pl


def filtered(orders: sa.Select) -> sa.Select:
    return orders.where(orders.selected_columns.amount > 10)


def summed(seen: pl.DataFrame) -> pl.DataFrame:
    return seen.select(pl.col("amount").sum())
"""


def test_what_reads_a_view_sees_the_rows_behind_it(with_source: Project) -> None:
    """A change behind a view makes what reads the view stale although the view's definition is the same."""
    with_source.write("flow", VIEWED)

    def refresh() -> Any:
        return with_source.driver(
            from_.table(target="orders", table="orders"),
            to.table(id="filtered_view", dependencies=["filtered"], table="filtered", mode="view"),
            from_.table(target="seen", table="filtered"),
            to.table(id="summed_table", dependencies=["summed"], table="summed"),
        ).refresh()

    assert states(refresh()) == {"filtered_view": "built", "summed_table": "built"}
    assert states(refresh()) == {"filtered_view": "fresh", "summed_table": "fresh"}
    run_sql(with_source.warehouse, "UPDATE orders SET amount = 50 WHERE id = 2")
    assert states(refresh()) == {"filtered_view": "unchanged", "summed_table": "built"}
    assert states(refresh()) == {"filtered_view": "fresh", "summed_table": "fresh"}


APPENDED = """
import polars as pl


def day_rows(day: int) -> pl.DataFrame:
    return pl.DataFrame({"day": [day]})
"""


def test_each_recipe_is_appended_once(project: Project) -> None:
    """An append that was made before, however many came after it, is not made again; a full rerun makes it again."""
    project.write("flow", APPENDED)
    request = to.table(id="days_table", dependencies=["day_rows"], table="days", mode="append")

    def refresh(day: int, rerun: str = "stale") -> dict[str, str]:
        return states(project.driver(request).refresh(inputs={"day": day}, rerun=rerun))

    assert [refresh(day)["days_table"] for day in (1, 2, 1, 2)] == ["built", "built", "fresh", "fresh"]
    assert refresh(1, "all") == {"days_table": "built"}
    rows, _ = TableLoader("days", warehouse=project.warehouse).load_data(pl.DataFrame)
    assert sorted(rows["day"].to_list()) == [1, 1, 2]
    run_sql(project.warehouse, "DROP TABLE days")
    assert [refresh(day)["days_table"] for day in (2, 1, 2)] == ["built", "built", "fresh"]


DRAWN = """
import random

import polars as pl


def drawn() -> pl.DataFrame:
    return pl.DataFrame({"id": [random.random()]})
"""


def test_another_result_of_the_same_recipe_is_noticed(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    """A node that gives something else although nothing it is made from changed is named for it, before and after."""
    project.write("flow", DRAWN)
    driver = project.driver(to.table(id="drawn_table", dependencies=["drawn"], table="drawn"))
    driver.refresh()
    assert "random.random" in caplog.text
    assert states(driver.refresh()) == {"drawn_table": "fresh"}
    again = driver.refresh(rerun="all")
    assert states(again) == {"drawn_table": "built"}
    assert any(reason.startswith("nondeterministic: drawn_table") for reason in reasons(again)["drawn_table"])


def test_an_input_is_shown_as_it_was_and_is(built: Project) -> None:
    """The reason for another input shows both values."""
    assert "input: number 20 → 21" in reasons(rerun(built, {"number": 21}))["cleaned_table"]


TWO_PARTS = """
import polars as pl


def joined(small: pl.DataFrame, large: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([small, large])
"""


@pytest.mark.parametrize(
    "other", ["UPDATE orders SET amount = 11 WHERE id = 1", "UPDATE orders SET amount = 21 WHERE id = 2"]
)
def test_two_parts_of_one_table_are_two_sources(with_source: Project, other: str) -> None:
    """Two loaders that read different rows of one table are each watched."""
    with_source.write("flow", TWO_PARTS)

    def refresh() -> Any:
        return with_source.driver(
            from_.table(target="small", table="orders", where="amount < 15"),
            from_.table(target="large", table="orders", where="amount >= 15"),
            to.table(id="joined_table", dependencies=["joined"], table="joined"),
        ).refresh()

    assert states(refresh()) == {"joined_table": "built"}
    assert states(refresh()) == {"joined_table": "fresh"}
    run_sql(with_source.warehouse, other)
    assert states(refresh()) == {"joined_table": "built"}


BY_NAME = """
import polars as pl

__limit__ = 1


def limited() -> pl.DataFrame:
    return pl.DataFrame({"limit": [__limit__]})


def named() -> pl.DataFrame:
    return pl.DataFrame({"limit": [globals()["__limit__"]]})
"""


def test_code_that_cannot_be_read_is_never_fresh(project: Project) -> None:
    """A constant counts whatever it is called; what is looked up by name at run time is never called fresh."""
    project.write("flow", BY_NAME)
    requests = [to.table(id=f"{name}_table", dependencies=[name], table=name) for name in ("limited", "named")]
    project.driver(*requests).refresh()
    assert states(project.driver(*requests).refresh()) == {"limited_table": "fresh", "named_table": "unchanged"}
    project.edit("flow", "__limit__ = 1", "__limit__ = 2")
    assert states(project.driver(*requests).refresh()) == {"limited_table": "built", "named_table": "built"}
