"""A run is alive as long as its process is, and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from engine.errors import MetadataError
from engine.metadata import locks, migrate
from engine.metadata.database import Database
from engine.metadata.records import NodeRunState
from tests.fixtures.metadata import PROJECT, RecordedRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.metadata.store import MetadataStore

_HOLDER = """
import sys, time
from engine.metadata.store import MetadataStore
store = MetadataStore(sys.argv[1])
with store.hold_run(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(metadata_url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the run called ``theirs`` until its input ends."""
    migrate.upgrade(metadata_url)
    command = [sys.executable, "-c", _HOLDER, metadata_url, "theirs"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def _is_alive(store: MetadataStore, run_id: str, *, wanted: bool) -> bool:
    """Return whether the run is alive, giving a server some time to notice what became of it."""
    until = time.monotonic() + 5
    while (found := run_id in locks.alive(store._database, {run_id})) is not wanted and time.monotonic() < until:
        time.sleep(0.02)
    return found


def test_a_run_is_alive_while_it_is_held(metadata_store: MetadataStore) -> None:
    """The lock of this very process counts, and ends with the block; asking does not disturb it."""
    with metadata_store.hold_run("mine"):
        for _ in range(3):
            assert locks.alive(metadata_store._database, {"mine", "other"}) == {"mine"}
    assert _is_alive(metadata_store, "mine", wanted=False) is False


def test_two_runs_are_alive_at_once(metadata_store: MetadataStore) -> None:
    """Runs do not exclude one another."""
    with metadata_store.hold_run("one"), metadata_store.hold_run("two"):
        assert locks.alive(metadata_store._database, {"one", "two"}) == {"one", "two"}


@pytest.mark.parametrize("end", ["killed", "done"])
def test_a_run_dies_with_its_process(metadata_store: MetadataStore, holder: subprocess.Popen[str], end: str) -> None:
    """Another process's run is alive while that process is, and dead when it was killed or has ended."""
    assert _is_alive(metadata_store, "theirs", wanted=True)
    if end == "killed":
        holder.kill()
    else:
        holder.communicate("")
    holder.wait()
    assert _is_alive(metadata_store, "theirs", wanted=False) is False


def test_a_stopped_process_is_alive(metadata_store: MetadataStore, holder: subprocess.Popen[str]) -> None:
    """A process that was stopped, however long, is not dead."""
    holder.send_signal(signal.SIGSTOP)
    try:
        assert _is_alive(metadata_store, "theirs", wanted=True)
    finally:
        holder.send_signal(signal.SIGCONT)


def test_a_forked_child_does_not_keep_a_run_alive(metadata_store: MetadataStore) -> None:
    """A child that outlives the run of its parent lets go of the lock at once."""
    with metadata_store.hold_run("parent"):
        child = os.fork()
        if child == 0:
            time.sleep(20)
            os._exit(0)
    try:
        assert _is_alive(metadata_store, "parent", wanted=False) is False
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_only_dead_runs_are_unfinished(metadata_store: MetadataStore) -> None:
    """Node runs that are still running are to be settled once their run is dead, and only then."""
    told = RecordedRun(metadata_store)
    with metadata_store.hold_run(told.run_id):
        told.start()
        assert metadata_store.unfinished(PROJECT) == []
        metadata_store.settle([], [])
        assert metadata_store.run(told.run_id)["state"] == "running"
    assert _is_alive(metadata_store, told.run_id, wanted=False) is False
    [intent] = metadata_store.unfinished(PROJECT)
    assert (intent.node, intent.commit_id, intent.run_id) == ("daily", told.commit_id, told.run_id)
    assert metadata_store.unfinished("another project") == []


@pytest.mark.parametrize("landed", [True, False])
def test_settling_ends_a_dead_run(metadata_store: MetadataStore, landed: bool) -> None:
    """What landed is recorded, what did not is aborted, and the run is aborted; doing it again changes nothing."""
    told = RecordedRun(metadata_store)
    told.start()
    for _ in range(2):
        metadata_store.settle([told.version()] if landed else [], [] if landed else [told.ids["daily"]])
        run = metadata_store.run(told.run_id)
        assert (run["state"], run["nodes"][0]["state"]) == ("aborted", "success" if landed else "aborted")
        assert metadata_store.unfinished(PROJECT) == []
    assert set(metadata_store.latest(PROJECT, ["daily"])) == ({"daily"} if landed else set())


def test_a_dead_run_without_intents_is_ended(metadata_store: MetadataStore) -> None:
    """A run that died before it declared anything does not stay running for ever."""
    told = RecordedRun(metadata_store)
    told.start()
    metadata_store.record([told.node_run("daily", NodeRunState.FAILED)])
    metadata_store.settle([], [])
    assert metadata_store.run(told.run_id)["state"] == "aborted"


def test_an_upgrade_waits_for_runs(metadata_store: MetadataStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema is not changed under a run: an upgrade gives up with an error that says so."""
    monkeypatch.setattr(Database, "patience_s", 0.2)
    with (
        metadata_store.hold_run("mine"),
        pytest.raises(MetadataError, match="is in use"),
        migrate.upgrading(metadata_store._database.url),
    ):
        pass
