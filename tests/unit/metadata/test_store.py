"""The store keeps what it is told, on both databases, however often it is told."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from engine.errors import MetadataError, RequestError, RunNotFoundError, UnknownNodeError
from engine.identifiers import new_id
from engine.metadata import lookups, schema
from engine.metadata import statements as metadata_statements
from engine.metadata.database import Database
from engine.metadata.records import Dataset, InputRead, NodeRun, NodeRunState, NodeVersion, Run, RunParameter, RunState
from engine.metadata.store import MetadataStore
from tests.fixtures.metadata import NAMESPACE, PROJECT, RecordedRun, moment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def statements(metadata_store: MetadataStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that the store sends from now on."""
    sent: list[str] = []
    engine = metadata_store._database._engine

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    def note_own(connection: sa.Connection) -> contextlib.closing[object]:
        sent.append("by the driver's own cursor")
        return cursor_of(connection)

    cursor_of = metadata_statements._cursor
    monkeypatch.setattr(metadata_statements, "_cursor", note_own)
    sa.event.listen(engine, "before_cursor_execute", note)
    yield sent
    sa.event.remove(engine, "before_cursor_execute", note)


def _rows(store: MetadataStore, sql: str) -> list[tuple[object, ...]]:
    return store.query(sql)[1]


def _dump(store: MetadataStore) -> dict[str, list[str]]:
    """Return all rows but the times at which they were written."""
    tables = {}
    for table in schema.metadata.sorted_tables:
        names = [c.name for c in table.columns if c.name not in {"verified_at", "ended_at"}]
        tables[table.name] = sorted(map(repr, _rows(store, f"SELECT {', '.join(names)} FROM {table.name}")))
    return tables


def test_a_run_comes_back_as_it_was_told(metadata_store: MetadataStore) -> None:
    """A complete run is found with its parameters, nodes, reasons, inputs and outputs."""
    told = RecordedRun(metadata_store)
    told.complete()
    run = metadata_store.run(told.run_id)
    assert (run["state"], run["outputs_built"], run["started_at"]) == ("complete", 1, moment())
    assert [p["name"] for p in run["parameters"]] == ["day"]
    assert {node["node"]: node["state"] for node in run["nodes"]} == dict.fromkeys(
        ["orders", "clean", "daily"], "success"
    )
    saver = next(node for node in run["nodes"] if node["node"] == "daily")
    assert [reason["text"] for reason in saver["reasons"]] == ["source: raw.orders 41 → 42"]
    loader = next(node for node in run["nodes"] if node["node"] == "orders")
    assert [(read["dataset"], read["token"]) for read in loader["inputs"]] == [("raw.orders", "source-1")]
    assert [(output["output"], output["dataset"], output["changed"]) for output in run["outputs"]] == [
        ("daily", "marts.daily", True)
    ]
    assert run["host"]
    assert run["packages"]["sqlalchemy"]


def test_a_run_is_visible_while_it_runs(metadata_store: MetadataStore) -> None:
    """A run is listed as running from its start on."""
    told = RecordedRun(metadata_store)
    told.start()
    assert [(run["run_id"], run["state"]) for run in metadata_store.runs(PROJECT)] == [(told.run_id, "running")]


def test_epochs_grow(metadata_store: MetadataStore) -> None:
    """Every run has a larger epoch than the ones before it."""
    epochs = [RecordedRun(metadata_store).start() for _ in range(3)]
    assert epochs == sorted(set(epochs))


def test_runs_are_found_by_a_part_of_their_id(metadata_store: MetadataStore) -> None:
    """A beginning or an end that only one run has is enough; what fits none or several is refused."""
    first, second = RecordedRun(metadata_store), RecordedRun(metadata_store)
    first.start()
    second.start()
    assert metadata_store.run(second.run_id[-8:])["run_id"] == second.run_id
    with pytest.raises(RunNotFoundError, match="no run 'zzz'"):
        metadata_store.run("zzz")
    with pytest.raises(RunNotFoundError, match="more than one run"):
        metadata_store.run(first.run_id[:4])
    with pytest.raises(RunNotFoundError):
        metadata_store.run("")


def test_latest_gives_the_live_trace(metadata_store: MetadataStore) -> None:
    """The planner gets version, recipe, token and state of the newest commit, and nothing for what was never built."""
    RecordedRun(metadata_store).complete(seq=1)
    told = RecordedRun(metadata_store, seconds=10, code="code-2")
    told.complete(seq=2)
    latest = metadata_store.latest(PROJECT, ["daily", "never"])
    assert set(latest) == {"daily"}
    daily = latest["daily"]
    assert (daily.version_id, daily.run_id, daily.token) == (told.commit_id, told.run_id, "token-daily-2")
    assert daily.recipe == {"nodes": {"clean": "code-2"}, "sources": {"raw.orders": "source-1"}}
    assert (daily.state, daily.version_state, daily.committed_at) == ("success", "live", moment(12))
    assert daily.dataset.name == "marts.daily"
    assert metadata_store.latest("another project", ["daily"]) == {}


def test_unchanged_moves_the_recipe_and_keeps_the_version(metadata_store: MetadataStore) -> None:
    """A rebuild that came out equal leaves the version live, under the new recipe."""
    first = RecordedRun(metadata_store)
    first.complete()
    second = RecordedRun(metadata_store, seconds=10, code="code-2")
    second.complete(changed=False)
    daily = metadata_store.latest(PROJECT, ["daily"])["daily"]
    assert (daily.version_id, daily.recipe_version) == (first.commit_id, second.recipe_version)
    assert (daily.state, daily.run_id, daily.committed_at) == ("unchanged", second.run_id, moment(2))
    assert _rows(metadata_store, "SELECT count(*) FROM dataset_version WHERE change <> 'observed'") == [(1,)]


def test_latest_tells_the_last_failure(metadata_store: MetadataStore) -> None:
    """A failed rebuild leaves the version live and says that, and why, the last attempt failed."""
    RecordedRun(metadata_store).complete()
    failing = RecordedRun(metadata_store, seconds=10)
    failing.start()
    metadata_store.record(
        [failing.node_run("daily", NodeRunState.FAILED, error_type="ValueError", error_message="no\0 rows")]
    )
    failing.end(RunState.FAILED)
    fresh = RecordedRun(metadata_store, seconds=20)
    fresh.start()
    metadata_store.record([fresh.node_run("daily", NodeRunState.FRESH)])
    daily = metadata_store.latest(PROJECT, ["daily"])["daily"]
    assert (daily.state, daily.error_message, daily.version_state) == ("failed", "no\ufffd rows", "live")


def test_telling_twice_changes_nothing(metadata_store: MetadataStore) -> None:
    """Declare, record and apply may be repeated, in any order, without a new row or another state."""
    told = RecordedRun(metadata_store)
    told.complete()
    before = _dump(metadata_store)
    metadata_store.declare(told.run_id, [], [told.node_run("daily", NodeRunState.RUNNING)])
    told.work()
    metadata_store.apply([told.version(), told.version()])
    told.end()
    assert _dump(metadata_store) == before


def test_replay_out_of_order_keeps_the_newest_live(metadata_store: MetadataStore) -> None:
    """Ledger rows that are replayed backwards end with the last one live and the others superseded."""
    runs = [RecordedRun(metadata_store, seconds=10 * n) for n in range(3)]
    for n in (2, 0, 1):
        metadata_store.apply([runs[n].version(seq=n + 1)])
    states = _rows(metadata_store, "SELECT seq, state FROM dataset_version ORDER BY seq")
    assert states == [(1, "superseded"), (2, "superseded"), (3, "live")]
    assert metadata_store.latest(PROJECT, ["daily"])["daily"].version_id == runs[2].commit_id


def test_a_ledger_replays_into_an_empty_store(metadata_store: MetadataStore) -> None:
    """Versions whose run was never heard of are recorded with the run and node that their record names."""
    lost = RecordedRun(metadata_store)
    metadata_store.settle([lost.version()], [])
    metadata_store.settle([lost.version()], [])
    daily = metadata_store.latest(PROJECT, ["daily"])["daily"]
    assert (daily.version_id, daily.run_id) == (lost.commit_id, lost.run_id)
    assert metadata_store.run(lost.run_id)["user_name"] == "unknown"
    assert metadata_store.lineage(PROJECT, "daily")["run_id"] == lost.run_id


_REFERENCES = (
    ("node_run", "run_id", "run"),
    ("node_run", "node_id", "node"),
    ("node_run", "node_version_id", "node_version"),
    ("node_run_edge", "node_run_id", "node_run"),
    ("node_run_edge", "upstream_node_run_id", "node_run"),
)
"""Which columns name a row of which table, although no foreign key says so (decision 17)."""


def test_what_has_no_foreign_key_refers_to_rows_that_are_there(metadata_store: MetadataStore) -> None:
    """Node runs and edges name rows that are there: told in full, aborted, and told by a ledger."""
    RecordedRun(metadata_store).complete()
    started, lost = RecordedRun(metadata_store, seconds=10), RecordedRun(metadata_store, seconds=20, output="weekly")
    started.start()
    metadata_store.settle([lost.version()], [node_run.node_run_id for node_run in metadata_store.unfinished(PROJECT)])
    assert _rows(metadata_store, "SELECT count(*) FROM node_run")[0] == (5,)
    for table, column, parent in _REFERENCES:
        key = schema.metadata.tables[parent].primary_key.columns[0].name
        assert _rows(metadata_store, f"SELECT count({column}) > 0 FROM {table}") == [(True,)]
        orphans = f"SELECT * FROM {table} WHERE {column} NOT IN (SELECT {key} FROM {parent})"
        assert _rows(metadata_store, orphans) == [], (table, column)


def test_a_warehouse_made_anew_counts_from_one_again(metadata_store: MetadataStore) -> None:
    """When the ledger starts again, its first row is live and what it does not know any more is lost."""
    for n in (1, 2):
        RecordedRun(metadata_store, seconds=10 * n).complete(seq=n)
    again = RecordedRun(metadata_store, seconds=30)
    again.complete(seq=1)
    assert metadata_store.latest(PROJECT, ["daily"])["daily"].version_id == again.commit_id
    states = _rows(metadata_store, "SELECT state FROM dataset_version WHERE change <> 'observed' ORDER BY committed_at")
    assert states == [("superseded",), ("lost",), ("live",)]


def test_the_last_build_of_an_output_is_found_by_its_index(metadata_store: MetadataStore) -> None:
    """How an output's last build ended is found at once, however often it was fresh: the index has these words."""
    metadata_store.runs(None)
    with metadata_store._database.read() as connection:
        question = lookups._last_done().where(schema.node.c.node_id == "x")
        text = question.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN"
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            explain = "EXPLAIN"
        told = "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {text}"))
    assert "ix_node_run_done" in told


def test_sources_have_versions_of_their_own(metadata_store: MetadataStore) -> None:
    """An external table that changes, and changes back, has had three versions; reading it unchanged adds none."""
    for n, token in enumerate(["a", "a", "b", "a"]):
        RecordedRun(metadata_store, seconds=10 * n, source=token).complete(seq=n + 1)
    sql = "SELECT seq, token, state FROM dataset_version WHERE change = 'observed' ORDER BY seq"
    assert _rows(metadata_store, sql) == [(1, "a", "superseded"), (2, "b", "superseded"), (3, "a", "live")]


def test_lineage_goes_back_to_the_sources(metadata_store: MetadataStore) -> None:
    """The tree names tables, runs and nodes; a saver is where one output ends and the next begins."""
    daily = RecordedRun(metadata_store)
    daily.complete()
    monthly = RecordedRun(metadata_store, seconds=10, output="monthly", reads=("daily", "token-daily-1"))
    monthly.complete()
    for name in ("monthly", "marts.monthly"):
        tree = metadata_store.lineage(PROJECT, name)
        assert (tree["output"], tree["table"], tree["run_id"]) == ("monthly", "marts.monthly", monthly.run_id)
        assert [node["node"] for node in tree["nodes"]] == ["clean", "monthly", "orders"]
        [read] = tree["inputs"]
        assert (read["output"], read["run_id"], read["version_id"]) == ("daily", daily.run_id, daily.commit_id)
        assert [source["table"] for source in read["inputs"]] == ["raw.orders"]
    with pytest.raises(UnknownNodeError, match="monthyl") as error:
        metadata_store.lineage(PROJECT, "monthyl")
    assert "monthly" in error.value.near


def test_a_table_that_reads_itself_is_followed_once(metadata_store: MetadataStore) -> None:
    """The history of an output that reads its own last version does not unroll."""
    RecordedRun(metadata_store).complete()
    for n in (2, 3):
        reads = ("daily", f"token-daily-{n - 1}")
        RecordedRun(metadata_store, seconds=10 * n, reads=reads).complete(seq=n)
    tree = metadata_store.lineage(PROJECT, "daily")
    assert [(read["table"], read.get("repeated")) for read in tree["inputs"]] == [("marts.daily", True)]
    assert tree["inputs"][0]["inputs"] == []


def test_differences_of_runs_are_named(metadata_store: MetadataStore) -> None:
    """What changed between two runs is listed: the code of a node, the token of a source."""
    first, second = (
        RecordedRun(metadata_store),
        RecordedRun(metadata_store, code="code-2", source="source-2", seconds=5),
    )
    first.complete()
    second.complete(seq=2)
    rows = {
        (row["what"], row["name"]): (row["old"], row["new"])
        for row in metadata_store.run_diff(first.run_id, second.run_id)
    }
    assert rows["code", "clean"] == ("code-1", "code-2")
    assert rows["input", "raw.orders → orders"] == ("source-1", "source-2")
    assert ("parameter", "input day") not in rows


def test_invalidations_hold_until_the_next_commit(metadata_store: MetadataStore) -> None:
    """An output that is asked to be rebuilt says so until it has been."""
    RecordedRun(metadata_store).complete()
    metadata_store.invalidate(PROJECT, "daily", reason="bad day", requested_by="ann")
    assert metadata_store.latest(PROJECT, ["daily"])["daily"].invalidations == ("bad day",)
    RecordedRun(metadata_store, seconds=10**9).complete(seq=2)
    assert metadata_store.latest(PROJECT, ["daily"])["daily"].invalidations == ()


def test_marked_versions_are_told(metadata_store: MetadataStore) -> None:
    """A version that was tampered with is no longer live, and the planner is told so."""
    told = RecordedRun(metadata_store)
    told.complete()
    metadata_store.mark([told.commit_id], "tampered")
    assert metadata_store.latest(PROJECT, ["daily"])["daily"].version_state == "tampered"


def test_the_record_of_a_thousand_nodes_is_a_handful_of_statements(
    metadata_store: MetadataStore, statements: list[str]
) -> None:
    """How many statements are sent depends on how many kinds of rows there are, not on how many nodes."""
    run_id, ids = new_id(), [new_id() for _ in range(1000)]
    metadata_store.start_run(Run(run_id=run_id, project=PROJECT, mode="materialize", started_at=moment()))
    dataset = Dataset(namespace=NAMESPACE, name="raw.orders", dataset_type="table", is_external=True)
    read = InputRead(param_name="orders", dataset=dataset, token_kind="checksum", token="t")  # noqa: S106 - no password
    statements.clear()
    versions = [NodeVersion(name=f"n{i}", kind="function", code_version=f"c{i}", scheme=1) for i in range(1000)]
    metadata_store.declare(run_id, versions, [])
    metadata_store.record(
        [
            NodeRun(
                node_run_id=id,
                run_id=run_id,
                node=f"n{i}",
                state=NodeRunState.SUCCESS,
                edges=((ids[i - 1], "x"),) if i else (),
                inputs=() if i else (read,),
            )
            for i, id in enumerate(ids)
        ]
    )
    assert len(statements) <= 24
    assert _rows(metadata_store, "SELECT count(*) FROM node_run") == [(1000,)]
    statements.clear()
    metadata_store.latest(PROJECT, [f"n{i}" for i in range(1000)])
    assert len(statements) <= 6


def test_a_large_run_completes_what_it_declared(metadata_store: MetadataStore) -> None:
    """Of many node runs told at once, those declared before are completed and the others new; again, nothing moves."""
    run_id, ids = new_id(), [new_id() for _ in range(400)]
    metadata_store.start_run(Run(run_id=run_id, project=PROJECT, mode="materialize", started_at=moment()))
    versions = [NodeVersion(name=f"n{i}", kind="function", code_version=f"c{i}", scheme=1) for i in range(400)]
    intents = [
        NodeRun(node_run_id=id, run_id=run_id, node=f"n{i}", state=NodeRunState.RUNNING, commit_id=f"commit-{i}")
        for i, id in enumerate(ids)
        if i % 4 == 0
    ]
    metadata_store.declare(run_id, versions, intents)
    done = [
        NodeRun(
            node_run_id=id,
            run_id=run_id,
            node=f"n{i}",
            state=NodeRunState.SUCCESS,
            started_at=moment(i),
            edges=((ids[i - 1], "x\ty"), (ids[i - 2], "\\N"), (ids[i - 1], "x\ty")),
        )
        for i, id in enumerate(ids)
    ]
    metadata_store.record(done)
    told = _dump(metadata_store)
    counts = "SELECT count(*), count(commit_id) FROM node_run WHERE state = 'success'"
    assert _rows(metadata_store, counts) == [(400, 100)]
    assert _rows(metadata_store, "SELECT count(*), count(DISTINCT param_name) FROM node_run_edge") == [(800, 2)]
    metadata_store.record([*done, *done[:7]])
    assert _dump(metadata_store) == told
    again = [dataclasses.replace(node_run, node_run_id=new_id(), attempt=2) for node_run in done]
    with pytest.raises(MetadataError, match=r"(?i)unique"):
        metadata_store.record([*again, dataclasses.replace(again[0], node_run_id=new_id())])
    assert _dump(metadata_store) == told


def test_planning_asks_a_constant_number_of_questions(metadata_store: MetadataStore, statements: list[str]) -> None:
    """The traces of many outputs cost as many statements as that of one."""
    for n in range(5):
        RecordedRun(metadata_store, output=f"output{n}", seconds=n).complete()
    costs = []
    for outputs in (["output0"], [f"output{n}" for n in range(5)]):
        statements.clear()
        assert len(metadata_store.latest(PROJECT, outputs)) == len(outputs)
        costs.append(len(statements))
    assert costs[0] == costs[1]


def test_secret_parameters_are_keyed_hashes(metadata_store: MetadataStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a secret neither the value nor a hash that could be guessed is kept; equal secrets stay recognisable."""
    monkeypatch.setenv("ENGINE_HASH_KEY", "a key")
    run_ids = [new_id(), new_id()]
    for run_id in run_ids:
        secret = RunParameter(
            origin="input", name="api_key", value_hash="plain-hash", value_json='"s3cr3t"', is_secret=True
        )
        run = Run(
            run_id=run_id, project=PROJECT, mode="execute", started_at=moment(), parameters=(secret,), command="x"
        )
        metadata_store.start_run(run)
    kept = [metadata_store.run(run_id)["parameters"][0] for run_id in run_ids]
    assert kept[0] == kept[1]
    assert kept[0]["value_json"] is None
    assert kept[0]["value_hash"].startswith("keyed:")
    assert "plain-hash" not in kept[0]["value_hash"]


def test_passwords_in_commands_and_errors_are_masked(metadata_store: MetadataStore) -> None:
    """A URL with a password in the command line or in an error message is kept without it."""
    run_id = new_id()
    command = "engine run --warehouse postgresql://ann:C4n@ry@db/shop"
    metadata_store.start_run(Run(run_id=run_id, project=PROJECT, mode="execute", started_at=moment(), command=command))
    metadata_store.end_run(run_id, RunState.FAILED, built=0, fresh=0, failed=1, error="password=C4n@ry refused")
    assert "C4n" not in repr(metadata_store.run(run_id))


def test_hashes_of_files_are_remembered(metadata_store: MetadataStore) -> None:
    """A hash comes back with size, time and inode, unless it was made too soon after the file changed."""
    second = 1_000_000_000
    metadata_store.remember_files(
        [("old.csv", 5, 10 * second, 7, "h1"), ("new.csv", 5, 19 * second, None, "h2")], hashed_at_ns=20 * second
    )
    assert metadata_store.file_hashes(["old.csv", "new.csv", "none.csv"]) == {"old.csv": (5, 10 * second, 7, "h1")}
    metadata_store.remember_files([("old.csv", 6, 11 * second, 7, "h3")], hashed_at_ns=30 * second)
    assert metadata_store.file_hashes(["old.csv"])["old.csv"][3] == "h3"


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM run",
        "UPDATE run SET state = 'x'",
        "DROP TABLE run",
        "CREATE TABLE t (a INTEGER)",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE run",
        "-- SELECT\nDROP TABLE run",
        "WITH old AS (SELECT 1) DELETE FROM run",
        "not sql",
        "",
        "ATTACH DATABASE 'other.db' AS other",
        "PRAGMA writable_schema = 1",
        "COPY (SELECT 1) TO '/tmp/nowhere'",
        "EXPLAIN ANALYZE SELECT 1",
    ],
)
def test_free_sql_only_looks(metadata_store: MetadataStore, sql: str) -> None:
    """A statement that is not one or that writes is refused, and nothing changes."""
    RecordedRun(metadata_store).complete()
    before = _dump(metadata_store)
    with pytest.raises(RequestError, match="only one statement that reads"):
        metadata_store.query(sql)
    assert _dump(metadata_store) == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM nothing", "nothing"),
        ("SELECT nothing FROM run", "nothing"),
        ("SELECT FROM WHERE", "syntax error"),
        ("SELECT nothing(1)", "nothing"),
        ("SELECT 'a\0b'", "n"),
    ],
)
def test_wrong_sql_is_told_in_the_databases_words(metadata_store: MetadataStore, sql: str, said: str) -> None:
    """A statement that the database does not understand is refused with what the database says of it."""
    metadata_store.runs(None)
    with pytest.raises(RequestError, match=f"the statement cannot be run: .*{said}") as raised:
        metadata_store.query(sql)
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    "sql",
    ["(SELECT 1)", "/* first */ -- then\n SELECT 1;", "WITH one AS (SELECT 1 AS a) SELECT a FROM one", "VALUES (1)"],
)
def test_free_sql_reads_in_every_form(metadata_store: MetadataStore, sql: str) -> None:
    """Comments, parentheses, common tables and a closing semicolon are part of one statement that reads."""
    if sql.startswith("(") and metadata_store.url.startswith("sqlite"):
        return  # SQLite has no such form
    assert metadata_store.query(sql)[1] == [(1,)]


def test_settling_nothing_writes_nothing(metadata_store: MetadataStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was left open, settling does not wait for its turn to write."""
    RecordedRun(metadata_store).complete()
    monkeypatch.setattr(Database, "patience_s", 0.2)
    with contextlib.closing(MetadataStore(metadata_store._database.url)) as other, metadata_store._database.write():
        other.settle([], [])
        with pytest.raises(MetadataError):
            other.settle([], ["nobody's"])


def test_free_sql_gives_names_and_rows(metadata_store: MetadataStore) -> None:
    """A query gives the names of its columns and its rows; percent signs and colons mean themselves."""
    told = RecordedRun(metadata_store)
    told.complete()
    names, rows = metadata_store.query("SELECT run_id AS id, ':x %s' AS text FROM run_summary WHERE mode LIKE 'mat%'")
    assert (names, rows) == (["id", "text"], [(told.run_id, ":x %s")])


def test_recording_for_an_unknown_run_is_refused(metadata_store: MetadataStore) -> None:
    """Node runs of a run that was never started are an error that names it."""
    with pytest.raises(RunNotFoundError, match="'nowhere'"):
        metadata_store.record([NodeRun(node_run_id=new_id(), run_id="nowhere", node="n", state=NodeRunState.SUCCESS)])
