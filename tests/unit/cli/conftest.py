"""A project in a folder of its own, and the command called in this process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Give the command as a function: arguments in, result out; nothing it changes in this process stays."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a test changes a module twice within a second
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("ENGINE_WAREHOUSE", raising=False)
    monkeypatch.delenv("ENGINE_METADATA", raising=False)

    def call(*arguments: str) -> Result:
        before = set(sys.modules)
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(main, list(arguments), prog_name="engine")
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]
        return result

    return call


@pytest.fixture
def project(engine: Callable[..., Result], tmp_path: Path) -> Path:
    """Make the first project in a folder, the present one of every call."""
    assert engine("init").exit_code == 0
    return tmp_path


@pytest.fixture
def edit(project: Path) -> Callable[..., None]:
    """Give a function that replaces a text in a file of the project, which must be there."""

    def replace(old: str, new: str, name: str = "dataflow.py") -> None:
        path = project / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return replace
