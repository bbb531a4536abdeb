"""The table of built-in loaders and savers: every cell that has both directions gives back what it was given."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from engine.errors import EngineError, LoadError, OptionError, SaveError
from engine.frames import library_of, library_of_type
from engine.io.lookup import find_loader, find_saver
from engine.testing.adapters import Cell, cells

if TYPE_CHECKING:
    from pathlib import Path

ROWS = pa.table({"number": [1, 2], "text": ["a", "ä, b"], "fraction": [0.5, 1.5]})
DOCUMENTS: dict[Any, Any] = {
    str: "ä\r\nb",
    bytes: b"\x00\xff",
    dict: {"b": [1, 2.5, None, True, "ä"], "a": {}},
    list: [{"a": 1}],
    int: 3,
    float: 2.5,
    bool: True,
    object: {1, 2},
}
SUFFIXES = {"excel": "xlsx", "spreadsheet": "xlsx", "stata": "dta", "file": "txt"}
WITHOUT_INDEX = {"excel": {"index": False}, "html": {"index": False}, "xml": {"index": False}}
SAVING: dict[str, dict[str, Any]] = {**WITHOUT_INDEX, "stata": {"write_index": False, "version": 118}}
DATABASES = {"table", "query", "sql", "database"}
CELLS = cells()
ROUND_TRIPS = [c for c in CELLS if c.loader and c.saver and c.name not in DATABASES]
FRAMES = (pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.Table, pa.RecordBatchReader)


def value_of(type_: Any) -> Any:
    """Return a value of a type to save."""
    if type_ in DOCUMENTS:
        return DOCUMENTS[type_]
    if type_ is io.BytesIO:
        return io.BytesIO(b"\x00\xff")
    if type_ is np.ndarray:
        return np.array([[1, 2], [3, 4]])
    library = library_of_type(type_)
    if library is None:
        return model_of(type_)
    return library.from_arrow(ROWS.to_reader(), type_)


def model_of(type_: Any) -> Any:
    """Return a small fitted model."""
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20.0)
    library = pytest.importorskip(type_.__module__.partition(".")[0])
    if library.__name__ == "xgboost":
        pytest.importorskip("sklearn")  # its estimators are made for it
        model = library.XGBRegressor(n_estimators=2).fit(x, y)
        return model if type_ is library.XGBModel else model.get_booster()
    data, settings = library.Dataset(x, y), {"verbose": -1, "min_data_in_leaf": 1}
    if type_ is library.CVBooster:
        return library.cv(settings, data, 2, return_cvbooster=True, stratified=False)["cvbooster"]
    return library.train(settings, data, 2)


def plain_of(value: Any) -> Any:
    """Return what can be compared of a value."""
    if isinstance(value, io.BytesIO):
        return value.getvalue()
    library = library_of(value)
    if library is not None:
        return library.to_arrow(value).read_all().to_pydict()
    if isinstance(value, np.ndarray):
        return value.tolist()
    for method in ("get_booster", "save_raw", "model_to_string"):
        if hasattr(type(value), method):  # a CVBooster answers to any name
            return plain_of(getattr(value, method)())
    return value


def asked_for(type_: Any, value: Any) -> Any:
    """Return the type to load: of a model that of the value."""
    return type_ if library_of_type(type_) or type_ is object else type(value)


@pytest.mark.parametrize("cell", ROUND_TRIPS, ids=lambda cell: f"{cell.name}-{cell.type.__name__}")
def test_what_is_saved_is_loaded_again(cell: Cell, tmp_path: Path) -> None:
    """A value saved by a cell is loaded by it, equal and of the type asked for."""
    assert cell.saver
    assert cell.loader
    path = tmp_path / f"file.{SUFFIXES.get(cell.name, cell.name)}"
    value = value_of(cell.type)
    saving = SAVING.get(cell.name, {}) if cell.type is pd.DataFrame else {}
    saved = cell.saver.make(path=str(path), **saving).save_data(value)
    assert saved["file_metadata"]["path"] == str(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    wanted = asked_for(cell.type, value)
    loaded, metadata = cell.loader.make(path=path).load_data(wanted)
    assert isinstance(loaded, wanted)
    if library_of_type(wanted) and hasattr(value, "__len__"):
        assert metadata["dataframe_metadata"]["column_names"] == ROWS.column_names
    assert plain_of(loaded) == (plain_of(value) if not isinstance(value, pa.RecordBatchReader) else ROWS.to_pydict())


def test_the_table_is_whole() -> None:
    """Each library has the formats that it is known for."""
    both = {(cell.name, cell.type) for cell in ROUND_TRIPS}
    for name in ("csv", "json", "parquet", "feather"):
        assert {(name, type_) for type_ in FRAMES} <= both
    assert {("excel", pd.DataFrame), ("orc", pd.DataFrame), ("avro", pl.DataFrame), ("ndjson", pl.LazyFrame)} <= both
    assert {("spreadsheet", pl.LazyFrame), ("yaml", dict), ("file", str), ("npy", np.ndarray)} <= both


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst", "zip"])
@pytest.mark.parametrize(
    ("name", "type_"),
    [("csv", t) for t in FRAMES] + [("ndjson", pl.DataFrame), ("json", dict), ("pickle", object), ("file", str)],
)
def test_compressed_files_are_smaller_and_come_back(name: str, type_: Any, suffix: str, tmp_path: Path) -> None:
    """A suffix of compression compresses, the same bytes each time; what cannot be read so says what can."""
    path = tmp_path / f"file.{name}.{suffix}"
    for _ in range(2):
        find_saver(name, type_).make(path=str(path)).save_data(value_of(type_))
        first = path.read_bytes()
    assert first == path.read_bytes()
    assert not first.startswith((b"number", b"{", "ä".encode()))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    loader = find_loader(name, type_).make(path=str(path))
    if type_ is pl.LazyFrame and suffix not in {"gz", "zst"}:
        with pytest.raises(LoadError, match="decompressed"):
            loader.load_data(type_)
        return
    loaded, _ = loader.load_data(asked_for(type_, value_of(type_)))
    value = value_of(type_)
    assert plain_of(loaded) == plain_of(value)


@pytest.mark.parametrize(
    ("face", "name", "type_", "option", "meant"),
    [
        ("loader", "csv", pd.DataFrame, "delimeter", "delimiter"),
        ("loader", "csv", pl.DataFrame, "seperator", "separator"),
        ("loader", "csv", pl.LazyFrame, "has_headers", "has_header"),
        ("loader", "parquet", pd.DataFrame, "column", "columns"),
        ("saver", "parquet", pd.DataFrame, "partition_columns", "partition_cols"),
        ("saver", "feather", pd.DataFrame, "compresion", "compression"),
        ("saver", "csv", pa.Table, "delimeter", "delimiter"),
        ("saver", "yaml", dict, "sort_key", "sort_keys"),
        ("saver", "file", str, "encodings", "encoding"),
        ("loader", "sql", pd.DataFrame, "index_cols", "index_col"),
        ("saver", "database", pl.DataFrame, "if_exists", "if_table_exists"),
    ],
)
def test_misspelt_options_are_found_before_anything_runs(
    face: str, name: str, type_: Any, option: str, meant: str
) -> None:
    """An option that the library's function does not have is refused, and the nearest is named."""
    choice = (find_loader if face == "loader" else find_saver)(name, type_)
    with pytest.raises(OptionError, match=f"(?s){option}.*{meant}"):
        choice.check({option: 1}, name)


HAMILTON = [
    ("csv", pd.DataFrame, "path", {"sep": ";"}, {"sep": ";"}),
    ("csv", pl.DataFrame, "file", {"separator": ";"}, {"separator": ";", "dtypes": {"number": pl.Float64}}),
    ("csv", pl.LazyFrame, "file", {}, {"row_count_name": "row", "row_count_offset": 5}),
    ("json", pd.DataFrame, "filepath_or_buffer", {"orient": "records"}, {"orient": "records"}),
    ("json", pl.DataFrame, "file", {}, {}),
    ("parquet", pd.DataFrame, "path", {"compression": "gzip"}, {"columns": ["number"]}),
    ("feather", pl.DataFrame, "file", {"compression": "zstd"}, {"columns": ["number"]}),
    ("feather", pl.DataFrame, "source", {}, {}),
    ("excel", pd.DataFrame, "path", {"sheet_name": "s", "datetime_format": "YYYY"}, {"sheet_name": "s"}),
    ("spreadsheet", pl.DataFrame, "source", {"worksheet": "s"}, {"sheet_name": "s", "engine": "calamine"}),
    ("xml", pd.DataFrame, "path_or_buffer", {"index": False}, {"xpath": "./row"}),
    ("pickle", object, "path", {}, {}),
    ("npy", np.ndarray, "path", {"allow_pickle": None}, {"mmap_mode": "r", "fix_imports": None}),
]


@pytest.mark.parametrize(("name", "type_", "path", "saving", "loading"), HAMILTON)
def test_options_are_called_as_hamiltons_users_call_them(
    name: str, type_: Any, path: str, saving: dict[str, Any], loading: dict[str, Any], tmp_path: Path
) -> None:
    """The path and the options have the names that Apache Hamilton's adapters give them."""
    given = {path: str(tmp_path / f"file.{SUFFIXES.get(name, name)}")}
    for find, options in ((find_saver, saving), (find_loader, loading)):
        find(name, type_).check({**given, **options}, name)
    find_saver(name, type_).make(**given, **saving).save_data(value_of(type_))
    loaded, _ = find_loader(name, type_).make(**given, **loading).load_data(asked_for(type_, value_of(type_)))
    assert isinstance(loaded, type_)


def test_pandas_readers_give_nullable_types_unless_told(tmp_path: Path) -> None:
    """Types are nullable, as Apache Hamilton has them, and pandas' own with ``dtype_backend=None``."""
    path = str(tmp_path / "file.csv")
    find_saver("csv", pd.DataFrame).make(path=path).save_data(pd.DataFrame({"a": [1, 2]}))
    choice = find_loader("csv", pd.DataFrame)
    assert [str(t) for t in choice.make(path=path).load_data(pd.DataFrame)[0].dtypes] == ["Int64"]
    own = choice.make(path=path, dtype_backend=None).load_data(pd.DataFrame)[0]
    assert [str(t) for t in own.dtypes] == ["int64"]


def test_appending_keeps_what_a_file_holds(tmp_path: Path) -> None:
    """``mode="a"`` adds to a file, ``mode="x"`` refuses one that exists; both leave it whole when they fail."""
    path = tmp_path / "file.csv"
    frame = pd.DataFrame({"a": [1]})
    choice = find_saver("csv", pd.DataFrame)
    choice.make(path=str(path)).save_data(frame)
    choice.make(path=str(path), mode="a", header=False).save_data(frame)
    assert path.read_text() == "a\n1\n1\n"
    with pytest.raises(SaveError, match="exists"):
        choice.make(path=str(path), mode="x").save_data(frame)
    with pytest.raises(SaveError, match=r"file\.csv"):
        choice.make(path=str(path), mode="a", columns=["b"]).save_data(frame)
    assert path.read_text() == "a\n1\n1\n"


def test_files_in_parts_replace_one_another(tmp_path: Path) -> None:
    """A parquet file in parts is a folder: it is exchanged whole, and read whole."""
    path = str(tmp_path / "file.parquet")
    saver, loader = find_saver("parquet", pd.DataFrame), find_loader("parquet", pd.DataFrame)
    for values in ([1, 2], [3, 4]):
        frame = pd.DataFrame({"key": values, "value": values})
        saver.make(path=path, partition_cols=["key"]).save_data(frame)
        assert loader.make(path=path).load_data(pd.DataFrame)[0]["value"].tolist() == values
    assert [p.name for p in tmp_path.iterdir()] == ["file.parquet"]
    with pytest.raises(SaveError):
        saver.make(path=path, partition_cols=["absent"]).save_data(frame)
    assert loader.make(path=path).load_data(pd.DataFrame)[0]["value"].tolist() == [3, 4]


def test_several_tables_of_a_page_are_a_choice(tmp_path: Path) -> None:
    """Of a page with several tables one is chosen by its text; without a choice it is an error."""
    path = tmp_path / "file.html"
    path.write_text("".join(pd.DataFrame({name: [1]}).to_html(index=False) for name in ("one", "two")))
    choice = find_loader("html", pd.DataFrame)
    with pytest.raises(LoadError, match="2 tables"):
        choice.make(path=str(path)).load_data(pd.DataFrame)
    assert list(choice.make(path=str(path), match="two").load_data(pd.DataFrame)[0].columns) == ["two"]


def test_figures_are_drawn(tmp_path: Path) -> None:
    """A matplotlib figure becomes a picture of the kind its suffix says."""
    figures = pytest.importorskip("matplotlib.figure")
    figure = figures.Figure()
    figure.subplots().plot([1, 2])
    for name in ("plt", "png"):
        find_saver(name, figures.Figure).make(path=str(tmp_path / "file.png"), dpi=20).save_data(figure)
        assert (tmp_path / "file.png").read_bytes().startswith(b"\x89PNG")


def test_plotly_figures_are_pages(tmp_path: Path) -> None:
    """A plotly figure becomes a page; no browser opens."""
    graphs = pytest.importorskip("plotly.graph_objects")
    saver = find_saver("html", graphs.Figure).make(path=str(tmp_path / "file.html"), include_plotlyjs="cdn")
    saver.save_data(graphs.Figure())
    assert "plotly" in (tmp_path / "file.html").read_text()


def test_displays_of_scikit_learn_are_drawn(tmp_path: Path) -> None:
    """A confusion matrix becomes a picture."""
    metrics = pytest.importorskip("sklearn.metrics")
    pytest.importorskip("matplotlib").use("Agg")
    display = metrics.ConfusionMatrixDisplay(np.array([[1, 0], [0, 1]]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        find_saver("png", type(display)).make(path=str(tmp_path / "file.png"), dpi=20).save_data(display)
    assert (tmp_path / "file.png").read_bytes().startswith(b"\x89PNG")


def test_a_type_without_a_cell_is_refused_in_words() -> None:
    """A format that a type does not go into says so, and a missing library is named."""
    for name, type_ in (("avro", pd.DataFrame), ("excel", pl.DataFrame), ("npy", pd.DataFrame), ("file", dict)):
        with pytest.raises(EngineError, match=name):
            find_saver(name, type_)
