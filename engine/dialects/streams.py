"""Streams: record batches on their way into a database."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from engine.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


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


AHEAD = 2
"""How many batches are received before they are asked for."""


class Ahead:
    """The batches of a stream, received by a thread of its own while earlier ones are worked on.

    Args:
        batches: The stream.
        interrupt: Makes a wait for the next batch end early, where that is possible.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], interrupt: Callable[[], object]) -> None:
        self._batches, self._interrupt = batches, interrupt
        self._received: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(AHEAD)
        self._is_stopped = False
        self._thread = threading.Thread(target=self._receive, name="engine-receiver", daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        end: BaseException | None = None
        try:
            for batch in self._batches:
                if self._is_stopped:
                    break
                self._received.put(batch)
        except BaseException as error:  # noqa: BLE001 - raised again where the batches are asked for
            end = error
        self._received.put(end)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches.

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
        """Receive no more; afterwards nothing uses the stream."""
        self._is_stopped = True
        if self._thread.is_alive():
            self._interrupt()
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._received.get(timeout=0.01)
        self._received = queue.Queue(AHEAD)


def started(stream: Iterator[pa.RecordBatch | None]) -> Iterator[pa.RecordBatch]:
    """Run a generator to its first, empty ``yield``.

    What it has to give back is then given back when it is dropped, even if nobody ever asked it for a batch: Python
    does not run the ``finally`` of a generator that never began.
    """
    next(stream)
    return cast("Iterator[pa.RecordBatch]", stream)
