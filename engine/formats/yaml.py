"""YAML: dictionaries, lists and scalars as one document, by PyYAML; tags that would run code are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from engine.errors import LoadError, SaveError
from engine.formats.base import Format

if TYPE_CHECKING:
    from pathlib import Path


class YAML(Format):
    """YAML documents."""

    name: ClassVar[str] = "yaml"
    suffixes: ClassVar[tuple[str, ...]] = (".yaml", ".yml")
    value_types: ClassVar[tuple[type, ...]] = (dict, list, str, int, float, bool)

    def read(  # type: ignore[override]  # it names its options
        self, path: Path, *, encoding: str = "utf-8"
    ) -> Any:
        """Read one document.

        Raises:
            LoadError: The file is not YAML.
        """
        try:
            return yaml.safe_load(path.read_text(encoding=encoding))
        except (yaml.YAMLError, ValueError, OSError) as error:
            raise LoadError(f"{path} cannot be read as YAML: {error}", location=str(path)) from error

    def write(  # type: ignore[override]  # as read
        self,
        value: Any,
        path: Path,
        *,
        indent: int | None = None,
        sort_keys: bool = True,
        default_flow_style: bool = False,
        allow_unicode: bool = True,
        encoding: str = "utf-8",
    ) -> None:
        """Write one document.

        Args:
            value: A dictionary, list or scalar of what YAML knows.
            path: The file.
            indent: Spaces per level.
            sort_keys: Put the keys of every mapping in order.
            default_flow_style: Write like JSON, in braces.
            allow_unicode: Write other characters as they are, not as escapes.
            encoding: Of the text.

        Raises:
            SaveError: The value holds something that YAML does not know.
        """
        try:
            text = yaml.safe_dump(
                value,
                indent=indent,
                sort_keys=sort_keys,
                default_flow_style=default_flow_style,
                allow_unicode=allow_unicode,
            )
        except (yaml.YAMLError, TypeError, RecursionError) as error:
            raise SaveError(
                f"{path} cannot be written as YAML: {error}", location=str(path), hint="or write a pickle file"
            ) from error
        path.write_text(text, encoding=encoding)
