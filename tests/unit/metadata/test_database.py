"""What is wrong with a metadata database is said in one sentence, without the password."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.errors import EngineError, MetadataError
from engine.metadata import database, migrate
from engine.metadata.store import MetadataStore
from tests.fixtures.metadata import PROJECT, RecordedRun

_CANARY = "C4n@ry/%3A"
_QUOTED = "C4n%40ry%2F%253A"


def _fault(url: str) -> str:
    with contextlib.closing(MetadataStore(url)) as store, pytest.raises(MetadataError) as error:
        store.runs(PROJECT)
    assert error.value.__cause__ is None
    return str(error.value)


@pytest.mark.parametrize("url", ["duckdb:///x.duckdb", "sqlite://", "mysql://u@h/d"])
def test_other_databases_are_refused(url: str) -> None:
    """Metadata lives in a SQLite file or in PostgreSQL; anything else is refused at once."""
    with pytest.raises(EngineError):
        MetadataStore(url)


def test_a_folder_is_made_for_the_file(tmp_path: Path) -> None:
    """The folder of a SQLite file is made when it is not there."""
    with contextlib.closing(MetadataStore(f"sqlite:///{tmp_path}/a/b/metadata.db")) as store:
        assert store.runs(None) == []


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is of the working directory at the time the store is made."""
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(MetadataStore("sqlite:///metadata.db")) as store:
        monkeypatch.chdir("/")
        store.runs(None)
    assert (tmp_path / "metadata.db").exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """A path through a file cannot be opened, and the message says so."""
    (tmp_path / "file").touch()
    fault = _fault(f"sqlite:///{tmp_path}/file/metadata.db")
    assert f"{tmp_path}/file is a part of the path and no folder" in fault


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """A file that is no database, and a database of somebody else, are refused and not changed."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be taken for one " * 20, encoding="utf-8")
    assert "is not a metadata database" in _fault(f"sqlite:///{text}")
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = other.read_bytes()
    assert "tables that the engine did not make" in _fault(f"sqlite:///{other}")
    assert other.read_bytes() == before


def test_a_schema_of_others_is_left_alone(postgresql_server: str, metadata_url: str) -> None:
    """A schema ``engine`` that holds tables of somebody else is refused."""
    del postgresql_server
    if metadata_url.startswith("sqlite"):
        return
    engine = sa.create_engine(sa.make_url(metadata_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA engine; CREATE TABLE engine.theirs (a integer)")
    engine.dispose()
    assert "tables that the engine did not make" in _fault(metadata_url)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    """A folder without write permission is named, with what to do."""
    tmp_path.chmod(0o500)
    assert "may not write" in _fault(f"sqlite:///{tmp_path}/x/metadata.db")


def test_an_absent_server_is_named_without_the_password() -> None:
    """A server that cannot be reached is an error that shows the URL without its password."""
    message = _fault(f"postgresql://ann:{_QUOTED}@127.0.0.1:1/shop")
    assert "ann" in message
    assert "cannot be reached" in message
    for form in (_CANARY, _QUOTED, "C4n"):
        assert form not in message


def test_an_absent_database_is_named(postgresql_server: str) -> None:
    """A database that is not there is an error that says so."""
    url = sa.make_url(postgresql_server).set(database="nowhere")
    assert "has no database 'nowhere'" in _fault(url.render_as_string(hide_password=False))


def test_a_password_is_nowhere(tmp_path: Path, postgresql_server: str) -> None:
    """The password of the URL is in no row, no file and no attribute that is shown."""
    url = sa.make_url(postgresql_server).set(password=_CANARY, database="postgres")
    store = MetadataStore(url.render_as_string(hide_password=False))
    assert "C4n" not in store.url
    with contextlib.closing(MetadataStore(f"sqlite:///{tmp_path}/metadata.db")) as kept:
        told = RecordedRun(kept)
        told.complete()
        kept.end_run(told.run_id, state="failed", built=0, fresh=0, failed=1, error=f"x postgresql://u:{_QUOTED}@h/d y")  # type: ignore[arg-type]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"C4n" not in path.read_bytes()
    store.close()


def test_the_journal_is_a_log_only_where_that_is_safe(tmp_path: Path) -> None:
    """The write-ahead log needs a SQLite without its reset bug and a local file system."""
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda1 / ext4 rw 0 0\nserver:/x /far nfs4 rw 0 0\n", encoding="utf-8")
    found = [
        database.journal_mode(version, Path(path), str(mounts))
        for version, path in [((3, 51, 2), "/a.db"), ((3, 51, 3), "/a.db"), ((3, 52, 0), "/far/a.db")]
    ]
    assert found == ["delete", "wal", "delete"]
    assert database.journal_mode((3, 52, 0), Path("/a.db"), str(tmp_path / "none")) == "delete"


def test_a_file_is_set_up_as_promised(tmp_path: Path) -> None:
    """Commits are synced in full, foreign keys are enforced, and the file says whose it is."""
    url = f"sqlite:///{tmp_path}/metadata.db"
    migrate.upgrade(url)
    with contextlib.closing(database.Database(url)) as opened, opened.read() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "foreign_keys", "application_id", "auto_vacuum", "busy_timeout")
        }
    assert settings == {
        "synchronous": 2,
        "foreign_keys": 1,
        "application_id": 0x454E474D,
        "auto_vacuum": 2,
        "busy_timeout": 30_000,
    }


def test_writers_take_turns(metadata_url: str) -> None:
    """Processes that write at once all succeed, and none of their runs is lost."""
    migrate.upgrade(metadata_url)
    code = (
        "import sys; from engine.metadata.store import MetadataStore; from tests.fixtures.metadata import RecordedRun\n"
        "store = MetadataStore(sys.argv[1])\n"
        "for n in range(5): RecordedRun(store, output=sys.argv[2], seconds=n).complete(seq=n + 1)\n"
        "store.close()"
    )
    root = Path(__file__).parents[3]
    writing = [
        subprocess.Popen([sys.executable, "-c", code, metadata_url, f"output{n}"], cwd=root)  # noqa: S603
        for n in range(4)
    ]
    assert [process.wait() for process in writing] == [0] * 4
    with contextlib.closing(MetadataStore(metadata_url)) as store:
        assert store.query("SELECT count(*), count(DISTINCT epoch) FROM run")[1] == [(20, 20)]
        assert store.query("SELECT count(*) FROM dataset_version WHERE state = 'live'")[1] == [(5,)]


def test_records_load_no_database(tmp_path: Path) -> None:
    """The records can be imported without SQLAlchemy."""
    code = "import sys, engine.metadata.records; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)  # noqa: S603
    assert done.stdout == "False\n"
