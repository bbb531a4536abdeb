"""What a modifier makes has a complete code version: an edit changes exactly the nodes that it touches."""

from __future__ import annotations

import pytest

from engine.ad_hoc_utils import module_from_source
from engine.function_modifiers.base import functions_of, nodes_of
from engine.planning.fingerprint import CodeVersion, Fingerprinter

SOURCE = """
import pandas as pd
from engine.data_quality.base import DataValidator, ValidationResult
from engine.function_modifiers import *
from engine.plugins.h_pandas import with_columns

LIMIT = {limit}

class Above(DataValidator):
    def applies_to(self, datatype):
        return True

    def description(self):
        return "is above the limit"

    @classmethod
    def name(cls):
        return "above"

    def validate(self, dataset):
        return ValidationResult(passes=dataset > LIMIT, message="it must be above the limit")

def _shift(x: int) -> int:
    return x + {shift}

def inner(x: int) -> int:
    return x

def c(a: pd.Series) -> pd.Series:
    return a

@check_output_custom(Above("warn"))
@check_output(range=(0, {highest}), importance="{importance}")
@pipe_output(step(_shift))
@pipe_input(step(_shift))
def f(a: int) -> int:
    return a

@subdag(inner, inputs={{"x": source("a")}}, config={{"k": 1}})
def s(inner: int) -> int:
    return inner

@with_columns(c, columns_to_pass=["a"])
def w(df: pd.DataFrame) -> pd.DataFrame:
    return df
"""


def versions(**edits: object) -> dict[str, CodeVersion]:
    """Return the code version of each node of the dataflow, edited."""
    text = SOURCE.format(**{"limit": 1, "shift": 1, "highest": 3, "importance": "warn", **edits})
    module, fingerprinter = module_from_source(text), Fingerprinter()
    nodes = [node for _, function in functions_of(module) for node in nodes_of(function)]
    return {node.name: fingerprinter.code_version(node.function) for node in nodes if node.function}


@pytest.mark.parametrize(
    ("edits", "changed"),
    [
        ({}, set()),
        ({"limit": 2}, {"f_above"}),
        ({"shift": 2}, {"f.with_shift", "f.with_shift_1"}),
        ({"highest": 4}, {"f_range_validator"}),
        ({"importance": "fail"}, {"f_range_validator", "f"}),
    ],
)
def test_an_edit_changes_the_nodes_it_touches(edits: dict[str, object], changed: set[str]) -> None:
    """Steps, validators with what they refer to, and their arguments count where they are used, and nowhere else."""
    before, after = versions(), versions(**edits)
    assert {version.completeness for version in before.values()} == {"complete"}
    assert {name for name, version in before.items() if after[name].version != version.version} == changed
