"""Reading suite: what comes back from a table or query, and what a query may say."""

from __future__ import annotations

import pyarrow as pa
import pytest
import sqlalchemy as sa

from engine.dialects.base import Write
from engine.dialects.definitions import TableDefinition
from engine.dialects.warehouse import Warehouse
from engine.errors import LoadError, OptionError, RequestError, StorageError
from engine.testing.warehouse import ROWS, WarehouseSuite, intent


class ReadingSuite(WarehouseSuite):
    """Each test says in one sentence what must hold."""

    def test_types_come_back_exactly(self, warehouse: Warehouse) -> None:
        """Every value of every type comes back as it went in."""
        table = pa.table(self.keeps)
        self.save(warehouse, table, "typed")
        batches, _ = warehouse.read(warehouse.query_table(warehouse.name("typed")))
        found = batches.read_all()
        assert found.to_pydict() == table.to_pydict()

    def test_stable_types(self, warehouse: Warehouse) -> None:
        """A table read and saved again is the same table: nothing widens on the way."""
        self.save(warehouse, pa.table(self.keeps), "typed")
        for target in ("copy", "again"):
            batches, _ = warehouse.read(warehouse.query_table(warehouse.name("typed")))
            self.save(warehouse, batches, target)
        tables = warehouse.tables([warehouse.name("copy"), warehouse.name("again")])
        assert len({found.columns for found in tables.values() if found is not None}) == 1

    def test_recorded_columns(self, warehouse: Warehouse) -> None:
        """The ledger says of a table's columns what the catalog will say of them, so that a change is noticed."""
        name = warehouse.name("typed")
        required = ("sure",) if "not_null" in warehouse.dialect.traits.defines else ()
        for definition in (TableDefinition(), TableDefinition(not_null=required)):
            rows = pa.table({"sure": [1, 2, 3], **self.keeps}).to_reader()
            row = warehouse.save(rows, Write(name, definition=definition), intent(skip_unchanged=False)).row
            found = warehouse.tables([name])[name]
            assert found is not None
            assert row.record["columns"] == [[c.name, c.type, c.nullable] for c in found.columns]

    def test_standing_is_of_one_moment(self, warehouse: Warehouse) -> None:
        """What the catalog and what the ledger say of tables is told together, of those that are not there too."""
        commit, table, other = self.save(warehouse, ROWS), warehouse.name("things"), warehouse.name("absent")
        tables, heads = warehouse.standing([table, other])
        assert heads == {table: commit.row, other: None}
        assert [name for name, there in tables.items() if there and there.was_published_by(commit.row)] == [table]

    def test_odd_names(self, warehouse: Warehouse) -> None:
        """Names are quoted: spaces, quotes, keywords, signs and other scripts survive."""
        names = ["select", 'a "b"', "it's", "100%", ":x", "a;b--", "Groß", "1st", "{x}", "a.b", "%(x)s", "$1", "?"]
        table = pa.table({name: pa.array([i]) for i, name in enumerate(names)})
        for text in ('"odd; ""name"" 100%s"', "select", '"{x} :y"', "Größe"):
            self.save(warehouse, table, text)
            self.save(warehouse, table, text, mode="append")
            query = warehouse.query_table(
                warehouse.name(text), columns=names[3:6], where='"100%" = :v', params={"v": 3}
            )
            assert warehouse.read(query)[0].read_all().to_pydict() == {"100%": [3, 3], ":x": [4, 4], "a;b--": [5, 5]}

    def test_streams_in_batches(self, warehouse: Warehouse) -> None:
        """A large table comes in batches no larger than asked, in several open streams at once."""
        self.save(warehouse, pa.table({"n": pa.array(range(10_000))}), "many")
        query = warehouse.query_table(warehouse.name("many"))
        first, second = (warehouse.read(query, batch_rows=1_000)[0] for _ in range(2))
        sizes = [(a.num_rows, b.num_rows) for a, b in zip(first, second, strict=True)]
        assert max(map(max, sizes)) <= 1_000  # noqa: PLR2004
        assert sum(a for a, _ in sizes) == 10_000  # noqa: PLR2004

    def test_a_stream_can_be_left(self, warehouse: Warehouse) -> None:
        """A table can be written after a stream of it was left half read."""
        self.save(warehouse, pa.table({"n": pa.array(range(10_000))}), "many")
        batches, _ = warehouse.read(warehouse.query_table(warehouse.name("many")), batch_rows=100)
        batches.read_next_batch()
        batches.close()
        del batches
        self.save(warehouse, ROWS, "many")
        assert len(self.rows(warehouse, "many")) == 3  # noqa: PLR2004

    def test_reading_and_writing_one_table(self, warehouse: Warehouse) -> None:
        """A table can be replaced by what is read from it while it is read."""
        self.save(warehouse, pa.table({"n": pa.array(range(5_000))}), "many")
        batches, _ = warehouse.read(warehouse.query_table(warehouse.name("many"), where="n < 3000"), batch_rows=500)
        self.save(warehouse, batches, "many")
        assert len(self.rows(warehouse, "many")) == 3_000  # noqa: PLR2004

    def test_checksum(self, warehouse: Warehouse) -> None:
        """A token tells rows, types and names apart, not order; a table that does not exist has none."""
        self.save(warehouse, ROWS, "a")
        self.save(warehouse, ROWS.take([2, 1, 0]), "b")
        self.save(warehouse, pa.concat_tables([ROWS, ROWS]), "c")
        self.save(warehouse, ROWS.rename_columns(["id", "other"]), "d")
        queries = [warehouse.query_table(warehouse.name(name)) for name in "abcd"]
        a, b, c, d, gone = warehouse.checksums([*queries, warehouse.query_text("SELECT * FROM gone")])
        assert a == b
        assert len({a, c, d}) == 3  # noqa: PLR2004
        assert gone is None
        assert warehouse.read(queries[0], checksum=True)[1] == a

    def test_unknown_names(self, warehouse: Warehouse) -> None:
        """An unknown table, column or parameter is named, with near ones."""
        self.save(warehouse, ROWS)
        table = warehouse.name("things")
        with pytest.raises(LoadError, match="thinks") as caught:
            warehouse.query_table(warehouse.name("thinks"))
        assert "things" in caught.value.hint
        with pytest.raises(LoadError, match="nane"):
            warehouse.query_table(table, columns=["nane"])
        with pytest.raises(OptionError, match=":low"):
            warehouse.query_table(table, where="id > :low")
        with pytest.raises(OptionError, match=":lwo"):
            warehouse.query_table(table, where="id > :low", params={"lwo": 1, "low": 1})
        with pytest.raises(LoadError):
            warehouse.read(warehouse.query_table(table, where="nope = 1"))

    def test_query_text(self, warehouse: Warehouse) -> None:
        """SQL text runs with its parameters bound, lists too, whatever characters it holds."""
        self.save(warehouse, ROWS)
        query = warehouse.query_text(
            "SELECT id AS n, '100% :-)' AS t FROM things WHERE id IN :ids AND id < :high -- done;",
            {"ids": [1, 2, 9], "high": 5},
        )
        assert warehouse.read(query)[0].read_all().sort_by("n").to_pydict() == {"n": [1, 2], "t": ["100% :-)"] * 2}

    @pytest.mark.parametrize(
        "text", ["DROP TABLE things", "SELECT 1; SELECT 2", "SELECT * FROM things; DROP TABLE things"]
    )
    def test_a_query_only_reads(self, warehouse: Warehouse, text: str) -> None:
        """SQL text that writes, or is more than one statement, is refused and does nothing."""
        self.save(warehouse, ROWS)
        with pytest.raises(StorageError):
            warehouse.read(warehouse.query_text(text))
        assert len(self.rows(warehouse)) == 3  # noqa: PLR2004

    def test_lazy_select(self, warehouse: Warehouse) -> None:
        """A lazy Select stays in its database and is recognised there, and nowhere else."""
        self.save(warehouse, ROWS)
        query = warehouse.query_table(warehouse.name("things"))
        lazy = warehouse.lazy(query, sa.Select)
        table = warehouse.lazy(query, sa.Table)
        narrowed = sa.select(table.c.id, sa.func.upper(table.c.name).label("upper")).where(table.c.id < 3)  # noqa: PLR2004
        assert warehouse.as_query(lazy) is not None
        self.save(warehouse, warehouse.as_query(narrowed), "narrow")
        assert self.rows(warehouse, "narrow") == [(1, "A"), (2, "B")]
        with Warehouse("sqlite://") as other:
            assert other.as_query(narrowed) is None
        text = warehouse.lazy(warehouse.query_text("SELECT id FROM things"), sa.Select)
        assert warehouse.read(sa.select(sa.func.count()).select_from(text.subquery()))[0].read_all()[0][0].as_py() == 3  # noqa: PLR2004

    def test_names_are_checked(self, warehouse: Warehouse) -> None:
        """The engine's own names are not for users, and a schema needs a database with schemas."""
        for text in ("_e_0123456789abcdef", "_engine_ledger", "a.b.c", ""):
            with pytest.raises(RequestError):
                warehouse.name(text)
        if warehouse.dialect.traits.has_schemas:
            self.save(warehouse, ROWS, "new_schema.things")
            assert len(self.rows(warehouse, "new_schema.things")) == 3  # noqa: PLR2004
            assert warehouse.name("things").schema == warehouse.dialect.traits.default_schema
        else:
            with pytest.raises(RequestError, match="schemas"):
                warehouse.name("marts.things")
