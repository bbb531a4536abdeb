"""Chains of steps in front of a parameter or behind a node: ``@pipe_input``, ``@pipe_output``, ``@mutate``.

A step is a function whose first parameter takes the value that is passed along; each step becomes a node. A second pipe
on the same node prolongs the chain of the first.
"""

from __future__ import annotations

import inspect
import types
from dataclasses import dataclass, field, replace
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar

from engine.bindings import Binding, Source
from engine.errors import ModifierError, did_you_mean
from engine.function_modifiers.base import (
    Injector,
    Modifier,
    Transformer,
    carried_on,
    free_name,
    unknown_parameter,
    unknown_parameters,
)
from engine.function_modifiers.conditions import Comparison, Condition, hamilton_exclude
from engine.io.materialization import as_bindings
from engine.node import Node, where_is

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from engine.function_modifiers.base import Definition, Target

F = TypeVar("F", bound="Callable[..., Any]")

Namespace: TypeAlias = str | EllipsisType | None
"""In front of a step's name: the node's name (``...``), nothing (None), or a word."""

_UNCALLABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)


class SingleTargetError(ModifierError):
    """A pipe and one of its steps both say what they act on."""


class NotSameModuleError(ModifierError):
    """``@mutate`` names a function of another module."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """How a function is used in a chain; every method gives a changed copy.

    Attributes:
        arguments: What fills the parameters after the first, by position.
        named_arguments: What fills them by name.
        name: The last part of the node's name; ``with_`` and the function's name unless given.
        namespace: The first part; the pipe's unless given.
        conditions: The step is there where all hold for the configuration.
        inputs: The parameters in front of which it stands; the pipe's unless given.
        outputs: The nodes behind which it stands; the pipe's unless given.
    """

    arguments: tuple[Binding, ...] = ()
    named_arguments: Mapping[str, Binding] = field(default_factory=dict)
    name: str | None = None
    namespace: Namespace = ...
    conditions: tuple[Condition, ...] = ()
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None

    def named(self, name: str, namespace: Namespace = ...) -> Self:
        """Call the step's node ``<namespace>.<name>``; the namespace is the pipe's unless given, None for none."""
        return replace(self, name=name, namespace=namespace)

    def when(self, **key_value_pairs: Any) -> Self:
        """Keep the step where every key of the configuration has this value."""
        return self._where(Comparison.WHEN, key_value_pairs)

    def when_not(self, **key_value_pairs: Any) -> Self:
        """Keep the step where every key has another value than this."""
        return self._where(Comparison.WHEN_NOT, key_value_pairs)

    def when_in(self, **key_value_group_pairs: Collection[Any]) -> Self:
        """Keep the step where every key has one of these values."""
        return self._where(Comparison.WHEN_IN, key_value_group_pairs)

    def when_not_in(self, **key_value_group_pairs: Collection[Any]) -> Self:
        """Keep the step where every key has none of these values."""
        return self._where(Comparison.WHEN_NOT_IN, key_value_group_pairs)

    def on_input(self, target: str | Collection[str]) -> Self:
        """Put the step in front of this parameter, or each of these."""
        return replace(self, inputs=_names(target))

    def on_output(self, target: str | Collection[str] | EllipsisType | None) -> Self:
        """Put the step behind this node, or each of these; ``...`` means all final ones."""
        return replace(self, outputs=None if target is ... else _names(target))

    def _where(self, comparison: Comparison, wanted: Mapping[str, Any]) -> Self:
        return replace(self, conditions=(*self.conditions, Condition(comparison, dict(wanted))))


@dataclass(frozen=True, kw_only=True)
class Step(Use):
    """A function used in a chain.

    Attributes:
        function: Its first parameter takes the value that is passed along.
    """

    function: Callable[..., Any]

    def faults(self) -> Iterator[str]:
        """Yield a fault for each reason why the function cannot be such a step."""
        if not isinstance(self.function, types.FunctionType):
            yield f"step() takes a function, not {self.function!r}"
            return
        parameters = inspect.signature(self.function).parameters
        odd = [str(p.replace(annotation=p.empty)) for p in parameters.values() if p.kind in _UNCALLABLE]
        unsaid = [name for name in (*parameters, "return") if name not in self.function.__annotations__]
        who = f"step function {where_is(self.function)}"
        if not parameters:
            yield f"{who} has no parameter that could take the value"
        elif odd:
            yield f"{who} has parameters that cannot be filled by name: {', '.join(odd)}"
        elif unsaid:
            yield f"{who} has no type annotation for {', '.join(map(repr, unsaid))}"
        else:
            yield from (f"{who}: {fault}" for fault in self._argument_faults(parameters))

    def _argument_faults(self, parameters: Mapping[str, inspect.Parameter]) -> Iterator[str]:
        piped, *rest = parameters
        if len(self.arguments) > len(rest):
            yield f"{len(self.arguments)} arguments are given, but after {piped!r} it takes {len(rest)}"
        if piped in self.named_arguments:
            yield f"{piped!r} takes the value that is passed along; it cannot be given as well"
        yield from unknown_parameters(self.function, self.named_arguments)
        by_position = rest[: len(self.arguments)]
        yield from (f"{name!r} is given twice" for name in by_position if name in self.named_arguments)
        given = {*by_position, *self.named_arguments}
        lacking = [name for name in rest if name not in given and parameters[name].default is inspect.Parameter.empty]
        if lacking:
            missing = ", ".join(map(repr, lacking))
            yield f"nothing fills {missing}: write {lacking[0]}=value(…) or {lacking[0]}=source('…')"

    def holds(self, config: Mapping[str, Any]) -> bool:
        """Say whether the step is there under this configuration."""
        return all(condition(config) for condition in self.conditions)

    def node(self, name: str, value: Binding) -> Node:
        """Return the step's node; its first parameter is filled by ``value``."""
        node = Node.from_function(self.function, name)
        piped, *rest = node.bindings
        given = {**dict(zip(rest, self.arguments, strict=False)), **self.named_arguments}
        return replace(
            node,
            bindings={**node.bindings, piped: value, **given},
            optional=node.optional - {piped},
            tags={"module": self.function.__module__},
            refined=True,
        )


@dataclass(frozen=True, kw_only=True)
class Application(Use):
    """A function that `mutate` changes the results of.

    Attributes:
        target: The function.
    """

    target: Callable[..., Any]


def hand_on(value: Any) -> Any:
    """Give the value that the last step made."""
    return value


@dataclass(frozen=True)
class PipeInput(Injector):
    """Steps in front of a parameter.

    Attributes:
        steps: In order; each reads what the one before it made.
        namespace: The first part of the steps' names.
        inputs: The parameters; the first one unless given.
    """

    label: ClassVar[str] = "@pipe_input"
    wraps: ClassVar[bool] = True

    steps: tuple[Step, ...]
    namespace: Namespace = ...
    inputs: tuple[str, ...] | None = None

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:
        """Yield a fault for each step that is none, and each parameter that is not there."""
        yield from _step_faults(self.steps)
        steps = [step for step in self.steps if isinstance(step, Step)]
        if any(step.outputs is not None for step in steps):
            yield "a step says on_output(…), which belongs to @pipe_output: say on_input(…)"
        if not inspect.signature(function).parameters:
            yield "the function has no parameter to put the steps in front of"
        named = [*(self.inputs or ()), *(name for step in steps for name in step.inputs or ())]
        yield from unknown_parameters(function, named)
        if self.inputs is not None and any(step.inputs is not None for step in steps):
            raise SingleTargetError(
                f"{self.label} on function {where_is(function)}: both the pipe and one of its steps say on_input",
                hint="say it in one place",
            )

    def inject(self, node: Node, definition: Definition) -> list[Node]:
        """Return the steps and the node that reads the last of each chain."""
        chains: dict[str, list[Step]] = {}
        for step in self.steps:
            if step.holds(definition.config):
                for parameter in step.inputs or self.inputs or tuple(node.bindings)[:1]:
                    chains.setdefault(parameter, []).append(step)
        made: list[Node] = []
        bindings = dict(node.bindings)
        for parameter, steps in chains.items():
            if parameter not in bindings:
                raise self.error(definition.function, unknown_parameter(parameter, bindings))
            namespace = node.name if self.namespace is ... else self.namespace
            if len(chains) > 1:
                namespace = _joined(namespace, parameter)
            chain = _chain(steps, bindings[parameter], namespace, (definition.names, [n.name for n in made]))
            bindings[parameter] = Source(chain[-1].name)
            made += chain
        return [*made, replace(node, bindings=bindings, optional=node.optional.difference(chains))]


@dataclass(frozen=True)
class PipeOutput(Transformer):
    """Steps behind a node.

    Attributes:
        steps: In order; each reads what the one before it made.
        namespace: The first part of the steps' names.
        target: The nodes; the final ones unless given.
    """

    label: ClassVar[str] = "@pipe_output"

    steps: tuple[Step, ...]
    namespace: Namespace = ...
    target: Target = None

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:
        """Yield a fault for each step that is none, and for targets that cannot be."""
        yield from _step_faults(self.steps)
        if self.target is ...:
            yield "on_output=... would change nodes that others are made of: name the nodes, or leave it out"
        steps = [step for step in self.steps if isinstance(step, Step)]
        if any(step.inputs is not None for step in steps):
            yield "a step says on_input(…), which belongs to @pipe_input: say on_output(…)"
        if self.target is not None and any(step.outputs is not None for step in steps):
            raise SingleTargetError(
                f"{self.label} on function {where_is(function)}: both the pipe and one of its steps say on_output",
                hint="say it in one place",
            )

    def transform(self, node: Node, definition: Definition) -> list[Node]:
        """Return the node's own value as ``<node>.raw``, the steps, and the node that gives the last one's value."""
        self._check_targets(definition)
        steps = [s for s in self.steps if (s.outputs is None or node.name in s.outputs) and s.holds(definition.config)]
        if not steps:
            return [node]
        raw: list[Node] = []
        start = node.bindings.get("value")
        if node.function is not hand_on or start is None:
            raw = [replace(node, name=free_name(f"{node.name}.raw", definition.names), refined=True)]
            start = Source(raw[0].name)
        namespace = node.name if self.namespace is ... else self.namespace
        # Behind a node, the namespace is always the pipe's: Apache Hamilton passes over that of a step.
        steps = [replace(one, namespace=...) for one in steps]
        chain = _chain(steps, start, namespace, (definition.names, [n.name for n in raw]))
        return [*raw, *chain, carried_on(node, hand_on, chain[-1].type, "value", chain[-1].name)]

    def _check_targets(self, definition: Definition) -> None:
        for step in self.steps:
            for output in step.outputs or ():
                if output not in definition.names:
                    near = did_you_mean(output, definition.names)
                    raise self.error(
                        definition.function,
                        f"a step says on_output({output!r}), but the function makes no node of that name",
                        hint=f"did you mean {near[0]!r}?"
                        if near
                        else f"it makes: {', '.join(sorted(definition.names))}",
                    )


@dataclass(frozen=True)
class Mutate(Modifier):
    """The function below is a step behind the nodes of other functions of its module, and no node itself."""

    label: ClassVar[str] = "@mutate"

    applications: tuple[Application, ...]
    common: Mapping[str, Binding]

    def __call__(self, function: F) -> F:
        """Put the function behind the nodes of its targets.

        Raises:
            ModifierError: It is misused; all faults are reported together.
            NotSameModuleError: A target is defined in another module.
        """
        super().__call__(function)
        for application in self.applications:
            PipeOutput((self._step(application, function),))(application.target)
        return hamilton_exclude(function)

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:
        """Yield a fault for each target that is no function of the module, and for arguments that do not fit."""
        faults: dict[str, None] = {}
        for application in self.applications:
            target = application.target
            if not isinstance(target, types.FunctionType):
                faults[f"{target!r} is no function: name the functions themselves, defined further up"] = None
            elif target.__module__ != function.__module__:
                raise NotSameModuleError(
                    f"{self.label} on function {where_is(function)}: its target {where_is(target)} is in module "
                    f"{target.__module__}",
                    hint="a dataflow could not be read if another module could change it: use @pipe_output there",
                )
            faults |= dict.fromkeys(self._step(application, function).faults())
        yield from faults

    def _step(self, application: Application, function: Callable[..., Any]) -> Step:
        use = {name: getattr(application, name) for name in Use.__dataclass_fields__}
        return Step(**{**use, "named_arguments": {**self.common, **application.named_arguments}}, function=function)


def step(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Step:
    """Use a function in `pipe_input` or `pipe_output`.

    Args:
        fn: Its first parameter takes the value that is passed along.
        args: What fills the parameters after the first: literals, `value`, `source` or `group`.
        kwargs: The same by name.
    """
    return Step(function=fn, arguments=_bound(args), named_arguments=as_bindings(kwargs))


def apply_to(fn_: Callable[..., Any], **mutating_fn_kwargs: Any) -> Application:
    """Name a function for `mutate`, with arguments of its own.

    Args:
        fn_: The function whose results are changed.
        mutating_fn_kwargs: What fills the parameters of the mutating function after the first.
    """
    return Application(target=fn_, named_arguments=as_bindings(mutating_fn_kwargs))


def pipe_input(
    *transforms: Step, namespace: Namespace = ..., on_input: str | Collection[str] | None = None
) -> PipeInput:
    """Pass a parameter through steps before the function gets it; each step is a node.

    Args:
        transforms: Made by `step`, in order.
        namespace: The first part of the steps' names: the node's name (``...``), nothing (None), or a word.
        on_input: The parameter, or parameters; the first unless given.
    """
    return PipeInput(transforms, namespace, _names(on_input))


def pipe_output(*transforms: Step, namespace: Namespace = ..., on_output: Target = None) -> PipeOutput:
    """Pass what the function returns through steps; each step is a node, and ``<function>.raw`` is the value before.

    Args:
        transforms: Made by `step`, in order.
        namespace: The first part of the steps' names: the node's name (``...``), nothing (None), or a word.
        on_output: The node, or nodes, where the function makes several; the final ones unless given.
    """
    return PipeOutput(transforms, namespace, on_output)


def mutate(*target_functions: Application | Callable[..., Any], **mutating_function_kwargs: Any) -> Mutate:
    """Make the function below a step behind the nodes of these functions; it is no node itself.

    Args:
        target_functions: Functions of the same module, or `apply_to` of them.
        mutating_function_kwargs: What fills the parameters of the function below after the first.
    """
    applications = (t if isinstance(t, Application) else Application(target=t) for t in target_functions)
    return Mutate(tuple(applications), as_bindings(mutating_function_kwargs))


def _chain(
    steps: Iterable[Step], value: Binding, namespace: str | None, taken: Iterable[Collection[str]]
) -> list[Node]:
    """Return a node per step; each reads the one before it, the first reads ``value``.

    Names that nobody wrote down are numbered where they are taken; those written down are not.
    """
    chain: list[Node] = []
    for one in steps:
        own = namespace if one.namespace is ... else one.namespace
        name = _joined(own, one.name if one.name is not None else f"with_{one.function.__name__.removeprefix('_')}")
        node = one.node(name if one.name is not None else free_name(name, *taken, [n.name for n in chain]), value)
        chain.append(node)
        value = Source(node.name)
    return chain


def _step_faults(steps: Iterable[Any]) -> Iterator[str]:
    for one in steps:
        if isinstance(one, Step):
            yield from one.faults()
        else:
            yield f"{one!r} is no step: write step(function, …)"


def _joined(namespace: str | None, name: str) -> str:
    return f"{namespace}.{name}" if namespace else name


def _names(target: str | Collection[str] | None) -> tuple[str, ...] | None:
    return None if target is None else (target,) if isinstance(target, str) else tuple(target)


def _bound(arguments: Iterable[Any]) -> tuple[Binding, ...]:
    return tuple(as_bindings({str(position): given for position, given in enumerate(arguments)}).values())
