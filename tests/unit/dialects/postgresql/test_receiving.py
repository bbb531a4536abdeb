"""Rows arrive whole and in order, whether taken from the socket or from libpq, and the connection stays what it was."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
import trustme
from psycopg import pq

from engine.dialects.postgresql import receiving
from engine.dialects.postgresql.link import is_local, socket_of
from engine.dialects.postgresql.receiving import received
from engine.dialects.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAYS = ("_from_socket", "_from_libpq")
SMALL_BYTES = (1 << 18) + 5_000
"""Memory that is renewed every few thousand bytes, because a look at the socket needs room."""


@pytest.fixture
def reader(postgresql_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection in a transaction, as rows are read on."""
    connection = psycopg.connect(postgresql_url, autocommit=True, prepare_threshold=None)
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    yield connection
    connection.close()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way to receive rows; which one is taken does not depend on the connection then."""
    monkeypatch.setattr(receiving, "_is_plain", lambda _: request.param == "_from_socket")
    return str(request.param)


def rows_of(reader: psycopg.Connection[Any], statement: str, rows: int = 1000) -> list[bytes]:
    """Return every row that is received, in binary form."""
    found: list[bytes] = []
    for piece in received(reader, statement, rows):
        content = bytes(piece.content)
        part = [content[start:end] for start, end in zip(piece.starts, piece.ends, strict=True)]
        assert 0 < len(part) <= rows
        found += part
    return found


def by_psycopg(reader: psycopg.Connection[Any], statement: str) -> list[bytes]:
    """Return the rows as psycopg gives them, without what stands before the first one and behind the last."""
    with reader.cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)") as copy:
        messages = [bytes(message) for message in copy]
    messages[0] = messages[0][len(receiving._HEADER) :]
    return [message for message in messages if message != receiving._TRAILER]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("rows", [1, 7, 4000])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT i, repeat('x', i % 100) FROM generate_series(1, 3000) i",
        "SELECT i, repeat('y', CASE i WHEN 2 THEN 3000000 ELSE 10 END) FROM generate_series(1, 4) i",
        "SELECT i, NULL::text FROM generate_series(1, 5) i",
        "SELECT FROM generate_series(1, 3) i",
        "SELECT 1 WHERE false",
    ],
    ids=["many", "large", "null", "without columns", "none"],
)
def test_every_row_arrives(
    reader: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, statement: str, rows: int
) -> None:
    """What arrives are the rows that psycopg gives, in their order, in pieces of no more rows than asked for."""
    monkeypatch.setattr(receiving, "PIECE_BYTES", SMALL_BYTES)
    assert rows_of(reader, statement, rows) == by_psycopg(reader, statement)


@pytest.mark.usefixtures("way")
def test_memory_that_is_used_again_is_needed_no_more(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are decoded while others are received in the same memory are the rows of the table."""
    monkeypatch.setattr(receiving, "PIECE_BYTES", SMALL_BYTES)
    with Warehouse(postgresql_url, wait_s=10) as warehouse:
        query = warehouse.query_text(
            "SELECT i, repeat(chr(65 + i % 26), i % 200) AS t FROM generate_series(1, 60000) i"
        )
        rows = warehouse.read(query)[0].read_all()
    numbers = range(1, 60_001)
    assert rows["i"].to_pylist() == list(numbers)
    assert rows["t"].to_pylist() == [chr(65 + number % 26) * (number % 200) for number in numbers]


@pytest.mark.usefixtures("way")
def test_the_connection_is_left_as_it_was(reader: psycopg.Connection[Any]) -> None:
    """After the last row the connection goes on in the same transaction, and waits as it did before."""
    xid = "SELECT pg_backend_pid(), pg_current_snapshot()::text, now()"
    before = reader.execute(xid).fetchone()
    for _ in range(2):
        assert len(rows_of(reader, "SELECT FROM generate_series(1, 10)")) == 10
        assert reader.execute(xid).fetchone() == before
        assert reader.info.transaction_status == pq.TransactionStatus.INTRANS
    with socket_of(reader) as plug:
        assert is_local(plug)
        with pytest.raises(BlockingIOError):
            plug.recv(1)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("good", [0, 100_000])
def test_what_the_server_says_is_raised(reader: psycopg.Connection[Any], good: int) -> None:
    """An error of the server is raised as psycopg raises it, with its class, code, words and context."""
    reader.execute("SET LOCAL lc_messages = 'C'")
    statement = f"SELECT 1 / ({good} - i), repeat('x', 50) FROM generate_series(0, 200000) i"
    with pytest.raises(psycopg.errors.DivisionByZero, match="division by zero") as raised:
        rows_of(reader, statement)
    assert (raised.value.sqlstate, raised.value.diag.message_primary) == ("22012", "division by zero")
    assert raised.value.diag.severity_nonlocalized == "ERROR"


@pytest.mark.usefixtures("way")
def test_a_statement_that_is_wrong_is_said(reader: psycopg.Connection[Any]) -> None:
    """A query that the server does not take is an error before any row, and names what is wrong."""
    with pytest.raises(psycopg.errors.UndefinedTable, match=r'relation "nowhere" does not exist'):
        rows_of(reader, "SELECT * FROM nowhere")


@pytest.mark.usefixtures("way")
def test_notices_among_the_rows_are_no_rows(reader: psycopg.Connection[Any]) -> None:
    """What the server remarks between two rows does not disturb them."""
    reader.execute("ROLLBACK")
    reader.execute(
        "CREATE FUNCTION remark(i integer) RETURNS integer LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE NOTICE 'at %', i; RETURN i; END $$"
    )
    assert len(rows_of(reader, "SELECT remark(i) FROM generate_series(1, 50) i", 8)) == 50


@pytest.mark.usefixtures("way")
def test_a_server_that_goes_away_is_an_error(reader: psycopg.Connection[Any], postgresql_url: str) -> None:
    """A session that is ended from outside is never taken for the end of the rows."""
    rows = received(reader, "SELECT i, repeat('x', 1000) FROM generate_series(1, 1000000) i", 1000)
    next(rows)
    with psycopg.connect(postgresql_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", (reader.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        list(rows)


def test_a_connection_that_is_cut_is_an_error(reader: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that stop coming in the middle of a row are never taken for the end of the rows."""
    monkeypatch.setattr(receiving, "_is_plain", lambda _: True)
    rows = received(reader, "SELECT i, repeat('x', 1000) FROM generate_series(1, 1000000) i", 1000)
    next(rows)
    with socket_of(reader) as plug:
        plug.shutdown(socket.SHUT_RD)
    with pytest.raises(psycopg.OperationalError, match="closed the connection"):
        list(rows)


@contextmanager
def by_network(url: str, context: ssl.SSLContext | None = None, **options: str) -> Iterator[str]:
    """Give a URL by which a server is reached through TCP, with TLS where there is a context."""
    with psycopg.connect(url) as connection:
        path = f"{connection.info.host}/.s.PGSQL.{connection.info.port}"
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=_let_in, args=(door, context, path), daemon=True).start()
        reached = sa.make_url(url).set(host="127.0.0.1", port=door.getsockname()[1], query={})
        yield reached.update_query_dict(options).render_as_string(hide_password=False)


def _let_in(door: socket.socket, context: ssl.SSLContext | None, path: str) -> None:
    with suppress(OSError):  # the door is closed at the end
        while True:
            outside, _ = door.accept()
            if context is not None:
                outside.recv(8)  # a client asks first whether the server encrypts
                outside.sendall(b"S")
                outside = context.wrap_socket(outside, server_side=True)
            inside = socket.socket(socket.AF_UNIX)
            inside.connect(path)
            for source, target in ((outside, inside), (inside, outside)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError), target:
        while content := source.recv(1 << 16):
            target.sendall(content)


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "TLS"])
def test_rows_come_through_the_network(postgresql_url: str, tmp_path: Path, *, is_encrypted: bool) -> None:
    """Through TCP rows are taken from the socket; encrypted ones are left to libpq, and are the same."""
    context, options = None, {"sslmode": "disable"}
    if is_encrypted:
        authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        authority.issue_cert("127.0.0.1").configure_cert(context)
        options = {"sslmode": "verify-full", "sslrootcert": str(tmp_path / "authority.pem"), "gssencmode": "disable"}
    with by_network(postgresql_url, context, **options) as url:
        with psycopg.connect(url) as connection:
            assert bool(connection.pgconn.ssl_in_use) is is_encrypted
            assert receiving._is_plain(connection) is not is_encrypted
        with Warehouse(url, wait_s=10) as warehouse:
            query = warehouse.query_text("SELECT i FROM generate_series(1, 100000) i")
            assert warehouse.read(query)[0].read_all()["i"].to_pylist() == list(range(1, 100_001))
