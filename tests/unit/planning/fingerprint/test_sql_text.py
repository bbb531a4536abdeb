"""In SQL text comments and white space do not count; whatever might mean something does."""

from __future__ import annotations

import pytest

from engine.planning.fingerprint.sql_text import normalise_sql

SAME = [
    ("select a, b from t", "SELECT a".lower() + "\n  ,b -- both\nfrom t;"),
    ("select 1", "/* first */ select 1 /* last */ ;;"),
    ("select a -1", "select a\n-1"),
    ("select a- -1", "select a -\n-1"),
    ("select $$ -- kept $$", "select  $$ -- kept $$ -- dropped"),
    ("select a*b", "select a */* times */b"),
]
DIFFERENT = [
    ("select 'a  b'", "select 'a b'"),
    ("select 'a -- b'", "select 'a '"),
    ("select 'it''s -- b'", "select 'it''s"),
    ('select "a  b"', 'select "a b"'),
    ("select $x$ /* b */ $x$", "select $x$ $x$"),
    ("select a >= b", "select a > = b"),
    ("select a - -1", "select a --1"),
    ("select ab", "select a b"),
    ("select A", "select a"),
    ("select /*+ hint */ 1", "select 1"),
    ("select 'it\\'s -- b\n'", "select 'it\\'s -- c\n'"),
    ("select /* a /* b */ 1", "select /* a /* b */ 2"),
    ("select 'open -- a", "select 'open -- b"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_does_not_count(one: str, other: str) -> None:
    """Comments, white space and closing semicolons leave the form as it is."""
    assert normalise_sql(one) == normalise_sql(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_counts(one: str, other: str) -> None:
    """Texts, names, operators, hints, and whatever dialects read in different ways, stay."""
    assert normalise_sql(one) != normalise_sql(other)


@pytest.mark.parametrize("text", [text for pair in SAME + DIFFERENT for text in pair])
def test_the_form_is_its_own_form(text: str) -> None:
    """Normalising twice is normalising once."""
    once = normalise_sql(text)
    assert normalise_sql(once) == once
