"""SQLAlchemy selects: queries that know no database until a warehouse runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa

from engine.errors import LoadError, SaveError
from engine.frames.base import FrameLibrary, bare

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa


class SQLAlchemySelects(FrameLibrary):
    """Selects, unions of them, texts with known columns, and tables."""

    frame_types: ClassVar[tuple[type, ...]] = (sa.Select, sa.CompoundSelect, sa.TextualSelect, sa.TextClause, sa.Table)
    stays_in_database: ClassVar[bool] = True

    def to_arrow(self, frame: Any) -> pa.RecordBatchReader:
        """Refuse: a select does not know its database; the warehouse that it is written to runs it.

        Raises:
            SaveError: Always.
        """
        raise SaveError(
            f"a SQLAlchemy {type(frame).__name__} does not say which database its rows are in",
            hint="save it to a table of the database it reads, or load the rows first: "
            "from_.query(sql=…) for a parameter annotated as pyarrow.Table",
        )

    def from_arrow(self, batches: pa.RecordBatchReader, like: Any) -> Any:
        """Refuse: a select stands for rows in a database.

        Raises:
            LoadError: Always.
        """
        del batches
        raise LoadError(
            f"rows in memory cannot become a SQLAlchemy {getattr(bare(like), '__name__', like)}",
            hint="load it from a table or query of a warehouse, or annotate the parameter as pyarrow.Table",
        )

    def column(self, frame: Any, name: str) -> sa.Select[Any]:
        """Return a select of that one column."""
        if isinstance(frame, sa.TextClause):
            raise KeyError(name)
        if isinstance(frame, sa.Select):
            if name not in frame.selected_columns:
                raise KeyError(name)
            frame = frame.subquery()
        elif isinstance(frame, sa.CompoundSelect | sa.TextualSelect):
            frame = frame.subquery()
        return sa.select(frame.c[name])

    def column_names(self, frame: Any) -> Sequence[str]:
        """Return the names of the columns; those of a bare text are unknown."""
        if isinstance(frame, sa.TextClause):
            return ()
        columns = frame.c if isinstance(frame, sa.Table) else frame.selected_columns
        return tuple(column.name for column in columns)
