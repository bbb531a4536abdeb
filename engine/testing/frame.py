"""Frame suite: what every frame library must do.

Subclass it in your tests, and say which library and which type of frame::

    class TestDask(FrameSuite):
        library = Dask
        frame_type = dask.dataframe.DataFrame
"""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pytest

from engine.errors import LoadError, StorageError
from engine.frames import library_of, library_of_type
from engine.frames.hashing import hashed

if TYPE_CHECKING:
    from engine.frames.base import FrameLibrary

_NAN = float("nan")
_DECIMAL = decimal.Decimal

COLUMNS: dict[str, pa.Array] = {
    "bool": pa.array([True, None, False]),
    "int8": pa.array([-128, None, 127], pa.int8()),
    "int64": pa.array([-(2**63), None, 2**63 - 1], pa.int64()),
    "uint64": pa.array([0, None, 2**64 - 1], pa.uint64()),
    "float32": pa.array([0.1, None, float("inf")], pa.float32()),
    "float64": pa.array([0.1, None, -0.0], pa.float64()),
    "float64_nan": pa.array([0.1, None, _NAN], pa.float64()),
    "text": pa.array(["", None, 'ä "quoted"\n\t\\N, 🛫']),
    "large_text": pa.array(["a", None, "b"], pa.large_string()),
    "text_view": pa.array(["a", None, "longer than twelve bytes"], pa.string_view()),
    "bytes": pa.array([b"", None, b"\x00\xff"]),
    "date": pa.array([dt.date(1, 1, 1), None, dt.date(9999, 12, 31)]),
    "time": pa.array([dt.time(0), None, dt.time(23, 59, 59, 999_999)]),
    "timestamp_s": pa.array([0, None, -1], pa.timestamp("s")),
    "timestamp_ms": pa.array([0, None, -1], pa.timestamp("ms")),
    "timestamp_us": pa.array([dt.datetime(1, 1, 1), None, dt.datetime(9999, 12, 31)]),  # noqa: DTZ001 - without a zone
    "timestamp_ns": pa.array([1, None, -1], pa.timestamp("ns")),
    "timestamp_utc": pa.array([1, None, -1], pa.timestamp("us", "UTC")),
    "timestamp_zone": pa.array([1, None, -1], pa.timestamp("us", "Europe/Paris")),
    "duration": pa.array([1, None, -1], pa.duration("us")),
    "decimal": pa.array([_DECIMAL("1.50"), None, _DECIMAL("-9.99")], pa.decimal128(15, 2)),
    "decimal38": pa.array([_DECIMAL("9" * 38), None, _DECIMAL(0)], pa.decimal128(38, 0)),
    "category": pa.array(["a", None, "a"]).dictionary_encode(),
    "list": pa.array([[1, None], None, []], pa.list_(pa.int64())),
    "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": None}]),
    "null": pa.nulls(3),
}
"""One column per basic type: two values with a NULL between them."""


class FrameSuite:
    """The contract of `engine.frames.base.FrameLibrary`.

    Attributes:
        library: The class under test.
        frame_type: The type of its frames.
        refuses: The names in `COLUMNS` of what it has no exact type for, and so must refuse.
        converts: The names in `COLUMNS` of what its database keeps in another form, such as an instant without zone.
    """

    library: ClassVar[type[FrameLibrary]]
    frame_type: ClassVar[type]
    refuses: ClassVar[frozenset[str]] = frozenset()
    converts: ClassVar[frozenset[str]] = frozenset()

    def make(self, table: pa.Table) -> Any:
        """Make a frame of the rows of a table; overridden by libraries whose frames are made by a database."""
        return self.library().from_arrow(table.to_reader(), self.frame_type)

    def read(self, frame: Any) -> pa.Table:
        """Return the rows of a frame."""
        return self.library().to_arrow(frame).read_all()

    @pytest.mark.parametrize("name", COLUMNS)
    def test_values_pass_unchanged(self, name: str) -> None:
        """Every value of every basic type, and NULL, comes out as it went in, or is refused."""
        table = pa.table({"x": COLUMNS[name]})
        if name in self.refuses:
            with pytest.raises(StorageError, match="x"):
                self.make(table)
        elif name not in self.converts:
            assert _values(self.read(self.make(table))) == _values(table)

    @pytest.mark.parametrize("name", COLUMNS)
    @pytest.mark.parametrize("parts", [[(0, 1), (2, 1)], [(1, 1)], [(0, 0)]], ids=["no NULL", "only NULL", "no rows"])
    def test_values_pass_unchanged_with_and_without_nulls(self, name: str, parts: list[tuple[int, int]]) -> None:
        """A column without NULLs, of NULLs only, or without rows keeps its values."""
        if name in self.refuses | self.converts:
            return
        table = pa.table({"x": pa.concat_arrays([COLUMNS[name].slice(row, length) for row, length in parts])})
        assert _values(self.read(self.make(table))) == _values(table)

    @pytest.mark.parametrize("name", COLUMNS)
    def test_type_does_not_depend_on_the_rows(self, name: str) -> None:
        """A column of no rows, or of NULLs only, has the type that the full one has."""
        if name in self.refuses:
            return
        full = self.read(self.make(pa.table({"x": COLUMNS[name]}))).schema
        for part in (COLUMNS[name][:0], COLUMNS[name][1:2], COLUMNS[name][:1]):
            assert self.read(self.make(pa.table({"x": part}))).schema.types == full.types

    def test_batches_keep_their_order(self) -> None:
        """A stream of many batches gives all rows, in order."""
        table = pa.concat_tables([pa.table({"x": [i, i + 1]}) for i in range(0, 20, 2)])
        assert self.read(self.make(table))["x"].to_pylist() == list(range(20))

    def test_columns_keep_their_order_and_odd_names(self) -> None:
        """Column names with spaces, quotes, dots and capitals come out as they went in."""
        names = ["b", "A", "with space", 'quo"te', "dot.ted", "ünï", "%s", ":x", "select"]
        frame = self.make(pa.table([pa.array([1])] * len(names), names=names))
        assert list(self.library().column_names(frame)) == names
        assert self.read(frame).column_names == names

    def test_column_is_a_column(self) -> None:
        """One column of a frame has the values it has in the frame."""
        frame = self.make(pa.table({"x": [1, 2], "dot.ted": [3, 4]}))
        column = self.library().column(frame, "dot.ted")
        assert self.column_values(column) == [3, 4]

    def column_values(self, column: Any) -> list[Any]:
        """Return the values of a column, or of a lazy frame of one column."""
        if self.library.column_type is not None and isinstance(column, self.library.column_type):
            listed: Any = column
            return list(listed.to_pylist() if hasattr(listed, "to_pylist") else listed)
        values: list[Any] = self.read(column).column(0).to_pylist()
        return values

    def test_unknown_column_is_a_key_error(self) -> None:
        """Asking for a column that is not there is a KeyError."""
        with pytest.raises(KeyError):
            self.library().column(self.make(pa.table({"x": [1]})), "y")

    def test_types_stand_beside_the_names(self) -> None:
        """The types of the columns are words, one per column, or unknown."""
        types = self.library().column_types(self.make(pa.table({"x": [1], "y": ["a"]})))
        assert types is None or (len(types) == 2 and all(isinstance(word, str) for word in types))  # noqa: PLR2004

    def test_row_count_is_known_or_none(self) -> None:
        """The number of rows is right, or None where it would have to be computed."""
        assert self.library().row_count(self.make(pa.table({"x": [1, 2, 3]}))) in (3, None)

    def test_content_hash_is_repeatable(self) -> None:
        """The same rows in the same library have the same content hash."""
        table = pa.table({name: column for name, column in COLUMNS.items() if name not in self.refuses})
        digests = set()
        for _ in range(2):
            reader, hasher = hashed(self.library().to_arrow(self.make(table)))
            reader.read_all()
            digests.add(hasher.digest())
        assert len(digests) == 1
        assert None not in digests

    def test_type_and_value_lead_to_the_library(self) -> None:
        """The library is found by the type of its frames, and by a frame."""
        frame = self.make(pa.table({"x": [1]}))
        assert isinstance(library_of_type(self.frame_type), self.library)
        assert isinstance(library_of(frame), self.library)
        assert isinstance(frame, self.frame_type)

    def test_lazy_rows_are_not_made_from_memory(self) -> None:
        """A library whose frames stay in a database refuses to make one from a stream."""
        if self.library.stays_in_database:
            with pytest.raises(LoadError, match="made only by reading"):
                self.library().from_arrow(pa.table({"x": [1]}).to_reader(), self.frame_type)


def _values(table: pa.Table) -> str:
    """Return the values as text in which NaN equals NaN, and -0.0 does not equal 0.0."""
    return repr(table.to_pydict())
