"""Which dialect serves which URL, what importing costs, and which secrets stay out of texts."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa

from engine.dialects import dialect_of
from engine.dialects.base import TableName
from engine.dialects.secrets import masked_url, parse_url, scrub, secrets_of
from engine.errors import ExtensionError, RequestError


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("duckdb://", "duckdb"),
        ("sqlite:///x.db", "sqlite"),
        ("sqlite+pysqlite:///x.db", "sqlite"),
        ("postgresql://h/d", "postgresql"),
        ("postgres://h/d", "postgresql"),
        ("postgresql+psycopg://h/d", "postgresql"),
    ],
)
def test_the_scheme_finds_the_dialect(url: str, name: str) -> None:
    """The scheme before any driver's name chooses the dialect."""
    assert dialect_of(url).traits.name == name


def test_no_dialect() -> None:
    """A scheme that nobody knows, or whose driver is not installed, says what is missing."""
    with pytest.raises(ExtensionError, match="postgresqll"):
        dialect_of("postgresqll://h/d")
    with pytest.raises(ExtensionError, match="mysql"):
        dialect_of("mysql+pymysql://h/d")
    with pytest.raises(RequestError, match="not the URL"):
        dialect_of("marts.daily")


@pytest.mark.parametrize("module", ["engine.dialects.base", "engine.dialects"])
def test_names_cost_no_database(module: str) -> None:
    """Importing the contract loads neither SQLAlchemy nor Arrow nor a driver."""
    text = f"import sys, {module}; print({{'sqlalchemy', 'pyarrow', 'duckdb', 'psycopg'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)  # noqa: S603 - own text
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("text", ["a", "a.b", '"a.b"."c ""d"""', "ä.select"])
def test_table_names_round_trip(text: str) -> None:
    """What is parsed is written the same, and parsed again."""
    table = TableName.parse(text)
    assert TableName.parse(str(table)) == table


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a.b.c", '"a', '"a"b', "a\0b", " "])
def test_what_is_no_table_name(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(RequestError):
        TableName.parse(text)


def test_secrets_are_scrubbed() -> None:
    """A password goes in every spelling; short ones and texts without one stay readable."""
    url = parse_url("postgresql://ann:C4n%40ry%2F@db:5433/shop?sslmode=require")
    assert masked_url(url) == "postgresql://ann@db:5433/shop?sslmode=require"
    text = scrub("C4n@ry/ C4n%40ry%2F postgresql://x:other@h password='it''s' ok", secrets_of(url))
    assert text == "*** *** postgresql://x:***@h password=*** ok"
    assert secrets_of(sa.make_url("postgresql://a:abc@h/d")) == ()
    assert scrub("duckdb:///a/b.duckdb at 12:30") == "duckdb:///a/b.duckdb at 12:30"
    with pytest.raises(RequestError) as caught:
        parse_url("postgresql//ann:hunter22@db")
    assert "hunter22" not in str(caught.value)
