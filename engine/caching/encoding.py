"""Encoding: values as JSON and Arrow, so that reading them back runs no code.

Theory of operation. A value becomes a tree of JSON: what JSON says exactly stands for itself, anything else is a list
of a tag and its parts. Arrays and frames go beside the tree, each as the bytes of its library's own file format. An
object is its class, by name, and its attributes; reading one makes it without calling its class, and only if that class
is imported already. What has no such form is refused with `UnkeptError`.
"""

from __future__ import annotations

import base64
import collections
import datetime as dt
import decimal
import enum
import importlib
import io
import pathlib
import sys
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from engine.masking import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SCHEME = 1
"""Version of this encoding; a value written under another is not read."""

_LIBRARIES = frozenset({"numpy", "pandas", "polars", "pyarrow"})
_AS_THEY_ARE = (bool, int, float, str, type(None))


class UnkeptError(Exception):
    """A value cannot be kept; the text says why, without the value."""


class SecretError(UnkeptError):
    """A value holds the password of a URL."""

    def __init__(self) -> None:
        super().__init__("it holds the password of a URL")


class Encoder:
    """Makes the tree of a value.

    Attributes:
        buffers: What stands beside the tree.
        is_exact: False once the value held something that may come back slightly different.
    """

    def __init__(self) -> None:
        self.buffers: list[bytes] = []
        self.is_exact = True

    def encode(self, value: Any) -> Any:
        """Return the tree.

        Raises:
            UnkeptError: The value, or something in it, has none.
        """
        kind = type(value)
        if kind in _AS_THEY_ARE:
            if kind is str:
                self._note(value)
            return value
        try:
            return self._tagged(value, kind)
        except RecursionError:
            raise UnkeptError("it is nested too deep, or holds itself") from None

    def _note(self, text: str) -> None:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnkeptError("it holds text that is no Unicode") from None
        _refuse_password(text)

    def _tagged(self, value: Any, kind: type) -> Any:
        if kind in _PLAIN:
            tag, encode, _ = _PLAIN[kind]
            return [tag, encode(value)]
        if kind in _SEQUENCES:
            return [_SEQUENCES[kind], [self.encode(item) for item in value]]
        if kind in _MAPPINGS:
            return [_MAPPINGS[kind], [[self.encode(key), self.encode(item)] for key, item in value.items()]]
        if isinstance(value, dt.datetime | dt.time) and kind.__module__ == "datetime":
            return [kind.__name__, value.replace(tzinfo=None).isoformat(), value.fold, self._zone(value.tzinfo)]
        library = kind.__module__.partition(".")[0]
        if library in _LIBRARIES:
            return self._of_library(value, f"{library}.{kind.__name__}")
        return self._object(value, kind)

    @staticmethod
    def _zone(zone: dt.tzinfo | None) -> Any:
        if zone is None:
            return None
        if type(zone) is dt.timezone:
            offset = zone.utcoffset(None)
            return [offset.days, offset.seconds, offset.microseconds, zone.tzname(None)]
        if type(zone) is zoneinfo.ZoneInfo and zone.key:
            return zone.key
        raise UnkeptError(f"it has a time zone of type {type(zone).__qualname__}")

    def _of_library(self, value: Any, name: str) -> Any:
        if name not in _FRAMES:
            raise UnkeptError(f"a {name} has no form of its own on disk")
        to_bytes, _, is_exact = _FRAMES[name]
        try:
            data, rest = to_bytes(value)
        except UnkeptError:
            raise
        except Exception as error:  # noqa: BLE001 - each library raises its own, and its text may quote the data
            raise UnkeptError(f"a {name} with such columns does not fit into a file ({type(error).__name__})") from None
        self.is_exact = self.is_exact and is_exact
        self.buffers.append(data)
        return ["frame", name, len(self.buffers) - 1, self.encode(rest)]

    def _object(self, value: Any, kind: type) -> Any:
        home = f"{kind.__module__}:{kind.__qualname__}"
        if _class(home) is not kind:
            raise UnkeptError(f"its class {kind.__qualname__} cannot be found by its name")
        self.is_exact = False
        if isinstance(value, enum.Enum):
            return ["enum", home, value.name]
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return ["namedtuple", home, [self.encode(item) for item in value]]
        own_dict = getattr(value, "__dict__", None)
        slots = {s for c in kind.__mro__ for s in _slots(c) if hasattr(value, s)} - {"__dict__", "__weakref__"}
        is_plain = getattr(
            kind, "__new__", None
        ) is object.__new__ and kind.__basicsize__ <= object.__basicsize__ + 8 * (len(slots) + 2)
        if not is_plain or (own_dict is None and not slots):
            raise UnkeptError(f"a {kind.__qualname__} has no form of its own on disk")
        state = {name: getattr(value, name) for name in sorted(slots)} | (own_dict or {})
        return ["object", home, [[name, self.encode(item)] for name, item in state.items()]]


def decode(tree: Any, buffers: Sequence[bytes]) -> Any:
    """Return the value of a tree.

    Raises:
        LookupError: A class or library is not there, or the tree is of another encoding.
    """
    if not isinstance(tree, list):
        return tree
    tag, *parts = tree
    if tag in _FROM_PLAIN:
        return _FROM_PLAIN[tag](parts[0])
    if tag in _FROM_SEQUENCES:
        return _FROM_SEQUENCES[tag](decode(item, buffers) for item in parts[0])
    if tag in _FROM_MAPPINGS:
        return _FROM_MAPPINGS[tag]((decode(key, buffers), decode(item, buffers)) for key, item in parts[0])
    if tag in ("datetime", "time"):
        text, fold, zone = parts
        return getattr(dt, tag).fromisoformat(text).replace(fold=fold, tzinfo=_decoded_zone(zone))
    return _decoded_frame(parts, buffers) if tag == "frame" else _decoded_object(tag, parts, buffers)


def _decoded_frame(parts: list[Any], buffers: Sequence[bytes]) -> Any:
    name, position, rest = parts
    importlib.import_module(name.partition(".")[0])
    return _FRAMES[name][1](buffers[position], decode(rest, buffers))


def _decoded_zone(zone: Any) -> dt.tzinfo | None:
    if isinstance(zone, str):
        return zoneinfo.ZoneInfo(zone)
    if zone is None:
        return None
    *offset, name = zone
    found = dt.timezone(dt.timedelta(*offset))
    return found if found.tzname(None) == name else dt.timezone(dt.timedelta(*offset), name)


def _decoded_object(tag: str, parts: list[Any], buffers: Sequence[bytes]) -> Any:
    kind = _class(parts[0])
    if kind is None or tag not in ("enum", "namedtuple", "object"):
        raise LookupError(tag)
    if tag == "enum":
        return kind[parts[1]]  # type: ignore[index]  # the class is an Enum
    if tag == "namedtuple":
        return tuple.__new__(kind, [decode(item, buffers) for item in parts[1]])
    made: Any = object.__new__(kind)
    for name, item in parts[1]:
        object.__setattr__(made, name, decode(item, buffers))
    return made


def refuse_passwords(value: Any) -> None:
    """Refuse a value that holds the password of a URL in a text that can be found.

    Raises:
        SecretError: It does.
    """
    try:
        Encoder().encode(value)
    except SecretError:
        raise
    except UnkeptError:
        return


def _refuse_password(text: str) -> None:
    if "://" in text and masked(text) != text:
        raise SecretError


def _refuse_passwords_in(table: Any) -> None:
    """Look through the texts of an Arrow table."""
    arrow = importlib.import_module("pyarrow")
    compute = importlib.import_module("pyarrow.compute")
    for column in table.columns:
        if arrow.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)  # noqa: PLW2901 - the same column, read as text
        if any(is_kind(column.type) for is_kind in (arrow.types.is_string, arrow.types.is_large_string)):
            for text in column.filter(compute.match_substring_regex(column, _WITH_USER_INFO)).to_pylist():
                _refuse_password(text)


_WITH_USER_INFO = r"://[^\s:/@]*:[^\s@/]*(?:@|%40)"
"""What every URL with a password matches, in the words of the regular expressions of Arrow."""


def _class(home: str) -> type | None:
    """Find a class by the name of its module, which must be imported, and its name in there."""
    module, _, path = home.partition(":")
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, type) else None


def _slots(cls: type) -> list[str]:
    own = vars(cls).get("__slots__", ())
    return [own] if isinstance(own, str) else list(own)


# --- Python's own types -----------------------------------------------------------------------------------------------
_PLAIN: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    bytes: ("bytes", lambda value: base64.b64encode(value).decode(), base64.b64decode),
    complex: ("complex", lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
    decimal.Decimal: ("decimal", str, decimal.Decimal),
    dt.date: ("date", dt.date.isoformat, dt.date.fromisoformat),
    dt.timedelta: ("timedelta", lambda v: [v.days, v.seconds, v.microseconds], lambda parts: dt.timedelta(*parts)),
    uuid.UUID: ("uuid", str, uuid.UUID),
    pathlib.PosixPath: ("path", str, pathlib.Path),
    pathlib.WindowsPath: ("path", str, pathlib.Path),
    range: ("range", lambda value: [value.start, value.stop, value.step], lambda parts: range(*parts)),
}
_SEQUENCES: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
_MAPPINGS: dict[type, str] = {dict: "dict", collections.OrderedDict: "ordereddict", collections.Counter: "counter"}
_FROM_PLAIN = {tag: decoded for tag, _, decoded in _PLAIN.values()}
_FROM_SEQUENCES: dict[str, Callable[[Any], Any]] = {tag: kind for kind, tag in _SEQUENCES.items()}
_FROM_MAPPINGS: dict[str, Callable[[Any], Any]] = {
    "dict": dict,
    "ordereddict": collections.OrderedDict,
    "counter": lambda pairs: collections.Counter(dict(pairs)),
}


# --- arrays and frames ------------------------------------------------------------------------------------------------
def _array_to_bytes(array: Any) -> tuple[bytes, Any]:
    if array.dtype.kind == "U":
        for text in array.reshape(-1).tolist():
            _refuse_password(text)
    sink = io.BytesIO()
    sys.modules["numpy"].save(sink, array, allow_pickle=False)
    return sink.getvalue(), None


def _array_from_bytes(data: bytes, _: Any) -> Any:
    return sys.modules["numpy"].load(io.BytesIO(data), allow_pickle=False)


def _table_to_bytes(table: Any) -> tuple[bytes, Any]:
    _refuse_passwords_in(table)
    arrow = importlib.import_module("pyarrow")
    sink = io.BytesIO()
    with arrow.ipc.new_file(sink, table.schema, options=arrow.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write(table)
    return sink.getvalue(), None


def _table_from_bytes(data: bytes, _: Any) -> Any:
    return importlib.import_module("pyarrow").ipc.open_file(data).read_all()


def _chunked_to_bytes(column: Any) -> tuple[bytes, Any]:
    return _table_to_bytes(sys.modules["pyarrow"].table({"": column}))


def _chunked_from_bytes(data: bytes, _: Any) -> Any:
    return _table_from_bytes(data, None).column(0)


def _pandas_to_bytes(frame: Any) -> tuple[bytes, Any]:
    # Arrow keeps neither the step of an index of moments nor that labels are counted through.
    labels, freq = frame.columns, getattr(frame.index, "freqstr", None)
    span = [labels.start, labels.stop, labels.step, labels.name] if type(labels).__name__ == "RangeIndex" else None
    return _table_to_bytes(importlib.import_module("pyarrow").Table.from_pandas(frame))[0], [span, freq]


def _pandas_from_bytes(data: bytes, rest: Any) -> Any:
    frame, (span, freq) = _table_from_bytes(data, None).to_pandas(), rest
    if span is not None:
        frame.columns = sys.modules["pandas"].RangeIndex(*span[:3], name=span[3])
    if freq is not None:
        frame.index.freq = freq
    return frame


def _series_to_bytes(series: Any) -> tuple[bytes, Any]:
    frame = series.to_frame("value")
    frame.attrs = {}
    data, rest = _pandas_to_bytes(frame)
    return data, [series.name, dict(series.attrs), rest]


def _series_from_bytes(data: bytes, rest: Any) -> Any:
    series = _pandas_from_bytes(data, rest[2])["value"].rename(rest[0])
    series.attrs = rest[1]
    return series


def _polars_to_bytes(frame: Any) -> tuple[bytes, Any]:
    texts = [column for column in frame.get_columns() if str(column.dtype).startswith(("String", "Cat", "Enum"))]
    for column in texts:
        _refuse_passwords_in(column.cast(sys.modules["polars"].String).to_frame().to_arrow())
    sink = io.BytesIO()
    frame.write_ipc(sink, compression="lz4")
    return sink.getvalue(), None


def _polars_from_bytes(data: bytes, _: Any) -> Any:
    return sys.modules["polars"].read_ipc(data)


_FRAMES: dict[str, tuple[Callable[[Any], tuple[bytes, Any]], Callable[[bytes, Any], Any], bool]] = {
    "numpy.ndarray": (_array_to_bytes, _array_from_bytes, True),
    "pandas.DataFrame": (_pandas_to_bytes, _pandas_from_bytes, False),
    "pandas.Series": (_series_to_bytes, _series_from_bytes, False),
    "polars.DataFrame": (_polars_to_bytes, _polars_from_bytes, True),
    "polars.Series": (
        lambda series: (_polars_to_bytes(series.alias("value").to_frame())[0], series.name),
        lambda data, name: _polars_from_bytes(data, None)["value"].alias(name),
        True,
    ),
    "pyarrow.ChunkedArray": (_chunked_to_bytes, _chunked_from_bytes, True),
    "pyarrow.Table": (_table_to_bytes, _table_from_bytes, True),
}
"""Per type, what writes it, what reads it, and whether it always comes back exactly as it was."""

_SCALARS = ("float16", "float32", "float64", "int8", "int16", "int32", "int64")
_FRAMES |= {
    f"numpy.{name}": (_array_to_bytes, lambda data, _: _array_from_bytes(data, None)[()], True)
    for name in (*_SCALARS, "uint8", "uint16", "uint32", "uint64", "bool", "datetime64", "timedelta64", "str_")
}
