"""Format suite: what every file format must do.

Subclass it in your tests, and say which format, and what it holds::

    class TestYAML(FormatSuite):
        format = YAML
        values = ({"a": [1, None]}, [])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pytest

from engine.errors import LoadError, SaveError
from engine.formats import FORMATS, format_of

if TYPE_CHECKING:
    from pathlib import Path

    from engine.formats.base import Format

ROWS = pa.table(
    {
        "number": pa.array([1, None, -3]),
        "fraction": pa.array([0.1, None, 1e300]),
        "text": pa.array(["", None, 'ä "quoted", 🛫']),
        "flag": pa.array([True, None, False]),
    }
)
"""What every format that holds frames must bring back as it was."""


class FormatSuite:
    """The contract of `engine.formats.base.Format`.

    Attributes:
        format: The class under test.
        values: Plain values that must come back equal.
        holds_frames: Frames must come back equal, as Arrow streams.
        checks_content: A file of another format is known for one.
    """

    format: ClassVar[type[Format]]
    values: ClassVar[tuple[Any, ...]] = ()
    holds_frames: ClassVar[bool] = False
    checks_content: ClassVar[bool] = True

    def path(self, folder: Path) -> Path:
        """Return where to write."""
        return folder / f"file{self.format.suffixes[0]}"

    def test_name_and_suffixes_lead_to_the_format(self) -> None:
        """The format is found by its name and by each of its suffixes, compressed or not."""
        assert FORMATS.load(self.format.name) is self.format
        for suffix in self.format.suffixes:
            assert format_of(f"folder.d/file.v1{suffix}") is self.format
            assert format_of(f"FILE{suffix.upper()}.gz") is self.format

    def test_values_come_back_equal(self, tmp_path: Path) -> None:
        """A plain value that was written is read back equal and of its type."""
        for value in self.values:
            assert isinstance(value, self.format.value_types)
            self.format().write(value, self.path(tmp_path))
            found = self.format().read(self.path(tmp_path))
            assert found == value
            assert type(found) is type(value)

    def test_frames_come_back_equal(self, tmp_path: Path) -> None:
        """Rows that were written are read back equal, NULL and the empty text apart."""
        if self.holds_frames:
            self.format().write_arrow(ROWS.to_reader(max_chunksize=2), self.path(tmp_path))
            assert self.format().read_arrow(self.path(tmp_path)).read_all().to_pydict() == ROWS.to_pydict()

    def test_what_it_does_not_hold_is_refused(self, tmp_path: Path) -> None:
        """A format without frames, or without plain values, says so."""
        path = self.path(tmp_path)
        if not self.holds_frames:
            with pytest.raises(SaveError, match=self.format.name):
                self.format().write_arrow(ROWS.to_reader(), path)
            with pytest.raises(LoadError, match=self.format.name):
                self.format().read_arrow(path)
        if not self.format.value_types:
            with pytest.raises(SaveError, match=self.format.name):
                self.format().write({"a": 1}, path)
            with pytest.raises(LoadError, match=self.format.name):
                self.format().read(path)

    def test_a_file_of_another_format_is_a_load_error(self, tmp_path: Path) -> None:
        """Reading a damaged file, or one that is not there, is a LoadError that names the file."""
        path = self.path(tmp_path)
        read = self.format().read_arrow if self.holds_frames else self.format().read
        with pytest.raises(LoadError, match=path.name):
            read(path)
        if self.checks_content:
            path.write_bytes(b'\x00\xff"{not this\n')
            with pytest.raises(LoadError, match=path.name):
                read(path)
