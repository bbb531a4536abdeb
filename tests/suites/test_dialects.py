"""Each built-in dialect passes the suite that every extension must pass."""

from __future__ import annotations

from engine.testing.dialect import DialectSuite


class TestDialects(DialectSuite):
    """DuckDB, SQLite and PostgreSQL, as ``--databases`` chooses."""
