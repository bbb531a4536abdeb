"""Nested: Arrow types rewritten from the inside, for libraries that know fewer types than Arrow does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

_LISTS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (pa.types.is_list, pa.list_),
    (pa.types.is_large_list, pa.large_list),
    (pa.types.is_list_view, pa.list_view),
    (pa.types.is_large_list_view, pa.large_list_view),
)


def rewrite(type_: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return the type with ``change`` applied to every type in it, the innermost first.

    The value type of a dictionary, run-end encoded or extension type is not entered: ``change`` sees the whole.

    >>> rewrite(pa.list_(pa.float64()), lambda t: pa.uint64() if t == pa.float64() else t)
    ListType(list<item: uint64>)
    """

    def inside(field: pa.Field) -> pa.Field:
        return field.with_type(rewrite(field.type, change))

    for is_kind, make in _LISTS:
        if is_kind(type_):
            return change(make(inside(type_.value_field)))
    if pa.types.is_fixed_size_list(type_):
        return change(pa.list_(inside(type_.value_field), type_.list_size))
    if pa.types.is_struct(type_):
        return change(pa.struct([inside(field) for field in type_]))
    if pa.types.is_map(type_):
        return change(pa.map_(inside(type_.key_field), inside(type_.item_field), type_.keys_sorted))
    return change(type_)


def plain(type_: pa.DataType) -> pa.DataType:
    """Return the type without its encoding: what `rewrite` needs to make of a type only its values.

    >>> plain(pa.dictionary(pa.int8(), pa.string()))
    DataType(string)
    """
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return rewrite(type_.value_type, plain)
    if isinstance(type_, pa.BaseExtensionType):
        return rewrite(type_.storage_type, plain)
    return type_
