"""Dialect suite: what every database must do.

Subclass it in your tests, where a fixture ``warehouse_url`` gives the URL of an empty database::

    class TestMySQL(DialectSuite):
        pass
"""

from __future__ import annotations

from engine.testing.faults import FaultSuite
from engine.testing.reading import ReadingSuite
from engine.testing.saving import SavingSuite


class DialectSuite(SavingSuite, FaultSuite, ReadingSuite):
    """All that a database must do; `engine.testing.warehouse.WarehouseSuite` says what a subclass can set."""
