"""Databases, as Apache Hamilton's users name them: ``from_.sql``, ``to.sql``, ``from_.database``, ``to.database``.

Where the connection is a URL, the engine's own warehouse serves: for every frame type, in one transaction, the old
table standing until then. Where it is an open connection, the frame library's own function serves, with its options;
what it does over a connection that is not the engine's, the engine can neither record nor undo.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from engine.dialects.base import TableName, Write, WriteMode
from engine.errors import EngineError, LoadError, OptionError, SaveError, did_you_mean
from engine.frames import library_of
from engine.frames.base import bare
from engine.io.data_adapters import DataLoader, DataSaver, TableSource, TableTarget
from engine.io.session import current_session
from engine.io.tables import TableSaver, read_source
from engine.io.utils import get_dataframe_metadata, get_sql_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from engine.frames.base import ConnectionFunction, FrameLibrary

_MODES = {
    "fail": WriteMode.REPLACE,
    "replace": WriteMode.REPLACE,
    "delete_rows": WriteMode.REPLACE,
    "append": WriteMode.APPEND,
}
"""What each word for a table that exists means to a warehouse; ``fail`` is asked before."""
_OF_WAREHOUSES = {"columns", "params"}
_OF_SPEED = {"batch_size", "coerce_float", "engine", "infer_schema_length", "method"}
"""Options of the libraries that say how, not what: a warehouse has its own ways."""


@dataclass(frozen=True, slots=True)
class Face:
    """How one of the two names calls its options.

    Attributes:
        name: The word after ``from_`` and ``to``.
        query: The query or table to read.
        table: The table to write.
        connection: A URL, or an open connection.
        if_exists: What to do with a table that exists.
    """

    name: str
    query: str
    table: str
    connection: str
    if_exists: str

    def required(self, *, loads: bool) -> frozenset[str]:
        """Return the options that must be given."""
        return frozenset({self.query if loads else self.table, self.connection})

    def options(self, library: FrameLibrary, *, loads: bool) -> set[str]:
        """Return all options for frames of a library."""
        own = library.connection_reader if loads else library.connection_writer
        named = _options_of_connection(own) | _options_of_rows(library, loads=loads) | self.required(loads=loads)
        return named | (_OF_WAREHOUSES if loads else {"schema", self.if_exists})


FACES = {
    "sql": Face("sql", "query_or_table", "table_name", "db_connection", "if_exists"),
    "database": Face("database", "query", "table_name", "connection", "if_table_exists"),
}


class _DatabaseAdapter:
    """What the loader and the saver share: a face, a library, and options of which one is the connection."""

    face: Face
    library: FrameLibrary
    options: Mapping[str, Any]

    @classmethod
    def name(cls) -> str:
        return "database"

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        return ()

    @classmethod
    def of(cls, face: Face, library: FrameLibrary, /, **options: Any) -> Self:
        """Make the adapter for a face; ``options`` are in its words."""
        return cls(face, library, options)  # type: ignore[call-arg]  # both subclasses are dataclasses of these fields

    @property
    def url(self) -> str | None:
        """The URL of the warehouse, or None for an open connection."""
        connection = self.options[self.face.connection]
        if isinstance(connection, str):
            return connection
        # SQLAlchemy's URL shows its password only when told to.
        return (
            str(connection.render_as_string(hide_password=False)) if hasattr(connection, "render_as_string") else None
        )

    def _rest(self, *names: str) -> dict[str, Any]:
        return {k: v for k, v in self.options.items() if k not in {*names, self.face.connection}}

    def _check(self, given: Mapping[str, Any], known: set[str], *, loads: bool) -> None:
        """Refuse options that only the other kind of connection serves."""
        owner = f"{'from_' if loads else 'to'}.{self.face.name}"
        kind, other = ("a URL", "an open connection") if self.url else ("an open connection", "a URL")
        for option, value in given.items():
            if option not in known and value not in (None, False):
                raise OptionError(
                    f"{owner} has the option {option!r} for {other}, not for {kind}",
                    hint=f"with {kind} it takes: {', '.join(sorted(known))}",
                )

    def _own_function(self, *, loads: bool) -> ConnectionFunction:
        own = self.library.connection_reader if loads else self.library.connection_writer
        if own is None:
            raise OptionError(
                f"{self.face.name}: frames of this type go through the URL of a database, not an open connection",
                hint=f"pass {self.face.connection}='postgresql://…', or annotate the node as a pandas or polars frame",
            )
        return own


@dataclass
class DatabaseLoader(_DatabaseAdapter, DataLoader):
    """Read a query or a table."""

    face: Face
    library: FrameLibrary
    options: Mapping[str, Any]

    @property
    def _text(self) -> str:
        return str(self.options[self.face.query])

    def source(self) -> TableSource | None:
        """Return the query or table that will be read; None over an open connection.

        Raises:
            OptionError: An option does not go with this kind of connection.
        """
        rest = self._rest(self.face.query)
        if self.url is None:
            self._check(rest, _options_of_connection(self._own_function(loads=True)), loads=True)
            return None
        self._check(rest, _OF_WAREHOUSES | _options_of_rows(self.library, loads=True) | _OF_SPEED, loads=True)
        columns, params = rest.get("columns"), rest.get("params") or {}
        if not hasattr(params, "keys"):
            raise OptionError(
                f"from_.{self.face.name}: params is a {type(params).__name__}",
                hint="with a URL name them: params={'least': 3}, and write :least in the query",
            )
        if " " in self._text.strip():
            return TableSource(self.url, sql=self._text, params=params)
        return TableSource(self.url, table=self._text, columns=None if columns is None else tuple(columns))

    def load_data(self, type_: type) -> tuple[Any, dict[str, Any]]:
        """Read the rows as ``type_``.

        Raises:
            LoadError: The database refuses.
        """
        source, rest = self.source(), self._rest(self.face.query)
        if source is not None:
            with current_session() as session:
                data, metadata = read_source(session, source, type_)
            shown = {k: rest[k] for k in _options_of_rows(self.library, loads=True) & rest.keys()}
            return self.library.from_rows(data, **shown), metadata | get_dataframe_metadata(data)
        own = self._own_function(loads=True)
        connection = self.options[self.face.connection]
        try:
            data = own.function(**{own.text: self._text, own.connection: connection}, **rest)
        except Exception as error:  # drivers raise what they like
            raise LoadError(f"{self._text!r} cannot be read: {type(error).__name__}: {error}") from error
        if not isinstance(data, bare(type_)):
            data = self.library.from_arrow(self.library.to_arrow(data), type_)
        return data, get_sql_metadata(self._text, data) | get_dataframe_metadata(data)


@dataclass
class DatabaseSaver(_DatabaseAdapter, DataSaver):
    """Write a table."""

    face: Face
    library: FrameLibrary
    options: Mapping[str, Any]

    @property
    def _table(self) -> str:
        schema, name = self.options.get("schema"), str(self.options[self.face.table])
        return name if schema is None else f"{schema}.{name}"

    @property
    def _if_exists(self) -> str:
        return str(self.options.get(self.face.if_exists, "fail"))

    def target(self) -> TableTarget | None:
        """Return the table that will be written; None over an open connection.

        Raises:
            OptionError: An option does not go with this kind of connection, or there is no such mode.
        """
        if self._if_exists not in _MODES:
            near = did_you_mean(self._if_exists, _MODES)
            raise OptionError(
                f"to.{self.face.name} has no {self.face.if_exists}={self._if_exists!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(_MODES)}",
            )
        rest = self._rest(self.face.table, self.face.if_exists)
        if self.url is None:
            self._check(rest, _options_of_connection(self._own_function(loads=False)), loads=False)
            return None
        known = {"schema", "chunksize"} | _options_of_rows(self.library, loads=False) | _OF_SPEED
        self._check(rest, known, loads=False)
        write = Write(TableName.parse(self._table), _MODES[self._if_exists])
        return TableTarget(self.url, write, adopts=True)  # if_exists says what is to become of a table that is there

    def save_data(self, data: Any) -> dict[str, Any]:
        """Write the table.

        Raises:
            SaveError: It exists and must not, or the database refuses.
        """
        target, rest = self.target(), self._rest(self.face.table, self.face.if_exists)
        shown = get_dataframe_metadata(data)
        if target is not None:
            return self._save_in_warehouse(data, target, rest) | shown
        own = self._own_function(loads=False)
        words = {own.text: self.options[self.face.table], own.connection: self.options[self.face.connection]}
        try:
            own.function(data, **words, **{str(own.if_exists): self._if_exists}, **rest)
        except EngineError:
            raise
        except Exception as error:  # drivers raise what they like
            raise SaveError(
                f"{self._table} cannot be written: {type(error).__name__}: {error}", location=self._table
            ) from error
        return get_sql_metadata(self._table, shown["dataframe_metadata"]["rows"]) | shown

    def _save_in_warehouse(self, data: Any, target: TableTarget, rest: Mapping[str, Any]) -> dict[str, Any]:
        library = library_of(data) or self.library
        rows = library.to_rows(data, **{k: rest[k] for k in _options_of_rows(library, loads=False) & rest.keys()})
        with current_session() as session:
            warehouse = session.warehouse(target.warehouse)
            table = warehouse.name(self._table)
            if self._if_exists == "fail" and warehouse.tables([table])[table] is not None:
                raise SaveError(
                    f"{table} exists",
                    location=str(table),
                    hint=f"say what is to become of it: {self.face.if_exists}='replace' or 'append'",
                )
            saver = TableSaver(
                self._table, target.write.mode, warehouse=target.warehouse, adopt=self._if_exists != "fail"
            )
            return saver.save_data(rows)


def _options_of_connection(own: ConnectionFunction | None) -> set[str]:
    if own is None:
        return set()
    return _named(own.function) - {own.text, own.connection, own.if_exists, "self"}


def _options_of_rows(library: FrameLibrary, *, loads: bool) -> set[str]:
    return _named(library.from_rows if loads else library.to_rows) - {"frame"}


def _named(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)
