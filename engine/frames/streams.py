"""Streams: an iterator of frames of any library, for values that need not be in memory at once.

A parameter annotated ``Iterator[pandas.DataFrame]`` gets one frame per record batch; a function that yields frames is
saved frame by frame. The first frame fixes the columns and their types.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import pyarrow as pa

from engine.errors import LoadError, SaveError, SchemaMismatchError
from engine.frames.base import FrameLibrary, bare
from engine.frames.hashing import logical_type

if TYPE_CHECKING:
    from collections.abc import Callable

    _Read = Callable[[FrameLibrary, Any], pa.RecordBatchReader]


class FrameStreams(FrameLibrary):
    """Iterators of frames.

    Args:
        find: Returns the frame library of a type, or None.
    """

    frame_types: ClassVar[tuple[type, ...]] = (Iterator, Generator, Iterable)

    def __init__(self, find: Callable[[Any], FrameLibrary | None]) -> None:
        self._find = find

    def to_arrow(self, frame: Any) -> pa.RecordBatchReader:
        """Return the record batches of all frames, in order; frames are taken one at a time.

        Raises:
            SaveError: There is no frame at all, an item is no frame, or a later frame has other columns than the first.
        """
        return self._stream(frame, lambda library, item: library.to_arrow(item))

    def to_views(self, frame: Any) -> pa.RecordBatchReader:
        """Return the same with views.

        Raises:
            SaveError: As of `to_arrow`.
        """
        return self._stream(frame, lambda library, item: library.to_views(item))

    def _stream(self, frame: Any, read: _Read) -> pa.RecordBatchReader:
        frames = iter(frame)
        first = next(frames, None)
        if first is None:
            raise SaveError(
                "the stream gave no frame, so its columns are unknown", hint="yield at least one frame; it may be empty"
            )
        opening = self._batches(first, 0, read)

        def batches() -> Iterator[pa.RecordBatch]:
            yield from opening
            for position, item in enumerate(frames, start=1):
                reader = self._batches(item, position, read)
                _check_same_columns(opening.schema, reader.schema, position)
                for batch in reader:
                    yield batch if batch.schema == opening.schema else batch.cast(opening.schema)

        return pa.RecordBatchReader.from_batches(opening.schema, batches())

    def from_arrow(self, batches: pa.RecordBatchReader, like: Any) -> Any:
        """Yield one frame per record batch; a stream without rows gives one empty frame.

        Raises:
            LoadError: ``like`` does not say what its frames are.
        """
        item = (get_args(bare(like)) or (None,))[0]
        library = self._find(item)
        if library is None:
            raise LoadError(f"{like} is no stream of frames", hint="annotate it as Iterator[pandas.DataFrame], for one")

        def frames() -> Iterator[Any]:
            is_empty = True
            for batch in batches:
                if batch.num_rows:
                    is_empty = False
                    yield library.from_arrow(pa.RecordBatchReader.from_batches(batches.schema, [batch]), item)
            if is_empty:
                yield library.from_arrow(pa.RecordBatchReader.from_batches(batches.schema, []), item)

        return frames()

    def column(self, frame: Any, name: str) -> Any:
        """Yield the column of each frame."""
        for item in frame:
            library = self._find(type(item))
            if library is None:
                raise SaveError(f"the stream gave a {type(item).__qualname__}, which is no frame")
            yield library.column(item, name)

    def column_names(self, frame: Any) -> tuple[str, ...]:
        """Return nothing: the columns of a stream are unknown until its first frame is taken."""
        del frame
        return ()

    def row_count(self, frame: Any) -> int | None:
        """Return None: nobody knows before the end."""
        del frame
        return None

    def _batches(self, item: Any, position: int, read: _Read) -> pa.RecordBatchReader:
        library = self._find(type(item))
        if library is None:
            raise SaveError(
                f"item {position} of the stream is a {type(item).__qualname__}, which is no frame",
                hint="yield pandas, polars or Arrow frames",
            )
        return read(library, item)


def _check_same_columns(first: pa.Schema, other: pa.Schema, position: int) -> None:
    differing = [
        f"{field.name}: {field.type} → {first.field(field.name).type}"
        for field in other
        if field.name in first.names and logical_type(field.type) != logical_type(first.field(field.name).type)
    ]
    missing = [name for name in first.names if name not in other.names]
    unexpected = [name for name in other.names if name not in first.names]
    if missing or unexpected or differing or first.names != other.names:
        raise SchemaMismatchError(
            f"the first frame of the stream (frame {position} differs)",
            missing=missing,
            unexpected=unexpected,
            differing=differing or ([] if missing or unexpected else ["the order of the columns"]),
            hint="give every frame of the stream the same columns and types",
        )
