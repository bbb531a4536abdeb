"""pandera: ``@check_output`` holds a frame against the schema in its annotation, ``DataFrame[Model]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, get_args

from engine.data_quality.pandera_validators import PanderaSchemaValidator
from engine.function_modifiers.validation import AnnotatedCheck
from engine.htypes import plain, type_name

if TYPE_CHECKING:
    from engine.function_modifiers.base import Definition, Target
    from engine.node import Node


@dataclass(frozen=True)
class PanderaCheck(AnnotatedCheck):
    """Holds a node's value against the schema in its annotation."""

    label: ClassVar[str] = "@h_pandera.check_output"

    def validators(self, node: Node, definition: Definition) -> list[PanderaSchemaValidator]:
        """Return the validator of the schema."""
        arguments = get_args(plain(node.type))
        if not arguments or not hasattr(arguments[0], "to_schema"):
            raise self.error(
                definition.function,
                f"{node.name!r} is annotated {type_name(node.type)}, which names no pandera model",
                hint="annotate the function pandera.typing.DataFrame[YourModel], or write @check_output(schema=…)",
            )
        return [PanderaSchemaValidator(arguments[0].to_schema(), self.importance)]


def check_output(importance: str = "warn", target: Target = None) -> PanderaCheck:
    """Hold what a function returns against the pandera model that its annotation names.

    Args:
        importance: ``warn`` logs what differs, ``fail`` makes it an error.
        target: The nodes: the final ones (None), all (``...``), or those named.
    """
    return PanderaCheck(importance, target)
