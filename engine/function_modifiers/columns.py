"""Columns that functions add to a frame on its way into a node: ``@with_columns``."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.bindings import Group, Source
from engine.errors import did_you_mean
from engine.function_modifiers.base import Injector, MissingConfigParametersException, unknown_parameters
from engine.function_modifiers.extractors import columns_of
from engine.function_modifiers.recursive import as_non_final, function_faults, inner_nodes, renamed
from engine.htypes import fits, type_name
from engine.node import Node, where_is

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Collection, Iterator

    from engine.errors import ModifierError
    from engine.function_modifiers.base import Definition
    from engine.function_modifiers.recursive import Functions


@dataclass(frozen=True)
class WithColumns(Injector):
    """Appends columns to the frame that fills a parameter.

    Attributes:
        functions: They make the columns.
        frame_type: The type of the frame.
        column_type: The type of a column.
        append: Called with a frame and a dictionary of columns, gives the frame with them.
        columns_to_pass: Columns of the frame that the functions read by name.
        frame_name: The name by which the functions read the frame itself.
        on_input: The parameter, which is also the name by which the functions read the frame.
        select: The nodes that are appended; all columns unless given.
        namespace: The first part of the names inside; the node's name unless given.
        config_required: Keys that the configuration must have.
    """

    label: ClassVar[str] = "@with_columns"
    wraps: ClassVar[bool] = True

    functions: Functions
    frame_type: type
    column_type: type
    append: Callable[[Any, dict[str, Any]], Any]
    columns_to_pass: tuple[str, ...] | None = None
    frame_name: str | None = None
    on_input: str | None = None
    select: tuple[str, ...] | None = None
    namespace: str | None = None
    config_required: tuple[str, ...] = ()

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:
        """Yield a fault where it is not clear what the functions read, or which parameter is meant."""
        yield from function_faults(self.functions)
        if sum(way is not None for way in (self.columns_to_pass, self.frame_name, self.on_input)) != 1:
            yield "say one of columns_to_pass=[…] (columns by name), on_input='…' and pass_dataframe_as='…' (the frame)"
        if not inspect.signature(function).parameters:
            yield "the function has no parameter that could take a frame"
        if self.on_input is not None:
            yield from unknown_parameters(function, [self.on_input])

    def inject(self, node: Node, definition: Definition) -> list[Node]:
        """Return the columns passed, the nodes inside, the frame with the columns, and the node that reads it."""
        missing = [key for key in self.config_required if key not in definition.config]
        if missing:
            raise MissingConfigParametersException(
                f"{self.label} on function {where_is(definition.function)} requires the configuration "
                f"{', '.join(map(repr, missing))}",
                hint=f"Builder().with_config({{{missing[0]!r}: …}})",
            )
        parameter = self.on_input or next(iter(node.bindings))
        frame = self._frame(node, parameter, definition)
        namespace = node.name if self.namespace is None else self.namespace
        passed, inner = self._inside(frame, definition)
        names = {inside.name: f"{namespace}.{inside.name}" for inside in (*passed, *inner)}
        own_name = self.on_input or self.frame_name
        read = {**names, own_name: frame.name} if own_name else names
        appended = self._selected(passed, inner, definition)
        joined = Node(
            name=f"{namespace}._append",
            type=frame.type,
            function=self.append,
            bindings={
                "frame": Source(frame.name),
                "columns": Group(tuple(Source(names[name]) for name in appended), tuple(appended)),
            },
            parameter_types={"frame": frame.type, "columns": dict[str, Any]},
            origins=(definition.function,),
            refined=True,
        )
        return [
            *(replace(column, name=names[column.name], refined=True) for column in passed),
            *(as_non_final(renamed(one, {**read, one.name: names[one.name]})) for one in inner),
            joined,
            replace(
                node,
                bindings={**node.bindings, parameter: Source(joined.name)},
                optional=node.optional - {parameter},
            ),
        ]

    def _frame(self, node: Node, parameter: str, definition: Definition) -> Node:
        """Return what stands for the node of the frame: its name and its type."""
        binding, type_ = node.bindings.get(parameter), node.parameter_types.get(parameter, Any)
        if not isinstance(binding, Source) or not fits(type_, self.frame_type):
            raise self.error(
                definition.function,
                f"the parameter {parameter!r} must be a frame made by a node, annotated {type_name(self.frame_type)}; "
                f"it is annotated {type_name(type_)}",
                hint="name another parameter by on_input='…', or put the frame first",
            )
        named = Node.external_input(binding.name, type_)
        return replace(named, origins=(definition.function,))

    def _inside(self, frame: Node, definition: Definition) -> tuple[list[Node], list[Node]]:
        """Return the nodes of the columns passed, and those of the functions."""
        inner = inner_nodes(self.functions, definition.config, self, definition.function)
        columns = [(name, "") for name in self.columns_to_pass or ()]
        passed = columns_of(frame, columns, self, definition.function) if columns else []
        both = sorted({node.name for node in inner} & {node.name for node in passed})
        if both:
            raise self.error(
                definition.function,
                f"{', '.join(map(repr, both))} is a column passed and a function as well",
                hint="to change a column in place, read the frame by on_input='…' and take the column from it",
            )
        return passed, inner

    def _selected(self, passed: list[Node], inner: list[Node], definition: Definition) -> list[str]:
        if self.select is None:
            made = [node for node in inner if not node.refined and _is_column(node.type, self.column_type)]
            return [node.name for node in (*passed, *made)]
        names = [node.name for node in (*passed, *inner)]
        unknown = [name for name in self.select if name not in names]
        if unknown:
            raise self._unknown(unknown[0], names, definition)
        return list(self.select)

    def _unknown(self, name: str, names: list[str], definition: Definition) -> ModifierError:
        near = did_you_mean(name, names)
        return self.error(
            definition.function,
            f"select= names {name!r}, which no function inside makes",
            hint=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}",
        )


@dataclass(frozen=True)
class WithColumnsFace:
    """``@with_columns`` of one frame library: append columns to a frame before the function gets it.

    Attributes:
        frame_type: The type of the frame.
        column_type: The type of a column.
        append: Called with a frame and a dictionary of columns, gives the frame with them.
    """

    frame_type: type
    column_type: type
    append: Callable[[Any, dict[str, Any]], Any]

    def __call__(
        self,
        *load_from: types.ModuleType | Callable[..., Any],
        columns_to_pass: Collection[str] | None = None,
        pass_dataframe_as: str | None = None,
        on_input: str | None = None,
        select: Collection[str] | None = None,
        namespace: str | None = None,
        config_required: Collection[str] | None = None,
    ) -> WithColumns:
        """Append columns to a frame before the function gets it; each column is a node.

        Args:
            load_from: The functions that make the columns, or modules of them.
            columns_to_pass: Columns of the function's first parameter that they read by name.
            pass_dataframe_as: The name by which they read the frame of the first parameter as a whole.
            on_input: The parameter, which they read by its name as a whole.
            select: The nodes that are appended; unless given, all that are annotated as columns.
            namespace: The first part of the names inside; the function's name unless given.
            config_required: Keys that the configuration must have.
        """
        return WithColumns(
            load_from,
            self.frame_type,
            self.column_type,
            self.append,
            columns_to_pass=None if columns_to_pass is None else tuple(columns_to_pass),
            frame_name=pass_dataframe_as,
            on_input=on_input,
            select=None if select is None else tuple(select),
            namespace=namespace,
            config_required=tuple(config_required or ()),
        )


def _is_column(type_: Any, column_type: type) -> bool:
    return type_ is not Any and fits(type_, column_type)
