"""One function, several nodes: ``@parameterize`` and its kin. ``@inject`` fills parameters and keeps the one node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.bindings import Configuration, Group, Source, Value
from engine.function_modifiers.base import Expander, rebound, unknown_parameters
from engine.function_modifiers.extractors import columns_of
from engine.htypes import fits, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.bindings import Binding
    from engine.errors import ModifierError
    from engine.function_modifiers.base import Definition, Modifier
    from engine.node import Node


@dataclass(frozen=True)
class Parameterize(Expander):
    """Makes one node per output.

    Attributes:
        outputs: By the name of a node, how its parameters are filled.
        docs: What single outputs mean; the function's docstring says it of the others.
    """

    label: ClassVar[str] = "@parameterize"

    outputs: Mapping[str, Mapping[str, Binding]]
    docs: Mapping[str, str] = field(default_factory=dict)

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:
        """Yield a fault for each parameter that is not there, and for each literal that no `value` wraps."""
        if not self.outputs:
            yield "it makes no node: give it name={parameter: source(…) or value(…)}"
        yield from _faults_of(function, *self.outputs.values())

    def expand(self, node: Node, definition: Definition) -> list[Node]:
        """Return one node per output."""
        made = []
        for name, given in self.outputs.items():
            bindings = _filled(self, node, given, definition)
            doc = self.docs.get(name) or documented(node.doc, bindings, name)
            made.append(replace(node, name=name, bindings=bindings, doc=doc))
        return made


@dataclass(frozen=True)
class Inject(Expander):
    """Fills parameters of the function's node."""

    label: ClassVar[str] = "@inject"

    bindings: Mapping[str, Binding]

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:
        """Yield a fault for each parameter that is not there, and for each literal that no `value` wraps."""
        return _faults_of(function, self.bindings)

    def expand(self, node: Node, definition: Definition) -> list[Node]:
        """Return the node with its parameters filled."""
        bindings = _filled(self, node, self.bindings, definition)
        return [replace(node, bindings=bindings, doc=documented(node.doc, bindings, node.name))]


@dataclass(frozen=True)
class ParameterizedExtract:
    """One run of the function and the columns to take from its frame.

    Attributes:
        outputs: The columns.
        input_mapping: How the parameters of this run are filled.
    """

    outputs: tuple[str, ...]
    input_mapping: Mapping[str, Binding]


@dataclass(frozen=True)
class ParameterizeExtractColumns(Expander):
    """Makes one frame per run, and the columns of each."""

    label: ClassVar[str] = "@parameterize_extract_columns"

    runs: tuple[ParameterizedExtract, ...]

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:
        """Yield a fault for each parameter that is not there, and for each literal that no `value` wraps."""
        return _faults_of(function, *(run.input_mapping for run in self.runs))

    def expand(self, node: Node, definition: Definition) -> list[Node]:
        """Return, per run, the frame ``<name>__<number>`` and its columns."""
        made = []
        for number, run in enumerate(self.runs):
            bindings = _filled(self, node, run.input_mapping, definition)
            doc = documented(node.doc, bindings, node.name)
            frame = replace(node, name=f"{node.name}__{number}", bindings=bindings, doc=doc, refined=True)
            columns = [(column, "") for column in run.outputs]
            made += [frame, *columns_of(frame, columns, self, definition.function)]
        return made


def parameterize(
    **parametrization: Mapping[str, Binding] | tuple[Mapping[str, Binding], str],
) -> Parameterize:
    """Make several nodes of one function by filling its parameters differently; the function's own name disappears.

    The docstring is a template: ``{parameter}`` stands for what fills it, ``{output_name}`` for the node's name.

    Args:
        parametrization: By the name of a node, how its parameters are filled (by `source`, `value` or `group`), or a
            tuple of that and what the node means.
    """
    described = {name: given for name, given in parametrization.items() if isinstance(given, tuple)}
    outputs = {name: given[0] if isinstance(given, tuple) else given for name, given in parametrization.items()}
    return Parameterize(outputs, {name: doc for name, (_, doc) in described.items()})


def parameterize_values(parameter: str, assigned_output: Mapping[str | tuple[str, str], Any]) -> Parameterize:
    """Make several nodes of one function by giving one parameter different literals.

    Args:
        parameter: The parameter to fill.
        assigned_output: By the name of a node, or a tuple of its name and what it means, the literal.
    """
    named = {key if isinstance(key, tuple) else (key, ""): given for key, given in assigned_output.items()}
    outputs = {name: {parameter: Value(given)} for (name, _), given in named.items()}
    return Parameterize(outputs, {name: doc for name, doc in named if doc})


def parameterize_sources(**parameterization: Mapping[str, str]) -> Parameterize:
    """Make several nodes of one function by filling its parameters from different nodes.

    Args:
        parameterization: By the name of a node, the name of the node that fills each parameter.
    """
    return Parameterize(
        {name: {parameter: Source(given) for parameter, given in m.items()} for name, m in parameterization.items()}
    )


def parameterized_inputs(**parameterization: Mapping[str, str]) -> Parameterize:
    """Do what `parameterize_sources` does, under its older name.

    Args:
        parameterization: By the name of a node, the name of the node that fills each parameter.
    """
    return parameterize_sources(**parameterization)


def parametrized(parameter: str, assigned_output: Mapping[str | tuple[str, str], Any]) -> Parameterize:
    """Do what `parameterize_values` does, under its older name.

    Args:
        parameter: The parameter to fill.
        assigned_output: By the name of a node, or a tuple of its name and what it means, the literal.
    """
    return parameterize_values(parameter, assigned_output)


def parametrized_input(parameter: str, variable_inputs: Mapping[str, tuple[str, str]]) -> Parameterize:
    """Make several nodes of one function by filling one parameter from different nodes; `parameterize` is newer.

    Args:
        parameter: The parameter to fill.
        variable_inputs: By the name of the node that fills it, a tuple of the name of the node made and what it means.
    """
    outputs = {name: {parameter: Source(given)} for given, (name, _) in variable_inputs.items()}
    return Parameterize(outputs, dict(variable_inputs.values()))


def parameterize_extract_columns(
    *extract_config: ParameterizedExtract, reassign_columns: bool = True
) -> ParameterizeExtractColumns:
    """Run a function several times with different parameters and take columns from each frame.

    Args:
        extract_config: The runs.
        reassign_columns: Accepted for Apache Hamilton's sake; the columns always get the names of the outputs.
    """
    del reassign_columns
    return ParameterizeExtractColumns(extract_config)


def inject(**key_mapping: Binding) -> Inject:
    """Fill parameters of a function by `source`, `value` or `group`.

    Args:
        key_mapping: How each parameter is filled.
    """
    return Inject(key_mapping)


def documented(doc: str, bindings: Mapping[str, Binding], output_name: str) -> str:
    """Fill in a docstring; braces that name no parameter stay.

    >>> documented("The {unit} of {x} in {y}", {"x": Source("speed"), "unit": Value("mean")}, "m")
    'The mean of speed in {y}'
    """
    if "{" not in doc:
        return doc
    words = {parameter: _word(parameter, binding) for parameter, binding in bindings.items()}
    words["output_name"] = output_name
    return re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), doc)


def _word(parameter: str, binding: Binding) -> str:
    match binding:
        case Source(name):
            return name
        case Value(literal):
            return str(literal)
        case _:
            return parameter


def _faults_of(function: Callable[..., Any], *mappings: Mapping[str, Binding]) -> Iterator[str]:
    for bindings in mappings:
        if not isinstance(bindings, Mapping):
            yield f"{bindings!r} does not say which parameter it fills: write {{parameter: {bindings!r}}}"
            continue
        yield from unknown_parameters(function, bindings)
        for parameter, binding in bindings.items():
            if not isinstance(binding, Source | Value | Group | Configuration):
                yield f"{parameter!r} is given {binding!r}: write value({binding!r}) or source('…')"


def _filled(
    modifier: Modifier, node: Node, bindings: Mapping[str, Binding], definition: Definition
) -> dict[str, Binding]:
    """Return bindings with some parameters filled; a group needs a parameter that takes a list or a dictionary."""
    for parameter, binding in bindings.items():
        wanted = node.parameter_types.get(parameter, Any)
        container = dict if isinstance(binding, Group) and binding.keys is not None else list
        if isinstance(binding, Group) and not fits(container, wanted):
            raise _group_error(modifier, parameter, wanted, container, definition.function)
    return rebound(modifier, node, bindings, definition.function)


def _group_error(
    modifier: Modifier, parameter: str, wanted: Any, container: type, function: Callable[..., Any]
) -> ModifierError:
    annotation = f"dict[str, {type_name(wanted)}]" if container is dict else f"list[{type_name(wanted)}]"
    return modifier.error(
        function,
        f"group(…) fills {parameter!r} with a {container.__name__}, but it is annotated {type_name(wanted)}",
        hint=f"annotate {parameter!r} as {annotation}",
    )
