"""Modifiers that the configuration chooses."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ModifierError
from engine.function_modifiers import (
    ResolveAt,
    config,
    extract_fields,
    parameterize,
    resolve,
    resolve_from_config,
    tag,
    value,
)
from engine.settings import ENABLE_POWER_USER_MODE

Made = Any
ALLOWED: dict[str, Any] = {ENABLE_POWER_USER_MODE: True}


def fields(n: int) -> dict[str, int]:
    """Give two fields."""
    return {"a": n, "b": 2}


def fresh() -> Any:
    """Give a function without modifiers."""

    def f(n: int) -> dict[str, int]:
        return fields(n)

    return f


def test_the_configuration_gives_the_modifier(made: Made) -> None:
    """The function of the configuration is called with its keys, those with a default may be missing."""
    chosen = resolve(
        when=ResolveAt.CONFIG_AVAILABLE,
        decorate_with=lambda names, type_=int: extract_fields(dict.fromkeys(names, type_)),
    )
    assert set(made(chosen(fresh()), names=["a", "b"], **ALLOWED)) == {"f", "a", "b"}
    assert set(made(chosen(fresh()), names=["a"], type_=int, **ALLOWED)) == {"f", "a"}


def test_any_kind_of_modifier_can_come_out(made: Made) -> None:
    """A resolver, an expander and another delayed modifier take the place that they would have had themselves."""
    assert made(resolve_from_config(decorate_with=lambda: config.when(k=1))(fresh()), k=2, **ALLOWED) == {}
    many = resolve_from_config(decorate_with=lambda ks: parameterize(**{f"f{k}": {"n": value(k)} for k in ks}))
    assert set(made(many(fresh()), ks=[1, 2], **ALLOWED)) == {"f1", "f2"}
    nested = resolve_from_config(decorate_with=lambda: resolve_from_config(decorate_with=lambda k: tag(a=str(k))))
    assert made(nested(fresh()), k=1, **ALLOWED)["f"].tags["a"] == "1"


@pytest.mark.parametrize(
    ("modifier", "given", "fault"),
    [
        (resolve_from_config(decorate_with=lambda k: tag(a=k)), {"k": "1"}, ENABLE_POWER_USER_MODE),
        (resolve_from_config(decorate_with=lambda k: tag(a=k)), ALLOWED, "no 'k'"),
        (resolve_from_config(decorate_with=lambda: 3), ALLOWED, "no function modifier"),  # type: ignore[arg-type,return-value]  # what is tested
        (resolve_from_config(decorate_with=lambda: tag(a=3)), ALLOWED, "@tag on function .*must be a string"),  # type: ignore[arg-type]  # what is tested
    ],
)
def test_misuse_is_told_when_building(modifier: Any, given: dict[str, Any], fault: str, made: Made) -> None:
    """A configuration that does not allow it or lacks a key, and what is no modifier, are errors."""
    with pytest.raises(ModifierError, match=fault):
        made(modifier(fresh()), **given)


def test_misuse_is_told_when_decorating() -> None:
    """The keys must be written one by one."""
    with pytest.raises(ModifierError, match=r"\*\*rest"):
        resolve_from_config(decorate_with=lambda **rest: tag(a=str(rest)))(fresh())
    with pytest.raises(ModifierError, match="no point in time"):
        resolve(when="now", decorate_with=tag)(fresh())  # type: ignore[arg-type]  # what is tested
