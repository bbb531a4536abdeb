"""Sending: bytes given to a slow consumer by a thread of its own, so that making them and sending them overlap."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AHEAD = 8
"""How many pieces may wait to be sent."""


class _Sender:
    """A thread that sends what it is given, in order; whoever gives waits when it falls behind."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send
        self._pieces: queue.Queue[bytes | None] = queue.Queue(AHEAD)
        self._error: BaseException | None = None
        self._is_abandoned = False
        self._thread = threading.Thread(target=self._run, name="engine-sender", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # What follows a failure is taken and thrown away, so that whoever gives is never left waiting.
        while (piece := self._pieces.get()) is not None:
            if self._error is None and not self._is_abandoned:
                try:
                    self._send(piece)
                except BaseException as error:  # noqa: BLE001 - raised again in the thread that gives
                    self._error = error

    def give(self, piece: bytes) -> None:
        """Have a piece sent; raise what sending an earlier one raised."""
        if self._error is not None:
            raise self._error
        self._pieces.put(piece)

    def finish(self, *, abandon: bool) -> None:
        """Wait until all is sent, or throw away what is not."""
        self._is_abandoned = abandon
        self._pieces.put(None)
        self._thread.join()
        if self._error is not None and not abandon:
            raise self._error


@contextmanager
def sending(send: Callable[[bytes], object]) -> Iterator[Callable[[bytes], None]]:
    """Give a function that has pieces of bytes sent by another thread, in order; on leaving, all are sent.

    Args:
        send: Sends one piece; called in the other thread only, while the block runs.

    Raises:
        BaseException: What ``send`` raised, at the next piece or on leaving.
    """
    sender = _Sender(send)
    try:
        yield sender.give
    except BaseException:
        sender.finish(abandon=True)
        raise
    sender.finish(abandon=False)
