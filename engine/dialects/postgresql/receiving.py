"""Receiving: the rows of a binary COPY, as many at a time as have arrived.

Theory of operation. The server sends a message per row, and libpq gives out one row per call. So where bytes come as
the server sent them, unencrypted, they are taken from the socket for the time of one COPY: the statement is sent, all
that has arrived is read into one piece of memory, and the messages in it are found by their lengths. libpq hears
nothing of it, and has its connection back as it left it, in the same transaction. What is encrypted libpq receives, and
rows are taken from it one by one.

Whoever takes each message as it comes is woken by each, which costs the server as much as sending it. So while rows
come in bulk, there is a pause before each look, in which many arrive; a socket holds more than is sent meanwhile.

Source: PostgreSQL's manual, "Message Formats", and "COPY", "Binary Format".
"""

from __future__ import annotations

import time
from array import array
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from psycopg import errors, pq

from engine.dialects.postgresql.cells import SLACK, Rows
from engine.dialects.postgresql.link import is_local, socket_of
from engine.dialects.streams import AHEAD
from engine.errors import LoadError

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

PIECE_BYTES = 8_000_000
"""How much is received before it is decoded, at most, but for a single row."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
"""The header, without flags, comes in front of the first row, in its message; the trailer in one of its own."""

_ROOM = 1 << 18
"""What a look at the socket has room for, at least: what it holds."""

_BULK = 1 << 13
"""Rows come in bulk when so many bytes have arrived: the server sends so many at once (its ``PQ_SEND_BUFFER_SIZE``)."""

_PAUSE_S = 0.0003
"""Measured: a million rows arrive in 0.66 s instead of 0.82 s, and the client works 0.06 s instead of 0.22 s; half the
pause gives half of that, twice the pause fills the socket."""

_PIECES = AHEAD + 2
"""How many pieces are in use at once: one is received, some wait, one is decoded. Touching new memory costs more."""

_STRIDE = 256
"""So many rows are taken from libpq without a look at how large the piece has become, if none of them is large."""

_COPY_OUT, _ROW, _ERROR, _READY = b"HdEZ"
_PROLOGUE, _LENGTH = 5, 4
"""A message is its kind, a byte, and its length, which counts its own four bytes and what follows."""
_length_at = Struct(">xI").unpack_from


def received(reader: psycopg.Connection[Any], statement: str, rows: int) -> Generator[Rows]:
    """Yield the rows of a query in binary form, as they arrive.

    Memory is used again: when a piece is asked for, the one that was given `AHEAD` + 2 before is needed no more.

    Args:
        reader: A connection that does nothing else.
        statement: The query.
        rows: How many are given at a time, at most.

    Raises:
        psycopg.Error: What the server says, or that it is gone.
    """
    text = f"COPY ({statement}\n) TO STDOUT (FORMAT binary)"
    return (_from_socket if _is_plain(reader) else _from_libpq)(reader, text, rows)


def _is_plain(reader: psycopg.Connection[Any]) -> bool:
    """Say whether bytes come through the socket as the server sent them."""
    if reader.pgconn.ssl_in_use:
        return False
    with socket_of(reader) as plug:
        if is_local(plug):
            return True
    # libpq does not tell whether Kerberos encrypts; nothing that stands between client and server can do that
    asked = "SELECT coalesce(bool_or(encrypted), false) FROM pg_stat_gssapi WHERE pid = pg_backend_pid()"
    return reader.execute(asked).fetchone() == (False,)


def _from_socket(reader: psycopg.Connection[Any], text: str, rows: int) -> Generator[Rows]:
    with socket_of(reader) as plug:
        plug.settimeout(None)
        try:
            yield from _copied(plug, text, rows)
        except OSError as error:
            raise psycopg.OperationalError(f"the connection to the server is lost: {error}") from error
        finally:
            plug.settimeout(0)  # as libpq has it


def _copied(plug: socket.socket, text: str, rows: int) -> Iterator[Rows]:
    query = text.encode() + b"\0"
    plug.sendall(b"Q" + (_LENGTH + len(query)).to_bytes(_LENGTH, "big") + query)
    inbox, kinds, rest = _Inbox(plug), b"", len(_HEADER)
    while _COPY_OUT not in kinds:
        kinds, _ = _messages(inbox, 1)
    while _READY not in kinds:
        kinds, edges = _messages(inbox, rows)
        is_row = np.frombuffer(kinds, np.uint8) == _ROW
        starts, ends = edges[:-1][is_row] + _PROLOGUE, edges[1:][is_row]
        if rest and len(starts):
            if bytes(inbox.content[starts[0] : starts[0] + rest]) != _HEADER:
                raise _no_copy()
            starts[0] += rest
            rest = 0
        is_trailer = (ends - starts == len(_TRAILER)) & (inbox.content[starts] == _TRAILER[0])
        if not is_trailer.all():
            yield Rows(inbox.content, starts[~is_trailer], ends[~is_trailer])


def _messages(inbox: _Inbox, limit: int) -> tuple[bytes, NDArray[np.int64]]:
    """Return the kinds of the next messages, and where each begins and the last one ends."""
    edges = inbox.messages(limit)
    kinds = inbox.content[edges[:-1]].tobytes()
    if _ERROR in kinds:
        place = kinds.index(_ERROR)
        raise _error(inbox.content[edges[place] + _PROLOGUE : edges[place + 1]].tobytes())
    return kinds, edges


class _Inbox:
    """What has arrived through a socket.

    Attributes:
        content: Bytes, of which some at the end are never filled.
    """

    def __init__(self, plug: socket.socket) -> None:
        self._plug = plug
        self._next = self._end = 0  # where a message begins that has not been looked at; where what has arrived ends
        self._is_bulk = False
        self._memory: deque[NDArray[np.uint8]] = deque()
        self._take(PIECE_BYTES)

    def _take(self, size: int) -> None:
        """Go on in other memory: that of the piece that is needed no more, if it is of this size."""
        oldest = self._memory.popleft() if len(self._memory) == _PIECES else None
        content = np.empty(size, np.uint8) if oldest is None or len(oldest) != size else oldest
        self._memory.append(content)
        self.content = content
        self._view = content.data[: len(content) - SLACK]

    def messages(self, limit: int) -> NDArray[np.int64]:
        """Return where the next messages begin in ``content``, and the last one ends; one at least, ``limit`` at most.

        What is no row does not wait for more messages: after an error there may be none.
        """
        if not self._has_room():
            self._renew()
        starts = array("q")
        self._find(starts, limit)
        while len(starts) < limit and not (starts and self.content[starts[-1]] != _ROW):
            if not self._has_room():
                if starts:
                    break
                self._renew()
            self._receive()
            self._find(starts, limit)
        starts.append(self._next)
        return np.frombuffer(starts, np.int64)

    def _find(self, starts: array[int], limit: int) -> None:
        """Add where the messages begin that have arrived whole."""
        view, at, end, found = self._view, self._next, self._end, starts.append
        last = end - _PROLOGUE
        for _ in range(limit - len(starts)):
            if at > last:
                break
            behind = at + 1 + _length_at(view, at)[0]
            if behind > end:
                break
            found(at)
            at = behind
        self._next = at

    def _has_room(self) -> bool:
        return len(self._view) - self._end >= _ROOM

    def _receive(self) -> None:
        if self._is_bulk:
            time.sleep(_PAUSE_S)
        count = self._plug.recv_into(self._view[self._end :])
        if not count:
            raise psycopg.OperationalError("the server has closed the connection")
        self._is_bulk = count >= _BULK
        self._end += count

    def _renew(self) -> None:
        """Begin another piece, with room for the message that has begun."""
        begun = self.content[self._next : self._end]
        whole = 1 + _length_at(begun.data)[0] if len(begun) >= _PROLOGUE else 0
        self._take(max(PIECE_BYTES, whole + _ROOM + SLACK))
        self.content[: len(begun)] = begun
        self._next, self._end = 0, len(begun)


def _error(body: bytes) -> psycopg.Error:
    """Return what the server says in a message: fields, each a letter and a text."""
    fields: dict[int, bytes | None] = {field[0]: field[1:] for field in body.split(b"\0") if field}
    text = (fields.get(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
    state = (fields.get(pq.DiagnosticField.SQLSTATE) or b"").decode(errors="replace")
    try:
        kind = errors.lookup(state)
    except KeyError:
        kind = psycopg.OperationalError
    return kind(text, info=fields)


def _no_copy() -> LoadError:
    return LoadError("the server's rows do not begin as a binary COPY does", hint="run again")


def _from_libpq(reader: psycopg.Connection[Any], text: str, rows: int) -> Generator[Rows]:
    """Take what has arrived straight from libpq, in a loop of as few steps as can be: a third of what ``read`` takes.

    psycopg waits when there is nothing, and for the end.
    """
    content, sizes = bytearray(), list[int]()
    with reader.cursor() as cursor, cursor.copy(text.encode()) as copy:
        take, smallest, largest = reader.pgconn.get_copy_data, len(_TRAILER), PIECE_BYTES // _STRIDE
        first = bytes(copy.read())
        if not first.startswith(_HEADER):
            raise _no_copy()
        row = memoryview(first)[len(_HEADER) :]
        while row != _TRAILER:
            if len(sizes) >= rows or len(content) >= PIECE_BYTES:
                yield Rows.side_by_side(content, sizes)
                content, sizes = bytearray(), []
            content += row
            sizes.append(len(row))
            for _ in range(min(_STRIDE, rows - len(sizes))):
                size, row = take(1)
                if not smallest < size < largest:
                    break
                content += row
                sizes.append(size)
            else:
                size = 0
            if size < 0:
                raise errors.error_from_result(next(iter(reader.pgconn.get_result, None)))
            if size == 0:
                row = memoryview(copy.read())
        copy.read()
    if sizes:
        yield Rows.side_by_side(content, sizes)
