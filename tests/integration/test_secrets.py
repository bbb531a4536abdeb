"""A password is in no message, log, record, drawing or ``repr``: neither one that the server takes nor a wrong one."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from engine.cli import main
from engine.cli.project import build_driver
from engine.dialects.warehouse import Warehouse
from engine.driver import Builder
from engine.metadata.store import MetadataStore
from engine.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CANARY = "C4n@ry/%3A"
SPELLINGS = {CANARY, quote(CANARY), quote(CANARY, safe=""), quote_plus(CANARY)}

FLOW = """
import os

import pandas as pd

from engine.io.materialization import from_, to

URL = os.environ["CANARY_URL"]
WRITTEN_IN_CODE = "postgresql://ann:C4n%40ry%2F%253A@db/shop"


def orders() -> pd.DataFrame:
    return pd.DataFrame({"id": [1, 2], "amount": [3.5, 4.5]})


def doubled(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.assign(amount=raw["amount"] * len(WRITTEN_IN_CODE))


def broken(orders: pd.DataFrame) -> pd.DataFrame:
    raise ValueError(f"cannot reach {URL}")


materializers = [
    to.table(id="orders_table", dependencies=["orders"], table="orders"),
    from_.table(target="raw", table="given", warehouse=URL),
    to.table(id="doubled_table", dependencies=["doubled"], table="doubled", warehouse=URL),
    to.table(id="broken_table", dependencies=["broken"], table="broken"),
]
"""

SETTINGS = """
project = "canary"
modules = ["canary_flow"]
materializers = "canary_flow:materializers"
warehouse = "${CANARY_URL}"
"""


def _around(text: bytes, secret: str) -> bytes:
    at = text.index(secret.encode())
    return text[max(0, at - 200) : at + 200]


@pytest.fixture
def leaks(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., None]]:
    """Give a check that texts hold no spelling of the password; at the end every log line is checked too."""
    caplog.set_level(logging.DEBUG)

    def check(*texts: object) -> None:
        for text in texts:
            found = text if isinstance(text, bytes) else str(text).encode()
            assert not [_around(found, spelling) for spelling in (*SPELLINGS, "C4n") if spelling.encode() in found]

    yield check
    check(caplog.text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose module knows the URL, as many do."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("ENGINE_WAREHOUSE", raising=False)
    monkeypatch.delenv("ENGINE_METADATA", raising=False)
    (tmp_path / "canary_flow.py").write_text(FLOW)
    (tmp_path / "engine.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*arguments: str) -> Any:
    """Call the command in this process."""
    sys.modules.pop("canary_flow", None)
    try:
        return CliRunner().invoke(main, list(arguments), prog_name="engine")
    finally:
        sys.modules.pop("canary_flow", None)


def check_files(folder: Path, leaks: Callable[..., None]) -> None:
    """Check the raw bytes of every file but the user's own."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".py":
            leaks(path.read_bytes())


def check_tables(url: str, leaks: Callable[..., None]) -> None:
    """Check every row of every table of a PostgreSQL database, and what its server shows of connections."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert tables
        for (table,) in tables:
            leaks(connection.execute(f"SELECT t::text FROM {table} t".encode()).fetchall())
        shown = connection.execute("SELECT application_name, query FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        leaks(shown.fetchall())


def exceptions(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and all that stand behind it."""
    if error is not None:
        yield error
        yield from exceptions(error.__cause__)
        yield from exceptions(error.__context__)


@pytest.mark.parametrize("metadata", [None, "sqlite:///.engine/metadata.db"])
def test_a_password_that_the_server_takes(
    folder: Path,
    login: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    leaks: Callable[..., None],
    metadata: str | None,
) -> None:
    """Runs that succeed, fail and are looked at show and keep the URL without its password."""
    url = login(CANARY)
    monkeypatch.setenv("CANARY_URL", url)
    if metadata is not None:
        monkeypatch.setenv("ENGINE_METADATA", metadata)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE given AS SELECT 1 AS id, 2.5::float8 AS amount")
    ran = command("run", "--debug")
    assert ran.exit_code == 1
    assert ran.stdout.splitlines()[-1].startswith("2 built, 1 failed")
    leaks(ran.output)
    for arguments in (
        ["run", "--debug", "--full-refresh", "doubled_table"],
        ["run", "--json"],
        ["plan", "--json"],
        ["plan"],
        ["runs", "--json"],
        ["show", "latest", "--json"],
        ["lineage", "doubled_table", "--json"],
        ["sql", "SELECT * FROM run_param", "--json"],
        ["db", "current"],
        ["viz", "-o", "graph.svg"],
        ["viz", "-o", "graph.dot"],
    ):
        done = command(*arguments)
        assert done.exit_code in {0, 1}, done.output
        assert "unexpected" not in done.output
        leaks(done.output)
    check_files(folder, leaks)
    check_tables(url, leaks)
    with psycopg.connect(url) as connection:
        renewed = "another"
        connection.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{renewed}'".encode())
    changed = sa.make_url(url).set(password=renewed).render_as_string(hide_password=False)
    monkeypatch.setenv("CANARY_URL", changed)
    assert command("plan").stdout.splitlines()[-1] == "1 missing, 2 fresh", "a new password makes no other table"


def test_a_password_that_the_server_refuses(
    folder: Path, login: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, leaks: Callable[..., None]
) -> None:
    """A wrong password ends the command with one sentence, before anything ran, and is kept nowhere."""
    url = sa.make_url(login("another one")).set(password=CANARY)
    monkeypatch.setenv("CANARY_URL", url.render_as_string(hide_password=False))
    for metadata in ("", "sqlite:///.engine/metadata.db"):
        monkeypatch.setenv("ENGINE_METADATA", metadata)
        for arguments in (["run"], ["run", "--debug"], ["plan", "--debug"]):
            done = command(*arguments)
            assert done.exit_code == 1
            assert f"refuses the password of user '{url.username}'" in done.stderr
            assert done.stderr.count("error: ") == 1
            assert ("Traceback" in done.stderr) is ("--debug" in arguments)
            leaks(done.output)
    check_files(folder, leaks)


def test_objects_and_exceptions(
    folder: Path, login: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, leaks: Callable[..., None]
) -> None:
    """What holds the URL does not show its password; nor does an exception or one that stands behind it."""
    url = sa.make_url(login("another one")).set(password=CANARY).render_as_string(hide_password=False)
    monkeypatch.setenv("CANARY_URL", url)
    settings = load_settings(folder)
    monkeypatch.syspath_prepend(str(folder))
    driver = build_driver(settings)
    builder = Builder().with_warehouse(url).with_metadata(url)
    store, warehouse = MetadataStore(url), Warehouse(url)
    nodes = driver.graph.nodes.values()
    variables = driver.list_available_variables()
    leaks(settings, repr(driver), vars(driver), repr(builder), store, warehouse, repr(driver._session), *nodes)
    leaks(*variables, *driver.graph_modules, driver.graph)
    for fault in (
        driver.refresh,
        lambda: driver.materialize(additional_vars=["raw"]),
        lambda: driver.execute(["raw"]),
        lambda: warehouse.heads([warehouse.name("t")]),
        lambda: store.runs(None),
    ):
        with pytest.raises(Exception, match="refuses the password") as raised:
            fault()
        for error in exceptions(raised.value):
            leaks(str(error), repr(error), error.args, vars(error), *getattr(error, "__notes__", ()))
    with contextlib.suppress(KeyError):
        del sys.modules["canary_flow"]
    driver.close()
    store.close()
    check_files(folder, leaks)
