"""A cell of a notebook becomes a module."""

from __future__ import annotations

import sys

import pytest

from engine.errors import ConfigurationError

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
