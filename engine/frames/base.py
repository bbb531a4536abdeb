"""FrameLibrary: what the engine must know of a frame library, so that Arrow can be the only corridor.

Theory of operation. A value that a node returns is a frame of the library whose top module its type belongs to; that
word finds the plug-in (`engine.frames.library_of`), which is imported only then. A frame leaves its library as a stream
of Arrow record batches (`to_arrow`) and enters one from such a stream (`from_arrow`); so *M* libraries and *N*
databases cost *M + N* files. Files go through the library's own reader and writer where it has one (`readers`,
`writers`), so that ``from_.csv(sep=";")`` means what the library's users expect, and through Arrow where it has none.

Rules: a plug-in imports its library at the top, plainly; it never imports another plug-in; it changes no value: what
the library cannot hold exactly is refused, with the column's name.
"""

from __future__ import annotations

import inspect
import types
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, Union, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from engine.errors import StorageError

BATCH_ROWS = 122_880
"""Rows per record batch. Source: DuckDB's row group; batches of another size are written twice there."""
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
PATH_NAMES = ("path", "file", "source", "filepath_or_buffer", "path_or_buf", "path_or_buffer")
"""The names under which Apache Hamilton's adapters take the path of a file, whatever the library calls it."""


@dataclass(frozen=True, slots=True)
class FileFunction:
    """A library's own function that reads or writes one file format.

    Attributes:
        function: For a reader, called with the path and options, gives a frame. For a writer, called with the frame,
            the path and options.
        path: The name of the function's parameter that takes the path.
        aliases: Other names under which ``from_`` and ``to`` take the path, as Apache Hamilton's users write it.
        defaults: Options passed unless the user gives them; given as None, the library's own default holds.
        renamed: Options' former names, still taken; None stands for options that are gone and only said how fast.
        further: Where the function takes any option, the one that those it does not name go to.
        like: The name of the reader's parameter that takes the type asked for.
        suffixes: The suffixes of compression that the function knows itself.
        stays_open: What the reader gives still reads the file.
    """

    function: Callable[..., Any]
    path: str
    aliases: tuple[str, ...] = PATH_NAMES
    defaults: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str | None] = field(default_factory=dict)
    further: Callable[..., Any] | None = None
    like: str | None = None
    suffixes: frozenset[str] = frozenset()
    stays_open: bool = False

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options to call the function with: those given, under their present names, and the defaults."""
        named = {self.renamed.get(name, name): value for name, value in given.items()}
        settings = dict(self.defaults) | {name: value for name, value in named.items() if name is not None}
        return {name: value for name, value in settings.items() if value is not None or name not in self.defaults}

    def options(self, *, writes: bool) -> tuple[set[str], bool]:
        """Return the options beside the path, and whether others are taken as well."""
        parameters = list(inspect.signature(self.function).parameters.values())[1 if writes else 0 :]
        is_open = any(p.kind is p.VAR_KEYWORD for p in parameters)
        if self.further is not None and is_open:
            parameters += list(inspect.signature(self.further).parameters.values())[2 if writes else 1 :]
            is_open = False
        named = {p.name for p in parameters if p.kind in _NAMED and not p.name.startswith("_")}
        return named - {self.path, self.like} | {
            old for old, new in self.renamed.items() if new is None or new in named
        }, is_open


class Source(Protocol):
    """Rows in a database that can be read as often as one likes, every time the same ones."""

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types."""
        ...

    def read(self, columns: Sequence[str] | None, rows: int | None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some columns, or of all, in batches; no more than ``rows`` of them, the first ones.

        Raises:
            LoadError: They cannot be read, or are not the same rows any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConnectionFunction:
    """A library's own function that reads or writes over an open database connection.

    Attributes:
        function: For a reader, called with the query, the connection and options, gives a frame. For a writer, called
            with the frame, the table's name, the connection and options.
        text: The name of the function's parameter that takes the query or the table's name.
        connection: The name of the function's parameter that takes the connection.
        if_exists: The name of a writer's parameter that says what to do with a table that exists.
    """

    function: Callable[..., Any]
    text: str
    connection: str
    if_exists: str | None = None


class FrameLibrary(ABC):
    """One frame library.

    Attributes:
        frame_types: The types whose values are frames of this library, eager and lazy.
        column_type: The type of one column, or None.
        expression_type: The type of one column of a lazy frame, where that is an expression that any frame with such a
            column can compute; None where it is a lazy frame of its own.
        stays_in_database: Its frames are queries of a database that have not run: a loader asks the warehouse for them,
            and a saver in the same database moves no row through Python.
        wraps_queries: The library itself makes such frames of a query (`of_query`) and compiles them to one
            (`as_query`); otherwise the warehouse knows how.
        scanning_types: Those of `frame_types` whose frames read a `Source` anew whenever they are computed.
        keeps_layout: Its frames can tell the layouts of texts and bytes apart, such as ``string`` and ``large_string``.
        readers: By frame type, then by format name, the library's own reader.
        writers: By frame type, then by format name, the library's own writer.
        connection_reader: What reads a query over an open connection, or None.
        connection_writer: What writes a table over an open connection, or None.
    """

    frame_types: ClassVar[tuple[type, ...]]
    column_type: ClassVar[type | None] = None
    expression_type: ClassVar[type | None] = None
    stays_in_database: ClassVar[bool] = False
    wraps_queries: ClassVar[bool] = False
    scanning_types: ClassVar[tuple[type, ...]] = ()
    keeps_layout: ClassVar[bool] = True
    readers: ClassVar[Mapping[type, Mapping[str, FileFunction]]] = {}
    writers: ClassVar[Mapping[type, Mapping[str, FileFunction]]] = {}
    connection_reader: ClassVar[ConnectionFunction | None] = None
    connection_writer: ClassVar[ConnectionFunction | None] = None

    @abstractmethod
    def to_arrow(self, frame: Any) -> pa.RecordBatchReader:
        """Return the frame as a stream of record batches, values unchanged.

        Raises:
            SaveError: A column holds what Arrow cannot say exactly; the message names the column and its first bad row.
        """

    def to_views(self, frame: Any) -> pa.RecordBatchReader:
        """Return the same stream for a reader that knows views: texts and bytes may be such, to spare a copy.

        Raises:
            SaveError: As of `to_arrow`.
        """
        return self.to_arrow(frame)

    @abstractmethod
    def from_arrow(self, batches: pa.RecordBatchReader, like: Any) -> Any:
        """Return the stream as a frame of type ``like``, values unchanged.

        Args:
            batches: The rows.
            like: The annotation that asks for the frame: one of `frame_types`, perhaps in ``Annotated`` or ``| None``.

        Raises:
            LoadError: A column holds what the library cannot say exactly.
        """

    def of_query(self, query: Any, schema: pa.Schema, database: str) -> Any:
        """Return a frame that stands for a SQLAlchemy query, where the library `wraps_queries`.

        Args:
            query: A select or a text.
            schema: The columns and their types.
            database: The mark of the database that the query is for.

        Raises:
            LoadError: A column is of a type that the library does not have.
            NotImplementedError: The library has no such frames.
        """
        raise NotImplementedError(query, schema, database)

    def as_query(self, frame: Any, dialect: str, database: str) -> Any | None:
        """Return a frame as a SQLAlchemy query of a database, or None where its rows are in another one.

        Args:
            frame: A frame of a library that `wraps_queries`.
            dialect: The word for the database in URLs.
            database: The mark of the database.

        Raises:
            SaveError: The frame cannot be said in SQL.
            NotImplementedError: The library has no such frames.
        """
        raise NotImplementedError(frame, dialect, database)

    def from_source(self, source: Source) -> Any:
        """Return a frame of `scanning_types` that reads the source when it is computed, and only what it needs of it.

        Raises:
            LoadError: A column is of a type that the library does not have.
            NotImplementedError: The library has no such frames.
        """
        raise NotImplementedError(source)

    def settle(self) -> None:
        """Let go of every `Source` that some frame began to read and will not read on."""
        return

    @abstractmethod
    def column(self, frame: Any, name: str) -> Any:
        """Return one column of a frame (of a lazy frame: a lazy frame of that one column).

        Raises:
            KeyError: The frame has no such column.
        """

    def expression(self, name: str) -> Any:
        """Return the expression that stands for the column of this name in any lazy frame.

        Raises:
            NotImplementedError: The library has none: its `expression_type` is None.
        """
        raise NotImplementedError(name)

    @abstractmethod
    def column_names(self, frame: Any) -> Sequence[str]:
        """Return the names of the columns, without computing a lazy frame."""

    def column_types(self, frame: Any) -> Sequence[str] | None:
        """Return the types of the columns in the library's own words, without computing a lazy frame, or None."""
        del frame
        return None

    def with_index(self, frame: Any, *, keep: bool) -> Any:
        """Return the frame without labels of rows that are no column: as columns in front, or dropped.

        Args:
            frame: The frame.
            keep: Make columns of labels that mean something; labels that only count the rows are dropped anyway.

        Raises:
            SaveError: Labels that mean something have no name.
        """
        del keep
        return frame

    def to_rows(self, frame: Any) -> Any:
        """Return the frame as it is written to a table; a library's own options of this are keyword arguments."""
        return frame

    def from_rows(self, frame: Any) -> Any:
        """Return a frame as it was read from a table; a library's own options of this are keyword arguments."""
        return frame

    def is_in_memory(self, annotation: Any) -> bool:
        """Say whether frames of a type hold their rows: neither a stream, nor a plan, nor a query."""
        return not self.stays_in_database and hasattr(bare(annotation), "__len__")

    def is_open(self, frame: Any) -> bool:
        """Say whether what the frame was read from must stay open for it to be read."""
        del frame
        return self.stays_in_database

    def row_count(self, frame: Any) -> int | None:
        """Return the number of rows where it is known without computing, else None: to count a query would run it."""
        return None if self.stays_in_database or not hasattr(frame, "__len__") else len(frame)


def bare(annotation: Any) -> Any:
    """Return the annotation without ``Annotated`` and without ``| None``.

    >>> bare(Annotated[int, "note"] | None)
    <class 'int'>
    """
    while True:
        origin, arguments = get_origin(annotation), get_args(annotation)
        members = [argument for argument in arguments if argument is not types.NoneType]
        if origin is Annotated:
            annotation = arguments[0]
        elif origin in {Union, types.UnionType} and len(members) == 1:
            annotation = members[0]
        else:
            return annotation


def check_names(names: Iterable[Any], error: type[StorageError]) -> None:
    """Refuse labels that cannot be the names of columns: no text, blank, with a NUL, or twice.

    Raises:
        StorageError: Of the class ``error``, naming the label.
    """
    seen: set[str] = set()
    for position, name in enumerate(names):
        if not isinstance(name, str):
            raise error(
                f"the label of column {position} is {name!r}, which is a {type(name).__name__} and not text",
                hint="give every column a name that is text, such as frame.columns = [str(c) for c in frame.columns]",
            )
        if not name.strip() or "\0" in name:
            raise error(f"the name of column {position}, {name!r}, is no name", hint="rename the column")
        if name in seen:
            raise error(f"two columns are named {name!r}", hint="rename one of them")
        seen.add(name)
