"""The generic dialect passes the suite of dialects on a database that it knows only through SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.dialects.base import Intent, Write
from engine.dialects.generic import Generic
from engine.dialects.warehouse import Warehouse
from engine.errors import LoadError
from engine.testing.dialect import DialectSuite

if TYPE_CHECKING:
    from collections.abc import Iterator

STATEMENT_MS = 20_000
"""What takes longer is not streamed."""


@pytest.fixture
def warehouse(postgresql_url: str) -> Iterator[Warehouse]:
    """An empty PostgreSQL database that the engine does not know as one."""
    url = sa.make_url(postgresql_url).set(drivername="postgresql+psycopg")
    url = url.update_query_dict({"options": f"-c statement_timeout={STATEMENT_MS}"})
    with Warehouse(url.render_as_string(hide_password=False), wait_s=10, dialect=Generic()) as opened:
        yield opened


class TestGeneric(DialectSuite):
    """PostgreSQL through SQLAlchemy alone."""

    sees_recreation = False
    kill_test = False  # the process that is killed would choose the dialect by the URL

    @pytest.fixture
    def warehouse(self, warehouse: Warehouse) -> Warehouse:
        """Not by URL: that would lead to PostgreSQL's own dialect."""
        return warehouse

    @pytest.fixture
    def warehouse_url(self, postgresql_url: str) -> str:
        """One database only, whatever ``--databases`` says."""
        return postgresql_url


def test_rows_stay_in_the_server(warehouse: Warehouse) -> None:
    """A hundred million rows are read in bounded memory: the first batch comes before the second is made."""
    many = "SELECT a.i FROM generate_series(1, 10000) a(i), generate_series(1, 10000) b"
    query = warehouse.query_text(many)
    assert warehouse.schema(query).names == ["i"]
    batches, _ = warehouse.read(query, batch_rows=500)
    assert batches.read_next_batch().num_rows == 500
    batches.close()


def test_null_before_any_value(warehouse: Warehouse) -> None:
    """A table whose first rows hold only NULL is read by its columns' types; of a query's they are not known."""
    rows = pa.table({"n": pa.array([None, None, 1], pa.int64()), "s": pa.array([None, None, "x"])})
    warehouse.save(rows.to_reader(), Write(warehouse.name("t")), Intent(commit_id="late"))
    found, _ = warehouse.read(warehouse.query_table(warehouse.name("t")), batch_rows=2)
    assert found.read_all() == rows
    found, _ = warehouse.read(warehouse.query_text("SELECT n, s FROM t"), batch_rows=2)
    with pytest.raises(LoadError, match="NULL before"):
        found.read_all()
