"""Frames: whose value is this?

The top module of a value's type names its library, so asking imports nothing: a pandas frame exists only where pandas
is imported already.
"""

from __future__ import annotations

import collections.abc
import functools
import types
from typing import TYPE_CHECKING, Any, get_args, get_origin

from engine.frames.base import bare
from engine.registry import Registry

if TYPE_CHECKING:
    from engine.frames.base import FrameLibrary

FRAMES: Registry[type[FrameLibrary]] = Registry("engine.frames", "frame library")
"""The frame libraries, by the top module of their types."""

_STREAMS = (collections.abc.Iterator, collections.abc.Iterable, collections.abc.Generator)


def library_of(value: Any) -> FrameLibrary | None:
    """Return the library that a value is a frame or column of, or None.

    An iterator counts as a stream of frames: whether it is one shows when its first item is taken.
    """
    library = library_of_type(type(value))
    if library is None and isinstance(value, collections.abc.Iterator):
        return _streams()
    return library


def library_of_type(type_: Any) -> FrameLibrary | None:
    """Return the library whose frames or columns have this type or annotation, or None.

    Understands classes and subclasses, ``Annotated[…]``, ``… | None``, parametrised classes such as
    ``sqlalchemy.Select[Any]``, and streams such as ``Iterator[pandas.DataFrame]``.
    """
    type_ = bare(type_)
    if isinstance(type_, type) and not isinstance(type_, types.GenericAlias):
        return _library_of_class(type_)
    origin = get_origin(type_)
    if origin in _STREAMS:
        return _streams() if _holds_frames(get_args(type_)[0]) else None
    return _library_of_class(origin) if isinstance(origin, type) else None


def _library_of_class(class_: type) -> FrameLibrary | None:
    for base in class_.__mro__:
        word = base.__module__.partition(".")[0].lstrip("_")
        if word in FRAMES:
            library = _instance(FRAMES.load(word))
            own = (*library.frame_types, library.column_type) if library.column_type else library.frame_types
            return library if issubclass(class_, own) else None
    return None


def _holds_frames(item: Any) -> bool:
    library = library_of_type(item)
    return library is not None and not library.stays_in_database and library is not _streams()


@functools.cache
def _instance(library: type[FrameLibrary]) -> FrameLibrary:
    return library()


@functools.cache
def _streams() -> FrameLibrary:
    from engine.frames.streams import FrameStreams

    return FrameStreams(library_of_type)
