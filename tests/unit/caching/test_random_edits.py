"""Random dataflows under random edits: with a cache every call gives what it gives without one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.fixtures.caching import CachedFlow

NODES = 12


class RandomFlow:
    """The text of a dataflow, of which any number may change."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - no secret
        self.parents = {i: sorted(self.random.sample(range(i), min(i, 2))) for i in range(NODES)}
        self.numbers = [self.random.randrange(4) for _ in range(NODES)]
        self.constants = [self.random.randrange(4) for _ in range(3)]
        self.behaviors = {i: self.random.choice(["recompute", "disable"]) for i in range(NODES) if i % 5 == 0}

    def edit(self) -> None:
        """Change a number in a function or a constant behind some of them."""
        numbers = self.random.choice([self.numbers, self.constants])
        numbers[self.random.randrange(len(numbers))] = self.random.randrange(4)

    def text(self) -> str:
        """Return the module's text."""
        lines = ["from engine.function_modifiers import cache\n"]
        lines += [
            f"C{i} = {number}\ndef _helper{i}(n):\n    return n + C{i}\n" for i, number in enumerate(self.constants)
        ]
        for i, parents in self.parents.items():
            names = [f"n{p}" for p in parents] or ["x"]
            value = (
                f"_helper{i % 3}(({' + '.join(f'sum({n})' if n != 'x' else n for n in names)} + {self.numbers[i]}) % 3)"
            )
            behavior = f"@cache(behavior={self.behaviors[i]!r})\n" if i in self.behaviors else ""
            given = ", ".join(f"{n}: {'int' if n == 'x' else 'list'}" for n in names)
            lines.append(f"{behavior}def n{i}({given}) -> list:\n    return [{value}, {i}]\n")
        return "\n".join(lines)


@pytest.mark.parametrize("seed", range(4))
def test_a_cache_changes_no_result(flow: CachedFlow, seed: int) -> None:
    """After any edit and with any input, and edits taken back."""
    made = RandomFlow(seed)
    for _ in range(12):
        made.edit()
        flow.write(made.text())
        wanted = [f"n{i}" for i in made.random.sample(range(NODES), 3)]
        inputs = {"x": made.random.randrange(3)}
        plain, _ = flow.run(*wanted, inputs=inputs, disable=True)
        assert flow.run(*wanted, inputs=inputs)[0] == plain
        again, executed = flow.run(*wanted, inputs=inputs)
        assert again == plain
        assert all(
            made.behaviors.get(int(n[1:])) or any(p in made.behaviors for p in made.parents[int(n[1:])])
            for n in executed
        )
