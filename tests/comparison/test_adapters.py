"""Built-in loaders and savers beside Apache Hamilton's: its options are taken, its files and frames equal ours."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from engine.io.lookup import find_loader, find_saver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("hamilton", reason="apache-hamilton is not installed")

EXTENSIONS = ("yaml", "numpy", "pandas", "polars", "polars_lazyframe", "matplotlib", "plotly", "xgboost", "lightgbm")
GONE = {
    "columns",  # of a polars scan: polars has no such option
    "date_parser",
    "delim_whitespace",
    "extra_kwargs",
    "include_header",  # of polars' CSV reader
    "keep_date_col",
    "missing_utf8_is_empty_string",
    "pyarrow_options",  # of a lazy frame
    "use_nullable_dtypes",
    "use_pyarrow",  # of a lazy frame
}
"""Options that the pinned versions of the libraries refuse, and so Apache Hamilton's adapters fail with them."""
FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.5, 1.5]})
FILES = {"csv": "csv", "excel": "xlsx", "feather": "feather", "json": "json", "orc": "orc", "parquet": "parquet"}


def classes() -> Iterator[tuple[str, Any, Any]]:
    """Give the name, the class and each type of Apache Hamilton's adapters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        registry = importlib.import_module("hamilton.registry")
        for extension in EXTENSIONS:
            with contextlib.suppress(ImportError, AttributeError, NotImplementedError):  # a library not installed
                importlib.import_module(f"hamilton.plugins.{extension}_extensions")
    for known in (registry.LOADER_REGISTRY, registry.SAVER_REGISTRY):
        for name, adapters in known.items():
            for adapter in adapters:
                for type_ in adapter.applicable_types():
                    yield name, adapter, type_


ADAPTERS = [
    pytest.param(name, adapter, type_, id=f"{adapter.__name__}-{getattr(type_, '__name__', type_)}")
    for name, adapter, type_ in classes()
    if adapter.__module__.startswith("hamilton.")
    and name != "table"  # ours is a table of a database
    and not (adapter.can_load() and getattr(type_, "__name__", "") == "LGBMModel")  # theirs cannot predict
]


@pytest.mark.parametrize(("name", "adapter", "type_"), ADAPTERS)
def test_every_option_of_hamilton_is_taken(name: str, adapter: Any, type_: Any) -> None:
    """A loader or saver serves the name and the type, and takes each option that still has a meaning."""
    choice = (find_loader if adapter.can_load() else find_saver)(name, type_)
    options = {field.name for field in dataclasses.fields(adapter)}
    assert choice.is_open or options - choice.known <= GONE


def theirs(name: str, type_: Any, *, loads: bool) -> Any:
    """Return Apache Hamilton's class."""
    return next(adapter for n, adapter, t in classes() if n == name and t is type_ and adapter.can_load() == loads)


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # Apache Hamilton passes what pandas will drop
@pytest.mark.parametrize("name", sorted(FILES))
def test_pandas_files_and_frames_are_equal(name: str, tmp_path: Path) -> None:
    """A file that one writes is read by both into equal frames, of equal types."""
    pytest.importorskip("openpyxl" if name == "excel" else "pandas")
    word = "filepath_or_buffer" if name == "json" else "path"
    files = {word: str(tmp_path / f"theirs.{FILES[name]}")}, {word: str(tmp_path / f"ours.{FILES[name]}")}
    their_metadata = theirs(name, pd.DataFrame, loads=False)(**files[0]).save_data(FRAME)
    our_metadata = find_saver(name, pd.DataFrame).make(**files[1]).save_data(FRAME)
    for key, said in their_metadata.items():
        assert our_metadata[key].keys() >= said.keys() - {"__version__", "notes"}
    for file in files:
        their_frame, _ = theirs(name, pd.DataFrame, loads=True)(**file).load_data(pd.DataFrame)
        our_frame, _ = find_loader(name, pd.DataFrame).make(**file).load_data(pd.DataFrame)
        pd.testing.assert_frame_equal(our_frame, their_frame)


@pytest.mark.parametrize(
    ("name", "type_", "value"),
    [
        ("json", dict, {"b": 1, "a": [None]}),
        ("file", str, "ä\n"),
        ("npy", np.ndarray, np.eye(2)),
        ("yaml", dict, {"b": 1, "a": 2}),
    ],
)
def test_plain_values_make_equal_files(name: str, type_: Any, value: Any, tmp_path: Path) -> None:
    """A plain value becomes the same bytes."""
    pytest.importorskip(name if name == "yaml" else "numpy")
    theirs(name, type_, loads=False)(path=str(tmp_path / f"theirs.{name}")).save_data(value)
    find_saver(name, type_).make(path=str(tmp_path / f"ours.{name}")).save_data(value)
    assert (tmp_path / f"ours.{name}").read_bytes() == (tmp_path / f"theirs.{name}").read_bytes()


def test_polars_files_are_equal(tmp_path: Path) -> None:
    """A polars frame becomes the same CSV file, eager and lazy."""
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    for type_, value in ((pl.DataFrame, frame), (pl.LazyFrame, frame.lazy())):
        theirs("csv", type_, loads=False)(file=str(tmp_path / "theirs.csv")).save_data(value)
        find_saver("csv", type_).make(file=str(tmp_path / "ours.csv")).save_data(value)
        assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


def test_memory_gives_the_value_itself() -> None:
    """What ``to.memory`` gives is the value, as under Apache Hamilton."""
    value = [1]
    assert find_saver("memory", list).make().save_data(value) is value
    assert theirs("memory", Any, loads=False)().save_data(value) is value
