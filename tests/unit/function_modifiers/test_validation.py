"""Validators behind nodes."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import pandas as pd
import pytest

from engine.data_quality.base import (
    AsyncDataValidator,
    BaseDefaultValidator,
    DataValidationError,
    DataValidator,
    ValidationResult,
)
from engine.errors import DataQualityError, ModifierError
from engine.function_modifiers import (
    cache,
    check_output,
    check_output_custom,
    dataloader,
    extract_columns,
    extract_fields,
    parameterize,
    save_to,
    tag,
    value,
)
from engine.function_modifiers.base import nodes_of
from engine.node import NodeKind

Made = Any
Built = Any


class Positive(DataValidator):
    """The value is positive."""

    def applies_to(self, datatype: type[Any]) -> bool:
        """Say whether it is a number."""
        return datatype is int

    def description(self) -> str:
        """Say what must hold."""
        return "is positive"

    @classmethod
    def name(cls) -> str:
        """Return the name."""
        return "positive"

    def validate(self, dataset: Any) -> ValidationResult:
        """Compare."""
        return ValidationResult(passes=dataset > 0, message="it must be positive", diagnostics={"value": dataset})


class Waiting(AsyncDataValidator):
    """Waits."""

    def applies_to(self, datatype: type[Any]) -> bool:
        """Say yes."""
        return datatype is not None

    def description(self) -> str:
        """Say what must hold."""
        return "waits"

    @classmethod
    def name(cls) -> str:
        """Return the name."""
        return "waiting"

    async def validate(self, dataset: Any) -> ValidationResult:
        """Pass."""
        return ValidationResult(passes=dataset is not None, message="")


class Odd(BaseDefaultValidator):
    """The value is odd, or is not."""

    def __init__(self, odd: bool, importance: str) -> None:
        super().__init__(importance)
        self.odd = odd

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a number."""
        return datatype is int

    @classmethod
    def arg(cls) -> str:
        """Return the argument."""
        return "odd"

    def description(self) -> str:
        """Say what must hold."""
        return "is odd"

    def validate(self, dataset: Any) -> ValidationResult:
        """Divide."""
        return ValidationResult(passes=dataset % 2 == self.odd, message="it must be odd")


def test_each_validator_is_a_node(made: Made) -> None:
    """The raw value, each validator and the checked value are nodes; later modifiers act on the last."""

    @tag(owner="us")
    @check_output(range=(0, 3), data_type=int)
    def f(a: int) -> int:
        """Give a."""
        return a

    nodes = made(f)
    assert list(nodes) == ["f_raw", "f_range_validator", "f_data_type_validator", "f"]
    assert nodes["f_range_validator"].kind is NodeKind.CHECK
    assert nodes["f_range_validator"].type is ValidationResult
    assert nodes["f_range_validator"].tags["hamilton.data_quality.source_node"] == "f"
    assert nodes["f_range_validator"].tags["hamilton.data_quality.contains_dq_results"] is True
    assert [name for name, node in nodes.items() if "owner" in node.tags] == ["f"]
    assert nodes["f"].doc == "Give a."
    assert f(7) == 7


def test_what_does_not_pass_is_logged_or_raised(built: Built, caplog: pytest.LogCaptureFixture) -> None:
    """A warning is logged and the value given on; a failure is raised after all validators, without the data."""

    @check_output(range=(0, 3), values_in=[1, 2], importance="warn")
    def warned(a: int) -> int:
        return a

    @check_output(range=(0, 3), values_in=[1, 2], importance="fail")
    def failing(a: int) -> int:
        return a

    driver = built(warned, failing)
    with caplog.at_level(logging.WARNING):
        assert driver.execute(["warned"], inputs={"a": 98765}) == {"warned": 98765}
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "98765" not in caplog.text
    with pytest.raises(
        DataValidationError, match=r"'failing' did not pass 2 validators(.|\n)*range(.|\n)*values_in"
    ) as e:
        driver.execute(["failing"], inputs={"a": 98765})
    assert "98765" not in str(e.value)
    assert driver.execute(["failing"], inputs={"a": 1}) == {"failing": 1}
    (result,) = driver.execute(["failing_range_validator"], inputs={"a": 98765}).values()
    assert (result.passes, result.diagnostics["value"]) == (False, 98765)


def test_checks_stack(built: Built) -> None:
    """Several checks of one node, of both kinds, add their validators to one another."""

    @check_output_custom(Positive("warn"))
    @check_output_custom(Positive("warn"), Positive("fail"))
    @check_output(range=(-5, 3))
    @check_output(range=(-9, 9), importance="fail")
    def f(a: int) -> int:
        return a

    driver = built(f)
    assert {node.name for node in driver.list_available_variables()} == {
        *("a", "f", "f_raw", "f_range_validator", "f_range_validator_1"),
        *("f_positive", "f_positive_1", "f_positive_2"),
    }
    with pytest.raises(DataQualityError, match="did not pass positive: it must be positive"):
        driver.execute(["f"], inputs={"a": -1})
    assert driver.execute(["f"], inputs={"a": 4}) == {"f": 4}


def test_validators_of_ones_own(built: Built) -> None:
    """Own validators check the nodes named; own default validators are found by their argument."""

    @check_output_custom(Positive("fail"), target_="p")
    @extract_fields({"p": int, "q": int})
    def f(a: int) -> dict[str, int]:
        return {"p": a, "q": -1}

    @check_output(default_validator_candidates=[Odd], odd=True, importance="fail")
    def g(a: int) -> int:
        return a

    driver = built(f, g)
    assert driver.execute(["p", "q", "g"], inputs={"a": 1}) == {"p": 1, "q": -1, "g": 1}
    with pytest.raises(DataQualityError, match="'p'"):
        driver.execute(["p"], inputs={"a": -1})
    with pytest.raises(DataQualityError, match="'g'"):
        driver.execute(["g"], inputs={"a": 2})


def test_an_asynchronous_validator_needs_the_asynchronous_driver(built: Built) -> None:
    """Under the plain driver it is an error that says so, not a check that passes without looking."""

    @check_output_custom(Waiting("warn"))
    def f(a: int) -> int:
        return a

    driver = built(f)
    with pytest.raises(DataQualityError, match="asynchronous"):
        driver.execute(["f"], inputs={"a": 1})


def test_a_check_with_each_other_modifier(built: Built) -> None:
    """Checks join with whatever makes several nodes, loads, saves or carries a value on."""

    @check_output(range=(0, 3), importance="fail")
    @parameterize(u={"a": value(1)}, v={"a": value(9)})
    def many(a: int) -> int:
        return a

    @check_output(allow_nans=False, importance="fail")
    @extract_columns("c")
    @check_output(max_fraction_nans=0.5)
    def frame() -> pd.DataFrame:
        return pd.DataFrame({"c": [1.0, None]})

    @cache(format="json")
    @save_to.memory()
    @check_output(range=(0, 3))
    @dataloader()
    def loaded() -> tuple[int, dict[str, Any]]:
        return 2, {}

    driver = built(many, frame, loaded)
    assert driver.execute(["u", "loaded"]) == {"u": 1, "loaded": 2}
    for name in ("v", "c"):
        with pytest.raises(DataQualityError, match=f"'{name}'"):
            driver.execute([name])


def test_optional_values(built: Built) -> None:
    """A check looks at the type beside None; None itself is in no range."""

    @check_output(range=(0, 3), importance="fail")
    @check_output(allow_none=True, importance="fail")
    def f(a: int) -> int | None:
        return a or None

    driver = built(f)
    assert driver.execute(["f"], inputs={"a": 1}) == {"f": 1}
    with pytest.raises(DataQualityError, match="range"):
        driver.execute(["f"], inputs={"a": 0})


@pytest.mark.parametrize(
    ("modifier", "fault"),
    [
        (check_output(rnge=(0, 3)), "no check 'rnge'(.|\n)*did you mean 'range'"),
        (check_output(rnge=(0, 3), allow_nans=True), "no check 'rnge', 'allow_nans'"),
        (check_output(range=3), "range=3 is no pair"),
        (check_output(values_in=3), "no collection"),
        (check_output(range=(0, 1), importance="x"), "neither 'warn' nor 'fail'"),
        (check_output(range=(0, 1), target_="g"), "no node named 'g'"),
        (check_output_custom(3), "3 is no DataValidator"),  # type: ignore[arg-type]  # what is tested
        (check_output_custom(Positive), "is a class"),  # type: ignore[arg-type]  # what is tested
    ],
)
def test_misuse_is_told_before_anything_runs(modifier: Any, fault: str, made: Made) -> None:
    """A check that there is not, or that cannot be, names the function, its file and its line."""

    def f(a: int) -> int:
        return a

    with pytest.raises(ModifierError, match=rf"on function .*f \(.*test_validation.py:\d+\)(.|\n)*{fault}"):
        made(modifier(f))


@check_output(range=(0, 3))
def _checked(a: int) -> int:
    return a


def test_nodes_can_be_pickled() -> None:
    """What is made has no closure in it."""
    nodes = nodes_of(_checked)
    assert [node.name for node in pickle.loads(pickle.dumps(nodes))] == [node.name for node in nodes]  # noqa: S301 - our own bytes
