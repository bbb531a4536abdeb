"""The floor plan holds: who may import whom, how long a file may be, what a name may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "engine"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

LONGEST_FILE = 600
LONGEST_FUNCTION = 60
FORBIDDEN_WORDS = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}
HAMILTON_NAMES = {
    "engine/io/utils.py",
    "engine/ad_hoc_utils.py",
    "AdapterCommon",
    "DefaultExecutionManager",
    "ExecutionManager",
}
"""Names that mirror Apache Hamilton's public ones."""


def shown(path: Path) -> str:
    """Name a file from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def words(name: str) -> set[str]:
    """Take a name apart: snake_case and CamelCase alike."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


def test_imports_keep_the_floors() -> None:
    """No file imports from a higher floor, no plug-in another one, and there is no circle."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(  # noqa: S603 - our own tool
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr


def test_no_file_is_too_long() -> None:
    """A file that has outgrown its subject is split."""
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_too_long() -> None:
    """A function does one thing."""
    too_long = [
        f"{shown(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert too_long == []


def test_names_say_what_things_are() -> None:
    """No module and no class is named by a word that says nothing."""
    modules = [(shown(path), path.stem) for path in SOURCES]
    classes = [
        (node.name, node.name)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    vague = [where for where, name in [*modules, *classes] if words(name) & FORBIDDEN_WORDS]
    assert [where for where in vague if where not in HAMILTON_NAMES] == []


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_every_file_says_what_lives_there(path: Path) -> None:
    """A file with code opens with a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree)


@pytest.mark.parametrize("path", TESTS, ids=shown)
def test_every_test_says_what_must_hold(path: Path) -> None:
    """Each test function has a docstring."""
    silent = [
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_nothing_unsafe_is_called() -> None:
    """The package evaluates no text, starts no shell and unpickles only the format and its own parcels."""
    unsafe = {"eval", "exec", "os.system", "pickle.load", "pickle.loads", "yaml.load"}
    allowed = {"engine/formats/pickle.py", "engine/execution/parcels.py", "engine/ad_hoc_utils.py"}
    found = [
        f"{shown(path)}:{node.lineno} {ast.unparse(node.func)}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (ast.unparse(node.func) in unsafe or any(k.arg == "shell" for k in node.keywords))
        and shown(path) not in allowed
    ]
    assert found == []
