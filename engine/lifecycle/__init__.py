"""Hooks: classes that users subclass to watch a run, and the set that calls them."""

from __future__ import annotations

from engine.lifecycle.api import (
    GraphConstructionHook,
    GraphExecutionHook,
    LifecycleAdapter,
    NodeExecutionHook,
    OutputExecutionHook,
    ResultBuilder,
)

__all__ = [
    "GraphConstructionHook",
    "GraphExecutionHook",
    "LifecycleAdapter",
    "NodeExecutionHook",
    "OutputExecutionHook",
    "ResultBuilder",
]
