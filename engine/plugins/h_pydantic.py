"""pydantic: ``@check_output`` holds what a function returns against the model it is annotated with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from engine.data_quality.pydantic_validators import PydanticModelValidator
from engine.function_modifiers.validation import AnnotatedCheck
from engine.htypes import plain, type_name

if TYPE_CHECKING:
    from engine.function_modifiers.base import Definition, Target
    from engine.node import Node


@dataclass(frozen=True)
class PydanticCheck(AnnotatedCheck):
    """Holds a node's value against the model it is annotated with."""

    label: ClassVar[str] = "@h_pydantic.check_output"

    def validators(self, node: Node, definition: Definition) -> list[PydanticModelValidator]:
        """Return the validator of the model."""
        model = plain(node.type)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise self.error(
                definition.function,
                f"{node.name!r} is annotated {type_name(node.type)}, which is no pydantic model",
                hint="annotate the function with a subclass of pydantic.BaseModel, or write @check_output(model=…)",
            )
        return [PydanticModelValidator(model, self.importance)]


def check_output(importance: str = "warn", target: Target = None) -> PydanticCheck:
    """Hold what a function returns against the pydantic model it is annotated with.

    Args:
        importance: ``warn`` logs what differs, ``fail`` makes it an error.
        target: The nodes: the final ones (None), all (``...``), or those named.
    """
    return PydanticCheck(importance, target)
