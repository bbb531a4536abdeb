"""The same dataflows under Apache Hamilton and under the engine: nodes, results and kinds of errors are equal."""

from __future__ import annotations

import importlib
import itertools
import warnings
from typing import Any

import pytest

from engine.data_quality.base import ValidationResult
from engine.errors import DataQualityError, ModifierError
from engine.function_modifiers.macros import SingleTargetError
from tests.comparison.flows import CHECKED, FLOWS, HEADER, Flow

pytest.importorskip("hamilton", reason="apache-hamilton is not installed")

KINDS = {
    "DataValidationError": DataQualityError,
    "InvalidDecoratorException": ModifierError,
    "SingleTargetError": SingleTargetError,
    "ValueError": ValueError,
}
UNCOMPARED = ("hamilton.config", "hamilton.data_", "module")
"""Beginnings of tags that are not compared: they name our own classes, or Apache Hamilton drops them behind a pipe."""

_numbers = itertools.count()


def built(root: str, flow: Flow) -> Any:
    """Build a driver of the dataflow under a root."""
    text = (HEADER + flow.source).replace("ROOT", root)
    module = importlib.import_module(f"{root}.ad_hoc_utils").module_from_source(text, f"flow_{next(_numbers)}")
    return importlib.import_module(f"{root}.driver").Builder().with_modules(module).with_config(flow.config).build()


def nodes(driver: Any, flow: Flow) -> dict[str, tuple[Any, ...]]:
    """Return what is known of each node; keys of the configuration are no nodes here."""
    return {
        node.name: (
            getattr(node.type, "__name__", str(node.type)),
            node.is_external_input,
            frozenset(node.required_dependencies),
            frozenset(node.optional_dependencies),
            {
                key: word
                for key, word in node.tags.items()
                if not key.startswith(("hamilton.config", "hamilton.data_", "module"))
            },
        )
        for node in driver.list_available_variables()
        if node.name not in flow.config
    }


def plain(value: Any) -> str:
    """Return a value as text that can be compared: what a frame holds, or the value itself."""
    if hasattr(value, "collect"):
        value = value.collect()
    method = next((m for m in ("to_dicts", "to_dict") if hasattr(value, m)), None)
    return repr(getattr(value, method)() if method else value)


def failure(root: str, flow: Flow) -> tuple[str, BaseException]:
    """Return where a dataflow fails, and how."""
    try:
        driver = built(root, flow)
    except Exception as error:  # noqa: BLE001 - the kinds are compared
        return "build", error
    try:
        driver.execute(list(flow.outputs), inputs=flow.inputs)
    except Exception as error:  # noqa: BLE001 - the kinds are compared
        return "execute", error
    raise AssertionError(f"nothing fails under {root}")


@pytest.fixture(autouse=True)
def _peer_may_warn() -> Any:
    """Apache Hamilton warns of what its libraries deprecate; that is not what is compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if not flow.fails], ids=lambda flow: flow.name)
def test_nodes_and_results_are_the_same(flow: Flow) -> None:
    """A dataflow makes the same nodes, with the same types, edges and tags, and gives the same values."""
    theirs, ours = built("hamilton", flow), built("engine", flow)
    expected = nodes(theirs, flow)
    assert nodes(ours, flow) == expected
    results = theirs.execute(list(flow.outputs), inputs=flow.inputs)
    assert {n: plain(v) for n, v in ours.execute(list(flow.outputs), inputs=flow.inputs).items()} == {
        n: plain(v) for n, v in results.items()
    }


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if flow.fails], ids=lambda flow: flow.name)
def test_errors_are_of_the_same_kind(flow: Flow) -> None:
    """A dataflow that is wrong fails at the same moment, with an error that the same handler catches."""
    assert flow.fails is not None
    stage, error = failure("hamilton", flow)
    assert (stage, type(error).__name__) == flow.fails
    stage, error = failure("engine", flow)
    assert stage == flow.fails[0]
    assert isinstance(error, KINDS[flow.fails[1]])


@pytest.mark.parametrize("flow", CHECKED, ids=lambda flow: flow.name)
def test_validators_find_the_same(flow: Flow) -> None:
    """Every validator of a dataflow passes, or does not, under both roots alike."""
    theirs, ours = built("hamilton", flow), built("engine", flow)
    names = [name for name, facts in nodes(ours, flow).items() if facts[0] == ValidationResult.__name__]
    assert names
    given, expected = (dr.execute(names, inputs=flow.inputs) for dr in (ours, theirs))
    assert {n: r.passes for n, r in given.items()} == {n: r.passes for n, r in expected.items()}
