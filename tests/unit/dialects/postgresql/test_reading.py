"""Every value that PostgreSQL sends in binary form comes back as it is, or is refused by the name of its column."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.dialects.postgresql import reading
from engine.dialects.postgresql.cells import Rows
from engine.dialects.postgresql.decoding import DECODERS, decoded_rows
from engine.dialects.warehouse import Warehouse
from engine.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES: dict[str, tuple[str, ...]] = {
    "boolean": ("true", "false"),
    "bytea": (r"\x", r"\x00ff", r"\x" + "ab" * 40),
    "bigint": ("-9223372036854775808", "9223372036854775807", "0"),
    "smallint": ("-32768", "32767"),
    "integer": ("-2147483648", "2147483647"),
    "text": ("", "it's", "naïve €🙂", "x" * 12, "y" * 13, 'tab\t"\\N'),
    "json": ('{"a": [1, null]}',),
    "jsonb": ('{"a": [1, null]}',),
    "uuid": ("00000000-0000-0000-0000-00000000000a",),
    "real": ("1.5", "-0", "NaN", "-Infinity"),
    "double precision": ("0.1", "-0", "NaN", "Infinity", "5e-324"),
    "character(5)": ("ab",),
    "character varying(3)": ("abc", ""),
    "date": ("0001-01-01", "1999-12-31", "9999-12-31"),
    "time": ("00:00", "23:59:59.999999"),
    "timestamp": ("0001-01-01", "1969-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"),
    "timestamptz": ("1970-01-01 00:00+02", "2026-07-01 12:00+00"),
    "numeric": ("0", "-1.50", "123456789.123"),
    "numeric(18,4)": ("99999999999999.9999", "-0.0001", "10000", "0"),
    "boolean[]": ("{t,f,NULL}", "{}"),
    "bytea[]": (r'{"\\x00",NULL,"\\x"}',),
    "bigint[]": ("{1,2,3}", "{4}", "{}", "{NULL,5}"),
    "integer[]": ("{1,2,3}", "{4}", "{}"),
    "smallint[]": ("{1}",),
    "text[]": ("{a,NULL,bcd}", '{""}', "{}"),
    "real[]": ("{1.5,NULL}",),
    "double precision[]": ("{1.5,-0}",),
    "character(3)[]": ("{ab}",),
    "varchar[]": ("{ab,c}",),
    "date[]": ("{2026-01-01,NULL}",),
    "time[]": ("{12:00}",),
    "timestamp[]": ("{2026-01-01}",),
    "timestamptz[]": ("{2026-01-01 00:00+00}",),
}
"""Values of every type, each of which Python can hold."""


@pytest.fixture
def warehouse(postgresql_url: str) -> Iterator[Warehouse]:
    """An empty database, open."""
    with Warehouse(postgresql_url, wait_s=10) as opened:
        yield opened


def read(warehouse: Warehouse, sql: str, **params: Any) -> pa.Table:
    """Read a query."""
    return warehouse.read(warehouse.query_text(sql, params))[0].read_all()


def by_psycopg(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Read a query row by row, without Arrow."""
    with psycopg.connect(url, options="-c TimeZone=UTC") as connection:
        psycopg.types.json.set_json_loads(bytes.decode, connection)
        return connection.execute(sql.encode()).fetchall()


def as_said(value: Any) -> Any:
    """Return a value in the one way in which psycopg and Arrow say it; what Arrow has no type for is text."""
    if isinstance(value, list):
        return [as_said(each) for each in value]
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC)
    if isinstance(value, Decimal):
        return value.normalize()
    return str(value) if isinstance(value, uuid.UUID) else value


@pytest.mark.parametrize("piece_rows", [1, 4, 1000])
def test_values_of_every_type_come_back(
    warehouse: Warehouse, postgresql_url: str, monkeypatch: pytest.MonkeyPatch, piece_rows: int
) -> None:
    """What is read equals what psycopg reads row by row, NULLs among it, in however many pieces it comes."""
    monkeypatch.setattr(reading, "PIECE_ROWS", piece_rows)
    literals = [
        [f"{sa.literal(v).compile(compile_kwargs={'literal_binds': True})}::{t}" for v in values]
        for t, values in VALUES.items()
    ]
    rows = max(map(len, literals)) + 1
    lines = [", ".join(each[row] if row < len(each) else "NULL" for each in literals) for row in range(rows)]
    columns = ", ".join(f"c{number}" for number in range(len(literals)))
    typed = ", ".join(f"c{number}::{t}" for number, t in enumerate(VALUES))
    sql = f"SELECT {typed} FROM (VALUES ({'), ('.join(lines)})) AS v({columns})"
    expected = by_psycopg(postgresql_url, sql)
    found = read(warehouse, sql.replace(":", r"\:"))
    for number, type_ in enumerate(VALUES):
        values = [as_said(value) for value in found[f"c{number}"].to_pylist()]
        assert list(map(repr, values)) == [repr(as_said(row[number])) for row in expected], type_


NUMERICS = st.integers(0, 38).flatmap(
    lambda scale: st.lists(
        st.none()
        | st.builds(
            # made from text: arithmetic would round to 28 digits
            lambda digits, sign, scale=scale: Decimal(f"{sign}{digits}E-{scale}"),
            st.integers(1, 38).flatmap(lambda count: st.integers(0, 10**count - 1)),
            st.sampled_from(["", "-"]),
        ),
        max_size=6,
    )
)


@pytest.mark.parametrize("scale", range(12))
def test_numerics_of_four_digits_and_more_come_back(warehouse: Warehouse, postgresql_url: str, scale: int) -> None:
    """Every number of digits in front of the point and behind it is read, both signs and NULL among them."""
    listed = [f"{sign}1e{power} + 7e-{scale} + 12345678901e-{scale}" for power in range(-scale, 20) for sign in "+-"]
    rows = "), (".join(["NULL", "0", *listed])
    sql = f"SELECT CAST(x AS numeric(35, {scale})) AS x FROM (VALUES ({rows})) AS v(x)"
    assert read(warehouse, sql)["x"].to_pylist() == [row[0] for row in by_psycopg(postgresql_url, sql)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=NUMERICS)
def test_numerics_of_any_length_come_back(warehouse: Warehouse, values: list[Decimal | None]) -> None:
    """Numerics of up to 38 digits are read to the last digit, wherever their point is."""
    listed = ",".join("NULL" if value is None else str(value) for value in values)
    found = read(warehouse, f"SELECT unnest(CAST('{{{listed}}}' AS numeric[])) AS x")
    assert found["x"].to_pylist() == values


@pytest.mark.parametrize(
    ("type_", "value", "arrow"),
    [
        ("numeric(38,38)", "-0.00000000000000000000000000000000000001", pa.decimal128(38, 38)),
        ("numeric(38,0)", "9" * 38, pa.decimal128(38, 0)),
        ("numeric(50,2)", "9" * 36 + ".99", pa.decimal128(38, 2)),
        ("numeric(2,5)", "0.00099", pa.decimal128(5, 5)),
        ("numeric(3,-2)", "99900", pa.decimal128(5, 0)),
        ("numeric(2,2)", "0", pa.decimal128(2, 2)),
    ],
)
def test_the_type_of_a_numeric_holds_its_values(
    warehouse: Warehouse, type_: str, value: str, arrow: pa.DataType
) -> None:
    """A decimal has as many digits as the numeric's type says, at most 38."""
    found = read(warehouse, f"SELECT CAST('{value}' AS {type_}) AS x")
    assert found["x"].type == arrow
    assert found["x"].to_pylist() == [Decimal(value)]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("CAST('NaN' AS numeric)", "NaN"),
        ("CAST('-Infinity' AS numeric)", "infinity"),
        ("CAST(10 AS numeric) ^ 38", "38"),
        ("CAST(repeat('9', 39) AS numeric)", "38"),
        ("CAST(12345678901234567890123456789 AS numeric) + CAST('0.0000000001' AS numeric)", "38"),
        ("CAST('1e-39' AS numeric)", "39 digits after the point"),
        ("CAST('infinity' AS date)", "infinity"),
        ("CAST('-infinity' AS timestamp)", "infinity"),
        ("ARRAY[CAST('infinity' AS timestamptz)]", "infinity"),
        ("CAST('294276-12-31' AS timestamp)", "too late"),
        ("CAST('24:00' AS time)", "24"),
        ("CAST('infinity' AS interval)", "nanoseconds"),
        ("CAST('-2600000 hours' AS interval)", "nanoseconds"),
        ("ARRAY[ARRAY[1], ARRAY[2]]", "one dimension"),
        ("CAST('[0:1]={1,2}' AS int[])", "first index"),
    ],
)
def test_what_no_array_holds_is_refused(warehouse: Warehouse, expression: str, says: str) -> None:
    """A value that the column's Arrow type does not have is an error that names the column and a way out."""
    with pytest.raises(LoadError, match=says) as caught:
        read(warehouse, f"SELECT {expression.replace(':', chr(92) + ':')} AS odd FROM generate_series(1, 3)")
    assert "'odd'" in caught.value.message
    assert "odd::text" in caught.value.hint


@pytest.mark.parametrize("nulls", ["false", "i % 7 = 3 AND c % 11 = i % 11", "i = 60 AND c = 17", "c % 3 = 0"])
def test_columns_of_one_size_are_read_wherever_nulls_are(warehouse: Warehouse, postgresql_url: str, nulls: str) -> None:
    """Forty numbers beside each other, more than are gathered at once, keep value and place, also among NULLs."""
    kinds = ("bigint", "integer", "smallint", "numeric", "boolean", "double precision", "date", "bigint")
    values = {"boolean": "(i + {c}) % 2 = 0", "date": "DATE '2000-01-01' + i * {c}"}
    columns = [(f"c{c}", kinds[c * 7 % 8 if c < 20 else c % 2], c) for c in range(40)]
    picked = ", ".join(
        f"CASE WHEN {nulls.replace('c %', f'{c} %').replace('c =', f'{c} =')} THEN NULL"
        f" ELSE CAST({values.get(kind, 'i * {c} - 50').format(c=c)} AS {kind}) END AS {name}"
        for name, kind, c in columns
    )
    sql = f"SELECT {picked} FROM generate_series(1, 60) i"
    assert [tuple(row.values()) for row in read(warehouse, sql).to_pylist()] == by_psycopg(postgresql_url, sql)


def test_far_days_are_exact(warehouse: Warehouse) -> None:
    """Days before Christ and the last that there are keep their distance from 1970."""
    sql = "SELECT d, d - DATE '1970-01-01' AS n FROM (VALUES (DATE '4713-01-01 BC'), (DATE '5874897-12-31')) AS v(d)"
    found = read(warehouse, sql)
    assert found["d"].cast(pa.int32()).to_pylist() == found["n"].to_pylist()
    sql = "SELECT t, (extract(epoch FROM t) * 1000000)::bigint AS n FROM (VALUES (TIMESTAMP '4713-01-01 BC')) AS v(t)"
    found = read(warehouse, sql.replace("::", r"\:\:"))
    assert found["t"].cast(pa.int64()).to_pylist() == found["n"].to_pylist()


def test_intervals_keep_months_days_and_time_apart(warehouse: Warehouse) -> None:
    """An interval is not a number of seconds."""
    found = read(warehouse, "SELECT x FROM (VALUES (INTERVAL '-1 mon 2 days -3 us'), (NULL)) AS v(x)")
    assert found["x"].to_pylist() == [pa.MonthDayNano([-1, 2, -3000]), None]


def test_a_row_may_be_larger_than_a_piece(warehouse: Warehouse) -> None:
    """Texts of many megabytes between small ones are whole."""
    found = read(
        warehouse, "SELECT i, repeat('é', CASE WHEN i = 2 THEN 6000000 ELSE i END) AS t FROM generate_series(1, 3) i"
    )
    assert [len(text) for text in found["t"].to_pylist()] == [1, 6_000_000, 3]
    assert set(found["t"][1].as_py()) == {"é"}


@pytest.mark.parametrize("checksum", [True, False])
def test_no_rows_have_types(warehouse: Warehouse, checksum: bool) -> None:
    """A result without rows has its columns and their types."""
    query = warehouse.query_text("SELECT 1 AS a, 'x' AS b, CAST(1 AS numeric(5,2)) AS c WHERE false")
    rows, token = warehouse.read(query, checksum=checksum)
    assert (token is not None) is checksum
    found = rows.read_all()
    assert found.num_rows == 0
    assert found.schema == pa.schema({"a": pa.int32(), "b": pa.string(), "c": pa.decimal128(5, 2)})


def test_batches_are_no_larger_than_asked_for(warehouse: Warehouse) -> None:
    """Rows come in batches of at most so many, none lost between them."""
    query = warehouse.query_text("SELECT i FROM generate_series(1, 100) i")
    batches = list(warehouse.read(query, batch_rows=30)[0])
    assert [batch.num_rows for batch in batches] == [30, 30, 30, 10]
    assert [i for batch in batches for i in batch["i"].to_pylist()] == list(range(1, 101))


@pytest.mark.parametrize("rows", [1, 100_000])
def test_an_error_in_the_middle_is_told(warehouse: Warehouse, rows: int) -> None:
    """What the server says after many rows is an error of the stream, not its end; the next read works."""
    with pytest.raises(LoadError, match="division by zero"):
        read(warehouse, f"SELECT 1 / ({rows} - i) AS x FROM generate_series(1, 200000) i")
    assert read(warehouse, "SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_texts_are_read_in_their_own_encoding(postgresql_url: str) -> None:
    """Whatever encoding the URL asks for, every character comes back."""
    url = sa.make_url(postgresql_url).update_query_dict({"client_encoding": "latin1"})
    with Warehouse(url.render_as_string(hide_password=False)) as warehouse:
        assert read(warehouse, "SELECT '€' AS x").to_pylist() == [{"x": "€"}]


def test_bytes_that_are_no_text_are_refused() -> None:
    """Bytes that are not UTF-8, as a database without an encoding sends them, are refused by the column's name."""
    content = bytearray(b"\0\1\0\0\0\2\xff\xfe")
    with pytest.raises(LoadError, match=r"'name'.*UTF8"):
        decoded_rows(Rows.side_by_side(content, [8]), pa.schema({"name": pa.string()}), [DECODERS[25]])


@pytest.mark.parametrize("content", [b"\0\2\0\0\0\1a", b"\0\1\0\0\0\2a", b"\0\1\0\0\0\0a"])
def test_rows_of_another_form_are_refused(content: bytes) -> None:
    """Rows with other columns or sizes than they should have are never read as if nothing were wrong."""
    with pytest.raises(LoadError, match="rows are not"):
        decoded_rows(
            Rows.side_by_side(bytearray(content), [len(content)]), pa.schema({"a": pa.binary()}), [DECODERS[17]]
        )


def test_parameters_mean_what_they_are(warehouse: Warehouse) -> None:
    """Values given to a query come back equal, whatever characters they hold."""
    given_values = {
        "quotes": 'it\'s "so"',
        "slashes": "a\\b\\\\'c",
        "percent": "100 % %s %(x)s",
        "colon": ":name ::text",
        "nothing": None,
        "day": dt.date(2026, 2, 28),
        "number": Decimal("-12345678901234567890.000000001"),
        "negative": -1,
        "bytes": b"\0'\\",
    }
    asked = ", ".join(f":{name} AS {name}" for name in given_values)
    found = read(warehouse, f"SELECT {asked}, 5 - :negative AS six", **given_values)
    assert found.to_pylist() == [{**given_values, "six": 6}]


def test_a_table_is_read_from_its_beginning(warehouse: Warehouse, postgresql_url: str) -> None:
    """Rows keep their order, also where another reader of a large table gave up in the middle of it."""
    with psycopg.connect(postgresql_url, autocommit=True) as other:
        row = other.execute("SELECT pg_size_bytes(current_setting('shared_buffers')) / 4 / 7000 + 2000").fetchone()
        count = int(row[0]) if row else 0
        other.execute("CREATE TABLE large (i integer, t text STORAGE PLAIN)")
        other.execute("INSERT INTO large SELECT i, repeat('x', 7000) FROM generate_series(1, %s) i", (count,))
    query = warehouse.query_text("SELECT * FROM large")
    given_up, _ = warehouse.read(query, batch_rows=100)
    assert given_up.read_next_batch().num_rows == 100
    given_up.close()
    del given_up
    assert warehouse.read(query)[0].read_all()["i"].to_pylist() == list(range(1, count + 1))


def test_a_table_cannot_change_while_it_is_read(warehouse: Warehouse, postgresql_url: str) -> None:
    """A column keeps the type it was announced with until all rows are read."""
    with psycopg.connect(postgresql_url, autocommit=True) as other:
        other.execute("CREATE TABLE changing AS SELECT i::bigint AS i FROM generate_series(1, 10) i")
        rows, _ = warehouse.read(warehouse.query_text("SELECT i FROM changing"))
        other.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("ALTER TABLE changing ALTER i TYPE double precision")
        assert rows.read_all()["i"].to_pylist() == list(range(1, 11))
        other.execute("ALTER TABLE changing ALTER i TYPE double precision")
