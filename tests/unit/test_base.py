"""Result builders, and Apache Hamilton's older adapters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import base
from engine.ad_hoc_utils import create_temporary_module
from engine.driver import Builder, Driver


def test_indexes_of_different_types_are_refused() -> None:
    """The strict builder joins like the other one, unless the types of indexes differ."""
    numbered, lettered = pd.Series([1, 2]), pd.Series([1, 2], index=["a", "b"])
    builder = base.StrictIndexTypePandasDataFrameResult()
    pd.testing.assert_frame_equal(
        builder.build_result(a=numbered, b=3), base.PandasDataFrameResult().build_result(a=numbered, b=3)
    )
    with pytest.raises(ValueError, match=r"RangeIndex of int64: a; Index of str: b"):
        builder.build_result(a=numbered, b=lettered)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"a": np.array([1, 2]), "b": [3, 4], "c": 5}, [[1, 3, 5], [2, 4, 5]]),
        ({"a": pd.Series([1, 2]), "b": 3}, [[1, 3], [2, 3]]),
        ({"a": 1, "b": 2}, [[1, 2]]),
    ],
)
def test_matrices(outputs: dict[str, Any], expected: list[list[int]]) -> None:
    """Vectors become columns, scalars are repeated."""
    matrix = base.NumpyMatrixResult().build_result(**outputs)
    assert isinstance(matrix, np.matrix)
    assert matrix.tolist() == expected
    with pytest.raises(ValueError, match="differ in length"):
        base.NumpyMatrixResult().build_result(a=[1], b=[1, 2])


def number(given: int) -> int:
    """A node."""
    return given


def test_older_adapters_name_a_result() -> None:
    """Each of Apache Hamilton's older adapters gives the result its name promises."""
    module = create_temporary_module(number)

    def result(adapter: Any) -> Any:
        return Driver({}, module, adapter=adapter).execute(["number"], inputs={"given": 1})

    assert result(base.SimplePythonGraphAdapter()) == result(base.DefaultAdapter()) == {"number": 1}
    assert result(base.SimplePythonGraphAdapter(base.NumpyMatrixResult())).tolist() == [[1]]
    assert result(base.SimplePythonDataFrameGraphAdapter())["number"].tolist() == [1]
    assert issubclass(base.ResultMixin, base.LegacyResultMixin)
    assert base.HamiltonGraphAdapter is base.GraphAdapter
    assert Builder().with_modules(module).with_adapters(base.DefaultAdapter()).build()
