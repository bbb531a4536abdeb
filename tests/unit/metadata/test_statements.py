"""Rows in bulk: the same on both databases, however many there are."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from engine.errors import MetadataError
from engine.metadata import migrate, schema
from engine.metadata.database import Database
from engine.metadata.statements import MANY_ROWS, insert_new, insert_or_update, select_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = sa.Table(
    "kinds",
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("words", schema.code_unit.c.source.type),
    sa.Column("moment", schema.code_unit.c.first_seen_at.type),
    sa.Column("structure", schema.recipe.c.manifest_json.type),
    sa.Column("flag", sa.Boolean),
    sa.Column("seconds", schema.node_run.c.duration_s.type),
    sa.Column("size", sa.BigInteger),
)
"""A column of each kind that the metadata has."""

FULL = {
    "name": "a 'b' \"c\" \\ :x %s {y}\n\t✈",
    "words": 'def f():\n    return "\\u0041", None, {1}  # 🛫',
    "moment": dt.datetime(2026, 3, 29, 3, 30, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    "structure": {"a": [1, 0.1, None, True, "ü\\"], "b": {"c": {}}},
    "flag": True,
    "seconds": 0.1 + 0.2,
    "size": 2**63 - 1,
}
EMPTY = dict.fromkeys(FULL) | {"name": "empty"}


@pytest.fixture
def writing(metadata_url: str) -> Iterator[sa.Connection]:
    """A write transaction of a metadata database that has the table, too."""
    migrate.upgrade(metadata_url)
    with contextlib.closing(Database(metadata_url)) as database, database.write() as connection:
        KINDS.create(connection)
        yield connection


def rows_of(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return the table's rows by name."""
    return [dict(row) for row in connection.execute(sa.select(KINDS).order_by(KINDS.c.name)).mappings()]


def test_every_kind_of_value_comes_back(writing: sa.Connection) -> None:
    """What is written in bulk is what is read: texts, times, structures, numbers to the last digit, and none."""
    insert_new(writing, KINDS, [FULL, EMPTY])
    assert rows_of(writing) == [FULL, EMPTY]
    assert writing.scalar(sa.text("SELECT count(*) FROM kinds WHERE structure IS NULL")) == 1


def test_what_a_database_refuses_is_cleaned(writing: sa.Connection) -> None:
    """A NUL, a lone surrogate and a password in words or in a structure are replaced before they are written."""
    dirty = "a\0b \ud800 postgresql://u:secret@h/d"
    insert_new(writing, KINDS, [EMPTY | {"words": dirty, "structure": {"x": [dirty]}}])
    (row,) = rows_of(writing)
    assert row["words"] == row["structure"]["x"][0]
    assert row["words"].startswith("a\ufffdb ? postgresql://")
    assert "secret" not in row["words"]


def test_rows_of_one_key_are_written_in_their_order(writing: sa.Connection) -> None:
    """The first row of a key stays where rows are new only, and the last one wins where they update."""
    told = [{"name": name, "size": size} for size, name in enumerate("abacbba")]
    insert_new(writing, KINDS, told)
    assert {row["name"]: row["size"] for row in rows_of(writing)} == {"a": 0, "b": 1, "c": 3}
    insert_or_update(writing, KINDS, told, lambda new: {"size": KINDS.c.size * 10 + new["size"]})
    assert {row["name"]: row["size"] for row in rows_of(writing)} == {"a": 26, "b": 1145, "c": 33}


@pytest.mark.parametrize("count", [2, MANY_ROWS])
def test_rows_that_are_surely_new_are_as_any(writing: sa.Connection, count: int) -> None:
    """Few rows or many, every kind of value comes back, and what is not cleanly new is an error."""
    rows = [(FULL, EMPTY)[number % 2] | {"name": f"{FULL['name']}{number:03}"} for number in range(count)]
    insert_new(writing, KINDS, {name: [row[name] for row in rows] for name in FULL}, is_sure=True)
    assert rows_of(writing) == rows
    assert writing.scalar(sa.text("SELECT count(*) FROM kinds WHERE structure IS NULL")) == count // 2
    refusals = sa.exc.IntegrityError, writing.dialect.loaded_dbapi.IntegrityError
    with pytest.raises(refusals, match=r"(?i)unique"), writing.begin_nested():
        insert_new(writing, KINDS, rows, is_sure=True)
    assert rows_of(writing) == rows


@pytest.mark.parametrize("metadata_url", ["postgresql"], indirect=True)
def test_a_connection_that_is_gone_is_told_by_a_copy(metadata_url: str) -> None:
    """A connection that has ended when rows are copied is an error in our words; the next transaction has another."""
    migrate.upgrade(metadata_url)
    values = {"size_bytes": 1, "mtime_ns": 2, "content_hash": "c", "hashed_at_ns": 3}
    rows = [{"path": f"p{number}"} | values for number in range(MANY_ROWS)]
    with contextlib.closing(Database(metadata_url)) as database, contextlib.closing(Database(metadata_url)) as other:
        with pytest.raises(MetadataError, match="is gone"):
            _copy_on_a_dead_connection(database, other, rows)
        with database.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(schema.file_cache)) == 0


def _copy_on_a_dead_connection(database: Database, other: Database, rows: list[dict[str, Any]]) -> None:
    with database.write() as connection:
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with other.read() as beside:
            beside.execute(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
        insert_new(connection, schema.file_cache, rows, is_sure=True)


@pytest.mark.parametrize("count", [3, 3 * MANY_ROWS])
def test_many_rows_are_asked_about_first(writing: sa.Connection, count: int) -> None:
    """Rows that are there are updated once and told, the others inserted, however many they are."""
    rows = [{"name": f"n{number}", "size": number, "words": None} for number in range(count)]
    insert_new(writing, KINDS, rows[::3])
    there = insert_or_update(writing, KINDS, rows, lambda new: {"size": KINDS.c.size + 1000 * new["size"]})
    assert there >= {row["name"] for row in rows[::3]}
    assert len(there) == (count if count < MANY_ROWS else count // 3)
    expected = {row["name"]: row["size"] * (1001 if number % 3 == 0 else 1) for number, row in enumerate(rows)}
    assert {row["name"]: row["size"] for row in rows_of(writing)} == expected


def test_times_are_the_text_that_sqlalchemy_makes(tmp_path: Path) -> None:
    """A file has one text for one time, whoever writes it: it is compared as text."""
    moments = [FULL["moment"], FULL["moment"].replace(microsecond=0), dt.datetime(9, 1, 1, tzinfo=dt.UTC)]
    url = f"sqlite:///{tmp_path}/metadata.db"
    migrate.upgrade(url)
    with contextlib.closing(Database(url)) as database, database.write() as connection:
        KINDS.create(connection)
        insert_new(connection, KINDS, [{"name": f"n{n}", "moment": moment} for n, moment in enumerate(moments)])
        plain = sa.Table("kinds", sa.MetaData(), sa.Column("name", sa.Text), sa.Column("moment", sa.DateTime))
        naive = [moment.astimezone(dt.UTC).replace(tzinfo=None) for moment in moments]
        connection.execute(sa.insert(plain), [{"name": f"p{n}", "moment": moment} for n, moment in enumerate(naive)])
        written = connection.exec_driver_sql("SELECT moment FROM kinds ORDER BY name").scalars().all()
    assert written[:3] == written[3:]
    assert written[1] == "2026-03-29 01:30:00.000000"


def test_many_rows_and_values(writing: sa.Connection) -> None:
    """No number of rows and of values to look for is too large; each value is found once."""
    names = [f"n{number}" for number in range(40_000)]
    insert_new(writing, KINDS, [{"name": name, "size": number} for number, name in enumerate(names)])
    insert_new(writing, KINDS, [])
    found = select_in(writing, sa.select(KINDS.c.name), KINDS.c.name, [*names, *names[:5], "absent"])
    assert sorted(row[0] for row in found) == sorted(names)
    assert list(select_in(writing, sa.select(KINDS.c.name), KINDS.c.name, [])) == []
