"""Loads the fixture plug-ins: one per family of things that tests need."""

from __future__ import annotations

import atexit
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.doctest import DoctestModule

if TYPE_CHECKING:
    from collections.abc import Generator

pytest.register_assert_rewrite("engine.testing", "tests.fixtures")

pytest_plugins = [
    "tests.fixtures.databases",
    "tests.fixtures.caching",
    "tests.fixtures.dataflows",
    "tests.fixtures.metadata",
]


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for examples in the engine only: a test file that cannot be imported is an error, no skipped example."""
    found = yield
    return [collector for collector in found if not isinstance(collector, DoctestModule)]


def pytest_make_parametrize_id(val: Any) -> str | None:
    """Name a parameter without its address in memory, so that parallel workers collect the same tests."""
    if isinstance(val, str | bytes | int | float | bool | None):
        return None
    return re.sub(r" at 0x[0-9a-f]+", "", repr(val)) if callable(val) or isinstance(val, tuple) else None


@atexit.register  # the first to be registered, and so the last to be called
def _end_with_the_summary() -> None:
    """Let pytest's summary be the last thing a test run prints.

    DuckDB's binding lists on stderr every object that is alive when the interpreter is gone. Hypothesis keeps modules
    alive until then, so the list is long and says nothing.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
