"""Loads the fixture plug-ins: one per family of things that tests need."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("engine.testing", "tests.fixtures")

pytest_plugins = ["tests.fixtures.databases", "tests.fixtures.dataflows", "tests.fixtures.metadata"]
