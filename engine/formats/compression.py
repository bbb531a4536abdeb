"""Compression: files whose last suffix says that they are compressed, for formats that do not see to it themselves.

What is written does not depend on the time of day, so equal values give equal files.
"""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import lzma
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from engine.errors import LoadError
from engine.formats import SUFFIXES_OF_COMPRESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP file can say."""


def _read_zip(path: Path) -> IO[bytes]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise LoadError(f"{path} holds {len(names)} files", location=str(path), hint="pack exactly one file")
        return archive.open(names[0])


def _read_zstd(path: Path) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(str(path), "zstd")


def _write_zstd(path: Path) -> Any:
    import pyarrow as pa

    return pa.CompressedOutputStream(str(path), "zstd")


@contextlib.contextmanager
def _write_gzip(path: Path) -> Iterator[Any]:
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream:
        yield stream


@contextlib.contextmanager
def _write_zip(path: Path) -> Iterator[Any]:
    member = zipfile.ZipInfo(inner_name(path), _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive, archive.open(member, "w", force_zip64=True) as stream:
        yield stream


_READERS: Mapping[str, Callable[[Path], Any]] = {
    ".bz2": bz2.BZ2File,
    ".gz": gzip.GzipFile,
    ".xz": lzma.LZMAFile,
    ".zip": _read_zip,
    ".zst": _read_zstd,
}
_WRITERS: Mapping[str, Callable[[Path], Any]] = {
    ".bz2": functools.partial(bz2.BZ2File, mode="wb"),
    ".gz": _write_gzip,
    ".xz": functools.partial(lzma.LZMAFile, mode="wb"),
    ".zip": _write_zip,
    ".zst": _write_zstd,
}


def compression_of(path: str | Path) -> str:
    """Return the suffix of compression that a path ends in, or nothing.

    >>> compression_of("orders.csv.GZ"), compression_of("orders.csv")
    ('.gz', '')
    """
    suffix = Path(path).suffix.lower()
    return suffix if suffix in SUFFIXES_OF_COMPRESSION else ""


def inner_name(path: Path) -> str:
    """Return the name of the file inside a compressed one.

    >>> inner_name(Path("data/orders.csv.gz"))
    'orders.csv'
    """
    return path.name[: -len(path.suffix)]


@contextlib.contextmanager
def decompressed(path: Path) -> Iterator[Path]:
    """Give a temporary file with the content of a compressed one, gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        plain = Path(folder) / inner_name(path)
        with _READERS[compression_of(path)](path) as source, plain.open("wb") as target:
            shutil.copyfileobj(source, target)
        yield plain


def compress(plain: Path, path: Path) -> None:
    """Write the content of a file compressed, as the suffix of ``path`` says."""
    with plain.open("rb") as source, _WRITERS[compression_of(path)](path) as target:
        shutil.copyfileobj(source, target)
