"""Parts of a value as nodes of their own: columns of a frame, fields of a dictionary, items of a tuple."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin

from engine.bindings import Source, Value
from engine.errors import ModifierError, did_you_mean
from engine.function_modifiers.base import Transformer, tags_of_part
from engine.htypes import is_union, plain, type_name
from engine.node import NodeKind, where_is

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.bindings import Binding
    from engine.frames.base import FrameLibrary
    from engine.function_modifiers.base import Definition, Modifier
    from engine.node import Node


def extract_column(frame: Any, column: str, node: str, fill_with: Any = None) -> Any:
    """Take one column of the frame that ``node`` gave.

    Raises:
        ModifierError: The frame has no such column and ``fill_with`` is None, or it is no frame.
    """
    from engine.frames import library_of

    library = library_of(frame)
    if library is None:
        raise ModifierError(
            f"@extract_columns: node {node!r} gave a value of type {type_name(type(frame))}, which is no frame",
            hint=f"let {node!r} return what it is annotated with",
        )
    names = list(library.column_names(frame))
    if column in names:
        is_lazy = library.expression_type is not None and not hasattr(frame, "__len__")
        return library.expression(column) if is_lazy else library.column(frame, column)
    if fill_with is not None:
        return _filled_column(library, frame, column, fill_with)
    raise _missing("@extract_columns", f"the frame of node {node!r}", "column", column, names)


def extract_field(fields: Mapping[str, Any], field: str, node: str, fill_with: Any = None) -> Any:
    """Take one field of the dictionary that ``node`` gave.

    Raises:
        ModifierError: There is no such field and ``fill_with`` is None.
    """
    if field in fields:
        return fields[field]
    if fill_with is not None:
        return fill_with
    raise _missing("@extract_fields", f"the dictionary of node {node!r}", "field", field, fields)


def unpack_item(items: tuple[Any, ...], position: int, node: str) -> Any:
    """Take one item of the tuple that ``node`` gave.

    Raises:
        ModifierError: The tuple is shorter.
    """
    if position < len(items):
        return items[position]
    raise ModifierError(
        f"@unpack_fields: node {node!r} gave {len(items)} items, but the item at position {position} is asked for",
        hint="unpack fewer fields, or return a longer tuple",
    )


@dataclass(frozen=True)
class ExtractColumns(Transformer):
    """Makes a node of each of these columns of a frame.

    Attributes:
        columns: The name of each column and what it means; the function's docstring says it where that is empty.
        fill_with: The value of a column that is missing; without it that is an error.
        odd: What was given and is no column.
    """

    label: ClassVar[str] = "@extract_columns"

    columns: tuple[tuple[str, str], ...]
    fill_with: Any = None
    odd: tuple[Any, ...] = ()

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for what is given and is no column."""
        if not self.columns and not self.odd:
            yield "it names no column"
        for odd in self.odd:
            hint = "put a * in front of it" if isinstance(odd, list | set) else "write 'name' or ('name', 'meaning')"
            yield f"{odd!r} is no column: {hint}"

    def transform(self, node: Node, definition: Definition) -> list[Node]:
        """Return the frame and its columns."""
        columns = columns_of(node, self.columns, self, definition.function, self.fill_with)
        return [replace(node, refined=True), *columns]


@dataclass(frozen=True)
class ExtractFields(Transformer):
    """Makes a node of each of these fields of a dictionary.

    Attributes:
        fields: The fields, by name with their types or without; empty: those of the typed dictionary it is.
        fill_with: The value of a field that is missing; without it that is an error.
    """

    label: ClassVar[str] = "@extract_fields"

    fields: Mapping[str, Any] | tuple[str, ...]
    fill_with: Any = None

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for each field whose name or type is none."""
        yield from (f"{name!r} is no name of a field" for name in self.fields if not isinstance(name, str))
        if isinstance(self.fields, Mapping):
            if not self.fields:
                yield "it names no field"
            for name, type_ in self.fields.items():
                if not (isinstance(type_, type) or get_origin(type_) or type_ in (Any, None)):
                    yield f"the field {name!r} is given {type_!r}, which is no type"

    def transform(self, node: Node, definition: Definition) -> list[Node]:
        """Return the dictionary and its fields."""
        function = definition.function
        common: dict[str, Binding] = {
            "fields": Source(node.name),
            "node": Value(node.name),
            "fill_with": Value(self.fill_with),
        }
        parts = [
            _part(node, name, type_, extract_field, {"field": Value(name), **common})
            for name, type_ in self._typed(node, function).items()
        ]
        return [replace(node, refined=True), *parts]

    def _typed(self, node: Node, function: Callable[..., Any]) -> dict[str, Any]:
        """Return the type of each field, from the modifier or from the annotation of the dictionary."""
        returned = plain(node.type)
        if typing.is_typeddict(returned):
            return self._of_typed_dictionary(returned, function)
        origin = get_origin(returned) or returned
        if returned is not Any and not (isinstance(origin, type) and issubclass(origin, Mapping)):
            raise self.error(
                function,
                f"it takes a dictionary apart, but {node.name!r} is annotated {type_name(node.type)}",
                hint="annotate the function -> dict[str, …], or as a TypedDict",
            )
        if isinstance(self.fields, Mapping):
            return dict(self.fields)
        if not self.fields or not get_args(returned):
            raise self.error(
                function,
                "the fields or their types are not known",
                hint="write @extract_fields({'name': type, …}), or names with a return annotation dict[str, type]",
            )
        return dict.fromkeys(self.fields, get_args(returned)[-1])

    def _of_typed_dictionary(self, returned: Any, function: Callable[..., Any]) -> dict[str, Any]:
        known = typing.get_type_hints(returned)
        for name in self.fields:
            if name not in known:
                raise _missing(
                    f"{self.label} on function {where_is(function)}", type_name(returned), "field", name, known
                )
        if isinstance(self.fields, Mapping):
            wrong = [name for name, type_ in self.fields.items() if type_ != known[name]]
            if wrong:
                raise self.error(
                    function,
                    f"the types of {', '.join(map(repr, wrong))} are not those of {type_name(returned)}",
                    hint="write only the names: the TypedDict says the types",
                )
        return {name: known[name] for name in self.fields or known}


@dataclass(frozen=True)
class UnpackFields(Transformer):
    """Makes a node of each of the first items of a tuple."""

    label: ClassVar[str] = "@unpack_fields"

    fields: tuple[str, ...]

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for each name that is none."""
        if not self.fields:
            yield "it names no field"
        yield from (f"{name!r} is no name of a field" for name in self.fields if not isinstance(name, str))

    def transform(self, node: Node, definition: Definition) -> list[Node]:
        """Return the tuple and its items."""
        types = self._types(node, definition)
        parts = [
            _part(
                node,
                name,
                types[position],
                unpack_item,
                {"items": Source(node.name), "position": Value(position), "node": Value(node.name)},
            )
            for position, name in enumerate(self.fields)
        ]
        return [replace(node, refined=True), *parts]

    def _types(self, node: Node, definition: Definition) -> list[Any]:
        returned = plain(node.type)
        if returned is Any:
            return [Any] * len(self.fields)
        items = get_args(returned)
        if get_origin(returned) is not tuple or not items:
            raise self.error(
                definition.function,
                f"it takes a tuple apart, but {node.name!r} is annotated {type_name(node.type)}",
                hint="annotate the function -> tuple[int, str] or tuple[int, ...]",
            )
        if items[-1] is Ellipsis:
            return [items[0]] * len(self.fields)
        if len(self.fields) > len(items):
            raise self.error(
                definition.function,
                f"it names {len(self.fields)} fields, but {type_name(node.type)} has {len(items)} items",
            )
        return list(items)


def extract_columns(*columns: str | tuple[str, str], fill_with: Any = None) -> ExtractColumns:
    """Make a node of each of these columns of the frame that a function returns.

    Args:
        columns: Names, or tuples of a name and what the column means.
        fill_with: The value of a column that is missing; without it a missing column is an error when it runs.
    """
    odd = tuple(c for c in columns if not isinstance(c, str) and not _is_described(c))
    named = tuple((c, "") if isinstance(c, str) else c for c in columns if isinstance(c, str) or _is_described(c))
    return ExtractColumns(named, fill_with, odd)


def extract_fields(
    fields: Mapping[str, Any] | list[str] | str | None = None, *others: str, fill_with: Any = None
) -> ExtractFields:
    """Make a node of each of these fields of the dictionary that a function returns.

    Args:
        fields: The fields with their types, or their names where the return annotation says the types. Nothing: all
            fields of the TypedDict that the function returns.
        others: More names.
        fill_with: The value of a field that is missing; without it a missing field is an error when it runs.
    """
    if isinstance(fields, Mapping):
        return ExtractFields(dict(fields), fill_with)
    first = () if fields is None else (fields,) if isinstance(fields, str) else tuple(fields)
    return ExtractFields((*first, *others), fill_with)


def unpack_fields(*fields: str) -> UnpackFields:
    """Make a node of each of the first items of the tuple that a function returns.

    Args:
        fields: The names of the nodes, in the order of the items; there may be fewer than items.
    """
    return UnpackFields(fields)


def columns_of(
    frame: Node,
    columns: Iterable[tuple[str, str]],
    modifier: Modifier,
    function: Callable[..., Any],
    fill_with: Any = None,
) -> list[Node]:
    """Return a node per column of the frame that a node gives.

    Args:
        frame: The node of the frame.
        columns: The name of each column and what it means; empty: what the frame means.
        modifier: Who asks, for messages.
        function: Whose node it is, for messages.
        fill_with: The value of a column that is missing.

    Raises:
        ModifierError: The node gives no frame.
    """
    type_ = _column_type(frame.type)
    if type_ is None:
        raise modifier.error(
            function,
            f"it takes the columns of a frame, but {frame.name!r} is annotated {type_name(frame.type)}",
            hint="annotate the function with a frame type, such as pd.DataFrame or pl.DataFrame",
        )
    common: dict[str, Binding] = {"frame": Source(frame.name), "node": Value(frame.name), "fill_with": Value(fill_with)}
    return [
        _part(replace(frame, doc=doc or frame.doc), name, type_, extract_column, {"column": Value(name), **common})
        for name, doc in columns
    ]


def _part(whole: Node, name: str, type_: Any, function: Callable[..., Any], bindings: Mapping[str, Binding]) -> Node:
    """Return the node of a part: it keeps what is said about the whole, but not that it is loaded or saved."""
    return replace(
        whole,
        name=name,
        type=type_,
        function=function,
        bindings=bindings,
        parameter_types={p: whole.type if isinstance(b, Source) else Any for p, b in bindings.items()},
        optional=frozenset(),
        kind=NodeKind.FUNCTION,
        tags=tags_of_part(whole),
        refined=False,
    )


def _column_type(frame_type: Any) -> Any:
    """Return the type of a column; of a lazy frame, whose length nobody knows, it is an expression or lazy as well."""
    from engine.frames import library_of_type

    library = library_of_type(frame_type)
    if library is None:
        return None
    type_ = plain(frame_type)
    if is_union(type_):
        type_ = next(member for member in get_args(type_) if member is not type(None))
    class_ = get_origin(type_) or type_
    if library.column_type is None or not hasattr(class_, "__len__"):
        return library.expression_type or type_
    return None if issubclass(class_, library.column_type) else library.column_type


def _filled_column(library: FrameLibrary, frame: Any, column: str, value: Any) -> Any:
    import pyarrow as pa

    rows = library.row_count(frame)
    if rows is None:
        raise ModifierError(
            f"@extract_columns: there is no column {column!r}, and fill_with cannot stand in for it in a "
            f"{type_name(type(frame))}, whose number of rows is not known",
            hint="add the column in the function",
        )
    constant = pa.table({column: pa.array([value] * rows)})
    filled = library.column(library.from_arrow(constant.to_reader(), type(frame)), column)
    # A pandas column carries the row labels of its frame.
    return filled.set_axis(frame.index) if hasattr(filled, "set_axis") else filled


def _missing(who: str, whole: str, what: str, name: str, names: Iterable[str]) -> ModifierError:
    names = list(names)
    near = did_you_mean(name, names)
    return ModifierError(
        f"{who}: {whole} has no {what} {name!r}",
        hint=f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has: {', '.join(map(str, names))}",
    )


def _is_described(column: Any) -> bool:
    return isinstance(column, tuple) and len(column) == 2 and all(isinstance(part, str) for part in column)  # noqa: PLR2004 - a pair
