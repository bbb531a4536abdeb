"""A definition of SQLite is completed wherever its columns end, and means otherwise what it meant."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from engine.dialects.base import TableName
from engine.dialects.definitions import TableDefinition
from engine.dialects.sqlite.definitions import completed, defined, definition_of

ODD = [
    "CREATE TABLE t (a BIGINT, b TEXT)",
    'create table "t"(a integer,b text)',
    'CREATE TABLE t /* engine commit x */ (a /* first, ( */ BIGINT -- the "a", yes\n, b TEXT -- last )\n)',
    "CREATE TABLE t (a DECIMAL(10, 2) DEFAULT (1 + (2)) CHECK (a > 0), [b] VARCHAR(9) DEFAULT 'x, (''' COLLATE NOCASE)",
    "CREATE TABLE t (a INT, b TEXT, \"c, NOT NULL (\" TEXT, UNIQUE (a, b), CHECK (b <> ')'))",
    "CREATE TABLE t (`a` INT, b TEXT AS (a || 'x') STORED, CONSTRAINT one UNIQUE (a))",
]


@pytest.mark.parametrize("definition", ODD)
def test_key_and_not_null_are_added(definition: str) -> None:
    """Whatever stands in a definition, it has the key and NOT NULL that are asked for, and all it had."""
    table, asked = TableName("", "t"), TableDefinition.of(primary_key=["b", "a"], not_null="b")
    with closing(sqlite3.connect(":memory:")) as main:
        main.execute(definition)
        had = main.execute("SELECT name, type, dflt_value FROM pragma_table_xinfo('t')").fetchall()
        unique = len(main.execute("PRAGMA index_list(t)").fetchall())
        wanted = completed(definition_of(main, table), asked, defined(main, table))
        main.execute("DROP TABLE t")
        if "STORED" in definition:  # the text is right; a generated column is no key
            with pytest.raises(sqlite3.OperationalError, match="generated columns cannot be part of the PRIMARY KEY"):
                main.execute(wanted)
            return
        main.execute(wanted)
        found = defined(main, table)
        assert (found.primary_key, found.not_null) == (("b", "a"), {"a", "b"})
        assert main.execute("SELECT name, type, dflt_value FROM pragma_table_xinfo('t')").fetchall() == had
        assert len(main.execute("PRAGMA index_list(t)").fetchall()) == unique + 1
        assert completed(definition_of(main, table), asked, found) == wanted
