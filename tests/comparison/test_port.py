"""Dataflows and scripts run under both roots after replacing the import root, and give the same."""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.comparison.ported import scripts as ours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

pytest.importorskip("hamilton", reason="apache-hamilton is not installed")

FOLDER = Path(ours.__file__).parent


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The same files with the other import root, imported from a package of their own."""
    package = tmp_path_factory.mktemp("ports") / "ported_to_hamilton"
    package.mkdir()
    for path in FOLDER.glob("*.py"):
        text = re.sub(r"\b(from|import) engine\b", r"\1 hamilton", path.read_text())
        (package / path.name).write_text(text.replace("tests.comparison.ported", package.name))
    sys.path.insert(0, str(package.parent))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield importlib.import_module(f"{package.name}.scripts")
    sys.path.remove(str(package.parent))


@pytest.mark.parametrize("script", [script.__name__ for script in ours.SCRIPTS])
def test_a_script_gives_the_same(script: str, theirs: ModuleType, tmp_path: Path) -> None:
    """A script that only had its import root replaced gives the same as before."""
    results: list[Any] = []
    for root, module in (("hamilton", theirs), ("engine", ours)):
        folder = tmp_path / root
        folder.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(getattr(module, script)(folder))
    expected, given = (
        repr(result).replace(str(tmp_path / root), "")
        for result, root in zip(results, ("hamilton", "engine"), strict=True)
    )
    assert given == expected
