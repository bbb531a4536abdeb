"""Definitions: what a saver asks of a table beyond its rows: types, primary key, indexes, NOT NULL and comments.

Theory of operation. A `TableDefinition` is part of the write spec, the same for every database. A dialect says which
parts it can keep (`Traits.defines`); the others are refused, never forgotten. Types are applied while the rows are staged:
a stream is converted to the declared type where no value changes, and refused where one would. The rest is added to the
table where it is lacking (`statements`): what is there stays, what somebody else added stays too, and only what
contradicts (another primary key) is an error.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from engine.dialects.sql import literal, quoted
from engine.dialects.types import plain_type
from engine.errors import OptionError, SaveError, SchemaMismatchError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

PARTS = frozenset({"types", "primary_key", "indexes", "not_null", "comment"})
"""What can be asked of a table; also the names of the saver's options."""

_TYPE = re.compile(r"[^\W\d]\w*(?:[ .][^\W\d]\w*|\.?\"[^\"\0]+\")*(?:\s*\([\w\s,'-]*\))?(?: [^\W\d]\w*)*(?:\s*\[\d*\])*")
"""A type in SQL text: words, perhaps numbers or labels in parentheses, perhaps an array."""
_COLUMNS = re.compile(r"^Columns:\s*\n((?:[ \t]+\S.*\n?|\s*\n)*)", re.MULTILINE)
_COLUMN = re.compile(r"([^\s:(][^:(]*?)\s*(?:\([^)]*\))?:\s+(.*)")


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type that the user asks for.

    Attributes:
        text: How it is written: SQL, or the SQLAlchemy type's own words.
        made: The SQLAlchemy type, which each database writes in its own way; None for SQL text.
    """

    text: str
    made: Any = field(default=None, compare=False)

    def written(self, dialect: sa.Dialect) -> str:
        """Return the type in the SQL of a database.

        Raises:
            OptionError: The database has no such type.
        """
        try:
            return self.text if self.made is None else str(self.made.compile(dialect=dialect))
        except sa.exc.CompileError as error:
            raise OptionError(f"{dialect.name} has no type {self.text}", hint="write the type as SQL text") from error


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """What a saver asks of its table beyond its rows; empty by default.

    Attributes:
        types: Columns whose type is given, with it.
        primary_key: Its columns, in order.
        indexes: The columns of each index, in order.
        not_null: Columns that may hold no NULL, beyond those of the primary key.
        comment: What the table is.
        column_comments: What columns are.
    """

    types: tuple[tuple[str, SqlType], ...] = ()
    primary_key: tuple[str, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    not_null: tuple[str, ...] = ()
    comment: str = ""
    column_comments: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        *,
        types: Mapping[str, Any] | None = None,
        primary_key: str | Sequence[str] = (),
        indexes: str | Sequence[str | Sequence[str]] = (),
        not_null: str | Sequence[str] = (),
        comment: str = "",
    ) -> Self:
        r"""Read the saver's options.

        Args:
            types: By column, a SQLAlchemy type or SQL text.
            primary_key: A column or columns.
            indexes: A column or columns per index.
            not_null: A column or columns.
            comment: The table's comment; lines ``name: text`` under ``Columns:`` are its columns' comments.

        Raises:
            OptionError: One of them is no such thing.

        >>> TableDefinition.of(comment="Days.\n\nColumns:\n    day: in UTC").column_comments
        (('day', 'in UTC'),)
        """
        if types is not None and not isinstance(types, Mapping):
            raise OptionError(f"types= is a {type(types).__name__}", hint="write types={'column': 'numeric(12,2)'}")
        own, of_columns = _comments(comment)
        return cls(
            tuple((name, _sql_type(name, given)) for name, given in (types or {}).items()),
            _names("primary_key", primary_key),
            tuple(_names("indexes", each) for each in ((indexes,) if isinstance(indexes, str) else indexes)),
            _names("not_null", not_null),
            own,
            of_columns,
        )

    def __bool__(self) -> bool:
        return bool(self.parts())

    def parts(self) -> frozenset[str]:
        """Return which parts are asked for."""
        asked = {part for part in PARTS if getattr(self, part)}
        return frozenset(asked | ({"comment"} if self.column_comments else set()))

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that may hold no NULL."""
        return tuple(dict.fromkeys(self.primary_key + self.not_null))

    def check(self, names: Sequence[str], table: str) -> None:
        """Refuse what is asked of columns that the value has not; a comment may be about more than there is.

        Raises:
            SaveError: The message names the column.
        """
        asked = [*((name, "types") for name, _ in self.types), *((name, "primary_key") for name in self.primary_key)]
        asked += [*((n, "indexes") for each in self.indexes for n in each), *((n, "not_null") for n in self.not_null)]
        for name, option in asked:
            if name not in names:
                near = did_you_mean(name, names)
                raise SaveError(
                    f"{option}= of {table} names the column {name!r}, which the value has not",
                    location=table,
                    hint=f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(names)}",
                )

    def text(self) -> str:
        """Return what makes two definitions equal; empty for an empty one."""
        if not self:
            return ""
        types = [(name, type_.text) for name, type_ in self.types]
        rest = (self.primary_key, self.indexes, self.not_null, self.comment, self.column_comments)
        return json.dumps([types, *rest])


def _names(option: str, given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names):
        raise OptionError(f"{option}= takes names of columns, each once, not {given!r}", hint=f"write {option}=['a', 'b']")
    return names


def _sql_type(name: str, given: Any) -> SqlType:
    made = given() if isinstance(given, type) and issubclass(given, sa.types.TypeEngine) else given
    if isinstance(made, sa.types.TypeEngine):
        return SqlType(f"{type(made).__module__}.{made!r}", made)
    if not isinstance(given, str) or not _TYPE.fullmatch(given.strip()):
        raise OptionError(
            f"types={{{name!r}: {given!r}}} is no type",
            hint="give a SQLAlchemy type such as sqlalchemy.Numeric(12, 2), or SQL text such as 'numeric(12,2)'",
        )
    return SqlType(given.strip())


def _comments(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    found = _COLUMNS.search(text)
    if found is None:
        return text.strip(), ()
    comments: dict[str, str] = {}
    indent = None
    for line in found[1].splitlines():
        here = len(line) - len(line.lstrip())
        indent = here if indent is None and line.strip() else indent
        entry = _COLUMN.fullmatch(line.strip()) if here == indent else None
        if entry is not None:
            comments[entry[1]] = entry[2]
        elif comments and line.strip():
            last = next(reversed(comments))
            comments[last] = f"{comments[last]} {line.strip()}"
    own = text[: found.start()] + text[found.end() :]
    return own.strip(), tuple(comments.items())


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
    fields = [pa.field(f.name, types.get(f.name, f.type)) for f in batches.schema]
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
        raise SchemaMismatchError(on, differing=[differing], hint="drop the table's primary key, or ask for the same one")
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
