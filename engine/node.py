"""Node: a function plus the bindings that fill its parameters.

A node is frozen data. Function modifiers make new nodes from it with `dataclasses.replace`: renaming a node is another
``name``, parameterizing it is another ``bindings``, extracting a column of it is a second node whose function is
``extract_column`` and whose bindings name the first. Nothing is hidden in closures, so what a node computes can be
fingerprinted from these fields alone.
"""

from __future__ import annotations

import builtins
import inspect
import types
import typing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from engine.bindings import Binding, Group, Source, sources_of
from engine.errors import AnnotationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class NodeKind(StrEnum):
    """What a node does, as the metadata records it."""

    FUNCTION = "function"
    LOADER = "loader"
    SAVER = "saver"
    INPUT = "input"
    CHECK = "check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step of a dataflow.

    Attributes:
        name: The node's name, unique in a graph; dots separate namespaces.
        type: The annotation of the node's value.
        function: Called with one keyword per binding. None for an input.
        bindings: How each parameter is filled, in the order of the parameters.
        parameter_types: The annotation of each parameter.
        optional: Parameters that may stay unfilled because the function has a default for them.
        kind: What the node does.
        tags: Words that users and hooks put on the node.
        doc: What the node means, for people.
        origins: The user's functions this node was made from, for code versions and error messages.
        after: Names of nodes that must have run before this one although it takes no value of theirs, such as the saver
            of the table that a loader reads.
        refined: True for a node that later modifiers on the same function leave alone unless they name it, such as
            the frame behind `extract_columns`.
    """

    name: str
    type: Any
    function: Callable[..., Any] | None
    bindings: Mapping[str, Binding] = field(default_factory=dict)
    parameter_types: Mapping[str, Any] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    kind: NodeKind = NodeKind.FUNCTION
    tags: Mapping[str, Any] = field(default_factory=dict)
    doc: str = ""
    origins: tuple[Callable[..., Any], ...] = ()
    after: tuple[str, ...] = ()
    refined: bool = False

    @classmethod
    def from_function(
        cls, function: Callable[..., Any], name: str | None = None, tags: Mapping[str, Any] | None = None
    ) -> Self:
        """Make the node that a plain function stands for: its name, and one `Source` per parameter.

        Raises:
            AnnotationError: An annotation is missing, or names something that does not exist.
        """
        hints = annotations_of(function)
        parameters, optional = parameters_of(function)
        missing = [f"parameter {p!r}" for p in parameters if p not in hints]
        missing += [] if "return" in hints else ["the return value"]
        if missing:
            raise AnnotationError(
                f"{' and '.join(missing)} of function {where_is(function)} {'has' if len(missing) == 1 else 'have'} "
                "no type annotation",
                hint="annotate every parameter and the return value of a node function; "
                "a name beginning with '_' makes it a helper that is not a node",
            )
        return cls(
            name=name or function.__name__,
            type=hints["return"],
            function=function,
            bindings={p: Source(p) for p in parameters},
            parameter_types={p: hints[p] for p in parameters},
            optional=optional,
            tags=tags or {},
            doc=inspect.getdoc(function) or "" if function.__doc__ else "",
            origins=(function,),
        )

    @classmethod
    def external_input(cls, name: str, type_: Any, *, optional: bool = False) -> Self:
        """Make the node of a value that the caller provides.

        An input that every reader has a default for is optional: ``optional`` then holds its own name.
        """
        return cls(
            name=name, type=type_, function=None, kind=NodeKind.INPUT, optional=frozenset([name] if optional else [])
        )

    def edges(self) -> Iterator[tuple[str, str, Any]]:
        """Yield parameter, upstream name and wanted type of each edge."""
        for parameter, binding in self.bindings.items():
            wanted = self.parameter_types.get(parameter, Any)
            if type(binding) is Source:
                yield parameter, binding.name, wanted
            elif isinstance(binding, Group):
                # The elements of a group are checked against the container's element type.
                element = (getattr(wanted, "__args__", None) or (Any,))[-1]
                for item in binding.items:
                    for name in sources_of(item):
                        yield parameter, name, Any if isinstance(item, Group) else element

    # Apache Hamilton's names, for low-level hooks.
    def __call__(self, **arguments: Any) -> Any:
        """Call the node's function; an input has none."""
        return self.function(**arguments)  # type: ignore[misc]  # as said

    @property
    def callable(self) -> Callable[..., Any] | None:
        """The function."""
        return self.function

    @property
    def documentation(self) -> str:
        """What the node means."""
        return self.doc

    @property
    def input_types(self) -> dict[str, Any]:
        """The types wanted of the nodes it reads."""
        return {name: type_ for _, name, type_ in self.edges()}

    @property
    def originating_functions(self) -> tuple[Callable[..., Any], ...] | None:
        """The user's functions it was made from."""
        return self.origins or None

    @property
    def user_defined(self) -> bool:
        """Whether the caller gives its value."""
        return self.kind is NodeKind.INPUT

    @property
    def upstream(self) -> Iterator[str]:
        """The names of the nodes this one reads, once per reading parameter, then of those it waits for."""
        for binding in self.bindings.values():
            yield from sources_of(binding)
        yield from self.after


def parameters_of(function: Callable[..., Any]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the names of a function's parameters, in order, and which of them have a default.

    >>> parameters_of(lambda a, b=1, *, c: None)
    (('a', 'b', 'c'), frozenset({'b'}))
    """
    if isinstance(function, types.FunctionType) and not hasattr(function, "__wrapped__"):
        # A plain function's code object knows; `inspect.signature` takes as long as all the rest of making a node.
        code, defaults = function.__code__, function.__defaults__ or ()
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        first = code.co_argcount - len(defaults)
        return names, frozenset((*names[first : code.co_argcount], *(function.__kwdefaults__ or ())))
    parameters = inspect.signature(function).parameters
    return tuple(parameters), frozenset(n for n, p in parameters.items() if p.default is not inspect.Parameter.empty)


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the resolved annotations of a function, ``Annotated`` kept.

    Raises:
        AnnotationError: An annotation names something that does not exist where the function is defined.
    """
    space = getattr(function, "__globals__", {})
    classes = {name: _named_class(given, space) for name, given in getattr(function, "__annotations__", {}).items()}
    if None not in classes.values():
        return classes
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise AnnotationError(
            f"an annotation of function {where_is(function)} cannot be resolved: {error}",
            hint="import the name at run time in the function's module, not only under TYPE_CHECKING",
        ) from error


def _named_class(annotation: Any, space: dict[str, Any]) -> type | None:
    """Return the class that an annotation is or names; None for anything that wants a closer look.

    Most annotations are ``int`` or ``pd.DataFrame``: looking those up costs a fraction of evaluating them.
    """
    if isinstance(annotation, str):
        first, *rest = annotation.split(".")
        found = space.get(first, vars(builtins).get(first))
        for name in rest:
            found = getattr(found, name, None)
        annotation = found
    return annotation if type(annotation) is type else None


def where_is(function: Any) -> str:
    """Name a function with its file and line, for messages.

    >>> where_is(len)
    'len'
    """
    target = inspect.unwrap(function) if callable(function) else function
    name = getattr(target, "__qualname__", type(target).__qualname__)
    code = getattr(target, "__code__", None)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name
