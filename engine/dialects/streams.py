"""Streams: record batches on their way into a database."""

from __future__ import annotations

import queue
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import pyarrow as pa

from engine.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator


def rechunked(batches: Iterable[pa.RecordBatch], schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of exactly ``rows`` rows, but for the last one."""
    pending: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        start = 0
        while batch.num_rows - start:
            part = batch.slice(start, rows - count)
            pending.append(part)
            start, count = start + part.num_rows, count + part.num_rows
            if count == rows:
                yield _joined(pending, schema)
                pending, count = [], 0
    if pending:
        yield _joined(pending, schema)


def _joined(parts: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    columns = [pa.concat_arrays([part.column(i) for part in parts]) for i in range(len(schema))]
    return pa.record_batch(columns, schema=schema)


class Guarded:
    """An iterator that remembers what it raised, for consumers written in C++ that pass on only the words."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._raised: BaseException | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            return next(self._batches)
        except StopIteration:
            raise
        except BaseException as error:
            self._raised = error
            raise

    def reraise(self) -> None:
        """Raise again what the stream raised, if it did."""
        if self._raised is not None:
            raise self._raised


T = TypeVar("T")

AHEAD = 2
"""How many pieces are received before they are asked for."""


class Ahead(Generic[T]):
    """What a generator yields, received by a thread of its own while earlier pieces are worked on.

    Args:
        pieces: The generator.
        interrupt: Makes a wait for the next piece end early, where that is possible.
    """

    def __init__(self, pieces: Generator[T], interrupt: Callable[[], object]) -> None:
        self._pieces, self._interrupt = pieces, interrupt
        self._received: queue.Queue[T | BaseException | None] = queue.Queue(AHEAD)
        self._is_stopped = False
        self._is_over = False
        self._thread = threading.Thread(target=self._receive, name="engine-receiver", daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        end: BaseException | None = None
        try:
            with closing(self._pieces):
                for piece in self._pieces:
                    if self._is_stopped:
                        break
                    self._received.put(piece)
        except BaseException as error:  # noqa: BLE001 - raised again where the pieces are asked for
            end = error
        self._is_over = True
        self._received.put(end)

    def __iter__(self) -> Iterator[T]:
        """Yield the pieces.

        Raises:
            LoadError: The stream was stopped before its end.
        """
        while not self._is_stopped:
            received = self._received.get()
            if isinstance(received, BaseException):
                raise received
            if received is None:
                return
            yield received
        raise LoadError(
            "the database was closed before all rows were read", hint="read the rows before the warehouse is closed"
        )

    def stop(self) -> None:
        """Receive no more; afterwards nothing uses the generator."""
        self._is_stopped = True
        while self._thread.is_alive():
            if not self._is_over:  # again and again: the first time there may have been nothing yet to interrupt
                self._interrupt()
            with suppress(queue.Empty):
                self._received.get(timeout=0.1)
        self._received = queue.Queue(AHEAD)


def started(stream: Iterator[pa.RecordBatch | None]) -> Iterator[pa.RecordBatch]:
    """Run a generator to its first, empty ``yield``.

    What it has to give back is then given back when it is dropped, even if nobody ever asked it for a batch: Python
    does not run the ``finally`` of a generator that never began.
    """
    next(stream)
    return cast("Iterator[pa.RecordBatch]", stream)
