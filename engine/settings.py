"""Settings: what a project folder says about itself, read once into a frozen value.

They stand in ``engine.toml``, or in the table ``[tool.engine]`` of ``pyproject.toml``:

```toml
project = "flights"                        # default: the folder's name
modules = ["dataflow"]                     # the modules whose functions are nodes
materializers = "dataflow:materializers"   # where the requests stand: module:attribute, or a list of those
warehouse = "postgresql://etl:${PGPASSWORD}@db.example.org/flights"
metadata = "sqlite:///.engine/metadata.db" # default: chosen by the warehouse
environment = "${ENGINE_ENVIRONMENT:-default}"

[config]
region = "us"

[inputs]
minimum_flights = 100
```

``${NAME}`` in any string is replaced by the environment variable of that name, ``${NAME:-text}`` falls back to
``text``, and ``$${NAME}`` stands for itself. The variables ``ENGINE_WAREHOUSE`` and ``ENGINE_METADATA`` win over the
file. No message and no ``repr`` shows a value that came from the environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS_FILE = "engine.toml"
DEFAULT_WAREHOUSE = "duckdb:///warehouse.duckdb"
DEFAULT_METADATA = "sqlite:///.engine/metadata.db"
DEFAULT_ENVIRONMENT = "default"
ENABLE_POWER_USER_MODE = "hamilton.enable_power_user_mode"
"""Key of a dataflow's configuration that lets `resolve` choose modifiers. Source: Apache Hamilton's `settings`."""

_KINDS: Mapping[str, type] = {
    "project": str,
    "modules": list,
    "materializers": list,
    "warehouse": str,
    "metadata": str,
    "environment": str,
    "config": dict,
    "inputs": dict,
}
_KIND_NAMES: Mapping[type, str] = {str: "a text", list: "a text or a list of texts", dict: "a table"}
_OVERRIDES = {"warehouse": "ENGINE_WAREHOUSE", "metadata": "ENGINE_METADATA"}
_VARIABLE = re.compile(r"\$(?P<escaped>\$\{[^}]*\})|\$\{(?P<name>[^}:]*)(?::-(?P<default>[^}]*))?(?P<end>\}|$|:)")
_NAME = re.compile(r"[A-Za-z_]\w*")
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one project.

    What may hold a secret (URLs, configuration, inputs) is left out of the ``repr``.

    Attributes:
        project: The name under which the metadata has this project's runs.
        directory: The project folder, absolute; relative paths in URLs and node code start here.
        modules: Names of the modules whose functions are the nodes.
        materializers: Where the requests stand, as ``package.module:attribute``.
        warehouse: URL of the database that tables are written to when a request names no other.
        metadata: URL of the metadata database; None leaves the choice to `metadata_url`.
        environment: A word for this installation, such as ``production``; recorded with every run.
        config: The dataflow's configuration.
        inputs: Values of the dataflow's external inputs.
    """

    project: str
    directory: Path
    modules: tuple[str, ...]
    materializers: tuple[str, ...] = ()
    warehouse: str = field(default=DEFAULT_WAREHOUSE, repr=False)
    metadata: str | None = field(default=None, repr=False)
    environment: str = DEFAULT_ENVIRONMENT
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)


def load_settings(directory: str | Path) -> Settings:
    """Read the settings of the project in ``directory``.

    Raises:
        ConfigurationError: There are none, two files have some, a key is unknown or of the wrong kind, or an
            environment variable that a value asks for is not set.
    """
    folder = Path(directory).resolve()
    table, where = _read(folder)
    for key in table:
        _check_known(key, where)
    table |= {key: os.environ[name] for key, name in _OVERRIDES.items() if os.environ.get(name)}
    overridden = {key for key, name in _OVERRIDES.items() if os.environ.get(name)}
    values = {
        key: _checked(key, value if key in overridden else _interpolated(value, key, where), where)
        for key, value in table.items()
    }
    if not values.get("modules"):
        raise ConfigurationError(
            f"{where} names no modules", hint='say where the node functions are: modules = ["dataflow"]'
        )
    return Settings(**{"project": folder.name, "directory": folder, **values})


def metadata_url(metadata: str | None, warehouse: str | None) -> str:
    """Return where runs are recorded: at ``metadata``, else in a PostgreSQL warehouse, else in a file of the project.

    >>> metadata_url(None, "postgresql://db.example.org/flights")
    'postgresql://db.example.org/flights'
    >>> metadata_url(None, "duckdb:///warehouse.duckdb")
    'sqlite:///.engine/metadata.db'
    """
    if metadata is None and warehouse is not None and warehouse.startswith("postgres"):
        return warehouse
    return metadata or DEFAULT_METADATA


def _read(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the settings table of a folder, and what to call its place in messages."""
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {folder}", hint="name the project folder with --project")
    own, shared = folder / SETTINGS_FILE, folder / "pyproject.toml"
    tables: dict[str, Any] = {}
    if own.exists():
        tables[str(own)] = _parse(own)
    if shared.exists():
        table = _parse(shared).get("tool", {}).get("engine")
        if table is not None:
            tables[f"[tool.engine] of {shared}"] = table
    if not tables:
        raise ConfigurationError(
            f"{folder} is not a project: it has neither {SETTINGS_FILE} nor [tool.engine] in pyproject.toml",
            hint="name the project folder with --project, or make a new one with: engine init",
        )
    if len(tables) > 1:
        raise ConfigurationError(
            f"{folder} has settings twice: {' and '.join(tables)}", hint="keep one of the two and remove the other"
        )
    ((where, table),) = tables.items()
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where} is not a table", hint="write its keys below a line [tool.engine]")
    return dict(table), where


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # The cause is cut off: it carries the whole text of the file, which may hold a password.
        raise ConfigurationError(f"{path} is not valid TOML: {_reason(error)}", hint="correct that line") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def _reason(error: Exception) -> str:
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


def _check_known(key: str, where: str) -> None:
    if key in _KINDS:
        return
    near = did_you_mean(key, _KINDS)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(_KINDS)}"
    raise ConfigurationError(f"{where} has an unknown key {key!r}", hint=hint)


def _checked(key: str, value: Any, where: str) -> Any:
    """Return the value of a key in the form `Settings` keeps it, or say what is wrong with it."""
    kind = _KINDS[key]
    if kind is list:
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise _wrong_kind(key, kind, where)
        _check_references(key, value, where)
        return tuple(value)
    if not isinstance(value, kind) or value == "":
        raise _wrong_kind(key, kind, where)
    return value


def _wrong_kind(key: str, kind: type, where: str) -> ConfigurationError:
    return ConfigurationError(f"{key} in {where} must be {_KIND_NAMES[kind]}", hint=f"correct the line {key} = …")


def _check_references(key: str, items: list[str], where: str) -> None:
    if key != "materializers":
        return
    for item in items:
        if not _REFERENCE.fullmatch(item):
            raise ConfigurationError(
                f"materializers in {where} has {item!r}, which is not of the form module:attribute",
                hint='write it like materializers = "dataflow:materializers"',
            )


def _interpolated(value: Any, key: str, where: str) -> Any:
    """Return a value with the environment's variables put in, in nested tables and lists too."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _variable(match, key, where), value)
    if isinstance(value, list):
        return [_interpolated(item, f"{key}[{index}]", where) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {name: _interpolated(item, f"{key}.{name}", where) for name, item in value.items()}
    return value


def _variable(match: re.Match[str], key: str, where: str) -> str:
    if match["escaped"] is not None:
        return match["escaped"]
    name, default = match["name"], match["default"]
    if match["end"] != "}" or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{key} in {where} has a broken variable reference",
            hint="write ${NAME} or ${NAME:-default}; $${…} stands for itself",
        )
    found = os.environ.get(name)
    if found is None and default is None:
        raise ConfigurationError(
            f"{key} in {where} needs the environment variable {name}, which is not set",
            hint=f"set {name}, or give a default: ${{{name}:-…}}",
        )
    # As in a shell, `:-` also covers a variable that is set to nothing.
    return default if default is not None and not found else found or ""
