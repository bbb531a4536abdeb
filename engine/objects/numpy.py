"""numpy: arrays in its own format ``npy``.

Arrays of Python objects are refused unless asked for: reading them runs code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.frames.base import FileFunction
from engine.objects.base import ObjectFiles


def _load(
    path: str,
    *,
    mmap_mode: Literal["r", "r+", "w+", "c"] | None = None,
    allow_pickle: bool | None = None,
    fix_imports: bool | None = None,
    encoding: Literal["ASCII", "latin1", "bytes"] = "ASCII",
) -> Any:
    del fix_imports  # for files of Python 2
    return np.load(path, mmap_mode=mmap_mode, allow_pickle=bool(allow_pickle), encoding=encoding)


def _save(array: Any, path: str, *, allow_pickle: bool | None = None, fix_imports: bool | None = None) -> None:
    del fix_imports
    with Path(path).open("wb") as file:  # given a name, numpy would put a suffix to it
        np.save(file, array, allow_pickle=bool(allow_pickle))


ARRAYS = ObjectFiles(
    readers={np.ndarray: FileFunction(_load, "path")},
    writers={np.ndarray: FileFunction(_save, "path")},
)
