"""A workspace in which project code is written, edited and fingerprinted as a new process would see it."""

from __future__ import annotations

import importlib
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from engine.planning.fingerprint import CodeVersion, Fingerprinter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Workspace:
    """Writes modules to a new folder each time and imports them from there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._count = 0

    def write(self, files: Mapping[str, str] | str) -> Path:
        """Write modules (a text alone is the module ``flow``) into a new folder."""
        self._count += 1
        folder = self.root / f"edition_{self._count}"
        for name, text in ({"flow": files} if isinstance(files, str) else files).items():
            path = folder / (name.replace(".", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return folder

    def load(self, files: Mapping[str, str] | str, target: str = "flow:node") -> Any:
        """Import the modules as written now, forgetting earlier editions, and return one of their objects."""
        folder = self.write(files)
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "")).startswith(str(self.root)):
                del sys.modules[name]
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
        try:
            module, _, attribute = target.partition(":")
            return getattr(importlib.import_module(module), attribute)
        finally:
            sys.path.remove(str(folder))

    def version(self, files: Mapping[str, str] | str, target: str = "flow:node") -> CodeVersion:
        """Return the code version of an object of the modules as written now."""
        function = self.load(files, target)
        sys.path.insert(0, str(self.root / f"edition_{self._count}"))
        try:
            return Fingerprinter().code_version(function)
        finally:
            sys.path.pop(0)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Give a workspace and forget its modules afterwards."""
    yield Workspace(tmp_path)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
