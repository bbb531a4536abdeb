"""Types: the one table Arrow type <-> SQL type, for all databases.

Rules: a type is kept exactly or refused with the column's name, never changed silently. What a database has no column
for (nanoseconds in PostgreSQL) is converted only where no value changes. SQLite has no types of its own, only
*declared* ones: the engine declares columns so that the Arrow type can be read back from the declaration.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from engine.errors import SaveError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.dialects.base import Column

_us = pa.timestamp("us")
_utc = pa.timestamp("us", "UTC")

_TABLE: list[tuple[pa.DataType, str, str, str]] = [
    # Arrow                DuckDB                      PostgreSQL                     SQLite (declared)
    # Where one SQL type serves several Arrow types, the first line is how it is read back.
    (pa.bool_(), "BOOLEAN", "boolean", "BOOLEAN"),
    (pa.int64(), "BIGINT", "bigint", "BIGINT"),
    (pa.int32(), "INTEGER", "integer", "INT4"),
    (pa.int16(), "SMALLINT", "smallint", "INT2"),
    (pa.int8(), "TINYINT", "smallint", "INT1"),
    (pa.uint8(), "UTINYINT", "smallint", "UINT1"),
    (pa.uint16(), "USMALLINT", "integer", "UINT2"),
    (pa.uint32(), "UINTEGER", "bigint", "UINT4"),
    (pa.uint64(), "UBIGINT", "numeric(20,0)", "UINT8"),
    (pa.float64(), "DOUBLE", "double precision", "DOUBLE"),
    (pa.float32(), "FLOAT", "real", "FLOAT4"),
    (pa.float16(), "FLOAT", "real", "FLOAT4"),
    (pa.string(), "VARCHAR", "text", "TEXT"),
    (pa.large_string(), "VARCHAR", "text", "TEXT"),
    (pa.string_view(), "VARCHAR", "text", "TEXT"),
    (pa.binary(), "BLOB", "bytea", "BLOB"),
    (pa.large_binary(), "BLOB", "bytea", "BLOB"),
    (pa.binary_view(), "BLOB", "bytea", "BLOB"),
    (pa.date32(), "DATE", "date", "DATE"),
    (pa.date64(), "DATE", "date", "DATE"),
    (_us, "TIMESTAMP", "timestamp without time zone", "TIMESTAMP"),
    (pa.timestamp("s"), "TIMESTAMP_S", "timestamp without time zone", "TIMESTAMP_S"),
    (pa.timestamp("ms"), "TIMESTAMP_MS", "timestamp without time zone", "TIMESTAMP_MS"),
    (pa.timestamp("ns"), "TIMESTAMP_NS", "timestamp without time zone", "TIMESTAMP_NS"),
    (_utc, "TIMESTAMP WITH TIME ZONE", "timestamp with time zone", "TIMESTAMP WITH TIME ZONE"),
    (pa.time64("us"), "TIME", "time without time zone", "TIME"),
    (pa.time32("s"), "TIME", "time without time zone", "TIME"),
    (pa.time32("ms"), "TIME", "time without time zone", "TIME"),
    (pa.time64("ns"), "TIME_NS", "time without time zone", "TIME_NS"),
    (pa.duration("us"), "INTERVAL", "interval", "DURATION_US"),
    (pa.duration("s"), "INTERVAL", "interval", "DURATION_S"),
    (pa.duration("ms"), "INTERVAL", "interval", "DURATION_MS"),
    (pa.duration("ns"), "INTERVAL", "interval", "DURATION_NS"),
]
_COLUMN_OF = {"duckdb": 1, "postgresql": 2, "sqlite": 3}

_ALSO: dict[str, dict[str, pa.DataType]] = {
    # Spellings that only other people's tables have.
    "duckdb": {"hugeint": pa.decimal128(38, 0)},
    "postgresql": {"character varying": pa.string(), "character": pa.string(), "name": pa.string()},
    "sqlite": {
        "integer": pa.int64(), "int": pa.int64(), "tinyint": pa.int64(), "smallint": pa.int64(),
        "mediumint": pa.int64(), "int8": pa.int64(), "real": pa.float64(), "float": pa.float64(),
        "double precision": pa.float64(), "varchar": pa.string(), "nvarchar": pa.string(),
        "char": pa.string(), "clob": pa.string(),
        "bool": pa.bool_(), "datetime": _us, "timestamptz": _utc,
    },
}  # fmt: skip
_READ_BACK: dict[str, dict[str, pa.DataType]] = {}
for _dialect, _index in _COLUMN_OF.items():
    _READ_BACK[_dialect] = dict(_ALSO[_dialect])
    for _row in reversed(_TABLE):  # the first line of a SQL type wins
        if _row[_index]:
            _READ_BACK[_dialect][_row[_index].lower()] = _row[0]

_READ_BACK["generic"] = {
    # As SQLAlchemy spells what a catalog says; left out is what one name means differently in different databases.
    "boolean": pa.bool_(), "bigint": pa.int64(), "integer": pa.int64(), "smallint": pa.int64(),
    "double": pa.float64(), "double precision": pa.float64(), "double_precision": pa.float64(),
    "text": pa.string(), "clob": pa.string(), "varchar": pa.string(), "nvarchar": pa.string(),
    "blob": pa.binary(), "bytea": pa.binary(), "date": pa.date32(), "time": pa.time64("us"),
}  # fmt: skip

_WRITE: dict[str, dict[pa.DataType, str]] = {
    dialect: {row[0]: str(row[index]) for row in _TABLE if row[index]} for dialect, index in _COLUMN_OF.items()
}

_DIGITS = 38
"""What a decimal128 holds."""

_ARGUMENTS = re.compile(r"\s*\(\s*([\d\s,-]+)\)\s*$")
_DECIMALS = frozenset({"decimal", "numeric"})
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def sql_type(dialect: str, name: str, type: pa.DataType) -> str:
    """Return the SQL type of a column of Arrow type ``type``.

    Raises:
        SaveError: The database has no such column; the message names the column ``name``.
    """
    if pa.types.is_timestamp(type) and type.tz is not None:
        type = _utc
    if found := _WRITE[dialect].get(type):
        return found
    if pa.types.is_decimal(type) and type.precision <= _DIGITS:
        return f"{'DECIMAL' if dialect != 'postgresql' else 'numeric'}({type.precision},{max(type.scale, 0)})"
    if pa.types.is_fixed_size_binary(type):
        return _WRITE[dialect][pa.binary()]
    if pa.types.is_dictionary(type) or pa.types.is_run_end_encoded(type):
        return sql_type(dialect, name, type.value_type)
    if isinstance(type, pa.BaseExtensionType):
        return _extension_type(dialect, name, type)
    if dialect == "postgresql" and is_list(type) and not is_list(type.value_type):
        return sql_type(dialect, name, type.value_type) + "[]"
    if pa.types.is_null(type):
        raise SaveError(
            f"column {name!r} holds nothing but NULL and so has no type",
            hint="give it a type in the dataflow (astype, cast …), or create the table first",
        )
    word = "jsonb" if dialect == "postgresql" else "json"
    remedy = f"keep it as JSON, types={{{name!r}: {word!r}}}, or convert" if pa.types.is_nested(type) else "convert"
    raise SaveError(
        f"column {name!r} is of type {type}, which {dialect} has no column for",
        hint=f"{remedy} the column in the dataflow, for instance to text or to simpler columns",
    )


def _extension_type(dialect: str, name: str, type: pa.BaseExtensionType) -> str:
    if type.extension_name == "arrow.uuid":
        return {"postgresql": "uuid", "duckdb": "UUID"}.get(dialect, "TEXT")
    if type.extension_name == "arrow.json":
        return {"postgresql": "json", "duckdb": "JSON"}.get(dialect, "TEXT")
    return sql_type(dialect, name, type.storage_type)


def is_list(type: pa.DataType) -> bool:
    """Say whether the type is a list of any kind."""
    return bool(pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type))


def arrow_type(dialect: str, sql: str) -> pa.DataType | None:
    """Return the Arrow type that a column of a SQL type holds, or None where this table does not know it.

    >>> arrow_type("postgresql", "numeric(15,2)"), arrow_type("sqlite", "VARCHAR(20)")
    (Decimal128Type(decimal128(15, 2)), DataType(string))
    """
    base = _ARGUMENTS.sub("", sql).strip().lower()
    if base in _DECIMALS:
        match = _ARGUMENTS.search(sql)
        if match is None:
            return None
        precision, _, scale = match.group(1).partition(",")
        return _decimal(int(precision), int(scale or 0))
    return _READ_BACK.get(dialect, {}).get(base)


def _decimal(precision: int, scale: int) -> pa.DataType | None:
    fits = 1 <= precision <= _DIGITS and 0 <= scale <= precision
    return pa.decimal128(precision, scale) if fits else None


def assignable(dialect: str, value: str, column: str) -> bool:
    """Say whether rows of a column of SQL type ``value`` go into one of SQL type ``column`` without changing silently.

    What the database itself checks value by value (a number too large for its column) is allowed; SQLite checks
    nothing.
    """
    if value.lower() == column.lower():
        return True
    a, b = arrow_type(dialect, value), arrow_type(dialect, column)
    if a is not None and column.lower() == "numeric":  # without digits: as many as there are
        return bool(pa.types.is_integer(a) or pa.types.is_decimal(a))
    if dialect not in _COLUMN_OF and (a is None or b is None):
        return True  # nobody but that database knows
    if a is None or b is None:
        return b is None and a == pa.string() and dialect == "postgresql"  # such as text into json: parsed, so checked
    return a == b or _widens(a, b, checked=dialect != "sqlite")


def _widens(a: pa.DataType, b: pa.DataType, *, checked: bool) -> bool:  # noqa: PLR0911 - a table, one line per pair
    if pa.types.is_integer(a) and pa.types.is_integer(b):
        return checked or a.bit_width < b.bit_width
    if pa.types.is_integer(a) and pa.types.is_decimal(b):
        return checked
    if pa.types.is_integer(a) and pa.types.is_floating(b):
        return bool(a.bit_width <= 32 and b.bit_width == 64)  # noqa: PLR2004 - a double holds 53 bits exactly
    if pa.types.is_floating(a) and pa.types.is_floating(b):
        return bool(a.bit_width <= b.bit_width)
    if pa.types.is_decimal(a) and pa.types.is_decimal(b):
        return bool(b.scale >= a.scale and (checked or b.precision - b.scale >= a.precision - a.scale))
    if pa.types.is_timestamp(a) and pa.types.is_timestamp(b):
        units = ["s", "ms", "us", "ns"]
        return (a.tz is None) == (b.tz is None) and units.index(a.unit) <= units.index(b.unit)
    return False


def plain_type(type: pa.DataType) -> pa.DataType:
    """Return the type without the encodings that do not change what a value is: dictionaries, views, wide offsets."""
    if pa.types.is_dictionary(type) or pa.types.is_run_end_encoded(type):
        return plain_type(type.value_type)
    if any(test(type) for test in _TEXTS):
        return pa.string()
    if pa.types.is_large_binary(type) or pa.types.is_binary_view(type):
        return pa.binary()
    if pa.types.is_decimal(type) and type.precision <= _DIGITS:
        return pa.decimal128(type.precision, type.scale)
    return type


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema with every type made plain."""
    return pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])


def schema_text(schema: pa.Schema) -> str:
    """Return what makes two schemas equal: names, order and plain types, whatever library wrote them."""
    return "\n".join(f"{field.name}\0{plain_type(field.type)}" for field in schema)


def decoded(batches: pa.RecordBatchReader, target: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the batches with their columns converted to ``target``'s types, only where no value changes.

    Raises:
        SaveError: A value would change; the message names the column.
    """
    same, first_row = batches.schema.types == target.types, 0
    for batch in batches:
        if same:
            yield batch
            continue
        columns = [_cast(column, field, first_row) for column, field in zip(batch.columns, target, strict=True)]
        first_row += batch.num_rows
        yield pa.record_batch(columns, schema=target)


def _cast(column: pa.Array, field: pa.Field, first_row: int) -> pa.Array:
    if column.type == field.type:
        return column
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), field.type)
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        row = first_row + _rows_that_cast(column, field.type)
        raise SaveError(
            f"column {field.name!r} of type {column.type} cannot be kept exactly as {field.type}, in row {row}",
            hint="round or convert the column in the dataflow",
        ) from error


def _rows_that_cast(column: pa.Array, type: pa.DataType) -> int:
    """Return how many rows there are before the first that does not cast."""
    good, bad = 0, len(column)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            column.slice(good, middle - good).cast(type)
            good = middle
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            bad = middle
    return good


def sqlalchemy_type(dialect: str, column: Column) -> Any:
    """Return the SQLAlchemy type of a column, so that expressions on a lazy table behave; unknown ones have none."""
    kind = arrow_type(dialect, column.type)
    if kind is None:
        return sa.types.NullType()
    if pa.types.is_decimal(kind):
        return sa.Numeric(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind):
        return sa.DateTime(timezone=kind.tz is not None)
    for test, made in _SQLALCHEMY:
        if test(kind):
            return made()
    return sa.types.NullType()


_SQLALCHEMY: list[tuple[Any, Any]] = [
    (pa.types.is_boolean, sa.Boolean),
    (pa.types.is_integer, sa.BigInteger),
    (pa.types.is_floating, sa.Double),
    (pa.types.is_string, sa.Text),
    (pa.types.is_binary, sa.LargeBinary),
    (pa.types.is_date, sa.Date),
    (pa.types.is_time, sa.Time),
]


def type_of_column(made: Any) -> pa.DataType | None:
    """Return the Arrow type of what `sqlalchemy_type` made, or None where that is not one only."""
    if isinstance(made, sa.Double):
        return pa.float64()
    if isinstance(made, sa.Numeric):
        return _decimal(made.precision or 0, made.scale or 0)
    return next((kind for type_, kind in _OF_SQLALCHEMY.items() if isinstance(made, type_)), None)


_OF_SQLALCHEMY = {
    sa.Boolean: pa.bool_(), sa.BigInteger: pa.int64(), sa.Text: pa.string(), sa.LargeBinary: pa.binary(),
    sa.Date: pa.date32(), sa.Time: pa.time64("us"),
}  # fmt: skip


def generic_type(name: str, type: pa.DataType) -> Any:
    """Return the SQLAlchemy type of a new column in a database without a dialect of its own.

    Raises:
        SaveError: There is no type that every database knows.
    """
    if pa.types.is_decimal(type):
        return sa.Numeric(type.precision, type.scale)
    if pa.types.is_uint64(type):
        return sa.Numeric(20, 0)
    if pa.types.is_timestamp(type):
        return sa.DateTime(timezone=type.tz is not None)
    for test, made in _SQLALCHEMY:
        if test(type):
            return made()
    raise SaveError(
        f"column {name!r} is of type {type}, which this database has no column for",
        hint="convert the column in the dataflow",
    )
