"""Values of a run that are read, or made, only when somebody asks for them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.execution.values import Values


def lost() -> Any:
    """Fail to read."""
    raise LookupError


def test_a_recalled_value_is_read_once_and_only_when_asked_for() -> None:
    """Until then it counts as there."""
    values, read = Values({"x": 1}), []
    values.recall("a", lambda: read.append("a") or 5, lost, ["x"])
    assert ("a" in values, sorted(values), len(values), read) == (True, ["a", "x"], 2, [])
    assert (values["a"], values["a"], read) == (5, 5, ["a"])
    assert values.at_hand("a") == 5


def test_what_a_recalled_value_is_made_of_is_held() -> None:
    """A dropped value stays while a recalled one may have to be made of it, and goes with it."""
    values = Values({"x": 1})
    values.recall("a", lost, lambda: values["x"] + 1, ["x"])
    values.recall("b", lost, lambda: values["a"] + 1, ["a"])
    del values["x"]
    del values["a"]
    assert sorted(values) == ["b"]
    assert values["b"] == 3
    assert sorted(values) == ["b"]
    with pytest.raises(KeyError):
        values["x"]
    with pytest.raises(KeyError):
        del values["x"]


def test_a_recalled_value_that_nobody_reads_frees_what_it_holds() -> None:
    """Dropping it is enough."""
    values = Values({"x": 1})
    for name, need in ("ax", "ba", "cb"):
        values.recall(name, lost, lost, [need])
    for name in "xabc":
        del values[name]
    assert (list(values), "x" in values, "a" in values) == ([], False, False)


def test_what_running_a_node_raises_comes_through() -> None:
    """A failure of the node itself is no missing value."""
    values = Values({})

    def broken() -> Any:
        message = "the node's own"
        raise KeyError(message)

    values.recall("a", lost, broken, [])
    with pytest.raises(KeyError, match="the node's own"):
        values["a"]
