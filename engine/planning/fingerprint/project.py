"""Project code: which modules are the user's own, whose code counts, and which are third parties', whose names count.

A module is the project's unless Python or an installed distribution brought it; an editable install is the project's.
"""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

ENGINE = __name__.partition(".")[0]
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def is_engine(module: str) -> bool:
    """Say whether a module is the engine's own.

    >>> is_engine("engine.io.tables"), is_engine("engineering")
    (True, False)
    """
    return module == ENGINE or module.startswith(f"{ENGINE}.")


class Project:
    """Tells the project's modules from others; remembers its answers.

    Args:
        modules: Modules that are the project's, with their whole top-level packages, wherever they are installed.
    """

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self._packages = {module.partition(".")[0] for module in modules} | {"__main__", "__mp_main__"}
        self._known: dict[str, bool] = {}

    def owns(self, module: str, filename: str = "") -> bool:
        """Say whether the module of this name is the project's.

        Args:
            module: The module's full name.
            filename: The file its code says it comes from, for a module that is not loaded under this name.
        """
        known = self._known.get(module)
        if known is None:
            known = self._known[module] = self._decide(module, filename)
        return known

    def _decide(self, module: str, filename: str) -> bool:
        package = module.partition(".")[0]
        if package in self._packages:
            return True
        if is_engine(module):
            return False
        path = _path_of(sys.modules.get(module)) or filename
        if not path and package != module:  # made at run time by its package, such as six.moves
            return self.owns(package)
        if not path and module not in sys.modules:
            path = _path_found(package)
        if not path and package in sys.stdlib_module_names:  # compiled into Python itself
            return False
        # Neither a file nor brought by anyone: made from source text, in a notebook or a test.
        return not path or path.startswith("<") or not _is_installed(path)


def is_pythons(module: str) -> bool:
    """Say whether a module belongs to Python's own library; a project's module of the same name does not.

    >>> is_pythons("collections.abc"), is_pythons("pandas")
    (True, False)
    """
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return False
    path = _path_of(sys.modules.get(module))
    return not path or _is_installed(path)


def _path_of(module: Any) -> str:
    path = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return path if isinstance(path, str) else ""


def _path_found(package: str) -> str:
    """Return where a package that is not loaded would come from, without loading it."""
    spec = PathFinder.find_spec(package)
    if spec is None:
        return ""
    return spec.origin or next(iter(spec.submodule_search_locations or ()), "")


@functools.cache
def _is_installed(path: str) -> bool:
    # The libraries may be reached through links (a virtual environment) and so may the project: both forms are tried.
    forms = {os.path.abspath(path), os.path.realpath(path)}  # noqa: PTH100 - Path.absolute() keeps "..", and is slower
    return any(not _INSTALLED.isdisjoint(Path(form).parts) or form.startswith(_library_folders()) for form in forms)


@functools.cache
def _library_folders() -> tuple[str, ...]:
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.update(getattr(site, "getsitepackages", list)())
    folders.add(site.getusersitepackages())
    found = {form for folder in folders if folder for form in (folder, os.path.realpath(folder))}
    return tuple(f"{folder}{os.sep}" for folder in sorted(found))
