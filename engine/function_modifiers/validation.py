"""Validators behind a node: ``@check_output`` and ``@check_output_custom``.

The function's own value becomes the node ``<node>_raw``, each validator a node ``<node>_<validator>``, and ``<node>``
gives the value on once all of them have looked at it. A second check of the same node adds its validators to those of
the first.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin

from engine.bindings import Source
from engine.data_quality.base import DataValidationLevel, DataValidator, ValidationResult, judge
from engine.errors import DefinitionError
from engine.function_modifiers.base import Transformer, carried_on, free_name
from engine.htypes import is_union, plain, type_name
from engine.node import Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from engine.data_quality.base import BaseDefaultValidator
    from engine.function_modifiers.base import Definition, Target

IS_DATA_VALIDATOR_TAG = "hamilton.data_quality.contains_dq_results"
DATA_VALIDATOR_ORIGINAL_OUTPUT_TAG = "hamilton.data_quality.source_node"
_VALUE = "value"


@dataclass(frozen=True)
class Validate:
    """Let a validator look at a value: the function of its node."""

    validator: DataValidator

    def __call__(self, value: Any) -> Any:
        """Return what it found (of an asynchronous validator: what to wait for)."""
        return self.validator.validate(value)


@dataclass(frozen=True)
class Checked:
    """Give a value on after its validators have looked at it.

    Attributes:
        node: The node's name.
        levels: Per parameter that takes a result, the validator's name and its importance.
    """

    node: str
    levels: Mapping[str, tuple[str, DataValidationLevel]]

    def __call__(self, value: Any, **results: Any) -> Any:
        """Return the value.

        Raises:
            DataQualityError: A validator of importance ``fail`` did not pass.
        """
        judge(self.node, [(*self.levels[parameter], result) for parameter, result in results.items()])
        return value


class _Check(Transformer):
    """Puts validators behind a node."""

    @abstractmethod
    def validators(self, node: Node, definition: Definition) -> Sequence[DataValidator]:
        """Return the validators of the node."""

    def transform(self, node: Node, definition: Definition) -> list[Node]:
        """Return the raw value, a node per validator, and the node that gives the value on."""
        validators = self.validators(node, definition)
        raw: list[Node] = []
        levels: dict[str, tuple[str, DataValidationLevel]] = {}
        if isinstance(node.function, Checked):
            levels |= node.function.levels
            value = node.bindings[_VALUE]
            checked = node
        else:
            raw = [replace(node, name=free_name(f"{node.name}_raw", definition.names), refined=True)]
            value = Source(raw[0].name)
            checked = carried_on(node, Checked(node.name, {}), node.type, _VALUE, raw[0].name)
        made: list[Node] = []
        for validator in validators:
            name = free_name(f"{node.name}_{validator.name()}", definition.names, [n.name for n in made])
            levels[name] = (validator.name(), validator.importance)
            made.append(
                Node(
                    name=name,
                    type=ValidationResult,
                    function=Validate(validator),
                    bindings={_VALUE: value},
                    parameter_types={_VALUE: node.type},
                    kind=NodeKind.CHECK,
                    tags={
                        "module": definition.function.__module__,
                        IS_DATA_VALIDATOR_TAG: True,
                        DATA_VALIDATOR_ORIGINAL_OUTPUT_TAG: node.name,
                    },
                    doc=validator.description(),
                    origins=node.origins,
                    refined=True,
                )
            )
        final = replace(
            checked,
            function=Checked(node.name, levels),
            bindings={**checked.bindings, **{one.name: Source(one.name) for one in made}},
            parameter_types={**checked.parameter_types, **{one.name: ValidationResult for one in made}},
        )
        return [*raw, *made, final]


@dataclass(frozen=True)
class CheckOutput(_Check):
    """Validators found by the name of an argument and the type of the node.

    Attributes:
        arguments: By name.
        importance: ``warn`` or ``fail``.
        candidates: The classes of validators to choose from; those of the engine unless given.
        target: The nodes; the final ones unless given.
    """

    label: ClassVar[str] = "@check_output"

    arguments: Mapping[str, Any]
    importance: str = "warn"
    candidates: tuple[type[BaseDefaultValidator], ...] | None = None
    target: Target = None

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for an importance that is none."""
        return _importance_faults(self.importance)

    def validators(self, node: Node, definition: Definition) -> list[DataValidator]:
        """Return a validator per argument.

        Raises:
            ModifierError: There is none for an argument and the node's type, or it cannot take the argument.
        """
        from engine.data_quality.default_validators import find_validators

        try:
            return find_validators(self.arguments, _checked_type(node.type), self.importance, self.candidates)
        except DefinitionError as error:
            fault = f"{error.message} (node {node.name!r} is annotated {type_name(node.type)})"
            raise self.error(definition.function, fault, hint=error.hint) from error


@dataclass(frozen=True)
class AnnotatedCheck(_Check):
    """Validators that the annotation of a node asks for.

    Attributes:
        importance: ``warn`` or ``fail``.
        target: The nodes; the final ones unless given.
    """

    importance: str = "warn"
    target: Target = None

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for an importance that is none."""
        return _importance_faults(self.importance)


@dataclass(frozen=True)
class CheckOutputCustom(_Check):
    """Validators given as they are.

    Attributes:
        given: The validators.
        target: The nodes; the final ones unless given.
    """

    label: ClassVar[str] = "@check_output_custom"

    given: tuple[DataValidator, ...]
    target: Target = None

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        """Yield a fault for what is no validator."""
        for one in self.given:
            if not isinstance(one, DataValidator):
                what = "a class: make one of it" if isinstance(one, type) else "no DataValidator"
                yield f"{one!r} is {what}"

    def validators(self, node: Node, definition: Definition) -> tuple[DataValidator, ...]:  # noqa: ARG002 - the protocol's signature
        """Return the validators."""
        return self.given


def check_output(
    importance: str = "warn",
    default_validator_candidates: Iterable[type[BaseDefaultValidator]] | None = None,
    target_: Target = None,
    **default_validator_kwargs: Any,
) -> CheckOutput:
    """Look at what a function returns, such as ``range=(0, 1)``, ``allow_nans=False`` or ``values_in=[…]``.

    Args:
        importance: ``warn`` logs what does not pass, ``fail`` makes it an error after all validators have looked.
        default_validator_candidates: Classes of validators to choose from instead of the engine's own.
        target_: The nodes: the final ones (None), all (``...``), or those named.
        default_validator_kwargs: The checks; which there are depends on the type that the function returns.
    """
    candidates = None if default_validator_candidates is None else tuple(default_validator_candidates)
    return CheckOutput(default_validator_kwargs, importance, candidates, target_)


def check_output_custom(*validators: DataValidator, target_: Target = None) -> CheckOutputCustom:
    """Let validators of your own look at what a function returns.

    Args:
        validators: Instances of subclasses of `engine.data_quality.base.DataValidator`.
        target_: The nodes: the final ones (None), all (``...``), or those named.
    """
    return CheckOutputCustom(validators, target_)


def _importance_faults(importance: Any) -> Iterator[str]:
    if importance not in {level.value for level in DataValidationLevel}:
        yield f"importance={importance!r} is neither 'warn' nor 'fail'"


def _checked_type(type_: Any) -> Any:
    """Return the class that a validator is asked about: of ``float | None`` it is float, of ``list[int]`` list."""
    type_ = plain(type_)
    if is_union(type_):
        members = [member for member in get_args(type_) if member is not type(None)]
        type_ = plain(members[0]) if len(members) == 1 else object
    class_ = get_origin(type_) or type_
    return class_ if isinstance(class_, type) else object
