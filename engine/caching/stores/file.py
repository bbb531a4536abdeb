"""File: the values of a cache, one file each.

Theory of operation. A file is one line, which names the encoding and holds the digest of the rest, and an archive
(zip): the tree of the value and its arrays and frames (`engine.caching.encoding`), or what the saver of a format wrote.
It is written aside and renamed, so that it is there as a whole or not at all; when it is read, the digest is compared
first. A format whose reader may run code that is in the file is trusted only where this user has written it: its digest
is sealed with a key that is not in the folder (`engine.metadata.surroundings.keyed_hash`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import secrets
import shutil
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from engine.caching.encoding import SCHEME, Encoder, UnkeptError, decode, refuse_passwords
from engine.caching.formats import read_format, write_format
from engine.caching.stores.base import ResultRetrievalError, ResultStore
from engine.metadata.surroundings import keyed_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedRandom, BufferedReader

_LOG = logging.getLogger("engine.caching")
_SAFE = frozenset({"", "csv", "feather", "json", "ndjson", "orc", "parquet"})
"""Formats whose readers make data of a file and nothing else."""
_LINE = b"engine-cache %d "
_LINE_BYTES = 96
_TREE = "tree.json"
_ASIDE = ".aside"
_LEFT_OVER_S = 86_400


class FileResultStore(ResultStore):
    """Values in a folder.

    Args:
        path: The folder.
        create_dir: Make it if it is not there.
    """

    def __init__(self, path: str | Path, create_dir: bool = True) -> None:
        self._folder = Path(path)
        if create_dir:
            with contextlib.suppress(OSError):  # said when a value is to be kept
                self._folder.mkdir(parents=True, exist_ok=True)
        self._drop_left_overs()

    def _drop_left_overs(self) -> None:
        """Drop what a crash has left half written."""
        for path in self._folder.glob(f"*{_ASIDE}"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _LEFT_OVER_S:
                    path.unlink()

    def _path(self, data_version: str, form: str) -> Path:
        return self._folder / f"{quote(data_version, safe='')}{f'.{form}' if form else ''}.zip"

    def exists(self, data_version: str, *, format: str | None = None) -> bool:
        """Say whether a file is there."""
        return self._path(data_version, format or "").is_file()

    def delete(self, data_version: str) -> None:
        """Drop a value, in whichever formats it is kept."""
        for path in self._folder.glob(f"{quote(data_version, safe='')}.*"):
            path.unlink(missing_ok=True)

    def delete_all(self) -> None:
        """Drop every value."""
        for path in self._folder.glob("*.zip"):
            path.unlink(missing_ok=True)

    # --- writing ------------------------------------------------------------------------------------------------------
    def set(
        self,
        data_version: str,
        result: Any,
        *,
        format: str | None = None,
        is_same: Callable[[Any], bool] | None = None,
    ) -> None:
        """Keep a value in a file.

        Raises:
            UnkeptError: It cannot be kept so that it comes back as it was.
            OSError: The folder cannot be written.
        """
        form = format or ""
        path = self._path(data_version, form)
        aside = path.with_name(f"{secrets.token_hex(8)}{_ASIDE}")
        try:
            with aside.open("xb") as file:
                file.write(b" " * _LINE_BYTES)
                is_exact = _write(file, result, form)
            _seal(aside, form)
            if not is_exact and is_same is not None and not is_same(_read(aside, form)):
                hint = "" if form else ": @cache(format='pickle') keeps anything"
                raise UnkeptError(f"it does not come back from {form or 'a file'} exactly as it was{hint}")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    # --- reading ------------------------------------------------------------------------------------------------------
    def get(self, data_version: str, *, format: str | None = None) -> Any:
        """Return a value.

        Raises:
            ResultRetrievalError: It is not there, or its file is torn, foreign or of another version.
        """
        path = self._path(data_version, format or "")
        try:
            return _read(path, format or "")
        except FileNotFoundError:
            raise ResultRetrievalError(f"{path} is not there") from None
        except Exception as error:  # whatever a library says of a torn file
            raise ResultRetrievalError(f"{path} cannot be read: {error or type(error).__name__}") from error


def _write(file: BinaryIO, value: Any, form: str) -> bool:
    """Write the archive; say whether the value comes back exactly in any case."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        if form:
            refuse_passwords(value)
            with tempfile.TemporaryDirectory(prefix="engine-cache-") as folder:
                write_format(value, Path(folder), form)
                for part in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
                    archive.write(part, part.relative_to(folder))
            return False
        encoder = Encoder()
        tree = json.dumps(encoder.encode(value))
        archive.writestr(_TREE, tree)
        for number, data in enumerate(encoder.buffers):
            archive.writestr(str(number), data)
    return encoder.is_exact


def _read(path: Path, form: str) -> Any:
    with path.open("rb") as file:
        if file.readline(_LINE_BYTES).strip() != _line(file, form):
            raise ResultRetrievalError("its content is not what was written")
        with zipfile.ZipFile(file) as archive:
            if form:
                with _extracted(archive) as folder:
                    return read_format(folder, form)
            tree = json.loads(archive.read(_TREE))
            return decode(tree, [archive.read(str(number)) for number in range(len(archive.namelist()) - 1)])


@contextlib.contextmanager
def _extracted(archive: zipfile.ZipFile) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="engine-cache-"))
    try:
        archive.extractall(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _line(file: BufferedReader | BufferedRandom, form: str) -> bytes:
    """Return the line that belongs before the rest of a file."""
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
    return _LINE % SCHEME + (digest if form in _SAFE else keyed_hash(digest)).encode()


def _seal(path: Path, form: str) -> None:
    with path.open("r+b") as file:
        file.seek(_LINE_BYTES)
        line = _line(file, form)
        file.seek(0)
        file.write(line.ljust(_LINE_BYTES - 1) + b"\n")
        file.flush()
