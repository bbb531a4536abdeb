"""Parts: what a driver is made of, collected by the methods of a builder.

A driver that is copied or sent elsewhere travels as its parts and is built again there.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any, Literal, Self

from engine.errors import ConfigurationError, RequestError
from engine.execution.dynamic import TakesExecutors
from engine.io.materialization import LoadRequest, SaveRequest
from engine.lifecycle.base import LifecycleAdapterSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from engine.caching.behaviors import CACHING_BEHAVIORS
    from engine.caching.stores.base import MetadataStore, ResultStore
    from engine.lifecycle.api import LifecycleAdapter


class Parts(TakesExecutors):
    """Collects what a driver is made of; every method returns the builder."""

    def __init__(self) -> None:
        super().__init__()
        self.config: dict[str, Any] = {}
        self.modules: list[ModuleType] = []
        self.materializers: list[SaveRequest | LoadRequest] = []
        self.adapters: list[LifecycleAdapter] = []
        self.warehouse: str | None = None
        self.metadata: str | None = None
        self.records = False
        self.project = "default"
        self.environment = "default"
        self.allows_overrides = False
        self.has_adapter = False
        self.cache: dict[str, Any] | None = None

    def with_modules(self, *modules: ModuleType) -> Self:
        """Add modules of node functions."""
        self.modules.extend(modules)
        return self

    def with_config(self, config: Mapping[str, Any]) -> Self:
        """Add configuration; a later value of a key wins."""
        self.config.update(config)
        return self

    def with_materializers(self, *materializers: SaveRequest | LoadRequest) -> Self:
        """Add outputs and loaders that belong to the dataflow.

        Raises:
            RequestError: Something is no request, such as a list of requests.
        """
        for request in materializers:
            if not isinstance(request, SaveRequest | LoadRequest):
                hint = (
                    "write with_materializers(*requests)"
                    if isinstance(request, list | tuple)
                    else "use to.… or from_.…"
                )
                raise RequestError(f"with_materializers takes requests, not a {type(request).__name__}", hint=hint)
        self.materializers.extend(materializers)
        return self

    def with_adapters(self, *adapters: LifecycleAdapter) -> Self:
        """Add hooks, and at most one result builder."""
        self.adapters.extend(adapters)
        return self

    def with_adapter(self, adapter: LifecycleAdapter) -> Self:
        """Add the one adapter of older scripts; `with_adapters` takes any number.

        Raises:
            ConfigurationError: It was called before.
        """
        if self.has_adapter:
            raise ConfigurationError(
                "with_adapter was called twice", hint="write with_adapters(first, second), which takes any number"
            )
        self.has_adapter = True
        return self.with_adapters(adapter)

    def with_pandas_result(self) -> Self:
        """Join the values of `execute` into a pandas frame, as the older constructors do, unless an adapter does it."""
        if self.hooks().does_method("do_build_result"):
            return self
        from engine.base import PandasDataFrameResult

        return self.with_adapters(PandasDataFrameResult())

    def with_warehouse(self, url: str) -> Self:
        """Set the database of loaders and savers that name none.

        Args:
            url: ``duckdb:///…``, ``postgresql://…``, ``sqlite:///…`` or another that SQLAlchemy knows.
        """
        self.warehouse = url
        return self

    def with_metadata(self, url: str | None = None, *, project: str = "default", environment: str = "default") -> Self:
        """Record every run.

        Args:
            url: Where; None means the warehouse's own database when that is PostgreSQL, else ``.engine/metadata.db``.
            project: The name under which these nodes are recorded.
            environment: Where it runs, such as ``production``.
        """
        self.metadata, self.records = url, True
        self.project, self.environment = project, environment
        return self

    def with_cache(
        self,
        path: str | Path = ".engine/cache",
        metadata_store: MetadataStore | None = None,
        result_store: ResultStore | None = None,
        default: Literal[True] | Sequence[str] | None = None,
        recompute: Literal[True] | Sequence[str] | None = None,
        ignore: Literal[True] | Sequence[str] | None = None,
        disable: Literal[True] | Sequence[str] | None = None,
        default_behavior: CACHING_BEHAVIORS = "default",
        default_loader_behavior: CACHING_BEHAVIORS = "default",
        default_saver_behavior: CACHING_BEHAVIORS = "default",
        log_to_file: bool = False,
    ) -> Self:
        """Keep the values of nodes from one call to the next.

        The arguments are those of `engine.caching.adapter.HamiltonCacheAdapter`: where things are kept, and, by the
        names of nodes or True for all, what is done about each.
        """
        self.cache = {name: value for name, value in locals().items() if name != "self"}
        return self

    def hooks(self) -> LifecycleAdapterSet:
        """Return the adapters of a driver, the cache as one of them.

        Raises:
            ConfigurationError: Something is no adapter, or two answer what only one can.
        """
        if self.cache is None:
            return LifecycleAdapterSet(*self.adapters)
        from engine.caching.adapter import hooks_with_cache

        return hooks_with_cache(self.adapters, self.cache)

    def allow_module_overrides(self) -> Self:
        """Let a function of a later module replace one of the same name."""
        self.allows_overrides = True
        return self

    def copy(self) -> Self:
        """Return a builder that can be changed without changing this one."""
        twin = object.__new__(type(self))
        twin.__dict__.update(vars(self))  # the modules themselves, not what their names would import
        twin.config, twin.modules = dict(self.config), list(self.modules)
        twin.materializers, twin.adapters = list(self.materializers), list(self.adapters)
        twin.dynamic = dataclasses.replace(self.dynamic)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "modules": [module.__name__ for module in self.modules]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, modules=[_module(name) for name in state["modules"]])


def _module(name: str) -> ModuleType:
    """Import a module of a driver that was pickled."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"the driver's module {name!r} does not import here: {error}",
            hint="install it where the driver is sent, or make it there under the same name",
        ) from error
