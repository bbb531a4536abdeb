"""A cell of a notebook becomes a module."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from engine.driver import Builder
from engine.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("IPython")


def test_a_cell_becomes_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    """The cell's module, and the values that were asked for, are in the notebook; running it again replaces both."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "engine.plugins.jupyter_magic")
    shell.user_ns["given"] = {"a": 1}
    for factor, expected in ((2, 2), (3, 3)):
        cell = f"def product(a: int) -> int:\n    return {factor} * a\n"
        shell.run_cell_magic("cell_to_module", "cell_flow --display --execute product --inputs given", cell)
        assert shell.user_ns["product"] == expected
    assert shell.user_ns["cell_flow"] is sys.modules["cell_flow"]
    assert "SVG" in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match="'nothing'"):
        shell.run_cell_magic("cell_to_module", "cell_flow --config nothing", cell)


CELL = "def a(x: int) -> int:\n    return x + 1\n\ndef b(a: int, mode: str = 'q') -> str:\n    return mode * a\n"


def test_the_options_are_hamiltons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lists, dictionaries and builders of the notebook are named; a configuration may be spelled out."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "engine.plugins.jupyter_magic")
    builder = Builder().with_config({"mode": "y"})
    shell.user_ns |= {"given": {"x": 1}, "names": ["b"], "five": {"a": 5}, "dr": builder, "view": {"orient": "TB"}}

    def run(line: str) -> object:
        shell.user_ns["b"] = None
        shell.run_cell_magic("cell_to_module", line, CELL)
        return shell.user_ns["b"]

    assert callable(run("magic_flow"))
    assert run("magic_flow --execute --inputs given") == "qq"
    assert shell.user_ns["a"] == 2
    assert run("-m magic_flow -x names -i given -o five") == "qqqqq"
    assert callable(shell.user_ns["a"])
    assert run("magic_flow -x names -i given -b dr --display view") == "yy"
    assert run("""magic_flow -x a,b -i given -c '{"mode":"k"}' --show_results""") == "kk"
    assert "'kk'" in capsys.readouterr().out
    assert run("magic_flow -x names -i given -c mode=z") == "zz"
    run(f"magic_flow -w {tmp_path / 'written.py'}")
    assert (tmp_path / "written.py").read_text() == CELL
    assert builder.modules == []
    with pytest.raises(ConfigurationError, match="has no name"):
        run("")
