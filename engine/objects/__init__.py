"""Objects: values of other libraries that live in files (arrays, figures, models), and Python's own text and bytes.

The top module of a value's type and the format asked for are one word, ``numpy.npy``: it names the plug-in, so a
library is imported only for its own values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.frames.base import bare
from engine.registry import Registry

if TYPE_CHECKING:
    from engine.frames.base import FileFunction
    from engine.objects.base import ObjectFiles

OBJECTS: Registry[ObjectFiles] = Registry("engine.objects", "kind of object")
"""Which functions read and write the values of a library in a format, by ``<top module of the type>.<format>``."""


def format_names() -> set[str]:
    """Return the names of all formats that some kind of object is kept in, without importing its library."""
    return {name.partition(".")[2] for name in OBJECTS.names()}


def file_function(type_: Any, format_name: str, *, writes: bool) -> FileFunction | None:
    """Return the function that reads or writes values of ``type_`` in a format, or None."""
    kind = bare(type_)
    for base in getattr(getattr(kind, "__origin__", kind), "__mro__", ()):
        word = f"{base.__module__.partition('.')[0].lstrip('_')}.{format_name}"
        if word in OBJECTS:
            files = OBJECTS.load(word)
            function = (files.writers if writes else files.readers).get(base)
            if function is not None:
                return function
    return None
