"""Migrate: bring the metadata's schema to the revision this version of the engine works with.

Theory of operation. `ensure` is the one entry point. It reads the revision; when that is `schema.HEAD`, as nearly
always, nothing more happens and Alembic is not even imported. A newer one is refused: the other version of the engine
knows what it wrote, this one does not. An older one is upgraded alone (no run in progress, no other upgrade), after
looking again, with all revisions, the views and the new revision number in one transaction; so a process killed in the
middle leaves the database as it was, and the next one does the work. A SQLite file is backed up first.

Where nothing is there yet, the tables are made as `engine.metadata.schema` describes them, in the same one transaction
and under the same lock, and stamped with the newest revision: what all revisions together would make, without reading
them. The tests hold the two against each other on both databases.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from engine.errors import MetadataError, MigrationRequiredError
from engine.metadata import schema, views
from engine.metadata.database import Database, journal_mode
from engine.metadata.locks import hold_file, upgrade_file
from engine.metadata.schema import APPLICATION_ID, HEAD, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config

KEPT_BACKUPS = 3
"""How many backups of a SQLite file stand beside it."""

PAGE_BYTES = 8192
"""The page of a new SQLite file: the record of a run fills many, and takes a sixth longer in pages of half the size."""

VERSION_TABLE = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Where Alembic keeps the revision; not among the tables of `schema.metadata`, because revisions do not speak of it."""

_ONE_THREAD = threading.Lock()


def ensure(database: Database) -> None:
    """Make sure that the database has the schema this code works with, upgrading it if it may.

    Raises:
        MigrationRequiredError: It is newer than this code, or older and `Database.read_only`.
        MetadataError: It is not a metadata database, or cannot be used.
    """
    if _is_current(database):
        return
    if database.read_only:
        raise MigrationRequiredError(
            f"the metadata at {database.shown} has the schema {revision(database) or 'of no revision'}, "
            f"and this version of the engine needs {HEAD}",
            hint="run `engine db upgrade`, or any run",
        )
    _upgrade(database)


def upgrade(url: str) -> str:
    """Upgrade the database at a URL, making it if there is none, and return the revision it has now.

    Raises:
        MigrationRequiredError: It is newer than this code.
        MetadataError: It is not a metadata database, or cannot be used.
    """
    with contextlib.closing(Database(url)) as database:
        ensure(database)
    return HEAD


def current(url: str) -> str | None:
    """Return the revision of the database at a URL, or None where there is none yet.

    Raises:
        MetadataError: It is not a metadata database, or cannot be used.
    """
    with contextlib.closing(Database(url, read_only=True)) as database:
        return revision(database)


def revision(database: Database) -> str | None:
    """Return the revision of a database, or None where the schema has not been made yet.

    Raises:
        MetadataError: It is not a metadata database, or cannot be used.
    """
    if database.path and not database.path.exists():
        return None
    with database.read() as connection:
        return _revision_in(connection, database.shown)


def script_location() -> Path:
    """Return the folder of Alembic's scripts: inside an installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "_migrations"
    return installed if (installed / "env.py").exists() else Path(__file__).parents[2] / "migrations"


def configuration() -> Config:
    """Return Alembic's configuration, which needs no file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(script_location()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextlib.contextmanager
def upgrading(url: str) -> Iterator[sa.Connection]:
    """Give the one transaction of an upgrade, when no run and no other upgrade is in progress."""
    with contextlib.closing(Database(url, migrating=True)) as database, _alone(database):
        if database.path:
            _prepare_file(database, database.path)
        with database.write("upgrade") as connection:
            if database.dialect == "postgresql":
                _make_schema(connection)
            yield connection
            if database.path:
                connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
                _check_foreign_keys(connection)


def _is_current(database: Database) -> bool:
    found = revision(database)
    if found is not None and found > HEAD:
        raise MigrationRequiredError(
            f"the metadata at {database.shown} has the schema {found} of a newer version of the engine; "
            f"this version works with {HEAD}",
            hint="upgrade the package materialization-engine, or use another metadata database",
        )
    return found == HEAD


def _upgrade(database: Database) -> None:
    with _ONE_THREAD, upgrading(database.url) as connection:
        if not _names_in(connection, database.shown):
            create(connection)
        elif _revision_in(connection, database.shown) != HEAD:  # nobody else did it while we waited
            run_revisions(connection)


def create(connection: sa.Connection) -> None:
    """Make the newest tables and views where there are none."""
    schema.metadata.create_all(connection, checkfirst=False)
    VERSION_TABLE.create(connection, checkfirst=False)
    connection.execute(sa.insert(VERSION_TABLE), [{"version_num": HEAD}])
    for statement in views.create_statements(connection.dialect.name):
        connection.execute(sa.text(statement))


def run_revisions(connection: sa.Connection, last: str = "head") -> None:
    """Run the revisions from the one the database has to the newest, or to another."""
    from alembic import command

    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, last)


@contextlib.contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Take the lock that runs share; on a server the transaction takes it."""
    if not database.path:
        yield
        return
    with database.errors():
        database.path.parent.mkdir(parents=True, exist_ok=True)
        lock = hold_file(upgrade_file(database.path), shared=False, patience_s=database.patience_s)
        with lock:
            yield


def _prepare_file(database: Database, path: Path) -> None:
    """Back up a file that has a schema; give one that has none its lasting settings."""
    found = revision(database)
    if found == HEAD:
        return
    if found is not None:
        _back_up(path, found)
        return
    with database.errors(), contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute(f"PRAGMA journal_mode = {journal_mode(sqlite3.sqlite_version_info, path)}")


def _back_up(path: Path, found: str) -> None:
    moment = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S%f")
    target = path.with_name(f"{path.name}.{moment}-{found}.backup")
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    for old in sorted(path.parent.glob(f"{path.name}.*.backup"))[:-KEPT_BACKUPS]:
        old.unlink(missing_ok=True)


def _revision_in(connection: sa.Connection, shown: str) -> str | None:
    if VERSION_TABLE.name not in _names_in(connection, shown):
        return None
    found: str | None = connection.scalar(sa.select(sa.func.max(VERSION_TABLE.c.version_num)))
    return found


def _names_in(connection: sa.Connection, shown: str) -> set[str]:
    """Return the names of all that is there; there is nothing that is not the engine's own."""
    return (_names_in_file if connection.dialect.name == "sqlite" else _names_in_schema)(connection, shown)


def _names_in_file(connection: sa.Connection, shown: str) -> set[str]:
    names = set(connection.scalars(sa.text("SELECT name FROM sqlite_master")))
    application = connection.scalar(sa.text("PRAGMA application_id"))
    if names and application != APPLICATION_ID:
        raise _not_ours(shown, "holds tables that the engine did not make")
    return names


def _names_in_schema(connection: sa.Connection, shown: str) -> set[str]:
    query = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:schema)"
    names = set(connection.scalars(sa.text(query), {"schema": SCHEMA}))
    if names and VERSION_TABLE.name not in names:
        raise _not_ours(shown, f"has a schema {SCHEMA!r} with tables that the engine did not make")
    return names


def _not_ours(shown: str, what: str) -> MetadataError:
    return MetadataError(f"{shown} is not a metadata database: it {what}", hint="use another place for the metadata")


def _make_schema(connection: sa.Connection) -> None:
    # asked first: CREATE … IF NOT EXISTS wants the right to create even where there is nothing to create
    if connection.scalar(sa.text("SELECT to_regnamespace(:schema) IS NULL"), {"schema": SCHEMA}):
        connection.execute(sa.schema.CreateSchema(SCHEMA))


def _check_foreign_keys(connection: sa.Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchone()
    if broken:
        raise MetadataError(
            f"the upgrade would leave rows of the table {broken[0]!r} without the row of {broken[2]!r} they belong to",
            hint="nothing was changed; report this",
        )
