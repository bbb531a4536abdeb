"""Tokens of sources tell apart what a database itself takes for equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from engine.dialects.warehouse import Warehouse

PAIRS = {
    "duckdb": [
        ("0.0::DOUBLE", "-0.0::DOUBLE"),
        ("0.0::FLOAT", "-0.0::FLOAT"),
        ("[0.0::DOUBLE]", "[-0.0::DOUBLE]"),
        ("{'a': 0.0::DOUBLE}", "{'a': -0.0::DOUBLE}"),
        ("INTERVAL 1 MONTH", "INTERVAL 30 DAYS"),
        ("[NULL::INTEGER]", "[]::INTEGER[]"),
        ("[]::INTEGER[]", "NULL::INTEGER[]"),
        ("['NULL']", "[NULL::VARCHAR]"),
        ("{'a': NULL::INTEGER}", "NULL::STRUCT(a INTEGER)"),
        ("1.0::DECIMAL(3,1)", "1.00::DECIMAL(3,2)"),
        ("''", "NULL::VARCHAR"),
        ("1", "1::BIGINT"),
    ],
    "postgresql": [
        ("0.0::float8", "'-0'::float8"),
        ("0.0::float4", "'-0'::float4"),
        ("1.0::numeric", "1.00::numeric"),
        ("ARRAY[1.0]", "ARRAY[1.00]"),
        ("ARRAY[0::float8]", "ARRAY['-0'::float8]"),
        ("interval '1 day'", "interval '24 hours'"),
        ("'{\"a\": 1.0}'::jsonb", "'{\"a\": 1.00}'::jsonb"),
        ("numrange(1.0, 2)", "numrange(1.00, 2)"),
        ("''::text", "NULL::text"),
        ("1", "1::bigint"),
    ],
    "sqlite": [("1", "1.0"), ("1", "'1'"), ("'a'", "x'61'"), ("''", "NULL")],
}
"""Per database, pairs of values that are not the same although some of its comparisons or hashes say so."""


def test_tokens_tell_equal_values_apart(warehouse: Warehouse) -> None:
    """Values that differ in sign, scale or emptiness give different tokens; the same value gives the same one."""
    for pair in PAIRS[warehouse.dialect.traits.name]:
        one, other = (warehouse.query_text(f"SELECT 7 AS id, {value} AS value") for value in pair)
        first, second, again = warehouse.checksums([one, other, one])
        assert first is not None, pair
        assert first != second, pair
        assert first == again, pair


@pytest.mark.parametrize("columns", ["1 AS id", "1 AS id, 0.5 AS part", "1 AS id, NULL AS nil"])
def test_a_token_is_the_same_however_it_is_asked_for(warehouse: Warehouse, columns: str) -> None:
    """The token found while rows are read is the one that is found without reading them."""
    query = warehouse.query_text(f"SELECT {columns}")
    batches, token = warehouse.read(query, checksum=True)
    batches.read_all()
    assert token == warehouse.checksums([query])[0]
