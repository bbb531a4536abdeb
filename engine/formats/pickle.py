"""Pickle: any Python value, for the same program to read again.

Reading a pickle runs code that is in it, so only a file that the user names is ever read; the engine keeps nothing of
its own this way.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, ClassVar

from engine.errors import LoadError, SaveError
from engine.formats.base import Format

if TYPE_CHECKING:
    from pathlib import Path


class Pickle(Format):
    """Python's own serialization."""

    name: ClassVar[str] = "pickle"
    suffixes: ClassVar[tuple[str, ...]] = (".pickle", ".pkl")
    value_types: ClassVar[tuple[type, ...]] = (object,)

    def read(self, path: Path) -> Any:  # type: ignore[override]  # it names its options: none
        """Read one value.

        Raises:
            LoadError: The file is no pickle, or needs code that is not there.
        """
        try:
            with path.open("rb") as file:
                return pickle.load(file)  # noqa: S301 - the user asks for this very file
        except Exception as error:  # unpickling calls constructors, which may raise anything
            raise LoadError(f"{path} cannot be read as a pickle: {error}", location=str(path)) from error

    def write(  # type: ignore[override]  # as read
        self, value: Any, path: Path, *, protocol: int = pickle.DEFAULT_PROTOCOL
    ) -> None:
        """Write one value.

        Args:
            value: Anything that pickles: no open connection, generator or lambda.
            path: The file.
            protocol: Version of the pickle format.

        Raises:
            SaveError: The value does not pickle.
        """
        try:
            with path.open("wb") as file:
                pickle.dump(value, file, protocol=protocol)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
            raise SaveError(
                f"{path}: a {type(value).__qualname__} does not pickle: {error}", location=str(path)
            ) from error
