"""The stub for editors and the page of adapters say what the code does, and type checkers understand the stub."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from engine.testing import adapters

if TYPE_CHECKING:
    from pathlib import Path

CALLS = """
from engine.function_modifiers import source
from engine.io.materialization import from_, to

def total() -> int:
    return 1

from_.csv(target="a", path="a.csv", sep=";")
from_.csv("a", file=source("where"), has_header=True)
from_.sql(target="a", query_or_table="a", db_connection="duckdb://")
from_.table(target="a", table="a", columns=["x"])
to.parquet(id="a", dependencies=["b", total], path="a.parquet")
to.plt(id="a", dependencies=["b"], path="a.png", dpi=300)
to.table(id="a", dependencies=["b"], table="a", mode="append")
to.of_our_own(id="a", dependencies=["b"], anything=1)
"""
BAD_CALLS = (
    'from_.csv(path="a.csv")',
    'from_.csv(target="a", path=1)',
    'from_.csv(target="a", path="a.csv", seperator=";")',
    'from_.csv(target=["a"], path="a.csv")',
    'from_.sql(target="a", query_or_table="a")',
    'to.parquet(id="a", path="a.parquet")',
    'to.parquet(id="a", dependencies=[1], path="a.parquet")',
    'to.yaml(id="a", dependencies=["b"], path="a.yaml", sort=True)',
    'to.table(id="a", dependencies=["b"])',
)


def methods(text: str) -> dict[tuple[str, str], set[str]]:
    """Return the parameters of each method of a stub."""
    return {
        (face.name, method.name): {a.arg for a in (*method.args.args, *method.args.kwonlyargs)}
        for face in ast.parse(text).body
        if isinstance(face, ast.ClassDef)
        for method in face.body
        if isinstance(method, ast.FunctionDef)
    }


def test_the_stub_says_what_the_code_takes() -> None:
    """Every name stands in the stub, with every option that the libraries installed here take."""
    written, now = methods(adapters.STUB.read_text()), methods(adapters.stub())
    if adapters.versions() not in adapters.STUB.read_text():
        pytest.skip("other versions of the libraries are installed than the stub was written from")
    assert now.keys() <= written.keys()
    for method, parameters in now.items():
        if method[1] in adapters.absent():
            assert parameters <= written[method]
        else:
            assert (method, parameters) == (method, written[method])
    assert {name for _, name in written.keys() - now.keys()} <= set(adapters.absent())


def test_the_page_shows_the_table() -> None:
    """The reference page has the table of the code, but for libraries that are not installed here."""
    absent = {f"| `{name}` |" for name in adapters.absent()}
    written, now = adapters.PAGE.read_text().splitlines(), adapters.page().splitlines()
    assert [line for line in now if line[: line.find("|", 2) + 1] not in absent and line not in written] == []
    if not absent:
        assert now == written


def test_type_checkers_know_good_calls_from_bad_ones(tmp_path: Path) -> None:
    """Type checkers accept what runs and refuse what would not."""
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    file = tmp_path / "calls.py"
    file.write_text(CALLS + "\n".join(BAD_CALLS) + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)  # noqa: S603 - our own
    refused = {line.split(":")[1] for line in done.stdout.splitlines() if " error: " in line and "calls.py" in line}
    first = CALLS.count("\n") + 1
    assert refused == {str(first + number) for number in range(len(BAD_CALLS))}, done.stdout
