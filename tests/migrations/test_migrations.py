"""The schema of the metadata is made and upgraded safely, by whoever comes first."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from engine.errors import MetadataError, MigrationRequiredError
from engine.metadata import migrate, schema, views
from engine.metadata.database import Database
from engine.metadata.store import MetadataStore
from tests.fixtures.metadata import PROJECT, RecordedRun

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PROCESSES = 8


@contextlib.contextmanager
def _looking(url: str) -> Iterator[sa.Connection]:
    with contextlib.closing(Database(url)) as database, database.read() as connection:
        yield connection


def _change(url: str, sql: str) -> None:
    with contextlib.closing(Database(url)) as database, database.write() as connection:
        connection.execute(sa.text(sql))


def _downgrade(url: str, revision: str = "base") -> None:
    with migrate.upgrading(url) as connection:
        config = migrate.configuration()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def _run_all_revisions(url: str) -> None:
    with migrate.upgrading(url) as connection:
        migrate.run_revisions(connection)


def _objects(url: str) -> list[tuple[str, ...]]:
    """Return every table, column, constraint, view and index with all that the database says of it."""
    with _looking(url) as connection:
        if connection.dialect.name == "sqlite":
            found = connection.execute(sa.text("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master"))
            return sorted((*row[:3], " ".join(row[3].split())) for row in found)
        sql = (
            "SELECT 'relation', c.relname,"
            "  concat_ws(' ', c.relkind, c.relpersistence, c.reloptions, pg_get_viewdef(c.oid))"
            "  FROM pg_class c WHERE c.relnamespace = 'engine'::regnamespace AND c.relkind IN ('r', 'v')"
            " UNION ALL SELECT c.relname, a.attname, concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod),"
            "  a.attnotnull, a.attidentity, a.attgenerated, a.attcollation, pg_get_expr(d.adbin, d.adrelid))"
            "  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v')"
            "  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
            "  WHERE c.relnamespace = 'engine'::regnamespace AND a.attnum > 0"
            " UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
            "  FROM pg_constraint WHERE connamespace = 'engine'::regnamespace"
            " UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'engine'"
            " UNION ALL SELECT 'sequence', sequencename, data_type::text FROM pg_sequences WHERE schemaname = 'engine'"
            " UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
        )
        return sorted(tuple(row) for row in connection.execute(sa.text(sql)))


def test_up_down_and_up_again(metadata_url: str) -> None:
    """Going down leaves nothing but the revision table, and going up again gives the same schema."""
    assert migrate.current(metadata_url) is None
    assert migrate.upgrade(metadata_url) == schema.HEAD == migrate.current(metadata_url)
    made = _objects(metadata_url)
    _downgrade(metadata_url)
    with _looking(metadata_url) as connection:
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]
        assert sa.inspect(connection).get_view_names() == []
    migrate.upgrade(metadata_url)
    assert _objects(metadata_url) == made


def test_a_new_database_is_what_all_revisions_make(metadata_url: str) -> None:
    """What is made at once is, to the last constraint and to its settings, what the revisions make one by one."""
    migrate.upgrade(metadata_url)
    at_once, settings = _objects(metadata_url), _settings(metadata_url)
    _forget_all(metadata_url)
    _run_all_revisions(metadata_url)
    assert at_once == _objects(metadata_url)
    assert settings == _settings(metadata_url)
    assert len(at_once) > len(schema.metadata.tables) + len(views.VIEWS)


def _settings(url: str) -> list[object]:
    """Return the revision, and what a file's header says of it."""
    with _looking(url) as connection:
        found: list[object] = [connection.scalar(sa.text("SELECT version_num FROM alembic_version"))]
        if connection.dialect.name == "sqlite":
            names = ("application_id", "auto_vacuum", "journal_mode", "user_version", "encoding", "page_size")
            found += [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
        return found


def _forget_all(url: str) -> None:
    with contextlib.closing(Database(url)) as database:
        if database.path:
            database.path.unlink()
        else:
            with database.write() as connection:
                connection.execute(sa.schema.DropSchema(schema.SCHEMA, cascade=True))


def test_the_models_are_the_migrated_schema(metadata_url: str) -> None:
    """What the code believes of the tables is what the revisions make."""
    _run_all_revisions(metadata_url)
    with _looking(metadata_url) as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_object": lambda _item, name, kind, *_: not (kind == "table" and name == "alembic_version"),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []


def test_the_packaged_head_is_the_newest_revision() -> None:
    """The number that is compared without Alembic is the newest script's, and scripts are in order."""
    scripts = ScriptDirectory.from_config(migrate.configuration())
    assert scripts.get_heads() == [schema.HEAD]
    numbers = [script.revision for script in scripts.walk_revisions()]
    assert numbers == sorted(numbers, reverse=True)


def test_changed_views_come_with_a_revision() -> None:
    """The newest revision knows the views; editing them without a new one would reach new databases only."""
    newest = ScriptDirectory.from_config(migrate.configuration()).get_revision(schema.HEAD)
    assert newest is not None
    assert newest.module.views == views.digest()


def test_a_current_database_needs_no_alembic(metadata_url: str) -> None:
    """Making a database, and opening one that is up to date, imports neither Alembic nor its templates."""
    code = (
        "import sys; from engine.metadata.store import MetadataStore; s = MetadataStore(sys.argv[1]); s.runs(None);"
        " s.close(); print([name for name in ('alembic', 'mako', 'pandas', 'duckdb', 'polars') if name in sys.modules])"
    )
    for _ in ("new", "current"):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", code, metadata_url], capture_output=True, text=True, check=True
        )
        assert done.stdout == "[]\n"


def test_processes_that_race_all_succeed(metadata_url: str) -> None:
    """Eight processes that open an absent database at once all work, and one schema is there."""
    code = (
        "import sys; from engine.metadata.store import MetadataStore;"
        " s = MetadataStore(sys.argv[1]); s.runs(None); s.close()"
    )
    racing = [
        subprocess.Popen([sys.executable, "-c", code, metadata_url], stderr=subprocess.PIPE, text=True)  # noqa: S603
        for _ in range(_PROCESSES)
    ]
    faults = [process.communicate()[1] for process in racing]
    assert [process.returncode for process in racing] == [0] * _PROCESSES, faults
    assert migrate.current(metadata_url) == schema.HEAD


@pytest.mark.parametrize("table", ["run", "node_run_output", "file_cache"])
@pytest.mark.parametrize("making", ["create", "run_revisions"])
def test_a_killed_upgrade_is_done_by_the_next(metadata_url: str, making: str, table: str) -> None:
    """A process that is killed inside an upgrade leaves nothing behind, and the next one upgrades."""
    _kill_upgrade(metadata_url, making, after=f"CREATE TABLE {table} ")
    assert migrate.current(metadata_url) is None
    assert migrate.upgrade(metadata_url) == schema.HEAD


def test_a_killed_upgrade_keeps_the_rows(metadata_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed while it remakes tables leaves them with their rows, and the next one upgrades."""
    _make_first_revision(metadata_url, monkeypatch).close()
    rows = _rows(metadata_url)
    after = "DROP TABLE old_node_run" if metadata_url.startswith("sqlite") else "DROP INDEX ix_node_run_done"
    _kill_upgrade(metadata_url, "run_revisions", after=after)
    assert migrate.current(metadata_url) == "0001"
    assert _rows(metadata_url) == rows
    assert migrate.upgrade(metadata_url) == schema.HEAD
    assert _rows(metadata_url) == rows


def _kill_upgrade(url: str, making: str, *, after: str) -> None:
    """Let another process upgrade, and kill it after a statement."""
    code = (
        "import os, signal, sys, sqlalchemy as sa\n"
        "from sqlalchemy import event\n"
        "from engine.metadata import migrate\n"
        "def kill(connection, cursor, statement, *rest):\n"
        f"    if statement.strip().startswith('{after}'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "event.listen(sa.Engine, 'after_cursor_execute', kill)\n"
        f"with migrate.upgrading(sys.argv[1]) as connection: migrate.{making}(connection)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, url], check=False)  # noqa: S603
    assert killed.returncode == -signal.SIGKILL


def test_a_newer_database_is_refused(metadata_url: str) -> None:
    """A database of a newer engine is refused with both revisions and what to do, and is left alone."""
    migrate.upgrade(metadata_url)
    _change(metadata_url, "UPDATE alembic_version SET version_num = '9999'")
    with contextlib.closing(MetadataStore(metadata_url)) as store:
        with pytest.raises(MigrationRequiredError, match=f"9999.*{schema.HEAD}") as error:
            store.runs(PROJECT)
        assert "materialization-engine" in error.value.hint
    assert migrate.current(metadata_url) == "9999"


def test_looking_never_creates_nor_upgrades(metadata_url: str) -> None:
    """A read-only store refuses a database that is absent or behind, and makes no file."""
    with (
        contextlib.closing(MetadataStore(metadata_url, read_only=True)) as store,
        pytest.raises(MigrationRequiredError, match="engine db upgrade"),
    ):
        store.runs(PROJECT)
    assert migrate.current(metadata_url) is None
    migrate.upgrade(metadata_url)
    with contextlib.closing(MetadataStore(metadata_url, read_only=True)) as store:
        assert store.runs(PROJECT) == []
        with pytest.raises(MetadataError):
            RecordedRun(store).start()


def test_an_old_database_keeps_its_rows(metadata_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A database with data is upgraded by a revision that remakes a table; no row is lost, and the views work again."""
    with contextlib.closing(MetadataStore(metadata_url)) as store:
        told = RecordedRun(store)
        told.complete()
    _with_next_revision(monkeypatch, tmp_path)
    with contextlib.closing(MetadataStore(metadata_url)) as store:
        assert store.query("SELECT count(*) FROM run_param")[1] == [(1,)]
        assert store.query("SELECT run_id, note FROM run")[1] == [(told.run_id, None)]
        assert store.query("SELECT dataset FROM output_writer")[1] == [("marts.daily",)]
        assert store.latest(PROJECT, ["daily"])["daily"].version_id == told.commit_id
    assert migrate.current(metadata_url) == "9998"


def test_rows_of_the_first_revision_are_kept(metadata_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of the first revision is upgraded with every row, under a store that is open; it can go back, too."""
    with contextlib.closing(_make_first_revision(metadata_url, monkeypatch)) as store:
        old_objects, rows = _objects(metadata_url), _rows(metadata_url)
        assert all(rows[name] for name in ("node_run", "node_run_edge", "node_run_reason", "node_run_output"))
        assert migrate.upgrade(metadata_url) == schema.HEAD
        assert _rows(metadata_url) == rows
        RecordedRun(store, seconds=3, code="code-3").complete(seq=4)
        assert store.latest(PROJECT, ["daily"])["daily"].token == "token-daily-4"  # noqa: S105 - not a password
    _with_head(monkeypatch, "0001")  # whose views stand on its tables
    _downgrade(metadata_url, "0001")
    assert _objects(metadata_url) == old_objects


def _make_first_revision(url: str, monkeypatch: pytest.MonkeyPatch) -> MetadataStore:
    """Make a database of the first revision with three runs, and return the store that is open on it."""
    with monkeypatch.context() as then:
        _with_head(then, "0001")
        with migrate.upgrading(url) as connection:
            migrate.run_revisions(connection, "0001")
        store = MetadataStore(url)
        for n in range(3):
            RecordedRun(store, seconds=n, code=f"code-{n}").complete(seq=n + 1)
    return store


def _rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of the metadata's tables, in an order of their own."""
    with _looking(url) as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
            for name, table in schema.metadata.tables.items()
        }


@pytest.mark.parametrize("metadata_url", ["sqlite"], indirect=True)
def test_a_file_is_backed_up_before_an_upgrade(
    metadata_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before an upgrade the file is copied beside itself, the copy is whole, and three copies are kept."""
    with contextlib.closing(MetadataStore(metadata_url)) as store:
        RecordedRun(store).complete()
    folder, before = tmp_path / ".engine", schema.HEAD
    for n in range(4):
        (folder / f"metadata.db.2020010{n}T000000000000-0000.backup").touch()
    _with_next_revision(monkeypatch, tmp_path)
    migrate.upgrade(metadata_url)
    backups = sorted(folder.glob("*.backup"))
    assert len(backups) == migrate.KEPT_BACKUPS
    with contextlib.closing(sqlite3.connect(backups[-1])) as copy:
        assert copy.execute("SELECT count(*), (SELECT version_num FROM alembic_version) FROM run").fetchall() == [
            (1, before)
        ]


def test_the_command_line_of_alembic_works(metadata_url: str) -> None:
    """A developer's ``alembic upgrade head`` goes through the same door, and ``--sql`` prints the statements."""
    root = migrate.script_location().parent
    alembic = [sys.executable, "-m", "alembic", "-x", f"url={metadata_url}", "upgrade", "head"]
    printed = subprocess.run([*alembic, "--sql"], cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
    assert "CREATE TABLE node_run (" in printed.stdout
    assert "CREATE VIEW output_writer" in printed.stdout
    assert migrate.current(metadata_url) is None
    subprocess.run(alembic, cwd=root, capture_output=True, check=True)  # noqa: S603
    assert migrate.current(metadata_url) == schema.HEAD


@pytest.mark.parametrize("metadata_url", ["postgresql"], indirect=True)
def test_tables_of_others_are_left_alone(metadata_url: str) -> None:
    """A user's tables of the same names in ``public`` are not touched, not even by going down."""
    engine = sa.create_engine(sa.make_url(metadata_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE run (a integer); INSERT INTO run VALUES (1)")
        connection.exec_driver_sql(
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('theirs')"
        )
    migrate.upgrade(metadata_url)
    _downgrade(metadata_url)
    migrate.upgrade(metadata_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT a, version_num FROM public.run, public.alembic_version").all() == [
            (1, "theirs")
        ]
    engine.dispose()


def test_scripts_come_with_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installed package holds its scripts; a checkout has them beside the package."""
    assert (migrate.script_location() / "env.py").exists()
    packaged = tmp_path / "engine" / "metadata" / "_migrations"
    packaged.mkdir(parents=True)
    monkeypatch.setattr(migrate, "__file__", str(tmp_path / "engine" / "metadata" / "migrate.py"))
    assert migrate.script_location() == tmp_path / "migrations"
    (packaged / "env.py").touch()
    assert migrate.script_location() == packaged


_NEXT = """
from alembic import op
import sqlalchemy as sa
revision, down_revision, branch_labels, depends_on, views = "9998", "@", None, None, ""
def upgrade():
    recreate = "always" if op.get_context().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("run", recreate=recreate) as run:
        run.add_column(sa.Column("note", sa.Text()))
def downgrade():
    op.drop_column("run", "note")
"""


def _with_next_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the code be that of a later release, whose newest revision makes the table ``run`` anew."""
    source = migrate.script_location()
    scripts = tmp_path / "scripts"
    (scripts / "versions").mkdir(parents=True)
    for path in [source / "env.py", *(source / "versions").glob("*.py")]:
        (scripts / path.relative_to(source)).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (scripts / "versions" / "9998_next.py").write_text(_NEXT.replace("@", schema.HEAD), encoding="utf-8")
    monkeypatch.setattr(migrate, "script_location", lambda: scripts)
    _with_head(monkeypatch, "9998")


def _with_head(monkeypatch: pytest.MonkeyPatch, revision: str) -> None:
    """Let the code take a revision for the newest."""
    monkeypatch.setattr(migrate, "HEAD", revision)
    monkeypatch.setattr(schema, "HEAD", revision)


def test_fork_is_safe(metadata_url: str) -> None:
    """A forked child leaves the parent's connections alone and can use the store itself."""
    with contextlib.closing(MetadataStore(metadata_url)) as store:
        RecordedRun(store).complete()
        child = os.fork()
        if child == 0:
            os._exit(0 if len(store.runs(PROJECT)) == 1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(store.runs(PROJECT)) == 1
