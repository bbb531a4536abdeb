"""What is read from the pages of a SQLite file are the very values that SQLite itself gives."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.dialects.sqlite.pages import rows_of
from engine.dialects.sqlite.spool import Spool
from tests.unit.dialects.sqlite.test_records import BYTES, INTEGERS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), INTEGERS),
    (pa.float64(), st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-(2**53), 2**53))),
    (pa.string(), TEXTS),
    (pa.binary(), BYTES),
    (pa.null(), st.none()),
]


def read(path: Path, types: Sequence[pa.DataType], page: int) -> list[tuple[Any, ...] | None]:
    """Read the rows of a table from its pages; what cannot be read so is None."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'r'").fetchone()
    found: list[tuple[Any, ...] | None] = []
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for rows in rows_of(descriptor, root, page):
            columns = rows.columns(types)
            found += zip(*(c.to_pylist() for c in columns), strict=True) if columns else [None] * len(rows.starts)
    finally:
        os.close(descriptor)
    return found


def written(path: Path, rows: Sequence[tuple[Any, ...]], page: int) -> list[tuple[Any, ...]]:
    """Have SQLite write rows, and give them back."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA page_size = {page}")
        connection.execute(f"CREATE TABLE r ({', '.join(f'c{i}' for i in range(len(rows[0])))})")
        connection.executemany(f"INSERT INTO r VALUES ({', '.join('?' * len(rows[0]))})", rows)
        return connection.execute("SELECT * FROM r ORDER BY rowid").fetchall()


def exact(rows: Sequence[tuple[Any, ...]]) -> list[tuple[str, ...]]:
    """Return what tells values apart, such as the sign of a zero."""
    return [tuple(map(repr, row)) for row in rows]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), page=st.sampled_from([512, 4096, 65536]))
def test_pages_hold_what_sqlite_gives(data: st.DataObject, page: int, tmp_path: Path) -> None:
    """Rows of any values, in pages of any size and in trees of several levels, are what SQLite gives."""
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    drawn = data.draw(st.lists(st.tuples(*(values for _, values in kinds)), min_size=1, max_size=20))
    rows = written(tmp_path / "r.db", drawn * data.draw(st.sampled_from([1, 1, 1, 300])), page)
    types = [type for type, _ in kinds]
    wanted = [
        tuple(float(v) if t == pa.float64() and v is not None else v for v, t in zip(row, types, strict=True))
        for row in rows
    ]
    found = read(tmp_path / "r.db", types, page)
    is_short = all(
        sum(len(v) * 4 if isinstance(v, (str, bytes)) else 10 for v in row) + 20 < page - 35 for row in drawn
    )
    assert len(found) == len(wanted)
    assert not is_short or None not in found
    assert exact([f for f in found if f is not None]) == exact(
        [w for w, f in zip(wanted, found, strict=True) if f is not None]
    )


@pytest.mark.parametrize(
    ("type", "value"),
    [
        (pa.int64(), 1.5),
        (pa.int64(), "1"),
        (pa.float64(), 2**53 + 1),
        (pa.string(), b"a"),
        (pa.binary(), "a"),
        (pa.null(), 0),
        (pa.bool_(), 1),
        (pa.string(), "x" * 100_000),
    ],
)
def test_what_is_not_expected_is_not_read(type: pa.DataType, value: Any, tmp_path: Path) -> None:
    """A value of another class, or one that fills more than a page, is never taken for something else."""
    written(tmp_path / "r.db", [(None,), (value,)], 65536)
    assert read(tmp_path / "r.db", [type], 65536) == [None, None]


@pytest.mark.parametrize("asked", [1, 3])
def test_a_record_of_other_columns_is_not_read(asked: int, tmp_path: Path) -> None:
    """Rows that were written before a column was added are shorter; they, and longer ones, are read otherwise."""
    written(tmp_path / "r.db", [(1, 2), (3, 2**60)], 65536)
    assert read(tmp_path / "r.db", [pa.int64()] * asked, 65536) == [None, None]


@pytest.mark.parametrize("rows", [0, 1, 70_000])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_a_spool_gives_the_rows(rows: int, encoding: str, tmp_path: Path) -> None:
    """The rows of a query come in order and in batches that are not too large, also those that are read otherwise."""
    with closing(sqlite3.connect(tmp_path / "w.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, s TEXT, d REAL)")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?)", ((i, "é" * (60_000 if i == 2 else i % 70), i / 4) for i in range(rows))
        )
        connection.execute("ALTER TABLE t ADD COLUMN x INTEGER DEFAULT 7")
        connection.execute("COMMIT")
        wanted = connection.execute("SELECT * FROM t WHERE i >= 0 ORDER BY -i").fetchall()
        spool = Spool(connection, "SELECT * FROM t WHERE i >= :least ORDER BY -i", {"least": 0}, 4)
    schema = pa.schema([("i", pa.int32()), ("s", pa.string()), ("d", pa.float64()), ("x", pa.int64())])
    with closing(spool):
        batches = list(spool.batches(schema, 1_000))
        assert spool.classes([1, 3]) == ({1: "text", 3: "integer"} if rows else {1: None, 3: None})
    assert max((batch.num_rows for batch in batches), default=0) <= 1_000
    assert [row for batch in batches for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)] == wanted


def test_nothing_is_left_of_a_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has no name while it is read, nor after a query that fails; and the database is free at once."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "aside"))
    (tmp_path / "aside").mkdir()
    with closing(sqlite3.connect(tmp_path / "w.db", isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            Spool(connection, "SELECT * FROM gone", {}, 1)
        with closing(Spool(connection, "SELECT 1", {}, 1)):
            assert list((tmp_path / "aside").iterdir()) == []
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
        assert [row[1] for row in connection.execute("PRAGMA database_list")] == ["main"]
