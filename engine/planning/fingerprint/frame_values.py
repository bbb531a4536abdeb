"""Frame values: what arrays, frames, columns and their types are made of, for canonical hashing; imports no library.

A value's type says which library made it, so that library is loaded already. Each answer is a list of plain values,
nested values and buffers (`memoryview`) that together are the value exactly: types, names, order, shape, index and
zone included. What lies under a null, and how a column is cut into chunks, is no part of a value and is left out.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def frame_parts(value: Any) -> Iterable[Any] | None:
    """Return the parts a frame library's value is made of, or None for any other value.

    >>> frame_parts(3) is None
    True
    """
    library = type(value).__module__.partition(".")[0]
    if library not in FRAME_LIBRARIES:
        return None
    for cls in type(value).__mro__:
        parts = _PARTS.get(f"{library}.{cls.__name__}")
        if parts is not None:
            return parts(value)
    return None


def _array(array: Any) -> Iterable[Any]:
    numpy = sys.modules["numpy"]
    if array.dtype.hasobject:
        return ["object", array.shape, array.tolist()]
    if array.dtype.names or array.dtype.byteorder not in "=<>":
        dense = numpy.ascontiguousarray(array)
    else:
        dense = numpy.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    # Seen as bytes, since the buffer of dates cannot be taken directly.
    data = memoryview(dense.reshape(-1).view("u1")) if dense.nbytes else memoryview(b"")
    return ["array", dense.dtype, array.shape, data]


def _ndarray(value: Any) -> Iterable[Any] | None:
    return _array(value) if type(value) is sys.modules["numpy"].ndarray else None


def _masked(value: Any) -> Iterable[Any]:
    numpy = sys.modules["numpy"]
    return ["masked", numpy.asarray(value.mask), value.filled()]


def _dtype(value: Any) -> Iterable[Any]:
    return ["dtype", value.descr if value.names else value.str]


def _pandas_frame(value: Any) -> Iterable[Any]:
    columns = [_pandas_array(value.iloc[:, position].array) for position in range(value.shape[1])]
    return ["frame", value.columns, value.index, columns, value.attrs]


def _pandas_series(value: Any) -> Iterable[Any]:
    return ["series", value.name, value.index, _pandas_array(value.array), value.attrs]


def _pandas_index(value: Any) -> Iterable[Any]:
    frequency = getattr(value, "freqstr", None)
    return ["index", value.name, _pandas_array(value.array), *([frequency] if frequency else [])]


def _pandas_levels(value: Any) -> Iterable[Any]:
    return ["levels", list(value.names), [value.get_level_values(number) for number in range(value.nlevels)]]


def _pandas_range(value: Any) -> Iterable[Any]:
    return ["range", value.name, value.start, value.stop, value.step]


def _pandas_moment(value: Any) -> Iterable[Any]:
    zone = str(getattr(value, "tz", None))
    return ["moment", type(value).__name__, value.isoformat(), zone, value.unit, getattr(value, "fold", 0)]


def _pandas_dtype(value: Any) -> Iterable[Any]:
    return ["dtype", str(value), getattr(value, "categories", None), bool(getattr(value, "ordered", False))]


def _pandas_array(array: Any) -> Iterable[Any]:
    """Return a column's parts; the kinds of pandas arrays are told apart by what they offer."""
    if hasattr(array, "asi8"):
        return ["instants", str(array.dtype), array.asi8]
    if type(array).__name__ == "NumpyExtensionArray":
        return ["numpy", array.to_numpy()]
    if hasattr(array, "categories") and hasattr(array, "codes"):
        return ["categories", array.categories, bool(array.ordered), array.codes]
    if hasattr(array, "__arrow_array__") and "pyarrow" in sys.modules:
        converted = sys.modules["pyarrow"].array(array)
        # In chunks, where it was put together from several; one array otherwise.
        chunked = converted if hasattr(converted, "chunks") else sys.modules["pyarrow"].chunked_array([converted])
        return ["arrow", str(array.dtype), chunked]
    return ["objects", str(array.dtype), list(array)]


def _polars_frame(value: Any) -> Iterable[Any]:
    return ["frame", value.height, value.get_columns()]


def _polars_series(value: Any) -> Iterable[Any]:
    is_object = value.dtype == sys.modules["polars"].Object
    return ["series", value.name, value.dtype, value.to_list() if is_object else value.to_arrow()]


def _polars_dtype(value: Any) -> Iterable[Any]:
    categories = value.categories.to_list() if type(value).__name__ == "Enum" else None
    return ["dtype", str(value), categories]


def _arrow_chunks(value: Any) -> Iterable[Any]:
    joined = value.combine_chunks()
    # Texts too long for one array stay in several.
    return _arrow_array(joined) if hasattr(joined, "buffers") else ["chunks", list(joined.chunks)]


def _arrow_array(array: Any) -> Iterable[Any]:
    """Return type, length, nulls and values; children are arrays, encoded in their turn."""
    kind = array.type
    valid = _bits(array.is_valid()) if array.null_count else None
    values = array.drop_null() if array.null_count else array
    return ["array", kind, len(array), valid, *_arrow_values(kind, values)]


def _arrow_values(kind: Any, array: Any) -> Iterable[Any]:
    types = sys.modules["pyarrow"].types
    for predicates, values in _ARROW_KINDS:
        if any(getattr(types, predicate)(kind) for predicate in predicates.split()):
            return values(array)
    return [array.storage] if hasattr(array, "storage") else [array.to_pylist()]


def _bits(array: Any) -> memoryview:
    return memoryview(sys.modules["numpy"].packbits(array.to_numpy(zero_copy_only=False)))


def _fixed(array: Any) -> Iterable[Any]:
    width, values = array.type.bit_width // 8, array.buffers()[1]
    return [memoryview(values or b"")[array.offset * width : (array.offset + len(array)) * width]]


def _text(array: Any) -> Iterable[Any]:
    """Return the lengths of texts without nulls, and the texts one after another."""
    numpy = sys.modules["numpy"]
    array = array.cast("large_binary") if array.type != "large_binary" else array
    _, offsets, values = array.buffers()
    if not len(array):
        return []
    bounds = numpy.frombuffer(offsets, dtype="<i8")[array.offset : array.offset + len(array) + 1]
    return [numpy.diff(bounds), memoryview(values or b"")[int(bounds[0]) : int(bounds[-1])]]


def _entries(array: Any) -> Iterable[Any]:
    pyarrow = sys.modules["pyarrow"]
    return [array.cast(pyarrow.list_(pyarrow.struct([array.type.key_field, array.type.item_field])))]


_ARROW_KINDS: tuple[tuple[str, Callable[[Any], Iterable[Any]]], ...] = (
    ("is_null", lambda _: []),
    ("is_dictionary", lambda array: [array.dictionary_decode()]),
    ("is_boolean", lambda array: [_bits(array)]),
    ("is_string is_binary is_large_string is_large_binary is_string_view is_binary_view", _text),
    ("is_struct", lambda array: array.flatten()),
    ("is_map", _entries),
    ("is_list is_large_list is_fixed_size_list", lambda array: [array.value_lengths(), array.flatten()]),
    ("is_primitive is_fixed_size_binary is_decimal", _fixed),
)
"""How the values of each kind of array are read; any other kind is read value by value."""

FRAME_LIBRARIES = frozenset({"numpy", "pandas", "polars", "pyarrow"})
"""The libraries whose values are known here."""

_PARTS: dict[str, Callable[[Any], Iterable[Any] | None]] = {
    "numpy.MaskedArray": _masked,
    "numpy.dtype": _dtype,
    "numpy.generic": lambda value: _array(sys.modules["numpy"].asarray(value)),
    "numpy.ndarray": _ndarray,
    "pandas.DataFrame": _pandas_frame,
    "pandas.ExtensionArray": _pandas_array,
    "pandas.ExtensionDtype": _pandas_dtype,
    "pandas.Index": _pandas_index,
    "pandas.MultiIndex": _pandas_levels,
    "pandas.NAType": lambda _: ["NA"],
    "pandas.NaTType": lambda _: ["NaT"],
    "pandas.RangeIndex": _pandas_range,
    "pandas.Series": _pandas_series,
    "pandas.Timedelta": _pandas_moment,
    "pandas.Timestamp": _pandas_moment,
    "polars.DataFrame": _polars_frame,
    "polars.DataType": _polars_dtype,
    "polars.Schema": lambda value: ["schema", list(value.items())],
    "polars.Series": _polars_series,
    "pyarrow.Array": _arrow_array,
    "pyarrow.ChunkedArray": _arrow_chunks,
    "pyarrow.DataType": lambda value: ["type", str(value)],
    "pyarrow.Field": lambda value: ["field", value.name, value.type, value.nullable, value.metadata],
    "pyarrow.RecordBatch": lambda value: ["table", value.num_rows, value.schema, list(value.columns)],
    "pyarrow.Scalar": lambda value: ["scalar", sys.modules["pyarrow"].array([value], type=value.type)],
    "pyarrow.Schema": lambda value: ["schema", list(value), value.metadata],
    "pyarrow.Table": lambda value: ["table", value.num_rows, value.schema, list(value.columns)],
}
"""What the values of each library's types are made of; the nearest of a type's bases decides."""
