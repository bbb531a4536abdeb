"""polars: frames in and out of Arrow, lazy ones read and computed batch by batch.

What polars has no type for enters under the type that holds the same values (a calendar day counted in milliseconds as
a date, seconds as milliseconds, a wide decimal as a narrow one where every value fits), or is refused. A lazy frame
can be computed as often as one likes: over a table or query it reads anew each time, and no more than it needs; over a
stream, which can be read only once, it stands on rows in memory.

Texts and bytes enter as Arrow's views, which is how polars keeps them: it takes these without a copy. Arrow makes views
in memory that it uses again or has in large pages; to touch new memory takes longer than to make them.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, cast

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from engine.errors import LoadError, SaveError
from engine.frames.base import BATCH_ROWS, ConnectionFunction, FrameLibrary, bare, check_names
from engine.frames.categories import categorized, with_categories
from engine.frames.columns import side_by_side
from engine.frames.layouts import passing_as_view
from engine.frames.nested import plain, rewrite
from engine.frames.polars_files import READERS, WRITERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.frames.base import FileFunction, Source

_COMMON, _OWN = pl.CompatLevel.oldest(), pl.CompatLevel.newest()
"""Texts as Arrow's ``large_string``, and as views, which is how polars keeps them: not every reader knows these."""
_VIEWS = {pa.string(): pa.string_view(), pa.binary(): pa.binary_view()}
"""How texts and bytes enter. Longer ones, ``large_string``, are left to polars: a view reaches no further than 2 GB."""
_DIGITS = 38
"""The widest decimal of polars."""


@functools.wraps(pl.DataFrame.write_database)
def _write_database(frame: pl.DataFrame | pl.LazyFrame, *arguments: Any, **options: Any) -> None:
    frame.lazy().collect().write_database(*arguments, **options)


class Polars(FrameLibrary):
    """The frames of polars, eager and lazy; a series is a frame of one column."""

    frame_types: ClassVar[tuple[type, ...]] = (pl.DataFrame, pl.LazyFrame)
    column_type: ClassVar[type | None] = pl.Series
    expression_type: ClassVar[type | None] = pl.Expr
    scanning_types: ClassVar[tuple[type, ...]] = (pl.LazyFrame,)
    keeps_layout: ClassVar[bool] = False
    readers: ClassVar[Mapping[type, Mapping[str, FileFunction]]] = READERS
    writers: ClassVar[Mapping[type, Mapping[str, FileFunction]]] = WRITERS
    connection_reader: ClassVar[ConnectionFunction | None] = ConnectionFunction(pl.read_database, "query", "connection")
    connection_writer: ClassVar[ConnectionFunction | None] = ConnectionFunction(
        _write_database, "table_name", "connection", "if_table_exists"
    )

    def to_arrow(self, frame: Any) -> pa.RecordBatchReader:
        """Return the frame as a stream of record batches; a lazy frame is computed as they are taken.

        Raises:
            SaveError: A column is of a type that Arrow does not have.
        """
        return _stream(frame, views=False)

    def to_views(self, frame: Any) -> pa.RecordBatchReader:
        """Return the same stream, in which texts and bytes are not copied.

        Raises:
            SaveError: A column is of a type that Arrow does not have.
        """
        return _stream(frame, views=True)

    def from_arrow(self, batches: pa.RecordBatchReader, like: Any) -> Any:
        """Return the stream as an eager frame, or as a lazy one over rows in memory.

        Raises:
            LoadError: A column is of a type that polars does not have, or two columns have one name.
        """
        check_names(batches.schema.names, LoadError)
        frame = _eager(batches.read_all())
        return frame.lazy() if issubclass(bare(like), pl.LazyFrame) else frame

    def from_source(self, source: Source) -> pl.LazyFrame:
        """Return a lazy frame that reads the source whenever it is computed: the columns and first rows that it needs.

        Raises:
            LoadError: A column is of a type that polars does not have, or two columns have one name.
        """
        check_names(source.schema.names, LoadError)

        def scan(
            columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch_rows: int | None
        ) -> Iterator[pl.DataFrame]:
            del batch_rows  # a hint
            for batch in source.read(columns, rows):
                frame = _eager(pa.Table.from_batches([batch]))
                yield frame if predicate is None else frame.filter(predicate)

        # Pure: two scans of one source give the same rows, so one may serve for both.
        schema = _eager(source.schema.empty_table()).schema
        return register_io_source(scan, schema=schema, is_pure=True, explain_name="WAREHOUSE")

    def settle(self) -> None:
        """Call polars: a source that its threads are done with is let go of by the next call from Python."""
        pl.Series().len()

    def column(self, frame: Any, name: str) -> Any:
        """Return one column as a series; of a lazy frame a lazy frame of it."""
        if name not in self.column_names(frame):
            raise KeyError(name)
        return frame.select(pl.col(name)) if isinstance(frame, pl.LazyFrame) else frame.get_column(name)

    def expression(self, name: str) -> pl.Expr:
        """Return ``pl.col(name)``."""
        return pl.col(name)

    def column_names(self, frame: Any) -> Sequence[str]:
        """Return the names of the columns, without computing a lazy frame."""
        if isinstance(frame, pl.Series):
            return (frame.name,)
        return tuple(frame.collect_schema().names())

    def column_types(self, frame: Any) -> Sequence[str]:
        """Return the types of the columns as polars spells them."""
        return [str(d) for d in ([frame.dtype] if isinstance(frame, pl.Series) else frame.collect_schema().dtypes())]


def _eager(table: pa.Table) -> pl.DataFrame:
    columns = side_by_side(lambda column, field: _fitting(field.name, categorized(column, field)), table)
    schema = pa.schema([f.with_type(c.type) for f, c in zip(table.schema, columns, strict=True)], table.schema.metadata)
    # One chunk per batch: joining them costs as much as reading.
    return cast("pl.DataFrame", pl.from_arrow(pa.table(columns, schema=schema), rechunk=False))


def _stream(frame: pl.DataFrame | pl.LazyFrame | pl.Series, *, views: bool) -> pa.RecordBatchReader:
    whole = frame.to_frame() if isinstance(frame, pl.Series) else frame
    columns = whole.collect_schema()
    check_names(columns.names(), SaveError)
    _check_types(columns)
    schema = _recorded(_exported(pl.DataFrame(schema=columns), views=views).schema, columns)
    if isinstance(whole, pl.DataFrame):
        return _exported(whole, views=views).cast(schema).to_reader(max_chunksize=BATCH_ROWS)
    parts = whole.collect_batches(chunk_size=BATCH_ROWS, lazy=True)
    batches = (
        batch
        for part in parts
        for batch in _exported(part, views=views).cast(schema).to_batches(max_chunksize=BATCH_ROWS)
    )
    return pa.RecordBatchReader.from_batches(schema, batches)


def _exported(frame: pl.DataFrame, *, views: bool) -> pa.Table:
    """Return the frame as a table; texts and bytes that are not part of other values may be views."""
    seen = [name for name, dtype in frame.schema.items() if views and isinstance(dtype, pl.String | pl.Binary)]
    if not seen:
        return frame.to_arrow(compat_level=_COMMON)
    own, rest = frame.select(seen).to_arrow(compat_level=_OWN), frame.drop(seen).to_arrow(compat_level=_COMMON)
    tables = [own if name in own.schema.names else rest for name in frame.columns]
    fields = [table.schema.field(name) for table, name in zip(tables, frame.columns, strict=True)]
    columns = [table.column(name) for table, name in zip(tables, frame.columns, strict=True)]
    return pa.table(columns, schema=pa.schema(fields))


def _recorded(schema: pa.Schema, columns: pl.Schema) -> pa.Schema:
    """Return the schema whose fields list the categories that have an order, and say which only pass as views."""
    fields = [
        with_categories(field, pa.array(dtype.categories.to_list(), field.type.value_type))
        if isinstance(dtype, pl.Enum)
        else passing_as_view(field)
        for field, dtype in zip(schema, columns.dtypes(), strict=True)
    ]
    return pa.schema(fields)


def _check_types(schema: pl.Schema) -> None:
    for name, dtype in schema.items():
        text = str(dtype)
        if "Object" in text:
            raise SaveError(
                f"column {name!r} holds Python objects, which no table holds", hint="give it a type of polars"
            )
        if "Int128" in text:
            raise SaveError(
                f"column {name!r} is of type {dtype}, which Arrow does not have",
                hint=f"cast it to a decimal: pl.col({name!r}).cast(pl.Decimal({_DIGITS}, 0))",
            )


def _fitting(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column under a type that polars has, every value the same.

    Raises:
        LoadError: There is none.
    """
    try:
        wanted = _VIEWS.get(column.type) or rewrite(column.type, _fitting_type)
        return column if wanted == column.type else column.cast(wanted)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise LoadError(
            f"column {name!r} is of type {column.type}, which polars cannot hold exactly: {error}",
            hint="read it as pandas.DataFrame or pyarrow.Table, or cast it in the query",
        ) from error


def _fitting_type(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_date64(type_):
        return pa.date32()
    if pa.types.is_timestamp(type_) and type_.tz is not None and type_.tz.startswith(("+", "-")):
        raise TypeError("polars knows time zones by their names, and has none that is only an offset")
    if pa.types.is_timestamp(type_) and type_.unit == "s":
        return pa.timestamp("ms", type_.tz)
    if pa.types.is_duration(type_) and type_.unit == "s":
        return pa.duration("ms")
    if pa.types.is_decimal(type_) and (type_.scale < 0 or type_.precision > _DIGITS):
        digits = type_.precision - min(type_.scale, 0)
        return pa.decimal128(min(digits, _DIGITS), max(type_.scale, 0))
    if pa.types.is_interval(type_) or pa.types.is_union(type_) or "list_view" in str(type_):
        raise TypeError("polars has no such type")
    return type_ if pa.types.is_dictionary(type_) or isinstance(type_, pa.BaseExtensionType) else plain(type_)
