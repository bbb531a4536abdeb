"""Jupyter: a cell becomes the module of a dataflow. Load it with ``%load_ext engine.plugins.jupyter_magic``.

```
%%cell_to_module flow --display --execute total --config config --inputs inputs
def total(a: int, b: int) -> int:
    return a + b
```
"""

from __future__ import annotations

import sys
from typing import Any

from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import SVG, display

from engine.ad_hoc_utils import module_from_source
from engine.driver import Builder
from engine.errors import ConfigurationError
from engine.visualization import to_svg


@magics_class
class EngineMagics(Magics):
    """The magics of the engine."""

    @magic_arguments()
    @argument("module_name", help="The name of the module; the notebook has it under this name afterwards.")
    @argument("-d", "--display", action="store_true", help="Draw the dataflow.")
    @argument("-x", "--execute", metavar="NODES", help="Compute these nodes, separated by commas; kept by name.")
    @argument("-c", "--config", metavar="NAME", help="A dictionary of the notebook: the configuration.")
    @argument("-i", "--inputs", metavar="NAME", help="A dictionary of the notebook: values for inputs.")
    @cell_magic
    def cell_to_module(self, line: str, cell: str) -> None:
        """Make a module of the cell."""
        arguments = parse_argstring(self.cell_to_module, line)
        notebook = self.shell.user_ns
        # A cell that is run again replaces the module it made before, and no other.
        known = notebook.get(arguments.module_name)
        if known is not None and known is sys.modules.get(arguments.module_name):
            del sys.modules[arguments.module_name]
        module = module_from_source(cell, arguments.module_name)
        notebook[arguments.module_name] = module
        driver = Builder().with_modules(module).with_config(_named(notebook, arguments.config)).build()
        if arguments.display:
            display(SVG(to_svg(driver.graph.nodes)))
        if arguments.execute:
            names = [name.strip() for name in arguments.execute.split(",")]
            notebook |= driver.execute(names, inputs=_named(notebook, arguments.inputs))


def _named(notebook: dict[str, Any], name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    if name not in notebook:
        raise ConfigurationError(f"the notebook has no {name!r}", hint=f"define it in a cell above: {name} = {{…}}")
    return dict(notebook[name])


def load_ipython_extension(ipython: Any) -> None:
    """Offer the magics; called by ``%load_ext``."""
    ipython.register_magics(EngineMagics)
