"""Every fault is one clear error on standard error, with what to do, the right exit status and no password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Engine = Callable[..., Result]
    Edit = Callable[..., None]

CANARY = "C4n@ry/%3A"
CANARY_IN_URL = "C4n%40ry%2F%253A"

WRONG_DATAFLOWS = [
    pytest.param(
        "def best_country(revenue_by_country:",
        "def best_country(revenue_by_countri:",
        ["revenue_by_countri", "best_country", "'revenue_by_country'"],
        id="unknown upstream node",
    ),
    pytest.param("minimum_amount: float", "minimum_amont: float", ["'minimum_amont'", "missing"], id="missing input"),
    pytest.param(
        "def best_country(revenue_by_country: pd.DataFrame)",
        "def best_country(revenue_by_country: int)",
        ["takes int for 'revenue_by_country'", "gives pandas.DataFrame"],
        id="type mismatch",
    ),
    pytest.param(
        "def orders()", "def orders(best_country: pd.DataFrame)", ["orders → best_country", "form a cycle"], id="cycle"
    ),
    pytest.param("minimum_amount: float", "minimum_amount", ["has no type annotation", "dataflow.py:"], id="untyped"),
    pytest.param('to.table(id="best', 'to.tabel(id="best', ["'tabel'", "to.table", "dataflow.py:"], id="unknown saver"),
    pytest.param(
        'to.table(id="best_country_table", dependencies=["best_country"], table="best_country")',
        'to.csv(id="best_country_table", dependencies=["best_country"], pth="x.csv")',
        ["'pth'", "did you mean 'path'"],
        id="misspelt option",
    ),
    pytest.param(
        'dependencies=["best_country"]',
        'dependencies=["best_contry"]',
        ["'best_contry'", "'best_country'"],
        id="dependency",
    ),
    pytest.param('"best_country_table"', '"revenue_table"', ["'revenue_table' is taken"], id="two outputs of one name"),
    pytest.param("import pandas as pd", "import pnadas as pd", ["'pnadas'", "dataflow.py:"], id="module not installed"),
    pytest.param("def orders()", "def orders(", ["SyntaxError", "dataflow.py:"], id="syntax error"),
    pytest.param("materializers = [", "materializers = nothing + [", ["NameError", "dataflow.py:"], id="name error"),
    pytest.param("materializers = [", "raise SystemExit(3)\nmaterializers = [", ["SystemExit: 3"], id="leaves"),
]

WRONG_SETTINGS = [
    pytest.param('modules = ["dataflow"]', 'modules = ["dataflw"]', ["'dataflw'", "mean 'dataflow'"], id="module"),
    pytest.param("dataflow:materializers", "dataflow:materialisers", ["did you mean 'materializers'"], id="attribute"),
    pytest.param("modules =", "module =", ["unknown key 'module'", "did you mean 'modules'"], id="key"),
    pytest.param("minimum_amount = 20.0", "minimum_amout = 20.0", ["'minimum_amount'", "missing"], id="misspelt input"),
    pytest.param("minimum_amount = 20.0", 'minimum_amount = "x"', ["'minimum_amount'", "float", "str"], id="wrong"),
    pytest.param('"duckdb:///warehouse.duckdb"', '"duckbd:///w"', ["'duckbd'", "did you mean 'duckdb'"], id="dialect"),
    pytest.param('"duckdb:///warehouse.duckdb"', '"warehouse"', ["not the URL of a database"], id="no URL"),
    pytest.param('"duckdb:///warehouse.duckdb"', '"${NOT_SET_AT_ALL}"', ["warehouse", "NOT_SET_AT_ALL"], id="variable"),
]


def assert_refused(result: Result, expected: list[str], status: int = 2) -> None:
    """Check that a result is one error with its hint, on standard error alone."""
    assert result.exit_code == status, result.output
    lines = result.stderr.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1, result.stderr
    assert any(line.startswith("hint: ") for line in lines), result.stderr
    assert "Traceback" not in result.output
    assert "unexpected" not in result.stderr
    for text in expected:
        assert text in result.stderr


@pytest.mark.parametrize(("old", "new", "expected"), WRONG_DATAFLOWS)
def test_a_wrong_dataflow_is_refused_before_anything_runs(
    engine: Engine, edit: Edit, project: Path, old: str, new: str, expected: list[str]
) -> None:
    """What is wrong with the dataflow is said with its place; no database is made."""
    edit(old, new)
    assert_refused(engine("run"), expected)
    assert not (project / "warehouse.duckdb").exists()


@pytest.mark.parametrize(("old", "new", "expected"), WRONG_SETTINGS)
def test_wrong_settings_are_refused_before_anything_runs(
    engine: Engine, edit: Edit, project: Path, old: str, new: str, expected: list[str]
) -> None:
    """What is wrong with the settings is said by key; no database is made."""
    edit(old, new, "engine.toml")
    assert_refused(engine("plan"), expected)
    assert not (project / "warehouse.duckdb").exists()


def test_two_modules_with_one_node_are_refused(engine: Engine, edit: Edit, project: Path) -> None:
    """Both places of a name given twice are named."""
    (project / "other.py").write_text("def orders() -> int:\n    return 1\n")
    edit('modules = ["dataflow"]', 'modules = ["dataflow", "other"]', "engine.toml")
    assert_refused(engine("run"), ["'orders'", "dataflow.py:", "other.py:"])


def test_a_module_shadowed_by_another_is_refused(engine: Engine, edit: Edit, project: Path) -> None:
    """A project's file that cannot be imported because its name is taken is not silently replaced."""
    (project / "json.py").write_text("")
    edit('modules = ["dataflow"]', 'modules = ["dataflow", "json"]', "engine.toml")
    assert_refused(engine("run"), ["'json' is taken", "json.py"])


@pytest.mark.parametrize("command", ["run", "plan", "viz"])
def test_an_unknown_output_is_refused(engine: Engine, project: Path, command: str) -> None:
    """An output that is not there is named with those that look like it."""
    del project
    assert_refused(engine(command, "revnue_table"), ["no output named 'revnue_table'", "'revenue_table'"])
    assert_refused(engine(command, "zzz"), ["there are: large_orders_table"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--ful-refresh"], "--full-refresh"),
        (["rnu"], "no such command 'rnu'"),
        (["runs", "--limit", "x"], "'x'"),
        (["show"], "'RUN'"),
        (["run", "--project", "absent"], "no folder"),
    ],
)
def test_a_wrong_command_line_is_refused(engine: Engine, arguments: list[str], expected: str) -> None:
    """A fault of the command line reads like every other one."""
    assert_refused(engine(*arguments), [expected])


def test_a_missing_table_is_named(engine: Engine, edit: Edit) -> None:
    """A table that is not there is found before anything ran."""
    edit("import to", "import from_, to")
    edit("materializers = [", 'materializers = [\n    from_.table(target="orders", table="raw.ordrs"),')
    assert_refused(engine("run"), ["raw.ordrs"], status=1)


def test_a_failing_node_is_shown_with_the_users_own_lines(engine: Engine, edit: Edit) -> None:
    """The failure names node, exception, file and line, and nothing of the engine; the others are built."""
    edit("return revenue_by_country.head(1)", 'return revenue_by_country["revenu"]')
    result = engine("run")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    at = lines.index("best_country_table failed in node best_country")
    assert lines[at + 1] == "  KeyError: 'revenu'"
    assert lines[at + 2].startswith("  dataflow.py:")
    assert lines[at + 3] == '      return revenue_by_country["revenu"]'
    assert not lines[at + 4]
    assert lines[-1].startswith("2 built, 1 failed in ")
    assert "Traceback" not in result.output
    assert "best_country_table" in engine("plan").stdout


def test_what_a_failed_output_feeds_is_blocked(engine: Engine, edit: Edit) -> None:
    """Outputs behind a failed one are blocked, with its name as the reason."""
    edit("return large.assign(", 'raise ValueError("too small")\n    return large.assign(')
    result = engine("run")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("1 failed, 2 blocked in ")
    assert "ValueError: too small" in result.stdout


def test_debug_shows_the_stack_trace(engine: Engine, edit: Edit) -> None:
    """--debug adds the whole trace to the same two lines."""
    edit("materializers = [", "materializers = nothing + [")
    result = engine("run", "--debug")
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert "error: module 'dataflow' does not import" in result.stderr


@pytest.mark.parametrize("debug", [[], ["--debug"]])
@pytest.mark.parametrize("metadata", ["", "sqlite:///.engine/metadata.db"])
def test_no_password_is_shown_when_the_server_is_away(
    engine: Engine, project: Path, monkeypatch: pytest.MonkeyPatch, metadata: str, debug: list[str]
) -> None:
    """A server that cannot be reached is named without its password, in any spelling, anywhere."""
    monkeypatch.setenv("ENGINE_WAREHOUSE", f"postgresql://ann:{CANARY_IN_URL}@127.0.0.1:1/shop")
    monkeypatch.setenv("ENGINE_METADATA", metadata)
    result = engine("run", *debug)
    assert result.exit_code == 1
    assert "cannot be reached" in result.stderr
    assert "127.0.0.1" in result.stderr
    kept = b"".join(path.read_bytes() for path in project.rglob("*") if path.is_file())
    for secret in (CANARY, CANARY_IN_URL):
        assert secret not in result.output
        assert secret.encode() not in kept


def test_no_password_is_shown_of_a_failing_node(engine: Engine, edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of the user's own that holds a URL is shown without its password."""
    monkeypatch.setenv("SOME_URL", f"postgresql://ann:{CANARY_IN_URL}@db/shop")
    edit("return revenue_by_country.head(1)", 'import os\n    raise ValueError("no " + os.environ["SOME_URL"])')
    result = engine("run")
    assert "ValueError: no postgresql://ann:***@db/shop" in result.stdout
    assert CANARY_IN_URL not in result.output
    assert CANARY_IN_URL not in engine("show", "latest", "--json").output
