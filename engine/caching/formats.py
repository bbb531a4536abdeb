"""Formats: values kept by the saver and the loader of a name, as ``@cache(format="parquet")`` asks."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from engine.caching.encoding import UnkeptError
from engine.errors import EngineError
from engine.io.lookup import find_loader, find_saver

if TYPE_CHECKING:
    from pathlib import Path

_KIND = "kind.json"
_OWN_TYPES = ("dtype_backend",)
"""Options of readers that this engine sets otherwise than their library; a cache wants back what was written."""


def write_format(value: Any, folder: Path, form: str) -> None:
    """Write a value into an empty folder by the saver of a name.

    Raises:
        UnkeptError: There is no such saver for it, or it refuses.
    """
    kind = type(value)
    try:
        find_saver(form, kind).make(path=str(folder / f"value.{form}")).save_data(value)
    except (EngineError, TypeError) as error:
        raise UnkeptError(f"the saver {form!r} refuses a {kind.__qualname__} ({type(error).__name__})") from None
    (folder / _KIND).write_text(json.dumps([kind.__module__, kind.__qualname__]), encoding="utf-8")


def read_format(folder: Path, form: str) -> Any:
    """Read what `write_format` has written.

    Raises:
        EngineError: The loader refuses, or there is none for a value of any type where its own is not imported yet.
    """
    module, name = json.loads((folder / _KIND).read_text(encoding="utf-8"))
    kind: Any = sys.modules.get(module)
    for part in name.split("."):
        kind = getattr(kind, part, None)
    kind = kind or object
    choice = find_loader(form, kind)
    options = dict.fromkeys(option for option in _OWN_TYPES if option in choice.known)
    return choice.make(path=str(folder / f"value.{form}"), **options).load_data(kind)[0]
