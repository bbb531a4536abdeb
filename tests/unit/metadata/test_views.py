"""The views answer what their names say, with the same columns on both databases, and the reference is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.metadata import schema, views
from tests.fixtures.metadata import PROJECT, RecordedRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.metadata.store import MetadataStore

_ROOT = Path(__file__).parents[3]
_REFERENCE = (_ROOT / "docs" / "reference" / "metadata.md").read_text(encoding="utf-8")
_PAGES = [_ROOT / "docs" / "reference" / "metadata.md", _ROOT / "docs" / "how-to" / "ask-the-record.md"]
_QUERIES = [
    query for page in _PAGES for query in re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.fixture
def recorded(metadata_store: MetadataStore) -> Iterator[dict[str, RecordedRun]]:
    """Two versions of ``marts.daily``, and ``marts.monthly`` made from the first of them."""
    runs = {
        "first": RecordedRun(metadata_store),
        "monthly": RecordedRun(metadata_store, seconds=10, output="monthly", reads=("daily", "token-daily-1")),
        "second": RecordedRun(metadata_store, seconds=20, source="source-2"),
    }
    for name, run in runs.items():
        run.complete(seq=2 if name == "second" else 1)
    return runs


def _ask(store: MetadataStore, sql: str) -> list[dict[str, Any]]:
    names, rows = store.query(sql)
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_the_writer_of_a_table_is_known(metadata_store: MetadataStore, recorded: dict[str, RecordedRun]) -> None:
    """For every version: the run, the user, the host, the time, how long it took and how many rows."""
    rows = _ask(metadata_store, "SELECT * FROM output_writer WHERE dataset = 'marts.daily' ORDER BY seq")
    assert [(row["run_id"], row["state"]) for row in rows] == [
        (recorded["first"].run_id, "superseded"),
        (recorded["second"].run_id, "live"),
    ]
    assert all(row["user_name"] and row["host"] and row["duration_s"] == 2.0 and row["row_count"] == 10 for row in rows)


def test_lineage_joins_tables_and_versions(metadata_store: MetadataStore, recorded: dict[str, RecordedRun]) -> None:
    """Live tables are joined by what they read, and versions by what they read at the time."""
    edges = _ask(metadata_store, "SELECT input_dataset, output_dataset FROM lineage_edge ORDER BY output_dataset")
    assert [tuple(edge.values()) for edge in edges] == [("raw.orders", "marts.daily"), ("marts.daily", "marts.monthly")]
    sql = f"SELECT input_version_id FROM version_edge WHERE output_version_id = '{recorded['monthly'].commit_id}'"
    assert _ask(metadata_store, sql) == [{"input_version_id": recorded["first"].commit_id}]


def test_node_lineage_goes_from_table_to_table(metadata_store: MetadataStore, recorded: dict[str, RecordedRun]) -> None:
    """Inside a run: dataset → loader → function → saver → dataset."""
    sql = f"SELECT from_name, to_name FROM node_lineage WHERE run_id = '{recorded['first'].run_id}'"
    assert {tuple(row.values()) for row in _ask(metadata_store, sql)} == {
        ("raw.orders", "orders"),
        ("orders", "clean"),
        ("clean", "daily"),
        ("daily", "marts.daily"),
    }


@pytest.mark.usefixtures("recorded")
def test_what_is_proven_stale_is_listed(metadata_store: MetadataStore) -> None:
    """An output whose input or code moved, or that was invalidated or tampered with, is listed with the reason."""
    sql = "SELECT output, reason, subject, old_value, new_value FROM stale_output ORDER BY output, reason"
    moved = {"reason": "upstream", "subject": "marts.daily", "old_value": "token-daily-1", "new_value": "token-daily-2"}
    assert _ask(metadata_store, sql) == [{"output": "monthly", **moved}]
    RecordedRun(metadata_store, code="code-2", seconds=30).start()
    assert {(row["output"], row["reason"]) for row in _ask(metadata_store, sql)} == {
        ("daily", "code"),
        ("monthly", "code"),
        ("monthly", "upstream"),
    }
    metadata_store.invalidate(PROJECT, "daily", reason="bad day", requested_by="ann")
    assert ("daily", "invalidated") in {(row["output"], row["reason"]) for row in _ask(metadata_store, sql)}
    metadata_store.mark([metadata_store.latest(PROJECT, ["daily"])["daily"].version_id], "tampered")
    assert ("daily", "tampered") in {(row["output"], row["reason"]) for row in _ask(metadata_store, sql)}


@pytest.mark.usefixtures("recorded")
def test_the_blast_radius_of_a_helper_is_known(metadata_store: MetadataStore) -> None:
    """Every live table that a function's code went into is listed, with the node that took it in."""
    rows = _ask(
        metadata_store, "SELECT output, node, line FROM code_impact WHERE qualname = 'clean_name' ORDER BY output"
    )
    assert rows == [{"output": "daily", "node": "clean", "line": 3}, {"output": "monthly", "node": "clean", "line": 3}]


def test_runs_are_summed_up(metadata_store: MetadataStore, recorded: dict[str, RecordedRun]) -> None:
    """One row says who ran what, for how long and with which result."""
    rows = _ask(metadata_store, f"SELECT * FROM run_summary WHERE run_id = '{recorded['first'].run_id}'")
    assert [(row["mode"], row["state"], row["outputs_built"]) for row in rows] == [("materialize", "complete", 1)]
    assert rows[0]["duration_s"] > 0


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("query", _QUERIES)
def test_queries_of_the_documentation_run(metadata_store: MetadataStore, query: str) -> None:
    """Every query that the documentation shows is understood by both databases."""
    names, _ = metadata_store.query(query)
    assert names


def test_the_reference_lists_every_column(metadata_store: MetadataStore) -> None:
    """The reference names each table and view with the columns it has, in order."""
    documented = {
        name: re.findall(r"`(\w+)`", columns)
        for name, columns in re.findall(r"^#{3,4} (\w+)\n[^#]*?^Columns: ([^#]*?)\.$", _REFERENCE, re.MULTILINE)
    }
    names = [*views.VIEWS, *schema.metadata.tables]
    assert documented == {name: metadata_store.query(f"SELECT * FROM {name}")[0] for name in names}
