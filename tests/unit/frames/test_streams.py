"""Iterators of frames are saved and loaded one frame at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from engine.errors import LoadError, SaveError, SchemaMismatchError
from engine.frames import library_of, library_of_type

_STREAM = library_of_type(Iterator[pd.DataFrame])


def read(*frames: Any) -> pa.Table:
    """Return the rows of a stream of frames."""
    stream = iter(frames)
    library = library_of(stream)
    assert library is not None
    return library.to_arrow(stream).read_all()


def test_frames_are_taken_one_at_a_time() -> None:
    """Only as many frames are made as batches are read, beginning with the first."""
    made = []

    def frames() -> Iterator[pd.DataFrame]:
        for i in range(3):
            made.append(i)
            yield pd.DataFrame({"x": [i]})

    assert _STREAM is not None
    reader = _STREAM.to_arrow(frames())
    assert made == [0]
    reader.read_next_batch()
    reader.read_next_batch()
    assert made == [0, 1]
    assert reader.read_all()["x"].to_pylist() == [2]


def test_frames_of_any_library_make_one_table() -> None:
    """The frames of a stream may come from several libraries, with the same columns and types."""
    table = read(pd.DataFrame({"x": ["a"]}), pl.DataFrame({"x": ["b"]}), pa.table({"x": ["c"]}))
    assert table.to_pydict() == {"x": ["a", "b", "c"]}


@pytest.mark.parametrize(
    "second",
    [
        pd.DataFrame({"y": [1]}),
        pd.DataFrame({"x": [1.5]}),
        pd.DataFrame({"x": [1, None]}),
        pd.DataFrame({"x": [1], "y": [1]}),
        pd.DataFrame({"x": ["1"]}),
    ],
)
def test_later_frames_must_have_the_columns_of_the_first(second: pd.DataFrame) -> None:
    """A frame with other columns or types stops the stream; nothing is converted unasked."""
    with pytest.raises(SchemaMismatchError, match="frame 1"):
        read(pd.DataFrame({"x": [1]}), second)


def test_a_stream_of_nothing_is_refused() -> None:
    """A stream without frames, or of something else, is refused."""
    with pytest.raises(SaveError, match="no frame"):
        read()
    with pytest.raises(SaveError, match=r"item 0 .* int"):
        read(1)
    with pytest.raises(SaveError, match=r"item 1 .* str"):
        read(pd.DataFrame({"x": [1]}), "x")


@pytest.mark.parametrize(
    ("like", "kind"), [(Iterator[pd.DataFrame], pd.DataFrame), (Iterator[pl.DataFrame], pl.DataFrame)]
)
def test_each_batch_becomes_a_frame(like: Any, kind: type) -> None:
    """Loading gives one frame per batch, and one empty frame where there are no rows."""
    library = library_of_type(like)
    assert library is not None
    table = pa.table({"x": [1, 2, 3]})
    frames = list(library.from_arrow(table.to_reader(max_chunksize=2), like))
    assert [len(frame) for frame in frames] == [2, 1]
    assert {type(frame) for frame in frames} == {kind}
    (empty,) = library.from_arrow(table[:0].to_reader(), like)
    assert list(empty.columns) == ["x"]
    assert len(empty) == 0


def test_a_bare_iterator_says_nothing_of_its_frames() -> None:
    """An annotation without the type of the frames cannot be loaded."""
    assert _STREAM is not None
    with pytest.raises(LoadError, match="no stream of frames"):
        _STREAM.from_arrow(pa.table({"x": [1]}).to_reader(), Iterator)
