"""Types: does this output fit that parameter, does this value fit that annotation; `Parallelizable` and `Collect`.

Both questions are asked in the spirit of ``issubclass`` and ``isinstance``: what cannot be decided from the annotation,
such as a protocol that cannot be checked at run time, fits. No frame library is known or imported here.
"""

from __future__ import annotations

import collections
import collections.abc
import itertools
import re
import types
import typing
from typing import Annotated, Any, Literal, NewType, Protocol, TypeVar, Union, get_args, get_origin

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

T_co = TypeVar("T_co", covariant=True)
_UNSAID = {"builtins", "typing", "collections.abc"}
_HOLDERS = (list, tuple, set, frozenset, collections.deque)
_PAIR = 2


class Parallelizable(collections.abc.Iterable[T_co], Protocol[T_co]):
    """What a node returns whose readers run once per item; `Collect` gathers their results again."""


class Collect(collections.abc.Iterable[T_co], Protocol[T_co]):
    """The annotation of a parameter that gathers one value per item of a `Parallelizable` upstream."""


def is_parallelizable(type_: Any) -> bool:
    """Say whether ``type_`` is `Parallelizable`, bare or of something.

    >>> is_parallelizable(Parallelizable[int])
    True
    """
    return _origin(plain(type_)) is Parallelizable


def is_collect(type_: Any) -> bool:
    """Say whether ``type_`` is `Collect`, bare or of something.

    >>> is_collect(Collect[int]), is_collect(list[int])
    (True, False)
    """
    return _origin(plain(type_)) is Collect


def is_optional(type_: Any) -> bool:
    """Say whether ``type_`` is a union with None.

    >>> is_optional(int | None), is_optional(int)
    (True, False)
    """
    return is_union(type_) and type(None) in get_args(plain(type_))


def is_union(type_: Any) -> bool:
    """Say whether ``type_`` is a union, written either way."""
    return get_origin(plain(type_)) in (Union, types.UnionType)


def item_type(type_: Any) -> Any:
    """Return what a `Parallelizable`, `Collect`, list, sequence, set or dictionary (its values) holds; ``Any`` if bare.

    >>> item_type(Parallelizable[int]), item_type(dict[str, float]), item_type(list)
    (<class 'int'>, <class 'float'>, typing.Any)
    """
    arguments = get_args(plain(type_))
    return arguments[-1] if arguments else Any


def plain(type_: Any) -> Any:
    """Return the annotation without what says nothing about the values.

    ``Annotated`` and ``NewType`` give what they wrap, a type variable its bound (``Any`` without one), None its type.

    >>> plain(Annotated[int, "rows"])
    <class 'int'>
    """
    while True:
        if get_origin(type_) is Annotated:
            type_ = get_args(type_)[0]
        elif isinstance(type_, NewType):
            type_ = type_.__supertype__
        elif isinstance(type_, TypeVar):
            # A union of as many members as there are constraints cannot be written with `|`.
            type_ = Union[type_.__constraints__] if type_.__constraints__ else (type_.__bound__ or Any)  # noqa: UP007
        else:
            return type(None) if type_ is None else type_


def type_name(type_: Any) -> str:
    """Return the annotation as a person would write it.

    >>> type_name(dict[str, int]), type_name(int), type_name(int | None)
    ('dict[str, int]', 'int', 'int | None')
    """
    if isinstance(type_, type) and not get_args(type_):
        return type_.__qualname__ if type_.__module__ in _UNSAID else f"{type_.__module__}.{type_.__qualname__}"
    return re.sub(r"\b(?:typing|collections\.abc)\.", "", str(type_))


def fits(producer: Any, consumer: Any) -> bool:
    """Say whether a value annotated ``producer`` may go into a parameter annotated ``consumer``.

    A subclass fits its base class; arguments of generics must agree both ways (``list[bool]`` is no ``list[int]``), a
    bare generic fits any of its kind, and ``Any`` fits everything. A producing union fits only the same union.

    >>> fits(bool, int), fits(int, float), fits(dict, dict[str, int]), fits(int | None, int)
    (True, False, True, False)
    """
    if type(producer) is type and type(consumer) is type:
        return issubclass(producer, consumer)  # nearly all edges are between two plain classes
    return bool(producer == consumer) or _annotation_fits(producer, consumer)


def _annotation_fits(producer: Any, consumer: Any) -> bool:
    if isinstance(consumer, NewType):
        return _new_type_fits(producer, consumer)
    producer, consumer = plain(producer), plain(consumer)
    if producer == consumer or Any in (producer, consumer) or consumer is object:
        return True
    if is_parallelizable(producer) or is_collect(consumer):
        return fits(
            item_type(producer) if is_parallelizable(producer) else producer,
            item_type(consumer) if is_collect(consumer) or is_parallelizable(consumer) else consumer,
        )
    if is_union(producer) or is_union(consumer):
        return _union_fits(producer, consumer)
    return _literal_fits(producer, consumer) if get_origin(producer) is Literal else _class_fits(producer, consumer)


def _new_type_fits(producer: Any, consumer: NewType) -> bool:
    """A distinct type is what its author asked for: only itself, or a new type made of it, goes in."""
    if isinstance(producer, NewType):
        return fits(producer.__supertype__, consumer)
    return plain(producer) is Any


def _union_fits(producer: Any, consumer: Any) -> bool:
    if not is_union(producer):
        return any(fits(producer, member) for member in get_args(consumer))
    if not is_union(consumer):
        return False
    given, wanted = get_args(producer), get_args(consumer)
    return len(given) == len(wanted) and all(any(_agree(g, w) for w in wanted) for g in given)


def _literal_fits(producer: Any, consumer: Any) -> bool:
    values = get_args(producer)
    if get_origin(consumer) is Literal:
        return set(values) <= set(get_args(consumer))
    return all(fits(type(value), consumer) for value in values)


def _class_fits(producer: Any, consumer: Any) -> bool:
    if get_origin(consumer) is Literal:
        return False
    if typing.is_typeddict(consumer):
        return typing.is_typeddict(producer) and bool(producer.__annotations__ == consumer.__annotations__)
    if not _is_subclass(_origin(producer), _origin(consumer)):
        return False
    given, expected = get_args(producer), get_args(consumer)
    return not given or not expected or _arguments_fit(_origin(producer), given, _origin(consumer), expected)


def _arguments_fit(producer: Any, given: tuple[Any, ...], consumer: Any, expected: tuple[Any, ...]) -> bool:
    if consumer is tuple:
        return _tuple_fits(given, expected)
    if consumer is type:
        return fits(given[0], expected[0])
    if producer is tuple:
        return all(_agree(item, expected[0]) for item in given if item is not Ellipsis)
    # A generator has more arguments than an iterator, a mapping more than a collection: those they share come first.
    return all(_agree(g, w) for g, w in zip(given, expected, strict=False))


def _tuple_fits(given: tuple[Any, ...], expected: tuple[Any, ...]) -> bool:
    if expected[-1] is Ellipsis:
        return all(_agree(item, expected[0]) for item in given if item is not Ellipsis)
    return len(given) == len(expected) and all(_agree(g, w) for g, w in zip(given, expected, strict=True))


def _agree(left: Any, right: Any) -> bool:
    if isinstance(left, list) or isinstance(right, list):  # the parameters of a Callable
        return bool(left == right)
    return left is right or (fits(left, right) and fits(right, left))


def fits_value(value: Any, type_: Any) -> bool:
    """Say whether a value given as an input fits its annotation.

    Only the value itself is looked at, not what it holds; of a ``Sequence[X]`` the first element. None always fits: an
    input may be left empty.

    >>> fits_value(1, float), fits_value(True, int), fits_value(["a"], list[int]), fits_value(None, int)
    (False, True, True, True)
    """
    type_ = plain(type_)
    if value is None or type_ in (Any, object):
        return True
    if is_union(type_):
        return any(fits_value(value, member) for member in get_args(type_))
    origin = _origin(type_)
    if origin is Literal:
        return any(isinstance(value, type(choice)) and value == choice for choice in get_args(type_))
    kind = collections.abc.Iterable if origin in (Parallelizable, Collect) else origin
    is_sequence = origin is collections.abc.Sequence and bool(get_args(type_))
    return _is_instance(value, kind) and not (is_sequence and not _first_fits(value, item_type(type_)))


def fits_deeply(value: Any, type_: Any) -> bool:
    """Say whether a value and all that it holds fit an annotation; what can be read only once is not looked into.

    >>> fits_deeply([1, "a"], list[int]), fits_deeply({"a": 1}, dict[str, int]), fits_deeply(None, int)
    (False, True, False)
    """
    type_ = plain(type_)
    if is_union(type_):
        return any(fits_deeply(value, member) for member in get_args(type_))
    if value is None:
        return type_ in (Any, object, type(None))
    return fits_value(value, type_) and _content_fits(value, _origin(type_), get_args(type_))


def _content_fits(value: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if not arguments or origin is Literal or not isinstance(value, collections.abc.Collection):
        return True
    if isinstance(value, collections.abc.Mapping):
        pairs = value.items() if len(arguments) == _PAIR else ()
        return all(fits_deeply(k, arguments[0]) and fits_deeply(v, arguments[1]) for k, v in pairs)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return len(value) == len(arguments) and all(map(fits_deeply, value, arguments))
    return not isinstance(value, _HOLDERS) or all(fits_deeply(item, arguments[0]) for item in value)


def _first_fits(values: Iterable[Any], type_: Any) -> bool:
    return all(fits_value(value, type_) for value in itertools.islice(values, 1))


def _origin(type_: Any) -> Any:
    """Return the class behind an annotation: of ``list[int]`` it is list, of a typed dictionary dict."""
    origin = get_origin(type_) or type_
    return dict if typing.is_typeddict(origin) else origin


def _is_subclass(producer: Any, consumer: Any) -> bool:
    try:
        return issubclass(producer, consumer)
    except TypeError:
        return not isinstance(consumer, type) or getattr(consumer, "_is_protocol", False)


def _is_instance(value: Any, type_: Any) -> bool:
    try:
        return isinstance(value, type_)
    except TypeError:
        return True
