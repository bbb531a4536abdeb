"""Random dataflows give what a naive evaluation gives, on every way to run them."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine import async_driver
from engine.ad_hoc_utils import module_from_source
from engine.driver import Builder
from tests.fixtures.random_dataflows import CONFIG, INPUTS, Definition, dataflows, naively, text_of

if TYPE_CHECKING:
    from types import ModuleType

_numbers = itertools.count()
_values = st.fixed_dictionaries({name: st.integers(-5, 5) for name in INPUTS})


def module_of(definitions: list[Definition]) -> ModuleType:
    """Make a module of a dataflow."""
    return module_from_source(text_of(definitions), f"random_{next(_numbers)}")


@settings(max_examples=80, deadline=None)
@given(dataflows(), _values, st.data())
def test_values_are_those_of_a_naive_evaluation(
    definitions: list[Definition], inputs: dict[str, int], data: st.DataObject
) -> None:
    """Whatever is asked for, in whatever order, with whatever overridden, has its value; and again the next time."""
    driver = Builder().with_modules(module_of(definitions)).with_config(CONFIG).build()
    names = [node for definition in definitions for node in definition.nodes]
    wanted = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True), label="wanted")
    overrides = data.draw(st.dictionaries(st.sampled_from(names), st.integers(-5, 5), max_size=2), label="overrides")
    expected = naively(definitions, {**inputs, **overrides})
    for _ in range(2):
        values: dict[str, Any] = driver.execute(wanted, inputs=inputs, overrides=overrides)
        assert list(values.items()) == [(name, expected[name]) for name in wanted]


@settings(max_examples=15, deadline=None)
@given(dataflows(), _values, st.lists(st.booleans(), min_size=10, max_size=10))
def test_an_event_loop_gives_the_same(
    definitions: list[Definition], inputs: dict[str, int], coroutines: list[bool]
) -> None:
    """The async driver gives what a naive evaluation gives, whichever functions are coroutine functions."""
    definitions = [replace(made, is_async=is_) for made, is_ in zip(definitions, coroutines, strict=False)]
    expected = naively(definitions, inputs)

    async def run() -> Any:
        builder = async_driver.Builder().with_modules(module_of(definitions)).with_config(CONFIG)
        async with await builder.build() as driver:
            return await driver.execute(list(expected), inputs=inputs)

    assert asyncio.run(run()) == expected
