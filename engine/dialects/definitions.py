"""Definitions: what a saver asks of a table beyond its rows: types, primary key, indexes, NOT NULL and comments.

Theory of operation. A `TableDefinition` is part of the write spec, the same for every database. A dialect says which
parts it can keep (`Traits.defines`); the others are refused, never forgotten. Types are applied while the rows are
staged: a stream is converted to the declared type where no value changes, and refused where one would. The rest is
added to the table where it is lacking (`engine.dialects.declared`): what is there stays, what somebody else added
stays too, and only what contradicts (another primary key) is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from engine.errors import OptionError, SaveError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

PARTS = frozenset({"types", "primary_key", "indexes", "not_null", "comment"})
"""What can be asked of a table; also the names of the saver's options."""

_TYPE = re.compile(
    r"[^\W\d]\w*(?:[ .][^\W\d]\w*|\.?\"[^\"\0]+\")*(?:\s*\([\w\s,'-]*\))?(?: [^\W\d]\w*)*(?:\s*\[\d*\])*"
)
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
        if self.made is None:
            return self.text
        from sqlalchemy.exc import CompileError

        try:
            return str(self.made.compile(dialect=dialect))
        except CompileError as error:
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
        raise OptionError(
            f"{option}= takes names of columns, each once, not {given!r}", hint=f"write {option}=['a', 'b']"
        )
    return names


def _sql_type(name: str, given: Any) -> SqlType:
    made = given() if isinstance(given, type) and hasattr(given, "compile") else given
    if hasattr(made, "compile") and hasattr(made, "bind_processor"):  # SQLAlchemy's, without importing it to ask
        if collation := getattr(made, "collation", None):
            raise OptionError(
                f"types={{{name!r}: …}} asks for the collation {collation!r}, which is no part of a type",
                hint=f"leave it out, and set it once by hand: ALTER TABLE … ALTER {name} TYPE … COLLATE …",
            )
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
