"""Schemas are written once and compared ever after."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.driver import Builder
from engine.errors import DataQualityError, LoadError
from engine.plugins.h_schema import Diff, SchemaValidator, diff_schemas, human_readable_diff, load_schema

if TYPE_CHECKING:
    from pathlib import Path


def frame(kind: str) -> pd.DataFrame:
    """A frame with a column more, of another kind."""
    return pd.DataFrame({"a": [1]}) if kind == "old" else pd.DataFrame({"a": [1.5], "b": ["x"]})


def lazy(frame: pd.DataFrame) -> pl.LazyFrame:
    """A lazy frame, which is not computed for its schema."""

    def fail(_: Any) -> Any:
        raise AssertionError

    return pl.LazyFrame({"a": frame["a"].tolist()}).with_columns(b=pl.col("a").map_elements(fail, return_dtype=pl.Int8))


def run(folder: Path, kind: str, node: str = "frame", **options: Any) -> SchemaValidator:
    """Run with a validator of the folder, and return it."""
    validator = SchemaValidator(str(folder / "schemas"), **options)
    driver = Builder().with_modules(create_temporary_module(frame, lazy)).with_adapters(validator).build()
    driver.execute([node], inputs={"kind": kind})
    return validator


def test_a_new_schema_is_written_and_an_equal_one_is_fine(tmp_path: Path) -> None:
    """The first run writes the reference, for programs and for people; the next finds nothing."""
    run(tmp_path, "old")
    assert load_schema(tmp_path / "schemas" / "frame.schema").names == ["a"]
    assert json.loads((tmp_path / "schemas" / "schemas.json").read_text())["frame"]["a"]["type"] == "int64"
    assert run(tmp_path, "old", importance="fail").schema_diffs == {}


def test_a_difference_warns_or_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What differs is logged or ends the run, and the reference stays until it is given up."""
    run(tmp_path, "old")
    with caplog.at_level(logging.WARNING):
        validator = run(tmp_path, "new")
    assert '{"a": {"type": {"cur": "double", "ref": "int64"}}, "b": "+"}' in caplog.text
    assert validator.schema_diffs["frame"]["b"].diff is Diff.ADDED
    with pytest.raises(DataQualityError, match="check=False"):
        run(tmp_path, "new", importance="fail")
    run(tmp_path, "new", check=False)
    assert run(tmp_path, "new", importance="fail").schema_diffs == {}


def test_a_schema_that_must_exist(tmp_path: Path) -> None:
    """Without a reference the run ends, and nothing is written."""
    with pytest.raises(FileNotFoundError, match=r"frame\.schema"):
        run(tmp_path, "old", must_exist=True)
    assert list(tmp_path.iterdir()) == []
    broken = tmp_path / "broken.schema"
    broken.write_bytes(b"nothing")
    with pytest.raises(LoadError, match=r"broken\.schema"):
        load_schema(broken)


def test_lazy_frames_stay_lazy(tmp_path: Path) -> None:
    """The schema of a lazy frame is known without its rows."""
    assert run(tmp_path, "old", node="lazy").json_schemas["lazy"]["b"]["type"] == "int8"


def test_differences_are_told_in_full_and_in_short() -> None:
    """Metadata counts only when asked for; equal schemas do not differ."""
    new, old = pa.schema({"a": pa.int64(), "b": pa.string()}), pa.schema({"a": pa.int32(), "c": pa.string()})
    diff = diff_schemas(new, old)
    assert (diff["b"].diff, diff["c"].diff, diff["a"].diff) == (Diff.ADDED, Diff.REMOVED, Diff.UNEQUAL)
    assert human_readable_diff(diff) == {"a": {"type": {"cur": "int64", "ref": "int32"}}, "b": "+", "c": "-"}
    said = new.with_metadata({"k": "v"})
    assert diff_schemas(said, new) == {}
    assert human_readable_diff(diff_schemas(said, new, check_schema_metadata=True)) == {"__metadata": "+"}
