"""The documentation says what is so: its links lead somewhere, its code compiles, its tables match the program's."""

from __future__ import annotations

import ast
import contextlib
import re
import sqlite3
import textwrap
from pathlib import Path

import click
import pytest

from engine.cli import main
from engine.metadata import migrate
from engine.settings import _KINDS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]
README_COMMANDS = (
    "python -m pip install . && engine run --project examples/flights",
    "python -m pip install '.[test]' && python -m pytest",
)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return [
        textwrap.dedent(b)
        for b in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]


def first_column(page: Path, heading: str) -> set[str]:
    """Return the words in code marks at the beginning of each table row under a heading."""
    section = page.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file or folder that exists."""
    targets = re.findall(r"\]\((?!https?://)([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert [t for t in targets if not (page.parent / t).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_pages_compiles(page: Path) -> None:
    """Every Python block of a page is Python."""
    for block in blocks(page, "python"):
        ast.parse(block)


def test_readme_names_the_commands_to_begin_with() -> None:
    """The two commands of a newcomer stand in the README, word for word."""
    lines = (ROOT / "README.md").read_text().splitlines()
    assert [command for command in README_COMMANDS if command not in lines] == []


def test_every_reason_is_explained() -> None:
    """A reason code that the program gives is explained in the page on staleness."""
    explained = first_column(ROOT / "docs/explanation/staleness.md", "Reasons")
    sources = [p.read_text() for folder in ("planning", "execution") for p in (ROOT / "engine" / folder).glob("*.py")]
    given = {code for source in sources for code in re.findall(r'Reason\((?:code=)?"(\w+)"', source)}
    assert given
    assert given - explained == set()


def test_every_setting_is_in_the_reference() -> None:
    """The reference lists exactly the settings there are."""
    listed = {key.strip("[]") for key in first_column(ROOT / "docs/reference/command.md", "Settings")}
    assert listed == set(_KINDS)


def test_every_command_is_in_the_reference() -> None:
    """The reference names each command."""
    text = (ROOT / "docs/reference/command.md").read_text()
    assert isinstance(main, click.Group)
    assert [name for name in main.commands if f"`engine {name}" not in text] == []


@pytest.mark.parametrize("statement", blocks(ROOT / "docs/how-to/ask-the-record.md", "sql"))
def test_questions_to_the_record_are_answered(statement: str, tmp_path: Path) -> None:
    """The SQL of the page on asking the record runs on a metadata store."""
    file = tmp_path / "metadata.db"
    migrate.upgrade(f"sqlite:///{file}")
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(statement).fetchall()
