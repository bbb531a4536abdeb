"""File formats through Arrow: what survives, and what is refused in clear words."""

from __future__ import annotations

import datetime as dt
import decimal
import inspect
import pickle
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from engine.errors import LoadError, RequestError, SaveError
from engine.formats import FORMATS, format_of
from engine.formats.csv import CSV
from engine.formats.json import JSON
from engine.formats.parquet import Parquet
from engine.formats.pickle import Pickle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize("path", ["file", "file.unknown", "file.gz", "folder.csv/file"])
def test_an_unknown_suffix_is_refused(path: str) -> None:
    """A path whose suffix means no format is refused, and the formats are listed."""
    with pytest.raises(RequestError, match="suffix") as caught:
        format_of(path)
    assert "parquet" in caught.value.hint


def test_csv_knows_null_by_its_quotes(tmp_path: Path) -> None:
    """An empty field is NULL, an empty field in quotes the empty text, and NA two letters."""
    path = tmp_path / "file.csv"
    path.write_text('a,b\n1,\n2,""\n,NA\n')
    assert CSV().read_arrow(path).read_all().to_pydict() == {"a": [1, 2, None], "b": [None, "", "NA"]}
    named = CSV().read_arrow(path, null_values=["", "NA"], columns=["b"]).read_all()
    assert named.to_pydict() == {"b": [None, "", None]}


def test_csv_finds_a_type_from_all_rows(tmp_path: Path) -> None:
    """A text in the last of many rows makes the column text, and a given type is not guessed."""
    path = tmp_path / "file.csv"
    path.write_text("a;b\n" + "1;007\n" * 300_000 + "x;008\n")
    table = CSV().read_arrow(path, delimiter=";", column_types={"b": pa.string()}).read_all()
    assert table.schema.types == [pa.string(), pa.string()]
    assert table["b"][0].as_py() == "007"


def test_csv_refuses_what_it_does_not_hold(tmp_path: Path) -> None:
    """Lists and bytes are refused by column; a column that is not there, too."""
    path = tmp_path / "file.csv"
    for column in ([[1]], [b"x"]):
        with pytest.raises(SaveError, match="'x'"):
            CSV().write_arrow(pa.table({"x": column}).to_reader(), path)
    path.write_text("a\n1\n")
    with pytest.raises(LoadError, match="b"):
        CSV().read_arrow(path, columns=["b"])


def test_parquet_keeps_types_and_reads_by_batch(tmp_path: Path) -> None:
    """Types come back as they went, some columns in any order, in batches of the asked size."""
    path = tmp_path / "file.parquet"
    table = pa.table(
        {
            "when": pa.array([1, None, 3], pa.timestamp("ns", "Europe/Paris")),
            "amount": pa.array([decimal.Decimal("1.50")] * 3, pa.decimal128(15, 2)),
            "kind": pa.array(["a", None, "a"]).dictionary_encode(),
            "seconds": pa.array([1, 2, 3], pa.timestamp("s")),
        }
    )
    Parquet().write_arrow(table.to_reader(max_chunksize=2), path)
    back = Parquet().read_arrow(path, batch_rows=2)
    batches = list(back)
    assert [batch.num_rows for batch in batches] == [2, 1]
    assert pa.Table.from_batches(batches).to_pydict() == table.to_pydict()
    assert Parquet().read_arrow(path, columns=["kind", "when"]).read_all().column_names == ["kind", "when"]
    with pytest.raises(LoadError, match="'absent'"):
        Parquet().read_arrow(path, columns=["absent"])


def test_frames_without_rows_keep_their_columns(tmp_path: Path) -> None:
    """A parquet file of no rows has columns and types; a CSV file has columns."""
    empty = pa.table({"x": pa.array([], pa.int64())})
    Parquet().write_arrow(empty.to_reader(), tmp_path / "file.parquet")
    assert Parquet().read_arrow(tmp_path / "file.parquet").read_all().schema == empty.schema
    CSV().write_arrow(empty.to_reader(), tmp_path / "file.csv")
    assert CSV().read_arrow(tmp_path / "file.csv").read_all().column_names == ["x"]


def test_a_stream_that_breaks_is_not_hidden(tmp_path: Path) -> None:
    """An error in the middle of a stream comes out as it was raised."""

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"x": [1]})
        raise RuntimeError("no more")

    for format_ in (CSV, JSON, Parquet):
        reader = pa.RecordBatchReader.from_batches(pa.schema([("x", pa.int64())]), batches())
        with pytest.raises(RuntimeError, match="no more"):
            format_().write_arrow(reader, tmp_path / "file")


def test_json_lines_hold_dates_and_decimals_as_text(tmp_path: Path) -> None:
    """Dates and decimals become text; NaN and bytes are refused; a list of objects is rows, too."""
    path = tmp_path / "file.json"
    row = {"d": dt.date(2020, 1, 2), "n": decimal.Decimal("1.50"), "l": [1, None]}
    JSON().write_arrow(pa.Table.from_pylist([row]).to_reader(), path)
    assert path.read_text() == '{"d": "2020-01-02", "n": "1.50", "l": [1, null]}\n'
    for value in (float("nan"), b"x"):
        with pytest.raises(SaveError, match="JSON"):
            JSON().write_arrow(pa.table({"x": [value]}).to_reader(), path)
    path.write_text(' [{"a": 1}, {"a": null}]')
    assert JSON().read_arrow(path).read_all().to_pydict() == {"a": [1, None]}


def test_values_that_do_not_serialize_are_refused(tmp_path: Path) -> None:
    """A set in JSON and a generator in a pickle are save errors that name the file."""
    with pytest.raises(SaveError, match=r"file\.json"):
        JSON().write({"a": {1}}, tmp_path / "file.json")
    with pytest.raises(SaveError, match=r"file\.pkl.*generator"):
        Pickle().write((x for x in ()), tmp_path / "file.pkl")


def test_a_pickle_that_needs_missing_code_is_a_load_error(tmp_path: Path) -> None:
    """A pickle that names a module that is not there is a load error."""
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps(CSV).replace(b"engine.formats.csv", b"engine.formats.xyz"))
    with pytest.raises(LoadError, match=r"file\.pkl"):
        Pickle().read(path)


@pytest.mark.parametrize("name", ["csv", "json", "parquet", "pickle"])
def test_options_are_named(name: str) -> None:
    """No method of a built-in format that serves takes options it does not name."""
    format_ = FORMATS.load(name)
    for method in ("read", "write", "read_arrow", "write_arrow"):
        if method in vars(format_):
            kinds = {p.kind for p in inspect.signature(getattr(format_, method)).parameters.values()}
            assert inspect.Parameter.VAR_KEYWORD not in kinds
