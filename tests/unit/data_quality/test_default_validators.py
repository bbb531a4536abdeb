"""The validators behind the arguments of ``@check_output``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from engine.data_quality.base import DataValidationLevel, ValidationResult
from engine.data_quality.default_validators import AVAILABLE_DEFAULT_VALIDATORS, find_validators
from engine.errors import DefinitionError

NAN = math.nan


def checked(data: Any, **check: Any) -> ValidationResult:
    """Let the validator of one check look at a value."""
    (validator,) = find_validators(check, type(data), "warn")
    result: ValidationResult = validator.validate(data)
    return result


@pytest.mark.parametrize("series", [pd.Series, pl.Series], ids=["pandas", "polars"])
@pytest.mark.parametrize(
    ("values", "check", "passes"),
    [
        ([1.0, 2.0], {"range": (1, 2)}, True),
        ([1.0, 2.5], {"range": (1, 2)}, False),
        ([1.0, None], {"range": (0, 3)}, False),
        ([1.0, NAN], {"range": (0, 3)}, False),
        ([], {"range": (0, 3)}, True),
        ([1.0, 2.0, None], {"values_in": [1, 2]}, True),
        ([1.0, 9.0], {"values_in": [1, 2]}, False),
        (["a", "b"], {"values_in": ["a", "b"]}, True),
        ([1.0, None, NAN, 2.0], {"allow_nans": False}, False),
        ([1.0, None], {"allow_nans": True}, True),
        ([1.0, None, NAN, 2.0], {"max_fraction_nans": 0.5}, True),
        ([1.0, None, NAN], {"max_fraction_nans": 0.5}, False),
        ([], {"max_fraction_nans": 0.0}, True),
        ([1.0, 3.0, None], {"mean_in_range": (2, 2)}, True),
        ([1.0, 3.0, NAN], {"mean_in_range": (3, 4)}, False),
        ([1.0, 3.0, None], {"max_standard_dev": 1.5}, True),
        ([1.0, 3.0], {"max_standard_dev": 1.4}, False),
        ([1.5], {"data_type": float}, True),
        ([1], {"data_type": int}, True),
        ([1], {"data_type": float}, False),
        (["a"], {"data_type": str}, True),
        ([True], {"data_type": bool}, True),
        ([True], {"data_type": int}, False),
        ([1], {"allow_none": False}, True),
    ],
)
def test_series(series: Any, values: list[Any], check: dict[str, Any], passes: bool) -> None:
    """A check means the same of a pandas and of a polars series."""
    data = series(values) if values else series(values, dtype=float if series is pd.Series else pl.Float64)
    assert checked(data, **check).passes is passes


def test_types_in_the_words_of_the_library() -> None:
    """A type may be a class of NumPy, a name, or a type of polars."""
    assert checked(pd.Series([1]), data_type=np.int64).passes
    assert checked(pd.Series([1]), data_type="int64").passes
    assert not checked(pd.Series([1]), data_type=np.float64).passes
    assert checked(pl.Series([1]), data_type=pl.Int64).passes
    assert not checked(pl.Series([1]), data_type=pl.Int32).passes


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_frames(frame: Any) -> None:
    """Missing values are counted in all columns of a frame."""
    data = frame({"a": [1.0, None], "b": ["x", "y"]})
    assert not checked(data, allow_nans=False).passes
    assert checked(data, max_fraction_nans=0.25).diagnostics["total_nan"] == 1
    assert not checked(data, max_fraction_nans=0.2).passes


@pytest.mark.parametrize(
    ("data", "check", "passes"),
    [
        (2, {"range": (0, 3)}, True),
        (2.5, {"range": (0, 2)}, False),
        (True, {"range": (0, 3)}, True),
        ("b", {"values_in": ["a", "b"]}, True),
        (3, {"values_in": [1, 2]}, False),
        (3, {"data_type": int}, True),
        (3, {"data_type": str}, False),
        ("hello", {"contains": ["he", "lo"]}, True),
        ("hello", {"contains": ["he", "x"]}, False),
        ("hello", {"does_not_contain": "x"}, True),
        ("hello", {"does_not_contain": ["x", "e"]}, False),
        ({}, {"allow_none": False}, True),
        (None, {"allow_none": False}, False),
        (None, {"allow_none": True}, True),
    ],
)
def test_single_values(data: Any, check: dict[str, Any], passes: bool) -> None:
    """Numbers, texts and None are looked at as they are."""
    assert checked(data, **check).passes is passes


def test_facts_are_plain_and_messages_hold_no_data() -> None:
    """Diagnostics are Python's own numbers; the sentence counts and does not quote."""
    result = checked(pd.Series([1.0, 987.0]), values_in=[1])
    assert result.diagnostics["incorrect_values"] == {987.0: 1}
    assert type(result.diagnostics["incorrect_values_count"]) is int
    assert "987" not in result.message


@pytest.mark.parametrize("candidate", AVAILABLE_DEFAULT_VALIDATORS, ids=lambda c: c.__name__)
def test_each_says_what_it_looks_at(candidate: Any) -> None:
    """A validator is named after its argument and says what must hold."""
    arguments = {"range": (0, 1), "mean_in_range": (0, 1), "values_in": [1]}
    validator = (
        candidate(arguments.get(candidate.arg(), 1), "fail")
        if "contain" not in candidate.arg()
        else candidate("x", "fail")
    )
    assert validator.name() == f"{candidate.arg()}_validator"
    assert validator.importance is DataValidationLevel.FAIL
    assert validator.description().endswith(".")


@pytest.mark.parametrize(
    ("type_", "check", "fault"),
    [
        (int, {"contains": "x"}, "no check 'contains'"),
        (pl.LazyFrame, {"range": (0, 1)}, "no check 'range'"),
        (pd.Series, {"mean_in_range": 3}, "is no pair"),
        (pd.Series, {"max_fraction_nans": 3}, "is no fraction"),
        (int, {"range": (0, 1), "importance": 1}, "no check 'importance'"),
    ],
)
def test_what_cannot_be_checked(type_: type, check: dict[str, Any], fault: str) -> None:
    """A check that there is not for the type, or an argument that means nothing, is an error."""
    with pytest.raises(DefinitionError, match=fault):
        find_validators(check, type_, "warn")


def test_an_importance_that_is_none() -> None:
    """A validator warns or fails."""
    with pytest.raises(DefinitionError, match="neither"):
        find_validators({"range": (0, 1)}, int, "perhaps")
