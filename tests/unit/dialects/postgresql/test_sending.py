"""Bytes sent by a thread of their own arrive whole and in order, or the block fails with what went wrong."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from engine.dialects.postgresql.sending import AHEAD, sending

if TYPE_CHECKING:
    from collections.abc import Callable


def test_all_is_sent_in_order() -> None:
    """On leaving the block every piece has been sent, by one other thread, in the order given."""
    sent, threads = [], set()

    def send(piece: bytes) -> None:
        sent.append(piece)
        threads.add(threading.get_ident())

    pieces = [bytes([i]) for i in range(5 * AHEAD)]
    with sending(send) as give:
        for piece in pieces:
            give(piece)
    assert sent == pieces
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def send_all(send: Callable[[bytes], object], count: int, end: BaseException | None = None) -> None:
    """Send pieces of one byte each, then raise the error, if there is one."""
    with sending(send) as give:
        for i in range(count):
            give(bytes([i]))
        if end is not None:
            raise end


@pytest.mark.parametrize("bad", [0, AHEAD, 5 * AHEAD - 1])
def test_what_sending_raises_is_raised(bad: int) -> None:
    """An error while sending ends the block, wherever it happens; nobody waits for ever."""

    def send(piece: bytes) -> None:
        if piece[0] == bad:
            raise ConnectionError(str(bad))

    with pytest.raises(ConnectionError, match=str(bad)):
        send_all(send, 5 * AHEAD)


def test_what_the_block_raises_leaves_no_thread() -> None:
    """An error of whoever gives is raised as it is, what waits to be sent is dropped, and the thread ends."""
    gate, sent = threading.Event(), []

    def send(piece: bytes) -> None:
        gate.wait()
        sent.append(piece)

    before = threading.active_count()
    threading.Timer(0.2, gate.set).start()
    with pytest.raises(KeyboardInterrupt):
        send_all(send, AHEAD, KeyboardInterrupt())
    assert len(sent) <= 1
    assert threading.active_count() <= before + 1
