"""The table of types: read back what was written, and refuse what would change."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.dialects.types import arrow_type, assignable, plain_type, schema_text, sql_type
from engine.errors import SaveError

TYPES = [
    pa.bool_(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.binary(), pa.date32(),
    pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.time64("us"), pa.decimal128(15, 2),
]  # fmt: skip


@pytest.mark.parametrize("dialect", ["duckdb", "postgresql", "sqlite"])
@pytest.mark.parametrize("type", TYPES, ids=str)
def test_there_and_back(dialect: str, type: pa.DataType) -> None:
    """A column declared for an Arrow type is read back as that type."""
    assert arrow_type(dialect, sql_type(dialect, "x", type)) == type


@pytest.mark.parametrize("dialect", ["duckdb", "postgresql", "sqlite"])
def test_no_type_is_refused(dialect: str) -> None:
    """A column of nothing but NULL has no type."""
    with pytest.raises(SaveError, match="'x'"):
        sql_type(dialect, "x", pa.null())


@pytest.mark.parametrize(
    ("dialect", "value", "column", "fits"),
    [
        ("postgresql", "bigint", "integer", True),  # the server checks each value
        ("sqlite", "BIGINT", "INT4", False),  # nobody checks
        ("postgresql", "numeric(10,4)", "numeric(10,2)", False),
        ("postgresql", "numeric(10,2)", "numeric(12,4)", True),
        ("postgresql", "double precision", "integer", False),
        ("postgresql", "integer", "double precision", True),
        ("postgresql", "bigint", "double precision", False),
        ("postgresql", "text", "character varying(20)", True),
        ("postgresql", "text", "jsonb", True),
        ("postgresql", "text", "integer", False),
        ("postgresql", "boolean", "integer", False),
        ("postgresql", "timestamp without time zone", "timestamp with time zone", False),
        ("postgresql", "date", "timestamp without time zone", False),
        ("duckdb", "TIMESTAMP_NS", "TIMESTAMP", False),
        ("duckdb", "TIMESTAMP", "TIMESTAMP_NS", True),
        ("duckdb", "DOUBLE", "FLOAT", False),
        ("duckdb", "STRUCT(a INTEGER)", "STRUCT(a INTEGER)", True),
        ("duckdb", "STRUCT(a INTEGER)", "STRUCT(b INTEGER)", False),
    ],
)
def test_what_goes_into_a_column(dialect: str, value: str, column: str, fits: bool) -> None:
    """Only what cannot change silently goes into a column of another type."""
    assert assignable(dialect, value, column) is fits


def test_encodings_do_not_make_another_schema() -> None:
    """A dictionary of wide text is text: the same table from another library has the same schema."""
    odd = pa.dictionary(pa.int8(), pa.large_string())
    assert plain_type(odd) == pa.string()
    assert schema_text(pa.schema({"a": odd})) == schema_text(pa.schema({"a": pa.string_view()}))
    assert schema_text(pa.schema({"a": odd})) != schema_text(pa.schema({"b": pa.string()}))
