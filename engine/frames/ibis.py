"""ibis: unbound tables, which are compiled to the SQL of the database that they are read from or saved in.

Theory of operation. A loaded table is an unbound ``ibis.Table``. Its name, a text like any other to ibis, carries the
query that it stands for and the database of that query. An expression over such tables is compiled by `ibis.to_sql`,
and each name becomes a common table expression of its query; so a table, some of its columns and rows, and the text of
a query are one and the same. Nothing else of ibis is used: its backends are not needed, and neither are the libraries
that they need.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar

import ibis
import ibis.expr.datatypes as dtypes
import pyarrow as pa
import sqlalchemy as sa
from ibis.common.exceptions import IbisError
from ibis.expr import operations

from engine.errors import LoadError, SaveError
from engine.frames.base import FrameLibrary, check_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WORDS = {"postgresql": "postgres"}
"""What ibis calls a database, where it is not what SQLAlchemy calls it."""
_SCALES = {"s": 0, "ms": 3, "us": 6, "ns": 9}


class _Loaded(str):
    """The name of a loaded table."""

    __slots__ = ("database", "query")
    query: Any
    database: str

    @classmethod
    def of(cls, query: Any, database: str) -> _Loaded:
        """Return a name that is the same for the same query only."""
        said = f"{database}\0{query}\0{sorted(query.compile().params.items(), key=str)}"
        name = cls(f"loaded_{hashlib.blake2b(said.encode(), digest_size=8).hexdigest()}")
        name.query, name.database = query, database
        return name

    def __reduce__(self) -> tuple[Any, ...]:
        return _Loaded.of, (self.query, self.database)


class IbisTables(FrameLibrary):
    """Unbound tables, and expressions over them."""

    frame_types: ClassVar[tuple[type, ...]] = (ibis.Table,)
    stays_in_database: ClassVar[bool] = True
    wraps_queries: ClassVar[bool] = True

    def of_query(self, query: Any, schema: pa.Schema, database: str) -> ibis.Table:
        """Return an unbound table that stands for a query.

        Raises:
            LoadError: A column's name is none.
        """
        check_names(schema.names, LoadError)
        return ibis.table({field.name: _dtype(field.type) for field in schema}, name=_Loaded.of(query, database))

    def as_query(self, frame: Any, dialect: str, database: str) -> sa.Select[Any] | None:
        """Compile an expression for the database that its tables were loaded from; one of no loaded tables fits any.

        Raises:
            SaveError: ibis cannot say it in this database's SQL, or its tables are bound to something else.
        """
        tables = frame.op().find(operations.PhysicalTable)
        loaded = {table.name: table.name for table in tables if isinstance(table.name, _Loaded)}
        if any(name.database != database for name in loaded.values()):
            return None
        if any(not isinstance(table, operations.UnboundTable) for table in tables):
            raise SaveError(
                "an ibis expression reads rows that are in memory or belong to an ibis connection",
                hint="begin with a table that is loaded from a warehouse, or with ibis.table(schema, name=…)",
            )
        try:
            text = str(ibis.to_sql(frame, dialect=_WORDS.get(dialect, dialect), pretty=False))
        except (IbisError, ValueError) as error:
            raise SaveError(
                f"ibis cannot write an expression as SQL of {dialect}: {error}",
                hint="write it as a sqlalchemy.Select, or load the rows as a frame",
            ) from error
        literal = sa.text(text.replace(":", r"\:"))  # a colon would begin a parameter
        compiled = _columns(literal, frame.columns).subquery("ibis")
        made = sa.select(compiled)
        for name in sorted(loaded):
            query = loaded[name].query
            named = query if isinstance(query, sa.Select) else _columns(query, _names_of(tables, name))
            # PostgreSQL would compute a table expression that is used twice by itself, without the filters outside.
            made = made.add_cte(named.cte(str(name)).prefix_with("NOT MATERIALIZED", dialect="postgresql"))
        return made

    def to_arrow(self, frame: Any) -> pa.RecordBatchReader:
        """Refuse: the warehouse that an expression was loaded from runs it.

        Raises:
            SaveError: Always.
        """
        del frame
        raise SaveError(
            "an ibis Table does not say which database its rows are in",
            hint="load its tables from a warehouse: from_.table(…) for a parameter annotated as ibis.Table",
        )

    def from_arrow(self, batches: pa.RecordBatchReader, like: Any) -> Any:
        """Refuse: an unbound table stands for rows in a database.

        Raises:
            LoadError: Always.
        """
        del batches, like
        raise LoadError(
            "an ibis Table is made only by reading a table or query of a warehouse",
            hint="load it from a warehouse, or annotate the parameter as pyarrow.Table",
        )

    def column(self, frame: Any, name: str) -> Any:
        """Return an expression of that one column."""
        if name not in frame.columns:
            raise KeyError(name)
        return frame.select(name)

    def column_names(self, frame: Any) -> Sequence[str]:
        """Return the names of the columns."""
        return tuple(frame.columns)

    def column_types(self, frame: Any) -> Sequence[str]:
        """Return the types of the columns as ibis spells them."""
        return [str(type_) for type_ in frame.schema().types]


def _columns(query: Any, names: Sequence[str]) -> Any:
    return query.columns(*(sa.column(sa.quoted_name(name, quote=True)) for name in names))


def _names_of(tables: Any, name: str) -> Sequence[str]:
    return next(tuple(table.schema.names) for table in tables if table.name == name)


def _dtype(type_: pa.DataType) -> Any:
    """Return the type of a column in an expression; what ibis has no type for may be passed on, and nothing else."""
    for is_kind, made in _DTYPES:
        if is_kind(type_):
            return made(type_)
    return dtypes.unknown


_DTYPES: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (lambda t: isinstance(t, pa.BaseExtensionType) and t.extension_name == "arrow.uuid", lambda _: dtypes.uuid),
    # ibis would cast the JSON of PostgreSQL to text
    (lambda t: isinstance(t, pa.BaseExtensionType), lambda _: dtypes.unknown),
    (pa.types.is_dictionary, lambda t: _dtype(t.value_type)),
    (pa.types.is_boolean, lambda _: dtypes.boolean),
    (pa.types.is_integer, lambda t: dtypes.dtype(str(t))),
    (pa.types.is_float32, lambda _: dtypes.float32),
    (pa.types.is_float64, lambda _: dtypes.float64),
    (pa.types.is_decimal, lambda t: dtypes.Decimal(t.precision, t.scale)),
    (pa.types.is_date, lambda _: dtypes.date),
    (pa.types.is_time, lambda _: dtypes.time),
    (pa.types.is_timestamp, lambda t: dtypes.Timestamp(timezone=t.tz, scale=_SCALES[t.unit])),
    (lambda t: pa.types.is_string(t) or pa.types.is_large_string(t), lambda _: dtypes.string),
    (lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t), lambda _: dtypes.binary),
    (lambda t: pa.types.is_list(t) or pa.types.is_large_list(t), lambda t: dtypes.Array(_dtype(t.value_type))),
    (pa.types.is_struct, lambda t: dtypes.Struct({field.name: _dtype(field.type) for field in t})),
)
"""What a type of Arrow is to ibis; the first that fits counts."""
