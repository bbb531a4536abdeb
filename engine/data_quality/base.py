"""Validators: the contract, and what becomes of their results.

A validator looks at a value; what it finds is a `ValidationResult`, the value of a node of its own. `judge` reads the
results of all validators of a node: those of importance ``fail`` that do not pass are one error, those of importance
``warn`` are logged. Neither shows diagnostics, which may hold values.
"""

from __future__ import annotations

import inspect
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from engine.errors import DataQualityError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger(__name__)

DataValidationError = DataQualityError
"""Apache Hamilton's name."""


class DataValidationLevel(Enum):
    """What a validator that does not pass does."""

    WARN = "warn"
    FAIL = "fail"


@dataclass
class ValidationResult:
    """What a validator found.

    Attributes:
        passes: The value is as it should be.
        message: One sentence; it is logged, so it holds none of the data.
        diagnostics: The facts, which may hold values.
    """

    passes: bool
    message: str
    diagnostics: dict[str, Any] = field(default_factory=dict)


class DataValidator(ABC):
    """Looks at a node's value.

    Args:
        importance: ``warn`` logs what does not pass, ``fail`` makes it an error.

    Raises:
        DefinitionError: The importance is neither.
    """

    def __init__(self, importance: str) -> None:
        try:
            self._importance = DataValidationLevel(importance)
        except ValueError:
            raise DefinitionError(
                f"importance={importance!r} of validator {type(self).__name__} is neither 'warn' nor 'fail'"
            ) from None

    @property
    def importance(self) -> DataValidationLevel:
        """What happens where it does not pass."""
        return self._importance

    @abstractmethod
    def applies_to(self, datatype: type[Any]) -> bool:
        """Say whether values of this type can be looked at."""

    @abstractmethod
    def description(self) -> str:
        """Return what must hold, for people."""

    @classmethod
    @abstractmethod
    def name(cls) -> str:
        """Return the last part of the name of its node."""

    @abstractmethod
    def validate(self, dataset: Any) -> Any:
        """Look at a value and return a `ValidationResult`."""


class AsyncDataValidator(DataValidator, ABC):
    """A validator that waits for something; for the async driver."""

    @abstractmethod
    async def validate(self, dataset: Any) -> ValidationResult:
        """Look at a value."""


class BaseDefaultValidator(DataValidator, ABC):
    """A validator that ``@check_output(<arg>=…)`` finds by the name of its argument and the type of the node.

    It is made by ``Validator(argument, importance)``.
    """

    @classmethod
    @abstractmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether values of this type can be looked at."""

    @classmethod
    @abstractmethod
    def arg(cls) -> str:
        """Return the name of the argument of ``@check_output``."""

    @classmethod
    def name(cls) -> str:
        """Return the last part of the name of its node."""
        return f"{cls.arg()}_validator"


class AsyncBaseDefaultValidator(BaseDefaultValidator, ABC):
    """A default validator that waits for something; for the async driver."""

    @abstractmethod
    async def validate(self, dataset: Any) -> ValidationResult:
        """Look at a value."""


def judge(node: str, results: Iterable[tuple[str, DataValidationLevel, Any]]) -> None:
    """Log what does not pass and is a warning; then raise what does not pass and is a failure, all in one error.

    Args:
        node: The node's name, for messages.
        results: Per validator its name, its importance and its `ValidationResult`.

    Raises:
        DataQualityError: A result of importance ``fail`` does not pass, or something else than a result is given.
    """
    failures = []
    for name, importance, result in results:
        if inspect.iscoroutine(result):
            result.close()
            raise DataQualityError(
                f"the validator {name} of node {node!r} is asynchronous, which only the async driver waits for",
                hint="use engine.async_driver, or a DataValidator whose validate() is no coroutine",
            )
        if not isinstance(result, ValidationResult):
            raise DataQualityError(
                f"the validator {name} of node {node!r} gave a {type(result).__name__}, no ValidationResult"
            )
        if not result.passes:
            sentence = f"{name}: {result.message}"
            if importance is DataValidationLevel.FAIL:
                failures.append(sentence)
            else:
                logger.warning("node %r did not pass %s", node, sentence)
    if failures:
        raise DataQualityError(
            f"node {node!r} did not pass {failures[0]}"
            if len(failures) == 1
            else f"node {node!r} did not pass {len(failures)} validators:" + "".join(f"\n  - {f}" for f in failures)
        )
