"""Text and bytes as they are: the format ``file``."""

from __future__ import annotations

import io
from pathlib import Path

from engine.frames.base import FileFunction
from engine.objects.base import ObjectFiles


def _read_text(path: str, *, encoding: str = "utf-8") -> str:
    return Path(path).read_bytes().decode(encoding)  # line ends stay as they are


def _write_text(text: str, path: str, *, encoding: str = "utf-8") -> None:
    Path(path).write_bytes(text.encode(encoding))


def _read_bytes(path: str) -> bytes:
    return Path(path).read_bytes()


def _write_bytes(data: bytes, path: str) -> None:
    Path(path).write_bytes(data)


def _read_buffer(path: str) -> io.BytesIO:
    return io.BytesIO(_read_bytes(path))


def _write_buffer(data: io.BytesIO, path: str) -> None:
    _write_bytes(data.getvalue(), path)


CONTENT = ObjectFiles(
    readers={
        str: FileFunction(_read_text, "path"),
        bytes: FileFunction(_read_bytes, "path"),
        io.BytesIO: FileFunction(_read_buffer, "path"),
    },
    writers={
        str: FileFunction(_write_text, "path"),
        bytes: FileFunction(_write_bytes, "path"),
        io.BytesIO: FileFunction(_write_buffer, "path"),
    },
)
