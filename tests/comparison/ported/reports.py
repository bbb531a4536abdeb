"""Reports made of the features, with dataflows inside nodes, columns added to a frame, and savers.

Apache Hamilton's `datasaver` does not take annotations that are text, so that this file does not postpone them.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from engine.function_modifiers import (
    ResolveAt,
    datasaver,
    does,
    hamilton_exclude,
    parameterized_subdag,
    resolve,
    save_to,
    schema,
    source,
    subdag,
    tag,
    unpack_fields,
    value,
)
from engine.plugins.h_pandas import with_columns
from tests.comparison.ported.parts import described, log_ratio, ratio, scaled


@subdag(scaled, described, inputs={"amounts": source("total_worth"), "factor": value(100.0)})
def in_cents(described: dict) -> dict:
    """The report in cents."""
    return described


@parameterized_subdag(
    scaled,
    described,
    inputs={"amounts": source("mean_worth")},
    in_thousands={"inputs": {"factor": value(0.001)}},
    in_units={"inputs": {"factor": source("unit")}},
)
def reports(described: dict) -> dict:
    """The report in several units."""
    return described


@schema.output(("sum", "float"), ("mean", "float"), ("ratio", "float"))
@with_columns(ratio, log_ratio, columns_to_pass=["sum", "mean"], select=["ratio", "log_ratio"])
def wide(table: pd.DataFrame) -> pd.DataFrame:
    """The table with more columns."""
    return table


@unpack_fields("rows", "width")
def size(wide: pd.DataFrame) -> tuple[int, int]:
    """How large it is."""
    return wide.shape


@save_to.csv(path=source("report_path"), output_name_="report_file")
def report(wide: pd.DataFrame) -> pd.DataFrame:
    """What is sent."""
    return wide.reset_index()


@datasaver()
def report_note(rows: int, in_cents: dict, note_path: str) -> dict:
    """A text beside it."""
    text = f"{rows} rows, {in_cents['most']:.0f} at most"
    Path(note_path).write_text(text)
    return {"path": Path(note_path).name, "length": len(text)}


def _joined(**parts: Any) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in sorted(parts.items()))


@does(_joined)
def summary(rows: int, width: int, low: float, high: float) -> str:
    """All numbers in one line."""


@resolve(when=ResolveAt.CONFIG_AVAILABLE, decorate_with=lambda audience="all": tag(audience=audience))
def title(summary: str) -> str:
    """The first line."""
    return f"Report: {summary}"


@hamilton_exclude
def not_a_node(anything: int) -> int:
    """A function that others call."""
    return anything
