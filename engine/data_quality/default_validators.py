"""The validators behind the arguments of ``@check_output``, for series, frames, numbers and texts.

Own ones are appended to `AVAILABLE_DEFAULT_VALIDATORS`, or passed as ``default_validator_candidates=[…]``.
"""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

from engine.data_quality.base import BaseDefaultValidator, ValidationResult
from engine.data_quality.columns import columns_of, is_frame, is_series
from engine.errors import DefinitionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PRIMITIVES = (numbers.Real, str)


def _pair(argument: str, limits: Any) -> tuple[Any, Any]:
    try:
        lower, upper = limits
    except (TypeError, ValueError):
        raise DefinitionError(f"{argument}={limits!r} is no pair", hint=f"write {argument}=(lowest, highest)") from None
    return lower, upper


class _Range(BaseDefaultValidator):
    """The values lie between two limits, these included."""

    def __init__(self, range: tuple[Any, Any], importance: str) -> None:  # noqa: A002 - the argument's name
        super().__init__(importance)
        self.range = _pair("range", range)

    @classmethod
    def arg(cls) -> str:
        """Return ``range``."""
        return "range"

    def description(self) -> str:
        """Return what must hold."""
        return f"Every value lies in the range {self.range}."


class DataInRangeValidatorSeries(_Range):
    """Every value of a series lies between two limits, these included; a missing one does not."""

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a series."""
        return is_series(datatype)

    def validate(self, dataset: Any) -> ValidationResult:
        """Count the values inside."""
        (column,) = columns_of(dataset)
        inside = column.inside(*self.range)
        outside = column.rows - inside
        facts = {"range": self.range, "in_range": inside, "out_range": outside, "data_size": column.rows}
        message = f"{inside} values are in the range {self.range}, {outside} are not."
        return ValidationResult(outside == 0, message, facts)


class DataInRangeValidatorPrimitives(_Range):
    """A number lies between two limits, these included."""

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a number."""
        return issubclass(datatype, numbers.Real)

    def validate(self, dataset: Any) -> ValidationResult:
        """Compare the number."""
        lower, upper = self.range
        passes = dataset is not None and bool(lower <= dataset <= upper)
        message = f"The value is {'' if passes else 'not '}in the range {self.range}."
        return ValidationResult(passes, message, {"range": self.range, "value": dataset})


class _ValuesIn(BaseDefaultValidator):
    """The values are some of those given."""

    def __init__(self, values_in: Iterable[Any], importance: str) -> None:
        super().__init__(importance)
        try:
            self.values = frozenset(values_in)
        except TypeError as error:
            raise DefinitionError(f"values_in={values_in!r} is no collection of values: {error}") from None

    @classmethod
    def arg(cls) -> str:
        """Return ``values_in``."""
        return "values_in"

    def description(self) -> str:
        """Return what must hold."""
        return f"Every value is one of {sorted(self.values, key=repr)}; missing ones do not count."


class DataInValuesValidatorSeries(_ValuesIn):
    """Every value of a series that is there is one of those given."""

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a series."""
        return is_series(datatype)

    def validate(self, dataset: Any) -> ValidationResult:
        """Count the other values."""
        (column,) = columns_of(dataset)
        others = column.outsiders(self.values)
        wrong = sum(others.values())
        facts = {
            "values": self.values,
            "correct_values_count": column.rows - column.missing() - wrong,
            "incorrect_values_count": wrong,
            "incorrect_values": others,
            "data_size": column.rows,
        }
        return ValidationResult(wrong == 0, f"{wrong} of {column.rows} values are none of those allowed.", facts)


class DataInValuesValidatorPrimitives(_ValuesIn):
    """A number or text is one of those given."""

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a number or a text."""
        return issubclass(datatype, _PRIMITIVES)

    def validate(self, dataset: Any) -> ValidationResult:
        """Look the value up."""
        passes = dataset in self.values
        facts = {"values": self.values, "was_correct": passes, "incorrect_value": None if passes else dataset}
        message = f"The value is {'one' if passes else 'none'} of those allowed."
        return ValidationResult(passes, message, {**facts, "data_size": 1})


class _DataType(BaseDefaultValidator):
    """The values are of a type."""

    def __init__(self, data_type: Any, importance: str) -> None:
        super().__init__(importance)
        self.data_type = data_type

    @classmethod
    def arg(cls) -> str:
        """Return ``data_type``."""
        return "data_type"

    def description(self) -> str:
        """Return what must hold."""
        return f"The values are of type {self.data_type}."

    def result(self, actual: Any, *, passes: bool) -> ValidationResult:
        """Return the result for values of type ``actual``."""
        facts = {"required_data_type": self.data_type, "actual_data_type": actual}
        return ValidationResult(passes, f"{self.data_type} is required, the type is {actual}.", facts)


class DataTypeValidatorSeries(_DataType):
    """The values of a series are of a type, given in the library's words or Python's."""

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a series."""
        return is_series(datatype)

    def validate(self, dataset: Any) -> ValidationResult:
        """Compare the types."""
        (column,) = columns_of(dataset)
        return self.result(column.type(), passes=column.is_of(self.data_type))


class DataTypeValidatorPrimitives(_DataType):
    """A number or text is of a type."""

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a number or a text."""
        return issubclass(datatype, _PRIMITIVES)

    def validate(self, dataset: Any) -> ValidationResult:
        """Compare the types."""
        return self.result(type(dataset), passes=isinstance(dataset, self.data_type))


class MaxFractionNansValidator(BaseDefaultValidator):
    """At most a fraction of the values of a series or frame is missing."""

    def __init__(self, max_fraction_nans: float, importance: str) -> None:
        super().__init__(importance)
        if not isinstance(max_fraction_nans, numbers.Real) or not 0 <= max_fraction_nans <= 1:
            raise DefinitionError(
                f"{self.arg()}={max_fraction_nans!r} is no fraction", hint="write a number from 0 to 1"
            )
        self.max_fraction_nans: float = max_fraction_nans

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a series or a frame."""
        return is_series(datatype) or is_frame(datatype)

    @classmethod
    def arg(cls) -> str:
        """Return ``max_fraction_nans``."""
        return "max_fraction_nans"

    def description(self) -> str:
        """Return what must hold."""
        return f"At most {self.max_fraction_nans:.2%} of the values are missing."

    def validate(self, dataset: Any) -> ValidationResult:
        """Count the missing values."""
        columns = columns_of(dataset)
        missing = sum(column.missing() for column in columns)
        total = sum(column.rows for column in columns)
        fraction = missing / total if total else 0
        facts = {
            "total_nan": missing,
            "total_length": total,
            "fraction_na": fraction,
            "max_fraction_na": self.max_fraction_nans,
        }
        message = f"{missing} of {total} values are missing ({fraction:.2%}); {self.max_fraction_nans:.2%} are allowed."
        return ValidationResult(fraction <= self.max_fraction_nans, message, facts)


class AllowNaNsValidator(MaxFractionNansValidator):
    """No value of a series or frame is missing, unless that is allowed."""

    def __init__(self, allow_nans: bool, importance: str) -> None:
        super().__init__(1 if allow_nans else 0, importance)

    @classmethod
    def arg(cls) -> str:
        """Return ``allow_nans``."""
        return "allow_nans"


class MeanInRangeValidatorSeries(BaseDefaultValidator):
    """The mean of a series lies between two limits, these included."""

    def __init__(self, mean_in_range: tuple[float, float], importance: str) -> None:
        super().__init__(importance)
        self.mean_in_range = _pair("mean_in_range", mean_in_range)

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a series."""
        return is_series(datatype)

    @classmethod
    def arg(cls) -> str:
        """Return ``mean_in_range``."""
        return "mean_in_range"

    def description(self) -> str:
        """Return what must hold."""
        return f"The mean lies in the range {self.mean_in_range}."

    def validate(self, dataset: Any) -> ValidationResult:
        """Compare the mean."""
        (column,) = columns_of(dataset)
        mean = column.mean()
        lower, upper = self.mean_in_range
        facts = {"dataset_mean": mean, "mean_in_range": self.mean_in_range}
        passes = bool(lower <= mean <= upper)
        return ValidationResult(passes, f"The mean is {mean}; the range is {self.mean_in_range}.", facts)


class MaxStandardDevValidatorSeries(BaseDefaultValidator):
    """The standard deviation of a series is not greater than a limit."""

    def __init__(self, max_standard_dev: float, importance: str) -> None:
        super().__init__(importance)
        self.max_standard_dev = max_standard_dev

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a series."""
        return is_series(datatype)

    @classmethod
    def arg(cls) -> str:
        """Return ``max_standard_dev``."""
        return "max_standard_dev"

    def description(self) -> str:
        """Return what must hold."""
        return f"The standard deviation is at most {self.max_standard_dev}."

    def validate(self, dataset: Any) -> ValidationResult:
        """Compare the standard deviation."""
        (column,) = columns_of(dataset)
        deviation = column.deviation()
        facts = {"standard_dev": deviation, "max_standard_dev": self.max_standard_dev}
        message = f"The standard deviation is {deviation}; at most {self.max_standard_dev} is allowed."
        return ValidationResult(bool(deviation <= self.max_standard_dev), message, facts)


class AllowNoneValidator(BaseDefaultValidator):
    """The value is not None, unless that is allowed."""

    def __init__(self, allow_none: bool, importance: str) -> None:
        super().__init__(importance)
        self.allow_none = allow_none

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:  # noqa: ARG003 - the protocol's signature
        """Say yes: any value may be None."""
        return True

    @classmethod
    def arg(cls) -> str:
        """Return ``allow_none``."""
        return "allow_none"

    def description(self) -> str:
        """Return what must hold."""
        return "The value may be None." if self.allow_none else "The value is not None."

    def validate(self, dataset: Any) -> ValidationResult:
        """Look whether there is a value."""
        return ValidationResult(self.allow_none or dataset is not None, f"The value is {_none_or_not(dataset)}None.")


def _none_or_not(dataset: Any) -> str:
    return "" if dataset is None else "not "


class _Text(BaseDefaultValidator):
    """A text holds, or does not hold, other texts."""

    def __init__(self, texts: str | Sequence[str], importance: str) -> None:
        super().__init__(importance)
        self.texts = [texts] if isinstance(texts, str) else list(texts)

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a text."""
        return issubclass(datatype, str)

    def _found(self, dataset: Any) -> list[str]:
        return [text for text in self.texts if dataset is not None and text in dataset]


class StrContainsValidator(_Text):
    """A text holds each of these."""

    @classmethod
    def arg(cls) -> str:
        """Return ``contains``."""
        return "contains"

    def description(self) -> str:
        """Return what must hold."""
        return f"The text holds {self.texts}."

    def validate(self, dataset: Any) -> ValidationResult:
        """Look for the texts."""
        found = self._found(dataset)
        lacking = [text for text in self.texts if text not in found]
        message = f"The text does not hold {lacking}." if lacking else "The text holds what it must."
        return ValidationResult(not lacking, message, {"contains": self.texts, "data": dataset} if lacking else {})


class StrDoesNotContainValidator(_Text):
    """A text holds none of these."""

    @classmethod
    def arg(cls) -> str:
        """Return ``does_not_contain``."""
        return "does_not_contain"

    def description(self) -> str:
        """Return what must hold."""
        return f"The text does not hold {self.texts}."

    def validate(self, dataset: Any) -> ValidationResult:
        """Look for the texts."""
        found = self._found(dataset)
        message = f"The text holds {found}." if found else "The text holds nothing that it must not."
        return ValidationResult(not found, message, {"does_not_contain": self.texts, "data": dataset} if found else {})


AVAILABLE_DEFAULT_VALIDATORS: list[type[BaseDefaultValidator]] = [
    DataInRangeValidatorSeries,
    DataInRangeValidatorPrimitives,
    DataInValuesValidatorSeries,
    DataInValuesValidatorPrimitives,
    DataTypeValidatorSeries,
    DataTypeValidatorPrimitives,
    MaxFractionNansValidator,
    AllowNaNsValidator,
    MeanInRangeValidatorSeries,
    MaxStandardDevValidatorSeries,
    AllowNoneValidator,
    StrContainsValidator,
    StrDoesNotContainValidator,
]
"""Asked in this order; the first that applies is used."""


def find_validators(
    arguments: Mapping[str, Any],
    type_: type[Any],
    importance: str,
    candidates: Iterable[type[BaseDefaultValidator]] | None = None,
) -> list[Any]:
    """Return one validator per argument of ``@check_output``.

    Args:
        arguments: What is to hold, by name.
        type_: The type of the values.
        importance: ``warn`` or ``fail``.
        candidates: Classes to choose from; `AVAILABLE_DEFAULT_VALIDATORS` unless given.

    Raises:
        DefinitionError: There is no validator for an argument and the type, or it cannot take the argument.
    """
    known = tuple(AVAILABLE_DEFAULT_VALIDATORS if candidates is None else candidates)
    if candidates is None and "schema" in arguments:
        from engine.data_quality.pandera_validators import PanderaSchemaValidator

        known = (*known, PanderaSchemaValidator)
    if candidates is None and "model" in arguments:
        from engine.data_quality.pydantic_validators import PydanticModelValidator

        known = (*known, PydanticModelValidator)
    applying = [candidate for candidate in known if candidate.applies_to(type_)]
    names = sorted({candidate.arg() for candidate in applying})
    unknown = [argument for argument in arguments if argument not in names]
    if unknown:
        near = did_you_mean(unknown[0], names)
        raise DefinitionError(
            f"there is no check {', '.join(map(repr, unknown))} for this type",
            hint=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}",
        )
    chosen = {argument: next(c for c in applying if c.arg() == argument) for argument in arguments}
    return [_make(chosen[argument], given, importance) for argument, given in arguments.items()]


def _make(candidate: type[BaseDefaultValidator], given: Any, importance: str) -> BaseDefaultValidator:
    make: Any = candidate
    try:
        made: BaseDefaultValidator = make(given, importance=importance)
    except (TypeError, ValueError) as error:
        if isinstance(error, DefinitionError):
            raise
        raise DefinitionError(f"{candidate.arg()}={given!r} cannot be checked: {error}") from error
    return made
