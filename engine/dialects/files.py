"""Databases that are files: the place where one is to be opened or created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.dialects.secrets import masked_url
from engine.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa


def make_place(path: Path, url: sa.URL) -> None:
    """Create the folder that a database's file is to be in.

    Raises:
        StorageError: A folder stands where the file should be, a file where the folder should be, or it cannot be made.
    """
    location = masked_url(url)
    if path.is_dir():
        raise StorageError(
            f"{location} cannot be opened: {path} is a folder", location=location, hint="name a file in it"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        (file, *_) = [part for part in path.parents if part.exists() and not part.is_dir()]
        raise StorageError(
            f"{location} cannot be opened: {file} is a file and no folder",
            location=location,
            hint="name another place",
        ) from None
    except OSError as error:
        raise StorageError(
            f"the folder of {location} cannot be created: {error.strerror}",
            location=location,
            hint=f"create {path.parent}, or name another place",
        ) from None
