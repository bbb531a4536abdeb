"""Files: one loader and one saver for every format and library.

The library's own function wins (``pandas.read_csv``), so options mean what the library's users expect; a library
without one is served through Arrow, plain values by the format itself. A saver writes aside and renames: a failure half
way leaves the old file as it was.
"""

from __future__ import annotations

import contextlib
import glob
import inspect
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import xxhash

from engine.errors import EngineError, LoadError, OptionError, SaveError, StorageError
from engine.formats import FORMATS
from engine.formats.compression import compress, compression_of, decompressed, inner_name
from engine.frames import library_of_type
from engine.frames.base import bare
from engine.io.data_adapters import DataLoader, DataSaver, FileSource, FileTarget
from engine.io.utils import get_dataframe_metadata, get_file_metadata
from engine.objects import file_function

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from engine.frames.base import FileFunction, FrameLibrary

_CHUNK_BYTES = 1 << 20
PATH = "path"


@dataclass(frozen=True, slots=True)
class Route:
    """How values of one type go into and out of one format.

    Attributes:
        format: The format's name.
        library: The frame library of the type, or None for plain values.
        function: The library's own function, or None: through Arrow or the format.
    """

    format: str
    library: FrameLibrary | None
    function: FileFunction | None

    @property
    def path_names(self) -> tuple[str, ...]:
        """The option names that mean the path, the preferred one first."""
        if self.function is None:
            return (PATH,)
        return tuple(dict.fromkeys((PATH, self.function.path, *self.function.aliases)))

    @property
    def serves_closely(self) -> bool:
        """Whether the format serves just this kind of value, and not any."""
        return (
            self.function is not None or self.library is not None or object not in FORMATS.load(self.format).value_types
        )

    def options(self, *, writes: bool) -> tuple[set[str], bool]:
        """Return the options beside the path, and whether others are taken as well."""
        if self.function is not None:
            return self.function.options(writes=writes)
        method = getattr(FORMATS.load(self.format), self.method(writes=writes))
        parameters = list(inspect.signature(method).parameters.values())[2:]
        named = {p.name for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}} - {PATH}
        return named, any(p.kind is p.VAR_KEYWORD for p in parameters)

    def method(self, *, writes: bool) -> str:
        """Return the name of the format's method that serves this route."""
        return ("write" if writes else "read") + ("_arrow" if self.library is not None else "")


def find_route(format_name: str, type_: Any, *, writes: bool) -> Route | None:
    """Return how a value of ``type_`` goes into (or comes out of) a format, or None."""
    library = library_of_type(type_)
    kind = bare(type_)
    kind = getattr(kind, "__origin__", kind)
    if library is not None:
        table = library.writers if writes else library.readers
        for frame_type, functions in table.items():
            if isinstance(kind, type) and issubclass(kind, frame_type) and format_name in functions:
                return Route(format_name, library, functions[format_name])
        if format_name in FORMATS and not library.stays_in_database and _holds_frames(format_name, writes=writes):
            return Route(format_name, library, None)
    else:
        function = file_function(type_, format_name, writes=writes)
        if function is not None:
            return Route(format_name, None, function)
    if format_name not in FORMATS:
        return None
    plain = FORMATS.load(format_name).value_types
    fits_plain = object in plain or (isinstance(kind, type) and issubclass(kind, plain))
    return Route(format_name, None, None) if fits_plain else None


def _holds_frames(format_name: str, *, writes: bool) -> bool:
    from engine.formats.base import Format

    method = "write_arrow" if writes else "read_arrow"
    return getattr(FORMATS.load(format_name), method) is not getattr(Format, method)


class _FileAdapter:
    """What the file loader and saver share: a format, a route, and options of which one is the path."""

    may_leave_thread = True

    format: str
    route: Route
    options: Mapping[str, Any]

    @classmethod
    def name(cls) -> str:
        return "file"

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        return ()

    @classmethod
    def of(cls, route: Route, /, **options: Any) -> Self:
        """Make the adapter for a route; ``options`` holds the path under one of the route's path names."""
        return cls(route, options)  # type: ignore[call-arg]  # both subclasses are dataclasses of these two fields

    @property
    def path(self) -> str:
        """The path, whatever name it was given under.

        Raises:
            OptionError: No path is given.
        """
        for name in self.route.path_names:
            if name in self.options:
                return str(os.fspath(self.options[name]))
        raise OptionError(f"no path is given for a {self.route.format} file", hint="pass path='…'")

    @property
    def settings(self) -> dict[str, Any]:
        """The options beside the path, with the route's defaults."""
        given = {k: v for k, v in self.options.items() if k not in self.route.path_names}
        return given if self.route.function is None else self.route.function.settings(given)


@dataclass
class FileLoader(_FileAdapter, DataLoader):
    """Read a file."""

    route: Route
    options: Mapping[str, Any]

    def source(self) -> FileSource:
        """Return the file that will be read."""
        return FileSource(self.path)

    def load_data(self, type_: type) -> tuple[Any, dict[str, Any]]:
        """Read the file as ``type_``.

        Raises:
            LoadError: The file is not there, or not of this format.
        """
        path, route = self.path, self.route
        if "://" not in path and not matching_files(path):
            raise LoadError(f"there is no file {path}", location=path, hint=f"looked in {Path.cwd()}")
        token = file_token(path)
        with _naming(path, LoadError), self._plain(path) as plain:
            data = self._read(plain, type_)
        metadata = get_file_metadata(path) if Path(path).is_file() else {}
        if route.library is not None:
            metadata |= get_dataframe_metadata(data)
        return data, metadata | ({"token": {"kind": "content", "value": token}} if token else {})

    def _plain(self, path: str) -> contextlib.AbstractContextManager[Path | str]:
        """Give the path of the file without compression, where the function does not see to it."""
        function, suffix = self.route.function, compression_of(path)
        known = function.suffixes if function is not None else frozenset()
        if (
            not suffix
            or suffix in known
            or not Path(path).is_file()
            or self.settings.get("compression", "infer") != "infer"
        ):
            return contextlib.nullcontext(path)
        if function is not None and function.stays_open:
            raise LoadError(
                f"{path} would have to be decompressed as a whole",
                location=path,
                hint="annotate it as an eager frame"
                + (f", or compress with {' or '.join(sorted(known))}" if known else ""),
            )
        return decompressed(Path(path))

    def _read(self, path: str | Path, type_: Any) -> Any:
        route = self.route
        if route.function is not None:
            like = {route.function.like: bare(type_)} if route.function.like else {}
            return route.function.function(**{route.function.path: str(path)}, **like, **self.settings)
        form = FORMATS.load(route.format)()
        if route.library is not None:
            return route.library.from_arrow(form.read_arrow(Path(path), **self.settings), type_)
        return form.read(Path(path), **self.settings)


@dataclass
class FileSaver(_FileAdapter, DataSaver):
    """Write a file aside, then rename it into place."""

    route: Route
    options: Mapping[str, Any]

    def target(self) -> FileTarget:
        """Return the file that will be written."""
        return FileTarget(self.path)

    def save_data(self, data: Any) -> dict[str, Any]:
        """Write the file.

        Raises:
            SaveError: It cannot be written; the old one stands.
        """
        path, mode = Path(self.path), str(self.settings.get("mode", "w"))
        if mode.startswith("x") and path.exists():
            raise SaveError(f"{path} exists", location=str(path), hint="mode='x' writes new files only")
        with _naming(str(path), SaveError), written_aside(path) as aside:
            if mode.startswith("a") and path.exists():
                shutil.copyfile(path, aside)
            self._write(data, aside)
        metadata = get_file_metadata(path)
        return metadata | (get_dataframe_metadata(data) if self.route.library is not None else {})

    def _write(self, data: Any, path: Path) -> None:
        if compression_of(path) and self.settings.get("compression", "infer") == "infer":
            plain = path.with_name(inner_name(path))
            try:
                self._write_plain(data, plain)
                compress(plain, path)
            finally:
                plain.unlink(missing_ok=True)
        else:
            self._write_plain(data, path)

    def _write_plain(self, data: Any, path: Path) -> None:
        route = self.route
        if route.function is not None:
            route.function.function(data, **{route.function.path: str(path)}, **self.settings)
            return
        form = FORMATS.load(route.format)()
        if route.library is not None:
            form.write_arrow(route.library.to_arrow(data), path, **self.settings)
        else:
            form.write(data, path, **self.settings)


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to, and rename it into place when the block ends well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise SaveError(
            f"{path} cannot be written: {path.parent} is no folder",
            location=str(path),
            hint="choose another path, or move the file that stands in the way",
        ) from None
    # The suffix stays, because libraries choose compression by it.
    aside = path.with_name(f".{secrets.token_hex(8)}.{path.name}")
    try:
        yield aside
        _flush(aside)
        if aside.is_dir() and path.exists():
            _exchange_folder(aside, path)
        elif path.is_dir():
            raise SaveError(
                f"{path} cannot be written: it is a folder",
                location=str(path),
                hint="choose another path, or move the folder that stands in the way",
            )
        else:
            aside.replace(path)
        _flush(path.parent)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside)
        aside.unlink(missing_ok=True)


def _exchange_folder(new: Path, old: Path) -> None:
    """Put a folder, such as a parquet file in parts, where another one or a file is; a rename cannot do it at once."""
    behind = old.with_name(f".{secrets.token_hex(8)}.old")
    old.rename(behind)
    try:
        new.rename(old)
    except OSError:
        behind.rename(old)
        raise
    if behind.is_dir():
        shutil.rmtree(behind)
    else:
        behind.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _naming(path: str, kind: type[LoadError | SaveError]) -> Iterator[None]:
    """Turn whatever a library raises into one error that names the file."""
    what = f"cannot be {'read' if kind is LoadError else 'written'}"
    try:
        yield
    except StorageError as error:
        error.locate(path, what)
        raise
    except EngineError:
        raise
    except Exception as error:
        raise kind(f"{path} {what}: {type(error).__name__}: {error}", location=path) from error


def matching_files(path: str) -> list[Path]:
    """Return the files that a path or glob pattern means, sorted."""
    if Path(path).is_file():
        return [Path(path)]
    if Path(path).is_dir():
        return sorted(p for p in Path(path).rglob("*") if p.is_file())
    return sorted(Path(p) for p in glob.glob(path, recursive=True) if Path(p).is_file())  # noqa: PTH207 - absolute patterns


def content_hash(path: Path) -> str:
    """Hash a file's bytes (XXH3, 128 bits)."""
    hasher = xxhash.xxh3_128()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            hasher.update(chunk)
    return f"xxh3_128:{hasher.hexdigest()}"


def file_token(path: str) -> str | None:
    """Return the token of a file or glob pattern: its content, and the names of the files where there are several."""
    files = matching_files(path)
    if not files:
        return None
    if files == [Path(path)]:
        return content_hash(files[0])
    hasher = xxhash.xxh3_128()
    for file in files:
        hasher.update(f"{file}\0{content_hash(file)}\0".encode())
    return f"xxh3_128:{hasher.hexdigest()}"
