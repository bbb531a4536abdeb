"""Streams: record batches on their way into a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


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


def started(stream: Iterator[pa.RecordBatch | None]) -> Iterator[pa.RecordBatch]:
    """Run a generator to its first, empty ``yield``.

    What it has to give back is then given back when it is dropped, even if nobody ever asked it for a batch: Python
    does not run the ``finally`` of a generator that never began.
    """
    next(stream)
    return cast("Iterator[pa.RecordBatch]", stream)
