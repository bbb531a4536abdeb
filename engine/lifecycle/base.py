"""LifecycleAdapterSet: which adapters answer which hook, found out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import ConfigurationError
from engine.lifecycle.api import (
    GraphConstructionHook,
    GraphExecutionHook,
    LifecycleAdapter,
    NodeExecutionHook,
    OutputExecutionHook,
    ResultBuilder,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


class LifecycleAdapterSet:
    """The adapters of a driver, sorted by what they answer, in the order they were given.

    Args:
        adapters: What ``Builder.with_adapters`` was given.

    Raises:
        ConfigurationError: Something is no adapter, or two are result builders.
    """

    def __init__(self, adapters: Iterable[Any]) -> None:
        self.adapters = tuple(adapters)
        for adapter in self.adapters:
            if not isinstance(adapter, LifecycleAdapter):
                raise ConfigurationError(
                    f"{adapter!r} is no adapter: its class does not subclass one of engine.lifecycle",
                    hint="pass an instance of a NodeExecutionHook, GraphExecutionHook, ResultBuilder … subclass",
                )
        self.construction = [a for a in self.adapters if isinstance(a, GraphConstructionHook)]
        self.graph = [a for a in self.adapters if isinstance(a, GraphExecutionHook)]
        self.node = [a for a in self.adapters if isinstance(a, NodeExecutionHook)]
        self.output = [a for a in self.adapters if isinstance(a, OutputExecutionHook)]
        builders = [a for a in self.adapters if isinstance(a, ResultBuilder)]
        if len(builders) > 1:
            raise ConfigurationError(
                f"{len(builders)} result builders are given: {', '.join(type(b).__name__ for b in builders)}",
                hint="a driver has one; use to.…(combine=) for others",
            )
        self.result_builder = builders[0] if builders else None
