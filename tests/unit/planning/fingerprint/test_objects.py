"""What an object is when it is looked at counts, not only what the text of its definition says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Workspace

MODULE = re.compile(r"^--- (.+)\n", re.MULTILINE)
EITHER = re.compile(r"«(.*?)\|(.*?)»")


def cases() -> dict[str, dict[str, str]]:
    """Return the modules of every case in the list of changes, by its title."""
    text = Path(__file__).with_name("changes.txt").read_text(encoding="utf-8")
    found = {}
    for case in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = case.partition("\n")
        flow, *others = MODULE.split(rest)
        found[title] = {"flow": flow} | dict(zip(others[::2], others[1::2], strict=True))
    return found


CHANGES = cases()
UNSEEN = {
    "the classes below": "class B: pass\nclass C(B):\n    k = 1\ndef node():\n    return B.__subclasses__()",
    "modules by name": "import sys\ndef node():\n    return sys.modules['json']\n",
    "variables by name": "def node():\n    return node.__globals__['K']\nK = 1\n",
    "variables of a frame": "import inspect\ndef node():\n    return inspect.currentframe().f_globals\n",
    "objects by name": "import pkgutil\ndef node():\n    return pkgutil.resolve_name('json:dumps')\n",
    "a variable of the context": "import contextvars as c\nV = c.ContextVar('V')\ndef node():\n    return V.get()\n",
    "a counter": "import itertools\nI = itertools.count()\ndef node():\n    return next(I)\n",
    "a generator": "G = (i for i in 'ab')\ndef node():\n    return next(G)\n",
    "an iterator of a class": "class C:\n    it = iter('ab')\ndef node():\n    return next(C.it)\n",
    "hidden attributes": "class C:\n    __dict__ = property(dict)\nc = C()\ndef node():\n    return c.k\n",
}

ALIKE: dict[str, tuple[str, str]] = {
    "a call that only reports": (
        "import logging\ndef node():\n    return 1\n",
        "import logging\nlogging.basicConfig()\nprint('loaded')\ndef node():\n    return 1\n",
    ),
    "what runs as a script only": (
        "def node():\n    return 1\n",
        "import random\ndef node():\n    return 1\nif __name__ == '__main__':\n    random.seed(1)\n",
    ),
    "an attribute set to what it was": (
        "class C:\n    k = 1\ndef node():\n    return C.k\n",
        "class C:\n    k = 1\nC.k = 1\ndef node():\n    return C.k\n",
    ),
    "the docstring of a property": (
        "class C:\n    @property\n    def k(self):\n        return 1\nnode = C()\n",
        "class C:\n    @property\n    def k(self):\n        'Say.'\n        return 1\nnode = C()\n",
    ),
    "methods in another order": (
        "class C:\n    def a(self):\n        return 1\n    def b(self):\n        return 2\nnode = C().a\n",
        "class C:\n    def b(self):\n        return 2\n    def a(self):\n        return 1\nnode = C().a\n",
    ),
}


@pytest.mark.parametrize("files", CHANGES.values(), ids=CHANGES)
def test_what_gives_another_result_counts(workspace: Workspace, files: dict[str, str]) -> None:
    """A change that gives a node another result gives it another code version, wherever it is made."""
    before, after = ({name: EITHER.sub(side, text) for name, text in files.items()} for side in (r"\1", r"\2"))
    assert before != after
    first, second, again = (workspace.version(edition) for edition in (before, after, before))
    assert first.version != second.version
    assert first.version == again.version


@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN)
def test_what_cannot_be_seen_is_said(workspace: Workspace, text: str) -> None:
    """Where reading cannot tell what a node depends on, its version is not airtight, and a warning says why."""
    version = workspace.version(text)
    assert version.completeness in {"dynamic", "opaque"}
    assert version.warnings


@pytest.mark.parametrize(("before", "after"), ALIKE.values(), ids=ALIKE)
def test_what_makes_no_difference_does_not_count(workspace: Workspace, before: str, after: str) -> None:
    """What a node's result cannot depend on leaves its version as it is."""
    assert workspace.version(before).version == workspace.version(after).version
