"""Dictionaries and objects held against a pydantic model: ``@check_output(model=…)``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from engine.data_quality.base import BaseDefaultValidator, ValidationResult


class PydanticModelValidator(BaseDefaultValidator):
    """A value is as a pydantic model says; nothing is converted.

    Args:
        model: The model.
        importance: ``warn`` or ``fail``.
    """

    def __init__(self, model: Any, importance: str) -> None:
        super().__init__(importance)
        self.model = model

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a dictionary or a model."""
        return issubclass(datatype, dict | BaseModel)

    @classmethod
    def arg(cls) -> str:
        """Return ``model``."""
        return "model"

    @classmethod
    def name(cls) -> str:
        """Return the name under which Apache Hamilton's node is known."""
        return "pydantic_validator"

    def description(self) -> str:
        """Return what must hold."""
        return f"The value is as the model {getattr(self.model, '__name__', self.model)} says."

    def validate(self, dataset: Any) -> ValidationResult:
        """Collect all that differs from the model."""
        try:
            TypeAdapter(self.model).validate_python(dataset, strict=True)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            places = [f"{'.'.join(map(str, e['loc'])) or 'the value'} ({e['type']})" for e in errors]
            return ValidationResult(
                passes=False,
                message=f"The model does not hold: {', '.join(places)}.",
                diagnostics={"model_errors": errors},
            )
        return ValidationResult(passes=True, message="The model holds.")
