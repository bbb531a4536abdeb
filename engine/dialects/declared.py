"""Declared: what is done for a definition: rows converted to declared types, statements that add what a table lacks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.dialects.sql import literal, quoted
from engine.dialects.types import plain_type
from engine.errors import SaveError, SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from engine.dialects.definitions import TableDefinition


def converted(
    batches: pa.RecordBatchReader, types: Mapping[str, pa.DataType], required: Iterable[str], table: str
) -> pa.RecordBatchReader:
    """Return the stream with columns converted to other types, only where no value changes, and without NULLs.

    Args:
        batches: The rows.
        types: By column, the Arrow type to have.
        required: Columns that may hold no NULL.
        table: Where they go, for messages.

    Raises:
        SaveError: While the rows pass: a value would change or is NULL; the message names column and row.
    """
    fields = [f.with_type(types.get(f.name, f.type)) for f in batches.schema]
    schema, names = pa.schema(fields, batches.schema.metadata), [*required]
    if not names and schema.types == batches.schema.types:
        return batches

    def stream() -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in batches:
            for name in names:
                _check_present(batch.column(name), name, first, table)
            columns = [_as(c, f, first, table) for c, f in zip(batch.columns, schema, strict=True)]
            yield pa.record_batch(columns, schema=schema)
            first += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, stream())


def _check_present(column: pa.Array, name: str, first: int, table: str) -> None:
    if column.null_count:
        row = first + column.is_null().index(pa.scalar(True)).as_py()  # noqa: FBT003 - the value looked for
        raise SaveError(
            f"column {name!r} of {table} may hold no NULL, and row {row} (counted from 0) has one",
            location=table,
            hint="fill or drop such rows in the dataflow, or leave the column out of not_null= and primary_key=",
        )


def _as(column: pa.Array, wanted: pa.Field, first: int, table: str) -> pa.Array:
    if column.type == wanted.type:
        return column
    try:
        return _exactly(column, wanted.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        row = first + _first_bad(lambda count: _exactly(column.slice(0, count), wanted.type), len(column))
        raise SaveError(
            f"column {wanted.name!r} of {table} is declared {wanted.type}, and row {row} (counted from 0), of type "
            f"{column.type}, cannot be that exactly",
            location=table,
            hint="round or convert the column in the dataflow, or declare another type",
        ) from error


def _exactly(column: pa.Array, type_: pa.DataType) -> pa.Array:
    """Convert a column; what does not come back as it was is no conversion."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.string())  # Arrow parses no views
    is_moment = pa.types.is_timestamp(column.type) and pa.types.is_timestamp(type_)
    if is_moment and (column.type.tz is None) != (type_.tz is None):
        raise pa.ArrowInvalid("a time zone would be made up or lost")
    made = column.cast(type_)
    if plain_type(column.type) == pa.string() or pa.types.is_null(column.type):
        return made  # to parse a text is exact, or fails
    back = made.cast(column.type)
    same = pc.equal(back, column)
    if pa.types.is_floating(column.type):
        same = pc.or_kleene(same, pc.is_nan(column))
    if not pc.all(same, min_count=0).as_py():
        raise pa.ArrowInvalid("a value would change")
    return made


def _first_bad(convert: Callable[[int], Any], rows: int) -> int:
    good, bad = 0, rows
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            convert(middle)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            bad = middle
        else:
            good = middle
    return max(bad - 1, 0)


@dataclass(frozen=True, slots=True)
class Defined:
    """What a table has of what a definition can ask for.

    Attributes:
        primary_key: Its columns, in order.
        indexes: The columns of its indexes, those of keys among them.
        not_null: Columns that hold no NULL.
        column_comments: By column.
    """

    primary_key: tuple[str, ...] = ()
    indexes: frozenset[tuple[str, ...]] = frozenset()
    not_null: frozenset[str] = frozenset()
    column_comments: Mapping[str, str] = field(default_factory=dict)


def statements(
    definition: TableDefinition, there: Defined, on: str, names: Sequence[str], *, table: str, max_bytes: int | None
) -> list[str]:
    """Return the statements that add to a table what it lacks, in the order in which they can run.

    Args:
        definition: What it is to have.
        there: What it has.
        on: The table as SQL writes it.
        names: Its columns.
        table: Its name without schema; indexes and keys are named after it.
        max_bytes: The longest name.

    Raises:
        SchemaMismatchError: It has another primary key.
    """
    key = definition.primary_key
    if key and there.primary_key and there.primary_key != key:
        differing = f"the primary key: {', '.join(key)} → {', '.join(there.primary_key)}"
        raise SchemaMismatchError(
            on, differing=[differing], hint="drop the table's primary key, or ask for the same one"
        )
    made = [
        f"ALTER TABLE {on} ALTER COLUMN {quoted(name)} SET NOT NULL"
        for name in definition.not_null
        if name not in there.not_null and name not in key
    ]
    if key and not there.primary_key:
        named = quoted(belonging_name(table, (), "pkey", max_bytes))
        made.append(f"ALTER TABLE {on} ADD CONSTRAINT {named} PRIMARY KEY ({', '.join(map(quoted, key))})")
    for columns in definition.indexes:
        if columns not in there.indexes and columns != key:
            named = quoted(belonging_name(table, columns, "idx", max_bytes))
            made.append(f"CREATE INDEX {named} ON {on} ({', '.join(map(quoted, columns))})")
    for name, text in definition.column_comments:
        if name in names and there.column_comments.get(name) != text:
            made.append(f"COMMENT ON COLUMN {on}.{quoted(name)} IS {literal(text)}")
    return made


def belonging_name(table: str, columns: Sequence[str], kind: str, max_bytes: int | None) -> str:
    """Return the name of what belongs to a table, the same every time; a long one is cut and told apart by a hash.

    >>> belonging_name("daily", ["day"], "idx", 63)
    'daily_day_idx'
    """
    name = "_".join([table, *columns, kind])
    if max_bytes is None or len(name.encode()) <= max_bytes:
        return name
    tail = f"_{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}_{kind}"
    return name.encode()[: max_bytes - len(tail)].decode(errors="ignore") + tail
