"""Executor suite: what everything that runs tasks must do.

Subclass it in your tests, and say which executor::

    class TestRay(ExecutorSuite):
        @pytest.fixture
        def executor(self) -> TaskExecutor:
            return RayExecutor(max_tasks=4)

This module is the dataflow that runs: workers in other processes must be able to import it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from engine.driver import Builder
from engine.htypes import Collect, Parallelizable  # noqa: TC001 - annotations of nodes are read

if TYPE_CHECKING:
    from engine.driver import Driver
    from engine.execution.executors import TaskExecutor

_FAILS_AT = 3
_MANY = 40
_taken: list[int] = []


def number(count: int) -> Parallelizable[int]:
    """Give items, and note which were taken."""
    _taken.clear()
    for index in range(count):
        _taken.append(index)
        yield index


def bias() -> int:
    """Give what every branch reads."""
    return 10


def square(number: int, bias: int) -> int:
    """Run once per item."""
    return number * number + bias


def negative(square: int) -> int:
    """Run after it, in the same branch."""
    return -square


def squares(negative: Collect[int]) -> list[int]:
    """Gather the branches."""
    return list(negative)


def total(squares: list[int], bias: int) -> int:
    """Run once again."""
    return sum(squares) + bias


def broken(number: int) -> int:
    """Fail in one branch."""
    if number == _FAILS_AT:
        raise KeyError(number)
    return number


def all_broken(broken: Collect[int]) -> int:
    """Gather what did not fail."""
    return sum(broken)


def stopped(number: int) -> int:
    """Fail in the first branch, so that the others need not run."""
    raise ValueError(number)


def all_stopped(stopped: Collect[int]) -> int:
    """Never run."""
    return sum(stopped)


class ExecutorSuite:
    """The contract of `engine.execution.executors.TaskExecutor`."""

    @pytest.fixture
    def executor(self) -> TaskExecutor:
        """Return the executor under test."""
        raise NotImplementedError

    @pytest.fixture
    def driver(self, executor: TaskExecutor) -> Driver:
        """Return a driver whose branches run on it."""
        builder = Builder().enable_dynamic_execution(allow_experimental_mode=True)
        return builder.with_modules(sys.modules[__name__]).with_remote_executor(executor).build()

    def test_branches_are_gathered_in_the_order_of_their_items(self, driver: Driver) -> None:
        """Whichever branch ends first, the list is in the order in which the items were given."""
        expected = [-(n * n + 10) for n in range(_MANY)]
        values = driver.execute(["squares", "total"], inputs={"count": _MANY})
        assert values == {"squares": expected, "total": sum(expected) + 10}

    def test_a_block_without_items_gathers_nothing(self, driver: Driver) -> None:
        """The collector runs with an empty list."""
        assert driver.execute(["squares"], inputs={"count": 0}) == {"squares": []}

    def test_an_exception_of_a_branch_is_raised_unchanged(self, driver: Driver) -> None:
        """The caller gets the node's own exception, with notes on node and branch; the executor serves the next run."""
        with pytest.raises(KeyError, match=str(_FAILS_AT)) as caught:
            driver.execute(["all_broken"], inputs={"count": _MANY})
        notes = "\n".join(caught.value.__notes__)
        assert "while running node 'broken'" in notes
        assert f"in branch {_FAILS_AT} of 'block-number'" in notes
        assert driver.execute(["all_broken"], inputs={"count": _FAILS_AT}) == {"all_broken": 3}

    def test_items_are_taken_as_branches_take_them(self, driver: Driver) -> None:
        """Of very many items only so many are taken as there is work in flight when the first branch fails."""
        with pytest.raises(ValueError, match=r"\d+"):
            driver.execute(["all_stopped"], inputs={"count": 1_000_000})
        assert len(_taken) < 10_000  # noqa: PLR2004 - far less than there are

    def test_it_runs_what_runs_once_as_well(self, executor: TaskExecutor) -> None:
        """The executor may be the local one too."""
        builder = Builder().enable_dynamic_execution(allow_experimental_mode=True)
        builder.with_modules(sys.modules[__name__]).with_local_executor(executor).with_remote_executor(executor)
        values: dict[str, Any] = builder.build().execute(["total", "bias"], inputs={"count": 2})
        assert values == {"total": -11, "bias": 10}
