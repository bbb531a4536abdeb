"""Values: one canonical hash for every value that has a canonical form, and `fold`, the hash of hashes.

Theory of operation. A value becomes bytes in which every part bears its type and its length, so that no two values
share an encoding: ``1``, ``"1"``, ``True`` and ``1.0`` differ, and so do ``("ab", "c")`` and ``("a", "bc")``. What
has no order (sets, dictionaries) is ordered by its members' encodings. Nothing depends on `hash()`, `id()` or
`repr()`, so the bytes are the same in every process and on every machine. A value without such a form (a socket, a
generator, an object with state out of sight) is refused with `Opaque`; guessing would call a stale output fresh.

Functions, classes and objects of project classes mean what their code means; what that is, `References` answers: by
name only here, by code in `engine.planning.fingerprint`.
"""

from __future__ import annotations

import array
import collections
import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import hashlib
import inspect
import itertools
import logging
import operator
import pathlib
import re
import struct
import threading
import types
import typing
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from engine.planning.fingerprint.frame_values import FRAME_LIBRARIES, frame_parts
from engine.planning.fingerprint.project import is_pythons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MAX_BYTES = 256 * 2**20
"""The largest value hashed: about half a second of BLAKE2b; larger values are opaque."""

MAX_DEPTH = 100
"""The deepest nesting hashed, well within Python's recursion limit."""

_ITEM_BYTES = 256
"""What one part counts towards `MAX_BYTES`, so that a list of millions of small parts ends too."""

_INLINE_BYTES = 4096
"""A longer payload is held as its digest, so that encoding a large array copies it at most once."""

_HEAP_TYPE = 1 << 9
"""Source: ``Py_TPFLAGS_HEAPTYPE`` in CPython's Include/object.h: a class made while Python runs."""

_POINTER_BYTES = struct.calcsize("P")


class Opaque(Exception):  # noqa: N818 - a signal between these files, never an error a user sees
    """A value has no canonical form; the text says which part, and why."""


def digest(data: bytes) -> str:
    """Return the BLAKE2b-160 of some bytes, in hexadecimal."""
    return hashlib.blake2b(data, digest_size=20).hexdigest()


def fold(*parts: Any) -> str:
    """Hash plain data: BLAKE2b-160 over a typed, length-prefixed encoding.

    Args:
        *parts: str, bytes, int, float, bool, None, and tuples, lists and dictionaries of them. A subclass of str, such
            as a `StrEnum`, counts as the str it is.

    Raises:
        TypeError: A part is of another type.

    >>> fold("a", 1) == fold("a", 1), fold("a", 1) == fold("a", "1"), fold({"a": 1, "b": 2}) == fold({"b": 2, "a": 1})
    (True, False, True)
    """
    return digest(_plain(parts))


def value_hash(value: Any) -> str | None:
    """Hash a value canonically (type included), or return None where it cannot be hashed exactly.

    Objects count by class name and attributes: dataclasses of anyone's, others of Python's own library only.

    >>> value_hash({"a": {1, 2}}) == value_hash({"a": {2, 1}}), value_hash(1) == value_hash(True), value_hash(iter(""))
    (True, False, None)
    """
    try:
        return digest(ValueEncoder().encode(value))
    except Opaque:
        return None


@functools.singledispatch
def hash_value(obj: Any, *arguments: Any, depth: int = 0, **options: Any) -> str:
    """Hash a value; ``hash_value.register(MyType)`` says how values of a type of one's own are hashed.

    What is registered counts for Python's own types as little as for functions and classes: those are known exactly.
    """
    del arguments, depth, options
    return value_hash(obj) or UNHASHABLE


UNHASHABLE = "<unhashable>"
"""What `hash_value` gives for a value without a canonical form."""


def hashed_by_its_own(value: Any) -> str | None:
    """Return what the user's function for the type of a value says, or None where there is none."""
    own = hash_value.dispatch(type(value))
    if own is _BY_DEFAULT:
        return None
    try:
        return str(own(value))
    except Exception as error:
        raise Opaque(f"the function that hashes a {type(value).__qualname__} failed: {type(error).__name__}") from error


_BY_DEFAULT = hash_value.dispatch(object)


def leaf(tag: bytes, payload: bytes | memoryview) -> bytes:
    """Return one part of an encoding: its tag, its length, and its bytes or, where they are many, their digest."""
    if len(payload) > _INLINE_BYTES:
        return b"%s#%d:%s" % (tag, len(payload), hashlib.blake2b(payload, digest_size=20).digest())
    return b"%s %d:%s" % (tag, len(payload), payload)


def branch(tag: bytes, parts: list[bytes]) -> bytes:
    """Return a part made of other parts."""
    return b"%s[%d:%s]" % (tag, len(parts), b"".join(parts))


def text(tag: bytes, value: str) -> bytes:
    """Return a leaf of text; a lone surrogate is kept."""
    return leaf(tag, value.encode("utf-8", "surrogatepass"))


def _integer(value: int) -> bytes:
    return leaf(b"int", value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _float(value: float) -> bytes:
    # All NaNs are one value to Python code; -0.0 is not 0.0.
    return leaf(b"float", b"nan" if value != value else struct.pack(">d", value))  # noqa: PLR0124 - the test for NaN


def _duration(value: dt.timedelta) -> bytes:
    return text(b"timedelta", f"{value.days} {value.seconds} {value.microseconds}")


def _zone(zone: dt.tzinfo | None) -> bytes:
    if zone is None:
        return b"naive"
    if type(zone) is dt.timezone:
        return branch(b"timezone", [_duration(zone.utcoffset(None)), text(b"str", zone.tzname(None))])
    # pytz says `zone`, zoneinfo says `key`.
    key = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if not isinstance(key, str):
        raise Opaque(f"a time zone of type {type(zone).__qualname__}")
    return text(b"zone", key)


def _moment(value: dt.datetime | dt.time) -> bytes:
    naive = value.replace(tzinfo=None).isoformat()
    return branch(b"moment", [text(type(value).__name__.encode(), f"{naive} {value.fold}"), _zone(value.tzinfo)])


def _pattern(value: re.Pattern[Any]) -> bytes:
    return branch(b"regex", [_LEAVES[type(value.pattern)](value.pattern), _integer(value.flags)])


def _path(value: pathlib.PurePath) -> bytes:
    return text(b"path" if isinstance(value, pathlib.Path) else b"purepath", value.as_posix())


def _span(value: range | slice) -> bytes:
    parts = [_plain(part) for part in (value.start, value.stop, value.step)]
    return branch(type(value).__name__.encode(), parts)


_LEAVES: dict[type, Callable[[Any], bytes]] = {
    str: functools.partial(text, b"str"),
    bytes: functools.partial(leaf, b"bytes"),
    bytearray: functools.partial(leaf, b"bytearray"),
    bool: lambda value: b"true" if value else b"false",
    int: _integer,
    float: _float,
    type(None): lambda _: b"none",
    type(...): lambda _: b"ellipsis",
    type(NotImplemented): lambda _: b"notimplemented",
    complex: lambda value: branch(b"complex", [_float(value.real), _float(value.imag)]),
    decimal.Decimal: lambda value: branch(b"decimal", [_plain(part) for part in value.as_tuple()]),
    fractions.Fraction: lambda value: branch(b"fraction", [_integer(value.numerator), _integer(value.denominator)]),
    dt.datetime: _moment,
    dt.time: _moment,
    dt.date: lambda value: text(b"date", value.isoformat()),
    dt.timedelta: _duration,
    dt.timezone: _zone,
    zoneinfo.ZoneInfo: _zone,
    uuid.UUID: lambda value: leaf(b"uuid", value.bytes),
    re.Pattern: _pattern,
    range: _span,
    slice: _span,
    array.array: lambda value: branch(b"array", [text(b"str", value.typecode), leaf(b"bytes", value.tobytes())]),
    pathlib.PurePosixPath: _path,
    pathlib.PureWindowsPath: _path,
    pathlib.PosixPath: _path,
    pathlib.WindowsPath: _path,
}


def _plain(value: Any) -> bytes:
    """Encode plain data; see `fold`."""
    if (encode := _LEAVES.get(type(value))) is not None:
        return encode(value)
    if isinstance(value, (tuple, list)):
        return branch(b"tuple" if isinstance(value, tuple) else b"list", [_plain(item) for item in value])
    if isinstance(value, (dict, types.MappingProxyType)):
        return branch(b"dict", sorted(_plain(key) + _plain(item) for key, item in value.items()))
    if isinstance(value, str):
        return text(b"str", str.__str__(value))
    msg = f"fold() takes plain data, not {type(value).__qualname__}"
    raise TypeError(msg)


class References:
    """What functions, classes and modules inside a value stand for: here, the name of what libraries bring."""

    def refer(self, target: Any) -> bytes:
        """Return what stands for a function, class or module.

        Raises:
            Opaque: Only its code would say what it does, and no code is known here.
        """
        module = str(getattr(target, "__module__", None) or getattr(target, "__name__", ""))
        if not is_pythons(module) and module.partition(".")[0] not in FRAME_LIBRARIES:
            raise Opaque(f"{getattr(target, '__qualname__', target)!s}, which only its code describes")
        return self.type_of(target) if isinstance(target, type) else text(b"callable", external_name(target))

    def type_of(self, cls: type) -> bytes:
        """Return what stands for the class of a value whose state is encoded besides."""
        return text(b"class", f"{cls.__module__}:{cls.__qualname__}")

    def is_transparent(self, cls: type) -> bool:
        """Say whether the class is known well enough for an object's attributes to stand for the object."""
        return is_pythons(cls.__module__)

    def reorder(self, start: int, spans: Iterable[tuple[int, int]]) -> None:
        """Bring the references made since number ``start`` into the order of these spans of numbers."""

    def mark(self) -> int:
        """Return how many references were made so far."""
        return 0


def external_name(target: Any) -> str:
    """Return a name of a third party's object that does not depend on where inside its distribution it is defined.

    >>> external_name(pathlib.Path), external_name(len)
    ('pathlib.Path', 'builtins.len')
    """
    owner = getattr(target, "__self__", None)
    if owner is not None and not isinstance(owner, (type, types.ModuleType)):
        return f"{external_name(type(owner))}.{target.__name__}"
    home = owner if isinstance(owner, type) else getattr(target, "__objclass__", target)
    module = str(getattr(home, "__module__", None) or type(target).__module__)
    name = getattr(target, "__qualname__", None) or type(target).__qualname__
    return f"{module.partition('.')[0].lstrip('_')}.{name}"


def wrapped_by(target: Any) -> Any:
    """Return the function that a decorated one wraps, or None; an object that claims any attribute wraps nothing."""
    return None if inspect.getattr_static(target, "__wrapped__", None) is None else target.__wrapped__


class ValueEncoder:
    """Encodes values that may hold functions, classes and objects.

    Args:
        references: Answers what those stand for.
        max_bytes: The largest value to encode.
        keeps_order: The order of a dictionary's items counts.
    """

    def __init__(
        self, references: References | None = None, *, max_bytes: int = MAX_BYTES, keeps_order: bool = False
    ) -> None:
        self.references = references or References()
        self._max_bytes = self._budget = max_bytes
        self._keeps_order = keeps_order
        self._open: dict[int, int] = {}

    def encode(self, value: Any) -> bytes:
        """Return the canonical bytes of a value.

        Raises:
            Opaque: It has none, or is too large or too deep.
        """
        kind = type(value)
        if (simple := _LEAVES.get(kind)) is not None:
            return self._paid(simple(value))
        # A value that holds itself is encoded as the way back to it.
        if id(value) in self._open:
            return _plain(("cycle", len(self._open) - self._open[id(value)]))
        if len(self._open) >= MAX_DEPTH:
            raise Opaque(f"it is nested more than {MAX_DEPTH} deep")
        self._open[id(value)] = len(self._open)
        try:
            container = _CONTAINERS.get(kind)
            return self._paid(container(self, value) if container else self._other(value))
        except RecursionError:
            raise Opaque("it is nested too deep") from None
        finally:
            del self._open[id(value)]

    def _paid(self, encoded: bytes) -> bytes:
        self._budget -= _ITEM_BYTES + min(len(encoded), _ITEM_BYTES)
        if self._budget < 0:
            raise Opaque(f"it is larger than {self._max_bytes // 2**20} MiB")
        return encoded

    def sequence(self, tag: bytes, items: Iterable[Any]) -> bytes:
        """Encode items in their order."""
        return branch(tag, [self.encode(item) for item in items])

    def unordered(self, tag: bytes, rows: Iterable[tuple[Any, ...]]) -> bytes:
        """Encode rows of items in the order of their encodings; references follow the same order."""
        start = self.references.mark()
        encoded = []
        for row in rows:
            before = self.references.mark()
            data = b"".join([self.encode(item) for item in row])
            encoded.append((data, (before, self.references.mark())))
        encoded.sort(key=lambda pair: pair[0])
        if self.references.mark() > start:
            self.references.reorder(start, (span for _, span in encoded))
        return branch(tag, [data for data, _ in encoded])

    def mapping(self, tag: bytes, value: Mapping[Any, Any]) -> bytes:
        """Encode a dictionary."""
        encode = self.sequence if self._keeps_order else self.unordered
        return encode(tag, value.items())

    def _other(self, value: Any) -> bytes:
        """Encode what no table names by its exact type: things with code, type expressions, frames, and objects."""
        for kinds, encode in _KINDS:
            if isinstance(value, kinds):
                return encode(self, value)
        if (hashed := hashed_by_its_own(value)) is not None:
            return self._of_type(b"own", value, [hashed])
        if (alias := _alias_parts(value)) is not None:
            return self.sequence(b"alias", alias)
        try:
            parts = frame_parts(value)
        except Exception as error:
            raise Opaque(f"its {type(value).__qualname__} cannot be read: {error}") from error
        if parts is not None:
            name = f"{type(value).__module__.partition('.')[0]}.{type(value).__qualname__}"
            return branch(b"frame", [text(b"str", name), *map(self._part, parts)])
        if callable(value) and wrapped_by(value) is not None:
            return self.references.refer(value)
        return self._object(value)

    def _part(self, part: Any) -> bytes:
        return self._buffer(part) if isinstance(part, memoryview) else self.encode(part)

    def _buffer(self, payload: memoryview) -> bytes:
        self._budget -= len(payload)
        return self._paid(leaf(b"buffer", payload) if self._budget >= 0 else b"")

    def _of_type(self, tag: bytes, value: Any, parts: Iterable[Any]) -> bytes:
        return branch(tag, [self.references.type_of(type(value)), *(self.encode(part) for part in parts)])

    def builtin(self, value: Any) -> bytes:
        """Encode a method of an object, such as ``"a".join``, with the object; a function of a module by its name."""
        owner = getattr(value, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):
            return self.references.refer(value)
        return self.sequence(b"method", [owner, value.__name__])

    def member(self, value: enum.Enum) -> bytes:
        """Encode a member of an enumeration."""
        return self._of_type(b"enum", value, [value.name, value.value])

    def _object(self, value: Any) -> bytes:
        kind = type(value)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return self._of_type(b"namedtuple", value, [*kind._fields, *value])
        if dataclasses.is_dataclass(value) and not _has_hidden_state(kind):
            names = [field.name for field in dataclasses.fields(value)]
            skipped = {f.name for f in dataclasses.fields(value) if not f.compare} if self._is_own(kind) else set()
            return self._of_type(b"dataclass", value, self._state(value, names, skipped))
        if self.references.is_transparent(kind):
            for builtin, plain in _SUBCLASSED.items():
                if isinstance(value, builtin):
                    return self._of_type(b"subclass", value, [plain(value), *self._state(value, ())])
            if not _has_hidden_state(kind):
                return self._of_type(b"object", value, self._state(value, ()))
        raise Opaque(f"a {kind.__module__}.{kind.__qualname__} has no canonical form")

    @staticmethod
    def _is_own(kind: type) -> bool:
        return kind.__module__.partition(".")[0] == "engine"

    @staticmethod
    def _state(value: Any, names: Iterable[str], skipped: Iterable[str] = ()) -> Iterator[Any]:
        """Yield an object's attributes: declared ones in their order, then slots and the rest by name."""
        held = _held(value)
        for name in dict.fromkeys(itertools.chain(names, held)):
            if name in skipped:
                continue
            if name in held:
                yield name
                yield held[name]
            elif hasattr(value, name):  # a field of which only the class has a value
                yield name
                yield getattr(value, name)


def _held(value: Any) -> dict[str, Any]:
    """Return what an object itself holds, slots first, whatever its class makes of asking for it."""
    slots: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for depth, cls in enumerate(type(value).__mro__):
        for name, member in vars(cls).items():
            if isinstance(member, types.MemberDescriptorType):
                with contextlib.suppress(AttributeError):  # a slot without a value
                    slots[f"{name} {depth}" if name in slots else name] = member.__get__(value)
            elif name == "__dict__" and isinstance(member, types.GetSetDescriptorType):
                attributes = member.__get__(value)
    is_own = type(value).__module__.partition(".")[0] == "engine"
    cached = {name for name in attributes if is_own and _is_cached(type(value), name)}
    return {name: slots[name] for name in sorted(slots)} | {
        name: attributes[name] for name in sorted(attributes) if name not in cached
    }


def _is_cached(kind: type, name: str) -> bool:
    """Say whether a name is a cached property, whose value follows from the rest and comes and goes."""
    return isinstance(inspect.getattr_static(kind, name, None), functools.cached_property)


def _has_hidden_state(kind: type) -> bool:
    """Say whether objects of this class hold state that is no attribute, because a base of it is written in C."""
    for cls in kind.__mro__[:-1]:
        if not isinstance(vars(cls).get("__dict__"), types.GetSetDescriptorType | None):
            return True  # it hides its attributes
        base = cls.__base__ or object
        own_slots = len(set(_own_slots(cls)))
        room = _POINTER_BYTES * (own_slots + 2)  # two for __dict__ and __weakref__
        grown = cls.__basicsize__ - base.__basicsize__ > room or cls.__itemsize__ != base.__itemsize__
        if grown or not cls.__flags__ & _HEAP_TYPE or isinstance(vars(cls).get("__new__"), types.BuiltinMethodType):
            return True
    return False


def _own_slots(cls: type) -> Iterable[str]:
    own = vars(cls).get("__slots__", ())
    return [own] if isinstance(own, str) else own


def _alias_parts(value: Any) -> list[Any] | None:
    """Return what a type expression such as ``list[int]`` or ``T`` is made of, or None for any other value."""
    origin = typing.get_origin(value)
    if origin in (typing.Union, types.UnionType):  # two classes before Python 3.14, one from then on
        return ["union", *typing.get_args(value)]
    if origin is not None:
        name = _special_name(origin) if origin.__module__ == "typing" else origin
        return [name, *typing.get_args(value)]
    if isinstance(value, typing.ForwardRef):
        return ["forward", value.__forward_arg__]
    if type(value).__module__ == "typing" and _special_name(value):
        return ["typing", _special_name(value)]
    return None


def _special_name(form: Any) -> str | None:
    return getattr(form, "__name__", None) or getattr(form, "_name", None)


_KINDS: tuple[tuple[tuple[type, ...], Callable[[ValueEncoder, Any], bytes]], ...] = (
    (
        (
            type,
            types.FunctionType,
            types.ModuleType,
            types.MethodDescriptorType,
            types.ClassMethodDescriptorType,
            types.WrapperDescriptorType,
        ),
        lambda encoder, value: encoder.references.refer(value),
    ),
    ((types.MethodType,), lambda encoder, value: encoder.sequence(b"method", [value.__func__, value.__self__])),
    (
        (functools.partial,),
        lambda encoder, value: encoder.sequence(
            b"partial", [value.func, value.args, value.keywords, *([vars(value)] if vars(value) else [])]
        ),
    ),
    ((types.BuiltinMethodType, types.MethodWrapperType), lambda encoder, value: encoder.builtin(value)),
    (
        (operator.itemgetter, operator.attrgetter, operator.methodcaller),
        lambda encoder, value: encoder.sequence(b"getter", value.__reduce__()),
    ),
    ((enum.Enum,), lambda encoder, value: encoder.member(value)),
    # These guard and report; what a function gives does not depend on them.
    (
        (logging.Logger, logging.LoggerAdapter, type(threading.Lock()), type(threading.RLock())),
        lambda _, value: text(b"guard", type(value).__qualname__),
    ),
)
"""What is known by one of its bases; the first that fits."""

_SUBCLASSED: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    int: int.__int__,
    float: float.__float__,
    list: lambda value: list.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    dict: dict.copy,
    set: lambda value: set().union(value),
    frozenset: lambda value: frozenset().union(value),
}
"""Builtin types a project's class may derive from, with what an object of it holds, whatever its methods say."""

_CONTAINERS: dict[type, Callable[[ValueEncoder, Any], bytes]] = {
    tuple: lambda encoder, value: encoder.sequence(b"tuple", value),
    list: lambda encoder, value: encoder.sequence(b"list", value),
    collections.deque: lambda encoder, value: encoder.sequence(b"deque", [value.maxlen, *value]),
    dict: lambda encoder, value: encoder.mapping(b"dict", value),
    types.MappingProxyType: lambda encoder, value: encoder.mapping(b"dict", value),
    collections.Counter: lambda encoder, value: encoder.unordered(b"counter", value.items()),
    collections.OrderedDict: lambda encoder, value: encoder.sequence(b"ordereddict", value.items()),
    collections.defaultdict: lambda encoder, value: branch(
        b"defaultdict", [encoder.encode(value.default_factory), encoder.unordered(b"dict", value.items())]
    ),
    types.SimpleNamespace: lambda encoder, value: encoder.unordered(b"namespace", vars(value).items()),
    set: lambda encoder, value: encoder.unordered(b"set", ((item,) for item in value)),
    frozenset: lambda encoder, value: encoder.unordered(b"frozenset", ((item,) for item in value)),
}
