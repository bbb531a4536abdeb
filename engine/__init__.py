"""Materialization Engine: write functions, get tables, recompute only what changed, ask SQL why.

The everyday names can be imported from here; each is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.driver import Builder, Driver
    from engine.errors import EngineError
    from engine.io.data_adapters import DataLoader, DataSaver
    from engine.io.materialization import from_, to
    from engine.registry import register_adapter

__all__ = ["Builder", "DataLoader", "DataSaver", "Driver", "EngineError", "from_", "register_adapter", "to"]

_HOMES = {
    "Builder": "engine.driver",
    "DataLoader": "engine.io.data_adapters",
    "DataSaver": "engine.io.data_adapters",
    "Driver": "engine.driver",
    "EngineError": "engine.errors",
    "from_": "engine.io.materialization",
    "register_adapter": "engine.registry",
    "to": "engine.io.materialization",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
