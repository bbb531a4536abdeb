"""Project: from a folder to its driver or its metadata store."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.failures import remember_urls
from engine.errors import ConfigurationError, EngineError, RunNotFoundError, UnknownNodeError, did_you_mean
from engine.settings import load_settings, metadata_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from engine.driver import Driver
    from engine.metadata.store import MetadataStore
    from engine.settings import Settings


def enter_project(directory: str) -> Settings:
    """Read a project's settings and make its folder the working directory, importable.

    Relative paths in URLs and in node functions so mean the same from wherever the command is called.
    """
    settings = load_settings(directory)
    remember_urls(settings.warehouse, settings.metadata)
    os.chdir(settings.directory)
    sys.path.insert(0, str(settings.directory))
    return settings


def build_driver(settings: Settings, *adapters: Any) -> Driver:
    """Import a project's modules and build its driver."""
    modules = [import_module(name, settings.directory) for name in settings.modules]
    requests = [
        request for reference in settings.materializers for request in load_materializers(reference, settings.directory)
    ]
    from engine.driver import Builder

    return (
        Builder()
        .with_modules(*modules)
        .with_config(dict(settings.config))
        .with_materializers(*requests)
        .with_adapters(*adapters)
        .with_warehouse(settings.warehouse)
        .with_metadata(settings.metadata, project=settings.project, environment=settings.environment)
        .build()
    )


def load_materializers(reference: str, directory: Path) -> list[Any]:
    """Return the requests that stand at ``module:attribute``: one, or a list of them.

    Raises:
        ConfigurationError: The module does not import, or has no such attribute.
    """
    module_name, _, path = reference.partition(":")
    value: Any = import_module(module_name, directory)
    for name in path.split("."):
        if not hasattr(value, name):
            near = did_you_mean(name, vars(value) if hasattr(value, "__dict__") else ())
            raise ConfigurationError(
                f"materializers = {reference!r} cannot be found: {module_name} has no {path!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"define {path} = [to.table(...), ...] in that module",
            )
        value = getattr(value, name)
    return list(value) if isinstance(value, list | tuple) else [value]


def import_module(name: str, directory: Path) -> ModuleType:
    """Import a module of a project.

    Raises:
        ConfigurationError: It does not import; the message says where the fault is. Or another module took its name.
    """
    try:
        module = importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may also call sys.exit()
        raise _import_fault(name, error, directory) from error
    _check_origin(module, directory)
    return module


def _import_fault(name: str, error: BaseException, directory: Path) -> ConfigurationError:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    near = did_you_mean(missing, _modules_beside(missing, directory)) if missing else ()
    if missing and f"{name}.".startswith(f"{missing}."):
        return ConfigurationError(
            f"there is no module {missing!r} in {directory}",
            hint=f"did you mean {near[0]!r}?" if near else "correct modules or materializers in the project's settings",
        )
    where = _place_of(error, directory)
    if missing:
        package = missing.partition(".")[0]
        hint = f"did you mean {near[0]!r}?" if near else f"install the package of {package!r}, or correct the import"
    else:
        hint = (error.hint if isinstance(error, EngineError) else "") or f"correct {where}"
    text = error.message if isinstance(error, EngineError) else _one_line(error)
    return ConfigurationError(f"module {name!r} does not import: {text} ({where})", hint=hint)


def _one_line(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place_of(error: BaseException, directory: Path) -> str:
    """Return file and line of a fault: the innermost line of the project's own code."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename, directory)}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(directory)]
    frame = (own or frames)[-1]
    return f"{_shown(frame.filename, directory)}:{frame.lineno}"


def _shown(filename: str, directory: Path) -> str:
    path = Path(filename)
    return str(path.relative_to(directory)) if path.is_relative_to(directory) else filename


def _modules_beside(name: str, directory: Path) -> list[str]:
    """Return the full names of the project's modules in the package where ``name`` was looked for."""
    package, dot, _ = name.rpartition(".")
    folder = directory.joinpath(*package.split("."))
    stems = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    return [f"{package}{dot}{stem}" for stem in (*stems, *(path.parent.name for path in folder.glob("*/__init__.py")))]


def _check_origin(module: ModuleType, directory: Path) -> None:
    """Refuse a module that was imported from elsewhere although the project has a file of that name."""
    relative = Path(*module.__name__.split("."))
    places = (directory / relative.with_suffix(".py"), directory / relative / "__init__.py")
    own = [path for path in places if path.exists()]
    found = getattr(module, "__file__", None)
    if own and (found is None or not Path(found).samefile(own[0])):
        raise ConfigurationError(
            f"module {module.__name__!r} is taken by {found or 'the interpreter'}, so {own[0]} cannot be imported",
            hint="give your module another name",
        )


def chosen_outputs(driver: Driver, names: Sequence[str]) -> list[str]:
    """Return the outputs that are meant: those named, or all of the driver's.

    Raises:
        UnknownNodeError: A name is no output's.
    """
    outputs = driver.graph.savers()
    for name in names:
        if name not in outputs:
            error = UnknownNodeError.among(name, outputs, what="output")
            error.hint = error.hint if error.near else f"there are: {', '.join(outputs) or 'none'}"
            raise error
    return list(names) or outputs


def open_store(settings: Settings) -> contextlib.closing[MetadataStore]:
    """Open the metadata of a project for looking; nothing is created or upgraded.

    Raises:
        RunNotFoundError: There is no metadata, because nothing has run yet.
    """
    from engine.metadata import migrate
    from engine.metadata.store import MetadataStore

    url = metadata_url(settings.metadata, settings.warehouse)
    if migrate.current(url) is None:
        raise RunNotFoundError(f"project {settings.project!r} has no runs yet", hint="make the first one: engine run")
    return contextlib.closing(MetadataStore(url, read_only=True))
