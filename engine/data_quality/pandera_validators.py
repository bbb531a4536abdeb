"""Frames and series held against a pandera schema: ``@check_output(schema=…)``."""

from __future__ import annotations

from typing import Any

from pandera.errors import SchemaError, SchemaErrors

from engine.data_quality.base import BaseDefaultValidator, ValidationResult
from engine.data_quality.columns import is_frame, is_series
from engine.errors import DefinitionError


class PanderaSchemaValidator(BaseDefaultValidator):
    """A frame or series is as a pandera schema says.

    Args:
        schema: A schema, or a class of ``DataFrameModel``.
        importance: ``warn`` or ``fail``.
    """

    def __init__(self, schema: Any, importance: str) -> None:
        super().__init__(importance)
        if not callable(getattr(schema, "validate", None)):
            raise DefinitionError(f"schema={schema!r} is no schema of pandera")
        self.schema = schema

    @classmethod
    def applies_to(cls, datatype: type[Any]) -> bool:
        """Say whether it is a frame or a series."""
        return is_frame(datatype) or is_series(datatype)

    @classmethod
    def arg(cls) -> str:
        """Return ``schema``."""
        return "schema"

    @classmethod
    def name(cls) -> str:
        """Return the name under which Apache Hamilton's node is known."""
        return "pandera_schema_validator"

    def description(self) -> str:
        """Return what must hold."""
        return f"The data is as the pandera schema {getattr(self.schema, 'name', None) or 'given'} says."

    def validate(self, dataset: Any) -> ValidationResult:
        """Collect all that differs from the schema."""
        try:
            self.schema.validate(dataset, lazy=True)
        except SchemaErrors as error:
            reasons = sorted({str(case) for case in error.failure_cases["check"]})
            return ValidationResult(
                passes=False,
                message=f"The schema does not hold: {', '.join(reasons)}.",
                diagnostics={"errors": error.message},
            )
        except SchemaError as error:
            return ValidationResult(
                passes=False, message=f"The schema does not hold: {error.check}.", diagnostics={"errors": str(error)}
            )
        return ValidationResult(passes=True, message="The schema holds.")
