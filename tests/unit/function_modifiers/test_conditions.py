"""Functions that are there only under a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import ModifierError
from engine.function_modifiers import config
from engine.function_modifiers.base import Modifier, nodes_of

if TYPE_CHECKING:
    from collections.abc import Callable


def name_under(configuration: dict[str, Any], *modifiers: Modifier) -> str | None:
    """Return the name of the node that ``rate__us`` makes, or None."""

    def rate__us() -> int:
        return 1

    for modifier in modifiers:
        modifier(rate__us)
    names = [node.name for node in nodes_of(rate__us, configuration)]
    return names[0] if names else None


@pytest.mark.parametrize(
    ("modifier", "there", "absent"),
    [
        (config.when(r="us"), [{"r": "us"}], [{"r": "eu"}, {}]),
        (config.when(r=None), [{}, {"r": None}], [{"r": "us"}]),
        (config.when(a=1, b=2), [{"a": 1, "b": 2}], [{"a": 1}, {"b": 2}]),
        (config.when_not(r="us"), [{"r": "eu"}, {}], [{"r": "us"}]),
        (config.when_not(a=1, b=2), [{"a": 3}, {}], [{"a": 1}, {"b": 2}, {"a": 1, "b": 2}]),
        (config.when_in(r=["us", None]), [{"r": "us"}, {}], [{"r": "eu"}]),
        (config.when_not_in(r=["us"]), [{"r": "eu"}, {}], [{"r": "us"}]),
        (config(lambda cfg: "x" in cfg), [{"x": 0}], [{}]),
        (config.when(), [{}], []),
    ],
)
def test_a_condition_decides(modifier: Modifier, there: list[Any], absent: list[Any]) -> None:
    """A function is there exactly where its condition holds; an absent key reads as None."""
    assert [name_under(c, modifier) for c in there] == ["rate"] * len(there)
    assert [name_under(c, modifier) for c in absent] == [None] * len(absent)


def test_all_conditions_must_hold() -> None:
    """Stacked conditions are joined by and."""
    modifiers = (config.when(a=1), config.when_not(b=1))
    assert name_under({"a": 1}, *modifiers) == "rate"
    assert name_under({"a": 1, "b": 1}, *modifiers) is None


def test_a_name_written_down_wins() -> None:
    """``name=`` says what the node is called, wherever it stands in the stack."""
    assert name_under({"a": 1}, config.when(a=1, name="quota")) == "quota"
    assert name_under({"a": 1}, config.when(a=1, name="quota"), config.when(a=1)) == "quota"
    assert name_under({"a": 1}, config.when(a=1), config.when(a=1, name="quota")) == "quota"
    assert name_under({}, config(lambda _: True, target_name="quota")) == "quota"


def test_a_name_is_cut_at_its_last_double_underscore(made: Callable[..., Any]) -> None:
    """Only the last part of a name is the variant, and only under a condition."""

    @config.when(r="us")
    def tax__rate__us() -> int:
        return 1

    def tax__rate() -> int:
        return 1

    assert list(made(tax__rate__us, r="us")) == ["tax__rate"]
    assert list(made(tax__rate)) == ["tax__rate"]


def test_the_node_says_which_keys_it_depends_on(made: Callable[..., Any]) -> None:
    """Hooks and people see which configuration chose a function."""

    @config(lambda cfg: cfg["c"] > 1, config_used=["c"])
    @config.when(a=1, b=2)
    def f() -> int:
        return 1

    assert made(f, a=1, b=2, c=3)["f"].tags["hamilton.config"] == "a,b,c"


def test_misuse_is_told_when_decorating() -> None:
    """A single value where several are compared, or no function, is an error at once."""

    def f() -> int:
        return 1

    with pytest.raises(ModifierError, match=r"write r=\[5\]"):
        config.when_in(r=5)(f)
    with pytest.raises(ModifierError, match="takes a function"):
        config("us")(f)
