"""pandas: frames in and out of Arrow without a changed value.

Theory of operation. What numpy holds exactly stays numpy; the rest takes the narrowest pandas type that is exact:

===========================  =================================================
Arrow                        pandas
===========================  =================================================
integers, booleans           numpy; with NULLs ``Int64`` …, ``boolean``
floats                       numpy, NULL is NaN; where there are NaNs ``ArrowDtype``
text                         ``str``
timestamps, durations        numpy with their unit; with a zone ``datetime64[unit, zone]``
dictionaries of text         ``category``
dates, times, decimals,      ``ArrowDtype``: plain pandas would make Python objects of
bytes, lists, structs …      them, slower by ten and without their types
===========================  =================================================

The type that a column had is a word in its Arrow field, so that a nullable or Arrow type, a column of objects, and the
categories of a category come back as they were; the table above is for columns without that word.

Rules: in a numpy float column NaN means missing, as everywhere in pandas, and becomes NULL. A row's label is data when
it has a name or is no integer; such an index is never dropped without a word. A column of Python objects has one kind
of value. Frames made here may be changed in place.
"""

from __future__ import annotations

import collections.abc
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import LoadError, SaveError
from engine.frames.base import BATCH_ROWS, ConnectionFunction, FrameLibrary, check_names
from engine.frames.categories import categorized, with_categories
from engine.frames.columns import side_by_side
from engine.frames.objects import check_objects, first_bad_row
from engine.frames.pandas_files import READERS, WRITERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.frames.base import FileFunction

_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
_NULLABLE = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
}
_KIND = b"engine.pandas"
"""The key in a field's metadata under which stands what the column's type was."""
_ARROW, _OBJECT, _CATEGORY = "arrow", "object", "category"
_WITHOUT_ARROW = {
    pd.PeriodDtype: "convert it with .dt.to_timestamp() or .astype(str)",
    pd.IntervalDtype: "convert it with .astype(str), or keep its two ends as columns",
    pd.SparseDtype: "convert it with .sparse.to_dense()",
}


class Pandas(FrameLibrary):
    """The frames of pandas; a series is a frame of one column."""

    frame_types: ClassVar[tuple[type, ...]] = (pd.DataFrame,)
    column_type: ClassVar[type | None] = pd.Series
    readers: ClassVar[Mapping[type, Mapping[str, FileFunction]]] = READERS
    writers: ClassVar[Mapping[type, Mapping[str, FileFunction]]] = WRITERS
    connection_reader: ClassVar[ConnectionFunction | None] = ConnectionFunction(pd.read_sql, "sql", "con")
    connection_writer: ClassVar[ConnectionFunction | None] = ConnectionFunction(
        pd.DataFrame.to_sql, "name", "con", "if_exists"
    )

    def to_arrow(self, frame: Any) -> pa.RecordBatchReader:
        """Return the frame as a stream of record batches, values unchanged.

        Raises:
            SaveError: The index holds data, a label is no name, or a column holds what Arrow cannot say exactly.
        """
        if isinstance(frame, pd.Series):
            frame = frame.to_frame()
        check_names(frame.columns, SaveError)
        _check_index(frame)
        arrays = [_to_arrow(str(name), series) for name, series in frame.items()]
        fields = [
            _field(str(name), series.dtype, array) for (name, series), array in zip(frame.items(), arrays, strict=True)
        ]
        return pa.table(arrays, schema=pa.schema(fields)).to_reader(max_chunksize=BATCH_ROWS)

    def from_arrow(self, batches: pa.RecordBatchReader, like: Any) -> Any:
        """Return the stream as a frame whose columns have the exact types of the table above.

        Raises:
            LoadError: Two columns have one name.
        """
        del like
        check_names(batches.schema.names, LoadError)
        table = batches.read_all()
        columns = dict(zip(table.schema.names, side_by_side(_from_arrow, table), strict=True))
        return pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows), copy=False)

    def column(self, frame: Any, name: str) -> Any:
        """Return one column as a series."""
        return frame[name]

    def column_names(self, frame: Any) -> Sequence[str]:
        """Return the labels of the columns; of a series its name."""
        return list(frame.to_frame().columns if isinstance(frame, pd.Series) else frame.columns)

    def column_types(self, frame: Any) -> Sequence[str]:
        """Return the types of the columns as pandas spells them."""
        return [str(dtype) for dtype in (frame.to_frame() if isinstance(frame, pd.Series) else frame).dtypes]

    def with_index(self, frame: Any, *, keep: bool) -> Any:
        """Return the frame with its index as columns, where it means something, or without it.

        Raises:
            SaveError: An index that means something has no name.
        """
        frame = frame.to_frame() if isinstance(frame, pd.Series) else frame
        if not (_index_names(frame) or _holds_data(frame)):
            return frame
        if not keep:
            return frame.reset_index(drop=True)
        if any(name is None for name in frame.index.names):
            raise SaveError(
                "the index of the pandas frame has no name to call its column by",
                hint="name it with .rename_axis('name'), or drop it with index=False",
            )
        return frame.reset_index()

    def to_rows(self, frame: Any, *, index: bool = True, index_label: str | Sequence[str] | None = None) -> Any:
        """Return the frame with its index as columns, as ``DataFrame.to_sql`` writes it.

        Args:
            frame: The frame.
            index: Whether the index becomes columns.
            index_label: The names of these columns; otherwise the index's own, or ``index``.
        """
        frame = frame.to_frame() if isinstance(frame, pd.Series) else frame
        if not index:
            return frame.reset_index(drop=True)
        return frame.reset_index(names=[index_label] if isinstance(index_label, str) else index_label)

    def from_rows(
        self,
        frame: Any,
        *,
        index_col: str | Sequence[str] | None = None,
        parse_dates: Sequence[str] | Mapping[str, str] | None = None,
    ) -> Any:
        """Return the frame as ``pandas.read_sql`` gives it.

        Args:
            frame: The frame.
            index_col: The columns that become the index.
            parse_dates: Columns that hold dates as text, perhaps with their formats.
        """
        for name in parse_dates or ():
            form = parse_dates[name] if isinstance(parse_dates, collections.abc.Mapping) else None
            frame[name] = pd.to_datetime(frame[name], format=form)
        return frame if index_col is None else frame.set_index(index_col)


def _index_names(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.index.names if name is not None]


def _holds_data(frame: pd.DataFrame) -> bool:
    """Say whether the labels of the rows are more than their numbers."""
    index = frame.index
    return len(frame) > 0 and (isinstance(index, pd.MultiIndex) or index.inferred_type != "integer")


def _check_index(frame: pd.DataFrame) -> None:
    if names := _index_names(frame):
        raise SaveError(
            f"the index {', '.join(map(repr, names))} of the pandas frame is no column and would be lost",
            hint="keep it with index=True or .reset_index(), or drop it with index=False or .reset_index(drop=True)",
        )
    if _holds_data(frame):
        raise SaveError(
            f"the index of the pandas frame holds data (its first label is {frame.index[0]!r}) that would be lost",
            hint="keep it with .rename_axis('name') and index=True, or drop it with index=False",
        )


def _to_arrow(name: str, series: pd.Series[Any]) -> pa.Array | pa.ChunkedArray:
    dtype = series.dtype
    kind = dtype.categories.dtype if isinstance(dtype, pd.CategoricalDtype) else dtype
    for refused, hint in _WITHOUT_ARROW.items():
        if isinstance(kind, refused):
            raise SaveError(f"column {name!r} is of type {dtype}, which no table holds", hint=hint)
    type_ = check_objects(name, series.to_numpy()) if isinstance(dtype, np.dtype) and dtype.hasobject else None

    def convert(rows: pd.Series[Any]) -> pa.Array | pa.ChunkedArray:
        return pa.array(rows, type=type_, from_pandas=not isinstance(dtype, pd.ArrowDtype))

    try:
        return convert(series)
    except (pa.ArrowException, UnicodeError, TypeError, ValueError, OverflowError) as error:
        row = first_bad_row(lambda count: convert(series.iloc[:count]), len(series))
        where = f", row {row} (counted from 0)" if row is not None else ""
        raise SaveError(
            f"column {name!r} (type {dtype}){where}: {error}",
            hint="convert the column to one type that a table can hold",
        ) from error


def _field(name: str, dtype: Any, array: pa.Array | pa.ChunkedArray) -> pa.Field:
    """Return the column's field, with a word for a type that the values alone do not tell."""
    field = pa.field(name, array.type)
    kind = _kind(dtype)
    if kind is not None:
        field = field.with_metadata({_KIND: kind.encode()})
    if isinstance(dtype, pd.CategoricalDtype):
        whole: Any = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        return with_categories(field, whole.dictionary)
    return field


def _kind(dtype: Any) -> str | None:
    if isinstance(dtype, pd.ArrowDtype):
        return _ARROW
    if isinstance(dtype, pd.CategoricalDtype):
        return _CATEGORY
    if isinstance(dtype, pd.StringDtype):
        return None if dtype == _TEXT else f"{dtype.storage},{'NA' if dtype.na_value is pd.NA else 'nan'}"
    if isinstance(dtype, np.dtype):
        return _OBJECT if dtype.hasobject else None
    return str(dtype) if dtype in _NULLABLE.values() else None


def _from_arrow(column: pa.ChunkedArray, field: pa.Field) -> pd.Series[Any]:
    type_, kind = column.type, (field.metadata or {}).get(_KIND, b"").decode()
    if kind == _OBJECT:
        return pd.Series(np.fromiter(column.to_pylist(), dtype=object, count=len(column)))
    if kind == _ARROW:
        return pd.Series(pd.arrays.ArrowExtensionArray(categorized(column, field)))
    if pa.types.is_dictionary(type_):
        column = categorized(column, field)
        if kind == _CATEGORY or _is_text(type_.value_type):
            return _category(column)
        column, type_ = column.cast(type_.value_type), type_.value_type
    dtype = _dtype(kind, type_) or _exact_dtype(column)
    series: pd.Series[Any] = column.to_pandas(types_mapper=None if dtype is None else {type_: dtype}.get)
    # numpy looks straight into the memory of a whole column without NULLs, which is Arrow's and may not be written to
    is_shared = isinstance(series.dtype, np.dtype) and column.num_chunks == 1 and not column.null_count
    return series.copy() if is_shared else series


def _category(column: pa.ChunkedArray) -> pd.Series[Any]:
    series: pd.Series[Any] = column.unify_dictionaries().to_pandas()
    if not _is_text(column.type.value_type):
        return series
    categories: Any = series.cat.categories.astype(_TEXT)
    return series.cat.rename_categories(categories)


def _dtype(kind: str, type_: pa.DataType) -> Any:
    """Return the pandas type that a field's word names, if the column still is of its Arrow type."""
    if _is_text(type_) and "," in kind:
        storage, _, missing = kind.partition(",")
        return pd.StringDtype(storage, na_value=pd.NA if missing == "NA" else np.nan)
    known = _NULLABLE.get(type_)
    return known if kind and str(known) == kind else None


def _exact_dtype(column: pa.ChunkedArray) -> Any:
    """Return the pandas type that holds the column exactly, or None where numpy's own does."""
    type_ = column.type
    if _is_text(type_):
        return _TEXT
    if pa.types.is_floating(type_):
        return pd.ArrowDtype(type_) if pc.any(pc.is_nan(column)).as_py() else None
    if type_ in _NULLABLE:
        return _NULLABLE[type_] if column.null_count else None
    if pa.types.is_timestamp(type_) or pa.types.is_duration(type_):
        return None
    return pd.ArrowDtype(type_)


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))
