"""Jupyter: a cell becomes the module of a dataflow. Load it with ``%load_ext engine.plugins.jupyter_magic``.

```
%%cell_to_module flow --display --execute total --config config --inputs inputs
def total(a: int, b: int) -> int:
    return a + b
```

The options are Apache Hamilton's. Afterwards the notebook has the module under its name, its functions, and what was
computed under the names of the nodes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import SVG, display

from engine.ad_hoc_utils import module_from_source
from engine.driver import Builder
from engine.errors import ConfigurationError
from engine.visualization import to_svg

if TYPE_CHECKING:
    from engine.driver import Driver

_LEFT_OUT = ""
"""What stands for an option's argument where only the option is given."""


@magics_class
class EngineMagics(Magics):
    """The magics of the engine."""

    @magic_arguments()
    @argument("name", nargs="?", help="The name of the module; the notebook has it under this name afterwards.")
    @argument("-m", "--module_name", help="The same.")
    @argument("-d", "--display", nargs="?", const=_LEFT_OUT, help="Draw the dataflow; options in a dictionary.")
    @argument("-x", "--execute", nargs="?", const=_LEFT_OUT, help="Compute the nodes of a list, or a,b, or all.")
    @argument("-b", "--builder", help="A builder to add the module to.")
    @argument("-c", "--config", help="The configuration: a dictionary's name, JSON, or key=value,key=value.")
    @argument("-i", "--inputs", help="A dictionary of values for inputs.")
    @argument("-o", "--overrides", help="A dictionary of values for nodes.")
    @argument("--show_results", action="store_true", help="Show what was computed.")
    @argument("-w", "--write_to_file", nargs="?", const=_LEFT_OUT, help="Write the cell to this file, or <name>.py.")
    @cell_magic
    def cell_to_module(self, line: str, cell: str) -> None:
        """Make a module of the cell."""
        arguments = parse_argstring(self.cell_to_module, line)
        notebook = self.shell.user_ns
        name = arguments.name or arguments.module_name
        if not name:
            raise ConfigurationError("the cell's module has no name", hint="write %%cell_to_module my_module")
        driver = self._driver(name, cell, arguments)
        if arguments.write_to_file is not None:
            Path(arguments.write_to_file or f"{name}.py").write_text(cell)
        if arguments.display is not None:
            self._draw(driver, _named(notebook, arguments.display) if arguments.display else {})
        if arguments.execute is not None:
            names = _wanted(notebook, arguments.execute, driver)
            inputs, overrides = (_named(notebook, given) for given in (arguments.inputs, arguments.overrides))
            values = driver.raw_execute(names, inputs=inputs, overrides=overrides)
            notebook |= values
            for value in values.values() if arguments.show_results else ():
                display(value)

    def _driver(self, name: str, cell: str, arguments: Any) -> Driver:
        notebook = self.shell.user_ns
        # A cell that is run again replaces the module it made before, and no other.
        known = notebook.get(name)
        if known is not None and known is sys.modules.get(name):
            del sys.modules[name]
        module = module_from_source(cell, name)
        notebook |= {n: value for n, value in vars(module).items() if not n.startswith("__")} | {name: module}
        builder = _found(notebook, arguments.builder).copy() if arguments.builder else Builder()
        made: Driver = builder.with_modules(module).with_config(_config(notebook, arguments.config)).build()
        return made

    @staticmethod
    def _draw(driver: Driver, options: dict[str, Any]) -> None:
        drawn = driver.display_all_functions(**options) if options else SVG(to_svg(driver.graph.nodes))
        display(SVG(drawn) if isinstance(drawn, str) else drawn)


def _found(notebook: dict[str, Any], name: str) -> Any:
    if name not in notebook:
        raise ConfigurationError(f"the notebook has no {name!r}", hint=f"define it in a cell above: {name} = …")
    return notebook[name]


def _named(notebook: dict[str, Any], name: str | None) -> dict[str, Any]:
    return {} if name is None else dict(_found(notebook, name))


def _config(notebook: dict[str, Any], text: str | None) -> dict[str, Any]:
    """Return the configuration that an option names or spells out."""
    text = (text or "").strip("'\"")
    if text.startswith("{"):
        return dict(json.loads(text))
    if "=" in text:
        return dict(pair.split("=", 1) for pair in text.split(","))
    return _named(notebook, text or None)


def _wanted(notebook: dict[str, Any], text: str, driver: Driver) -> list[str]:
    """Return the nodes that an option names; all that compute something where it names none."""
    if not text:
        return [node.name for node in driver.list_available_variables() if not node.is_external_input]
    listed = notebook.get(text)
    return list(listed) if isinstance(listed, list | tuple) else [name.strip() for name in text.split(",")]


def load_ipython_extension(ipython: Any) -> None:
    """Offer the magics; called by ``%load_ext``."""
    ipython.register_magics(EngineMagics)
