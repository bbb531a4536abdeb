"""The names that users import are where Apache Hamilton's users look for them."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import engine

PATHS = {
    "engine.driver": ["Builder", "Driver"],
    "engine.function_modifiers": [
        "config",
        "dataloader",
        "datasaver",
        "extract_columns",
        "extract_fields",
        "load_from",
        "parameterize",
        "save_to",
        "source",
        "tag",
        "value",
    ],
    "engine.io.materialization": ["from_", "to"],
    "engine.io.data_adapters": ["DataLoader", "DataSaver"],
    "engine.io.utils": ["get_dataframe_metadata", "get_file_metadata", "get_sql_metadata"],
    "engine.lifecycle": ["GraphConstructionHook", "GraphExecutionHook", "NodeExecutionHook", "ResultBuilder"],
    "engine.lifecycle.api": ["GraphAdapter", "LegacyResultMixin", "NodeExecutionMethod", "TaskExecutionHook"],
    "engine.lifecycle.base": ["BasePreNodeExecute", "BasePostNodeExecuteAsync", "LifecycleAdapterSet"],
    "engine.lifecycle.default": ["GracefulErrorAdapter", "PrintLn", "accept_error_sentinels"],
    "engine.plugins.h_logging": ["LoggingAdapter", "get_logger"],
    "engine.plugins.h_pyarrow": ["PyarrowTableResult"],
    "engine.plugins.h_rich": ["RichProgressBar"],
    "engine.plugins.h_schema": ["SchemaValidator"],
    "engine.htypes": ["Collect", "Parallelizable"],
    "engine.registry": ["register_adapter"],
    "engine.base": ["DictResult", "PandasDataFrameResult", "PolarsDataFrameResult"],
    "engine.ad_hoc_utils": ["create_temporary_module", "module_from_source"],
    "engine.async_driver": ["AsyncDriver", "Builder"],
    "engine.execution.executors": ["MultiProcessingExecutor", "MultiThreadingExecutor"],
    "engine.execution.grouping": ["GroupByRepeatableBlocks", "GroupNodesAllAsOne", "NodeGroupPurpose"],
    "engine.function_modifiers.dependencies": ["UpstreamDependency", "source", "value"],
    "engine.log_setup": ["LOG_LEVELS", "setup_logging"],
    "engine.plugins.h_polars_lazyframe": ["PolarsLazyFrameResult", "with_columns"],
    "engine.plugins.h_threadpool": ["FutureAdapter"],
    "engine.telemetry": ["disable_telemetry"],
    "engine.graph_types": ["HamiltonGraph", "HamiltonNode"],
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PATHS.items() for name in names])
def test_names_are_where_hamilton_has_them(module: str, name: str) -> None:
    """Replacing the import root is enough."""
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", engine.__all__)
def test_everyday_names_come_from_the_package(name: str) -> None:
    """What the package offers can be had from it."""
    assert getattr(engine, name) is not None
    assert name in dir(engine)


def test_unknown_names_are_refused() -> None:
    """A name the package does not have is an AttributeError like any module's."""
    with pytest.raises(AttributeError, match="nothing"):
        engine.nothing  # noqa: B018 - asked for on purpose


def test_importing_the_package_imports_nothing_else() -> None:
    """``import engine`` alone loads no other module of it."""
    code = "import engine, sys; print([m for m in sys.modules if m.startswith('engine.')])"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert finished.stdout.strip() == "[]"
