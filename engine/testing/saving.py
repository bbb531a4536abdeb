"""Saving suite: each way to save, and what the ledger says of it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from engine.dialects.base import Write
from engine.errors import OptionError, SaveError
from engine.testing.warehouse import ROWS, WarehouseSuite, intent

if TYPE_CHECKING:
    from engine.dialects.warehouse import Warehouse


class SavingSuite(WarehouseSuite):
    """Each test says in one sentence what must hold."""

    def test_replace_creates_and_replaces(self, warehouse: Warehouse) -> None:
        """A table holds exactly the last rows, and each version has the next seq."""
        first = self.save(warehouse, ROWS)
        second = self.save(warehouse, ROWS.slice(1))
        assert (first.row.seq, second.row.seq, second.row.previous_commit_id) == (1, 2, first.row.commit_id)
        assert self.rows(warehouse) == [(2, "b"), (3, None)]
        assert self.debris(warehouse) == []

    def test_replace_with_other_columns(self, warehouse: Warehouse) -> None:
        """A replaced table has the columns of its new rows, in their order."""
        self.save(warehouse, ROWS)
        self.save(warehouse, pa.table({"name": ["x"], "other": [1.5]}))
        assert self.rows(warehouse) == [("x", 1.5)]

    def test_replace_by_no_rows(self, warehouse: Warehouse) -> None:
        """A value without rows empties the table and keeps its columns."""
        self.save(warehouse, ROWS)
        self.save(warehouse, ROWS.slice(0, 0))
        assert self.rows(warehouse) == []

    def test_append(self, warehouse: Warehouse) -> None:
        """Appending keeps the rows there are, and matches columns by name."""
        self.save(warehouse, ROWS, mode="append")
        self.save(warehouse, ROWS.select(["name", "id"]).slice(0, 1), mode="append")
        assert self.rows(warehouse) == [(1, "a"), (1, "a"), (2, "b"), (3, None)]

    def test_upsert(self, warehouse: Warehouse) -> None:
        """Upserting updates rows whose keys exist and adds the others."""
        self.save(warehouse, ROWS, mode="upsert", keys=["id"])
        self.save(warehouse, pa.table({"id": [3, 4], "name": ["C", "D"]}), mode="upsert", keys=["id"])
        assert self.rows(warehouse) == [(1, "a"), (2, "b"), (3, "C"), (4, "D")]

    def test_delete_insert(self, warehouse: Warehouse) -> None:
        """All rows with one of the value's keys give way to the value's rows, matched over the whole key."""
        old = pa.table({"day": [1, 1, 2], "place": ["a", "b", "a"], "n": [1, 2, 3]})
        new = pa.table({"day": [1, 1], "place": ["a", "a"], "n": [10, 11]})
        self.save(warehouse, old, mode="delete_insert", keys=["day", "place"])
        self.save(warehouse, new, mode="delete_insert", keys=["day", "place"])
        assert self.rows(warehouse) == [(1, "a", 10), (1, "a", 11), (1, "b", 2), (2, "a", 3)]

    @pytest.mark.parametrize(("mode", "ids"), [("upsert", [1, 1]), ("upsert", [1, None]), ("delete_insert", [1, None])])
    def test_keys_that_cannot_be_matched_are_refused(
        self, warehouse: Warehouse, mode: str, ids: list[int | None]
    ) -> None:
        """NULL keys, and for upsert duplicate ones, are refused with the key, and nothing changes."""
        self.save(warehouse, ROWS)
        with pytest.raises(SaveError, match=r"id=(1|None)"):
            self.save(warehouse, pa.table({"id": ids, "name": ["x", "y"]}), mode=mode, keys=["id"])
        assert self.rows(warehouse) == [(1, "a"), (2, "b"), (3, None)]

    def test_keys_must_be_named_and_exist(self, warehouse: Warehouse) -> None:
        """A keyed mode without keys, or with a key that is no column, says so."""
        with pytest.raises(OptionError, match="needs keys"):
            self.save(warehouse, ROWS, mode="upsert")
        with pytest.raises(SaveError, match="no key column 'nope'"):
            self.save(warehouse, ROWS, mode="upsert", keys=["nope"])

    def test_view(self, warehouse: Warehouse) -> None:
        """A view follows its table, its parameters written in."""
        self.save(warehouse, ROWS)
        query = warehouse.query_table(warehouse.name("things"), where="name = :name", params={"name": "b"})
        commit = self.save(warehouse, query, "seen", "view")
        assert (commit.row.row_count, self.rows(warehouse, "seen")) == (None, [(2, "b")])
        assert not self.save(warehouse, query, "seen", "view").changed
        self.save(warehouse, ROWS.slice(0, 1))
        assert self.rows(warehouse, "seen") == []

    def test_views_tell_what_they_read(self, warehouse: Warehouse) -> None:
        """A view tells which tables it reads, itself or through other views, and no others."""
        for table in ("behind", "beside"):
            self.save(warehouse, ROWS, table)
        self.sql(warehouse, "CREATE VIEW {seen} AS SELECT * FROM {behind}")
        self.sql(warehouse, "CREATE VIEW {again} AS SELECT * FROM {seen}")
        views = warehouse.views()
        behind, beside, seen, again = (
            warehouse.key(warehouse.name(name)) for name in ("behind", "beside", "seen", "again")
        )
        assert behind in views[seen]
        assert behind in {table for read in views[again] for table in (read, *views.get(read, ()))}
        assert beside not in views[seen] | views[again]

    def test_spellings_of_one_name(self, warehouse: Warehouse) -> None:
        """The ledger knows a table by every spelling of its name that the database takes for the same."""
        self.save(warehouse, ROWS, "things")
        capitals = warehouse.name("THINGS")
        assert (warehouse.heads([capitals])[capitals] is not None) == warehouse.dialect.traits.folds_case

    def test_query_stays_in_the_database(self, warehouse: Warehouse) -> None:
        """A query of the same database becomes a table with its columns' types, and is cut off when it is equal."""
        self.save(warehouse, ROWS)
        query = warehouse.query_table(warehouse.name("things"), where="id > :low", params={"low": 1})
        first, second = self.save(warehouse, query, "more"), self.save(warehouse, query, "more")
        assert (first.row.row_count, second.changed) == (2, False)
        assert self.rows(warehouse, "more") == [(2, "b"), (3, None)]

    # --- the ledger ---------------------------------------------------------------------------------------------------

    def test_equal_rows_write_nothing(self, warehouse: Warehouse) -> None:
        """The same rows in another order are no new version, unless that is asked for."""
        first = self.save(warehouse, ROWS)
        again = self.save(warehouse, ROWS.take([2, 0, 1]))
        assert (again.changed, again.row) == (False, first.row)
        assert self.save(warehouse, ROWS, skip_unchanged=False).row.seq == 2  # noqa: PLR2004

    def test_digest_is_the_content_hash(self, warehouse: Warehouse) -> None:
        """The hash that was computed while the rows passed is what the ledger says and downstream sees."""
        write = Write(warehouse.name("things"))
        commit = warehouse.save(ROWS.to_reader(), write, intent(), digest=lambda: "h1:abc")
        assert (commit.row.content_hash, commit.row.token) == ("h1:abc", "h1:abc")

    def test_the_ledger_tells_what_was_saved(self, warehouse: Warehouse) -> None:
        """The head is the last commit, with its record and columns; an unknown table has none."""
        self.save(warehouse, ROWS, mode="append")
        commit = self.save(warehouse, ROWS, mode="append", record={"node": "things"}, run_id="r", recipe_version="v")
        table, other = warehouse.name("things"), warehouse.name("other")
        heads = warehouse.heads([table, other])
        assert heads == {table: commit.row, other: None}
        assert (commit.row.run_id, commit.row.recipe_version, commit.row.row_count) == ("r", "v", 3)
        assert commit.row.record["node"] == "things"
        assert [column[0] for column in commit.row.record["columns"]] == ["id", "name"]
        assert warehouse.commits([commit.row.commit_id, "nope"]) == {commit.row.commit_id: commit.row}

    def test_nothing_was_ever_saved(self, warehouse: Warehouse) -> None:
        """A warehouse without a ledger has no heads and no commits, and gets no ledger by being asked."""
        table = warehouse.name("things")
        assert warehouse.heads([table]) == {table: None}
        assert warehouse.commits(["x"]) == {}
        assert warehouse.tables([table]) == {table: None}

    def test_one_commit_id_is_one_save(self, warehouse: Warehouse) -> None:
        """A save that is tried again with the same commit id appends its rows once."""
        same = intent()
        first = self.save(warehouse, ROWS, mode="append", intent=same)
        again = self.save(warehouse, ROWS, mode="append", intent=same)
        assert (again.row, len(self.rows(warehouse))) == (first.row, 3)

    def test_tokens_of_appends_are_a_chain(self, warehouse: Warehouse) -> None:
        """Appending the same rows again gives another token: the table is another one."""
        tokens = {self.save(warehouse, ROWS, mode="append").row.token for _ in range(3)}
        assert len(tokens) == 3  # noqa: PLR2004
