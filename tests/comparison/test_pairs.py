"""Every modifier alone and above every other one, under Apache Hamilton and under the engine."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from engine.data_quality.base import ValidationResult
from tests.comparison.pairs import DIFFERENT, LESS, MODIFIERS, MORE, above, alone, kind

pytest.importorskip("hamilton", reason="apache-hamilton is not installed")

from tests.comparison.test_modifiers import built, nodes, plain

if TYPE_CHECKING:
    from tests.comparison.flows import Flow


class Outcome(NamedTuple):
    """What became of a dataflow: its nodes and their values, or what was raised."""

    nodes: dict[str, Any]
    values: dict[str, Any]
    error: Exception | None = None


def outcome(root: str, flow: Flow) -> Outcome:
    """Build a dataflow under a root and execute every node."""
    try:
        driver = built(root, flow)
        made = nodes(driver, flow)
        wanted = [name for name, facts in made.items() if not facts[1]]
        values = driver.execute(wanted, inputs=flow.inputs)
    except Exception as error:  # noqa: BLE001 - that both raise is what is compared
        return Outcome({}, {}, error)
    return Outcome(made, {name: _shown(value) for name, value in values.items() if ".load_data." not in name})


def _shown(value: Any) -> Any:
    passes = getattr(value, "passes", None) if type(value).__name__ == ValidationResult.__name__ else None
    return plain(value) if passes is None else passes


@pytest.fixture(autouse=True)
def _peer_may_warn() -> Any:
    """Apache Hamilton warns of older names; that is not what is compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def agree(theirs: Outcome, ours: Outcome) -> bool:
    """Say whether both made the same, or both refused."""
    if theirs.error is not None:
        return ours.error is not None
    return ours == theirs


@pytest.mark.parametrize("name", MODIFIERS)
def test_alone(name: str) -> None:
    """A modifier makes the same nodes with the same values of every shape of function, or is refused for both."""
    flows = [flow for flow in alone() if flow.name.startswith(f"{name}: ")]
    assert flows
    differ = [flow.name for flow in flows if not agree(outcome("hamilton", flow), outcome("engine", flow))]
    assert differ == []


@pytest.mark.parametrize("name", MODIFIERS)
def test_above_every_other(name: str) -> None:
    """Two modifiers on one function make the same nodes with the same values, or are refused for both.

    The exceptions are named with their reasons.
    """
    differ = []
    for below, flow in above(name):
        pair = frozenset((kind(name), kind(below)))
        theirs, ours = outcome("hamilton", flow), outcome("engine", flow)
        allowed = (
            (pair in MORE and theirs.error is not None and ours.error is None)
            or (pair in DIFFERENT and theirs.error is None and ours.error is None)
            or (pair in LESS and theirs.error is None and isinstance(ours.error, ValueError))
        )
        if not allowed and not agree(theirs, ours):
            differ.append((flow.name, theirs, ours))
    assert differ == []
