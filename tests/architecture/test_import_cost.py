"""Importing loads only what is used, and the public import paths are there."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

HEAVY = {"alembic", "duckdb", "pandas", "polars", "psycopg", "pyarrow", "rich", "sqlalchemy"}

PUBLIC = {
    "engine.ad_hoc_utils": ["create_temporary_module"],
    "engine.base": ["DictResult", "PandasDataFrameResult", "PolarsDataFrameResult"],
    "engine.driver": ["Builder", "Driver"],
    "engine.errors": ["EngineError"],
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
    "engine.graph_types": ["HamiltonGraph", "HamiltonNode"],
    "engine.htypes": ["Collect", "Parallelizable"],
    "engine.io.data_adapters": ["DataLoader", "DataSaver"],
    "engine.io.materialization": ["from_", "to"],
    "engine.io.utils": ["get_file_metadata", "get_dataframe_metadata", "get_sql_metadata"],
    "engine.lifecycle": [
        "GraphConstructionHook",
        "GraphExecutionHook",
        "NodeExecutionHook",
        "OutputExecutionHook",
        "ResultBuilder",
    ],
    "engine.registry": ["register_adapter"],
    "engine.settings": ["Settings", "load_settings"],
    "engine.visualization": ["to_digraph", "to_dot", "to_svg"],
}


def loaded_by(code: str) -> set[str]:
    """Return the top modules that a fresh interpreter has loaded after running ``code``."""
    program = f"import sys\n{code}\nprint(' '.join(sorted(name for name in sys.modules if '.' not in name)))"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["db", "--help"], ["--version"]])
def test_help_loads_nothing_of_weight(arguments: list[str]) -> None:
    """`engine --help` answers without loading a database, a frame library or rich."""
    code = f"""
from engine.cli import main
try:
    main({arguments!r})
except SystemExit as leave:
    assert not leave.code, leave.code
"""
    assert loaded_by(code) & HEAVY == set()


@pytest.mark.parametrize("module", ["engine", "engine.settings", "engine.registry", "engine.node", "engine.cli"])
def test_lowest_floors_are_light(module: str) -> None:
    """The words everything else is said in cost next to nothing to import."""
    assert loaded_by(f"import {module}") & HEAVY == set()


@pytest.mark.parametrize("module", ["engine.driver", "engine.function_modifiers", "engine.io.materialization"])
def test_a_dataflow_imports_no_frame_library(module: str) -> None:
    """Writing and building a dataflow loads no frame library and no database; only its own imports do."""
    assert loaded_by(f"import {module}") & HEAVY == set()


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PUBLIC.items() for name in names])
def test_public_names_are_where_users_look(module: str, name: str) -> None:
    """Every public name can be imported from its documented path."""
    assert hasattr(importlib.import_module(module), name)
