"""Texts of one length become views, and stay the same texts."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

from engine.frames.hashing import hashed
from engine.frames.views import Views

_LAYOUTS = [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()]


@pytest.mark.parametrize("layout", _LAYOUTS, ids=str)
@pytest.mark.parametrize("length", range(1, 13))
def test_texts_of_one_length_stay_the_same(layout: pa.DataType, length: int) -> None:
    """Every length that a view holds becomes views of the same texts, in a slice too, for Arrow and for polars."""
    texts = pa.array([f"{i:012}"[-length:] for i in range(40)]).cast(layout)
    memory = Views()
    for column in (texts[7:20], texts, texts[39:]):
        views = memory.of(column)
        views.validate(full=True)
        assert pa.types.is_string_view(views.type) or pa.types.is_binary_view(views.type)
        assert views.cast(layout).equals(column)
        assert pl.from_arrow(views).equals(pl.from_arrow(column))


@pytest.mark.parametrize("layout", _LAYOUTS, ids=str)
@pytest.mark.parametrize(
    "texts",
    [[], [""], ["", ""], ["a", ""], ["ab", "cd", None], ["a", "abc", "ab"], ["longer than that"] * 2],
    ids=str,
)
def test_other_texts_are_left_alone(layout: pa.DataType, texts: list[str | None]) -> None:
    """Texts of several lengths, also with the mean of one length, of none or of too much, and NULLs are not touched."""
    column = pa.array(texts, pa.string()).cast(layout)
    assert Views().of(column) is column


def test_other_columns_are_left_alone() -> None:
    """Numbers, and texts that are views already, are not touched."""
    for column in (pa.array([1, 2]), pa.array(["a", "b"], pa.string_view())):
        assert Views().of(column) is column


def test_memory_is_used_again() -> None:
    """A shorter text in memory that held a longer one leaves nothing of it behind."""
    memory = Views()
    first = memory.of(pa.array(["twelve bytes"] * 3))
    second = memory.of(pa.array(["ab", "cd"]))
    assert second.buffers()[1].address == first.buffers()[1].address
    assert second.buffers()[1].to_pybytes() == b"".join(b"\2\0\0\0" + text + bytes(10) for text in (b"ab", b"cd"))


def test_a_batch_of_one_length_does_not_change_the_hash() -> None:
    """Texts that have one length in some batches and several in others have the hash that they have in one piece."""
    table = pa.table({"x": ["aa", "bb", "c", None, "dd", "ee", "", "a text that no view holds"]})
    digests = set()
    for rows in (1, 2, 3, 8):
        for layout in (pa.string(), pa.large_string(), pa.string_view()):
            reader, hasher = hashed(table.cast(pa.schema([("x", layout)])).to_reader(max_chunksize=rows))
            reader.read_all()
            digests.add(hasher.digest())
    assert len(digests) == 1
    assert None not in digests
