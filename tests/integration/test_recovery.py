"""The warehouse's ledger heals the metadata: lost, restored from an older copy, or kept twice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.io.materialization import from_, to
from engine.metadata.store import MetadataStore
from tests.fixtures.dataflows import ask, reasons, run_sql, states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.dataflows import Project

FLOW = """
import pandas as pd


def scaled(raw: pd.DataFrame, codes: pd.DataFrame) -> pd.DataFrame:
    return raw.assign(amount=raw["amount"] * len(codes))


def counted(scaled: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"total": [int(scaled["amount"].sum())]})
"""
ALL_FRESH = {"scaled_table": "fresh", "counted_table": "fresh"}


@pytest.fixture
def built(project: Project) -> Project:
    """A project that read a table and a file and wrote two tables, one from the other."""
    run_sql(project.warehouse, "CREATE TABLE source (id INTEGER, amount INTEGER)", "INSERT INTO source VALUES (1, 10)")
    (project.folder / "codes.csv").write_text("code\na\nb\n")
    project.write("flow", FLOW)
    assert states(refresh(project)) == {"scaled_table": "built", "counted_table": "built"}
    return project


def refresh(project: Project) -> Any:
    """Bring both tables up to date."""
    with project.driver(
        from_.table(target="raw", table="source"),
        from_.csv(target="codes", path=str(project.folder / "codes.csv")),
        *(to.table(id=f"{name}_table", dependencies=[name], table=name) for name in ("scaled", "counted")),
    ) as driver:
        return driver.refresh()


def files(project: Project) -> Iterator[Path]:
    """Yield the files of the metadata."""
    path = Path(project.metadata.removeprefix("sqlite:///"))
    yield from path.parent.glob(f"{path.stem}.db*")


def lose_metadata(project: Project) -> None:
    """Delete the metadata's files."""
    for path in list(files(project)):
        path.unlink()


def tree(project: Project, output: str) -> dict[str, Any]:
    """Return an output's lineage: its table, tokens of what it was made from, and so on back."""
    store = MetadataStore(project.metadata, read_only=True)
    try:
        return _pruned(store.lineage("test", output))
    finally:
        store.close()


def _pruned(entry: dict[str, Any]) -> dict[str, Any]:
    kept = {key: entry[key] for key in ("table", "token", "is_external", "output")}
    return kept | {"inputs": [_pruned(read) for read in entry["inputs"]]}


def test_lost_metadata_comes_back_from_the_ledger(built: Project) -> None:
    """Without its metadata nothing is built again, and the lineage is as it was."""
    before = {output: tree(built, output) for output in ALL_FRESH}
    read = before["scaled_table"]["inputs"]
    assert sorted((Path(r["table"]).name.rpartition(".")[2], r["is_external"]) for r in read) == [
        ("csv", True),
        ("source", True),
    ]
    lose_metadata(built)
    assert states(refresh(built)) == ALL_FRESH
    assert {output: tree(built, output) for output in ALL_FRESH} == before
    reconciled = """SELECT n.name, w.code FROM node_run_reason w JOIN node_run r ON r.node_run_id = w.node_run_id
                    JOIN node n ON n.node_id = r.node_id WHERE r.state = 'success' ORDER BY 1"""
    assert ask(built, reconciled) == [("counted_table", "reconciled"), ("scaled_table", "reconciled")]
    assert states(refresh(built)) == ALL_FRESH


def test_what_moved_is_seen_without_the_old_record(built: Project) -> None:
    """After the loss a source that has changed since is noticed, with its name."""
    lose_metadata(built)
    run_sql(built.warehouse, "UPDATE source SET amount = 11")
    result = refresh(built)
    assert states(result) == {"scaled_table": "built", "counted_table": "built"}
    assert reasons(result)["scaled_table"][0].startswith("source: source ")


def test_an_older_copy_is_replayed_forward(built: Project) -> None:
    """Metadata restored from an older copy learns from the ledger what was built since."""
    copies = {path: path.with_name(f"{path.name.replace('db', 'copy')}") for path in files(built)}
    for path, copy in copies.items():
        shutil.copyfile(path, copy)
    run_sql(built.warehouse, "UPDATE source SET amount = 11")
    assert states(refresh(built)) == {"scaled_table": "built", "counted_table": "built"}
    after = tree(built, "counted_table")
    lose_metadata(built)
    for path, copy in copies.items():
        copy.rename(path)
    assert tree(built, "counted_table") != after
    assert states(refresh(built)) == ALL_FRESH
    assert tree(built, "counted_table") == after
    live = "SELECT d.name, v.seq FROM dataset_version v JOIN dataset d ON d.dataset_id = v.dataset_id"
    rows = ask(built, f"{live} WHERE v.state = 'live' AND NOT d.is_external")
    assert sorted(seq for _, seq in rows) == [2, 2]
    old = ask(built, "SELECT COUNT(*) FROM dataset_version WHERE state = 'superseded' AND change = 'created'")
    assert old == [(2,)]


def test_two_metadata_stores_agree(built: Project) -> None:
    """What one store's run built is fresh to a run recorded in another, and the other way round."""
    first = built.metadata
    second = first.replace("metadata.db", "second.db")
    built.metadata = second
    assert states(refresh(built)) == ALL_FRESH
    run_sql(built.warehouse, "UPDATE source SET amount = 12")
    assert states(refresh(built)) == {"scaled_table": "built", "counted_table": "built"}
    there = tree(built, "counted_table")
    built.metadata = first
    assert states(refresh(built)) == ALL_FRESH
    assert tree(built, "counted_table") == there


def test_a_lost_warehouse_is_built_again(built: Project, database: str) -> None:
    """Tables that are gone with their database are missing whatever the metadata says, and are built again."""
    if database == "postgresql":
        run_sql(built.warehouse, "DROP SCHEMA _engine CASCADE", "DROP TABLE scaled", "DROP TABLE counted")
    else:
        path = Path(built.warehouse.partition(":///")[2])
        for file in list(path.parent.glob(f"{path.name}*")):
            file.unlink()
        run_sql(
            built.warehouse, "CREATE TABLE source (id INTEGER, amount INTEGER)", "INSERT INTO source VALUES (1, 10)"
        )
    result = refresh(built)
    assert states(result) == {"scaled_table": "built", "counted_table": "built"}
    assert all(why[0].startswith("output_missing") for why in reasons(result).values())
    assert states(refresh(built)) == ALL_FRESH


def test_a_warehouse_from_an_older_copy_counts(built: Project, database: str, tmp_path: Path) -> None:
    """With the warehouse set back, what was made since is lost to the record, and its readers are stale."""
    if database != "duckdb":
        return
    path = Path(built.warehouse.partition(":///")[2])
    shutil.copyfile(path, tmp_path / "older")
    run_sql(built.warehouse, "UPDATE source SET amount = 11")
    assert states(refresh(built)) == {"scaled_table": "built", "counted_table": "built"}
    shutil.copyfile(tmp_path / "older", path)
    assert states(refresh(built)) == ALL_FRESH
    run_sql(built.warehouse, "UPDATE source SET amount = 12")
    assert states(refresh(built)) == {"scaled_table": "built", "counted_table": "built"}
    assert states(refresh(built)) == ALL_FRESH
