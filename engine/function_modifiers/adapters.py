"""Loading and saving written above a function: ``@load_from``, ``@save_to``, ``@dataloader``, ``@datasaver``.

``@load_from.csv(…)`` and ``from_.csv(…)`` make the same nodes (`engine.io.nodes`); so do ``@save_to`` and ``to``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin

from engine.bindings import Source
from engine.errors import RequestError
from engine.function_modifiers.base import Creator, Injector, Transformer, rebound, unknown_parameters
from engine.htypes import plain, type_name
from engine.io.materialization import LoadRequest, SaveRequest, as_bindings, from_, to
from engine.io.nodes import loader_nodes, saver_nodes, select_data
from engine.node import Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.bindings import Binding
    from engine.function_modifiers.base import Definition, Target


@dataclass(frozen=True)
class LoadFrom(Injector):
    """Fills a parameter by a loader.

    Attributes:
        loader: The loader's name.
        arguments: Its options.
        parameter: The parameter; not needed where the function has only one.
    """

    label: ClassVar[str] = "@load_from"

    loader: str
    arguments: Mapping[str, Binding]
    parameter: str | None = None

    def faults(self, function: Callable[..., Any]) -> Iterator[str]:
        """Yield a fault where it is not clear which parameter is filled."""
        parameters = inspect.signature(function).parameters
        if self.parameter is not None:
            yield from unknown_parameters(function, [self.parameter])
        elif len(parameters) != 1:
            yield f"the function has {len(parameters)} parameters: say which one to fill by inject_='…'"

    def inject(self, node: Node, definition: Definition) -> list[Node]:
        """Return the loader, its value and the node that reads it."""
        parameter = self.parameter or next(iter(inspect.signature(definition.function).parameters))
        data_name, loaded_name = f"{node.name}.select_data.{parameter}", f"{node.name}.load_data.{parameter}"
        bindings = rebound(self, node, {parameter: Source(data_name)}, definition.function)
        try:
            made = loader_nodes(
                LoadRequest(self.loader, parameter, self.arguments),
                data_name=data_name,
                loaded_name=loaded_name,
                type_=node.parameter_types[parameter],
            )
        except RequestError as error:
            raise self.error(definition.function, error.message, hint=error.hint) from error
        loading = [replace(n, refined=True, origins=n.origins or node.origins) for n in made]
        return [*loading, replace(node, bindings=bindings)]


@dataclass(frozen=True)
class SaveTo(Transformer):
    """Saves a node's value; the node itself stays as it is.

    Attributes:
        saver: The saver's name.
        arguments: Its options.
        output: The saver node's name; ``save.<node>`` unless given.
        target: The node to save, where the function makes several.
    """

    label: ClassVar[str] = "@save_to"
    is_single: ClassVar[bool] = True

    saver: str
    arguments: Mapping[str, Binding]
    output: str | None = None
    target: Target = None

    def transform(self, node: Node, definition: Definition) -> list[Node]:
        """Return the node and its saver."""
        request = SaveRequest(self.saver, self.output or f"save.{node.name}", (node.name,), self.arguments)
        try:
            made = saver_nodes(request, saved={node.name: node})
        except RequestError as error:
            raise self.error(definition.function, error.message, hint=error.hint) from error
        return [node, *(replace(n, refined=True, origins=n.origins or node.origins) for n in made)]


@dataclass(frozen=True)
class DataLoader(Creator):
    """The function loads: it returns a value and what is known about it."""

    label: ClassVar[str] = "@dataloader"

    def create(self, name: str, definition: Definition) -> list[Node]:
        """Return the node that loads."""
        node = Node.from_function(definition.function, name)
        returned = plain(node.type)
        items = get_args(returned)
        if get_origin(returned) is not tuple or len(items) != 2 or not _is_dictionary(items[1]):  # noqa: PLR2004 - a pair
            raise self.error(
                definition.function,
                f"it is annotated to return {type_name(node.type)}",
                hint="annotate it -> tuple[YourType, dict[str, Any]]: the value, and what is known about it",
            )
        tags: dict[str, Any] = {"hamilton.data_loader": True, "hamilton.data_loader.classname": f"{name}()"}
        return [replace(node, kind=NodeKind.LOADER, tags=tags)]

    def complete(self, node: Node) -> list[Node]:
        """Return the node that loads, and the node of the value."""
        has_metadata, source = "hamilton.data_loader.has_metadata", "hamilton.data_loader.source"
        tags: dict[str, Any] = {**node.tags, "hamilton.data_loader.node": node.name}
        loading = {**tags, has_metadata: True, source: "loader"}
        value = Node(
            name=node.name,
            type=get_args(plain(node.type))[0],
            function=select_data,
            bindings={"loaded": Source(f"{node.name}.loader")},
            parameter_types={"loaded": node.type},
            tags={**tags, has_metadata: False, source: node.name},
            doc=node.doc,
            origins=node.origins,
        )
        return [replace(node, name=f"{node.name}.loader", refined=True, tags=loading), value]


@dataclass(frozen=True)
class DataSaver(Creator):
    """The function saves: it returns what is known about what it wrote."""

    label: ClassVar[str] = "@datasaver"

    def create(self, name: str, definition: Definition) -> list[Node]:
        """Return the node that saves."""
        node = Node.from_function(definition.function, name)
        if not _is_dictionary(node.type):
            raise self.error(
                definition.function,
                f"it is annotated to return {type_name(node.type)}",
                hint="annotate it -> dict[str, Any]: what is known about what was written",
            )
        tags: dict[str, Any] = {
            "hamilton.data_saver": True,
            "hamilton.data_saver.sink": name,
            "hamilton.data_saver.classname": f"{name}()",
        }
        return [replace(node, kind=NodeKind.SAVER, tags=tags)]


class _LoadFromFace:
    """``@load_from.<name>(inject_=…, **options)``: fill a parameter of the function below by a loader.

    The options are those of ``from_.<name>``: literals, `value` or `source`. ``inject_`` names the parameter to fill;
    it is not needed where the function has only one.
    """

    def __getattr__(self, name: str) -> Callable[..., LoadFrom]:
        getattr(from_, name)  # raises AttributeError with the names there are

        def load_from(*, inject_: str | None = None, **options: Any) -> LoadFrom:
            return LoadFrom(name, as_bindings(options), inject_)

        load_from.__name__ = load_from.__qualname__ = f"load_from.{name}"
        return load_from


class _SaveToFace:
    """``@save_to.<name>(output_name_=…, target_=…, **options)``: save what the function below returns.

    The options are those of ``to.<name>``: literals, `value` or `source`. The saver is a node ``save.<function>``, or
    ``output_name_``; ``target_`` names the node to save where the function makes several.
    """

    def __getattr__(self, name: str) -> Callable[..., SaveTo]:
        getattr(to, name)  # raises AttributeError with the names there are

        def save_to(*, output_name_: str | None = None, target_: Target = None, **options: Any) -> SaveTo:
            return SaveTo(name, as_bindings(options), output_name_, target_)

        save_to.__name__ = save_to.__qualname__ = f"save_to.{name}"
        return save_to


def dataloader() -> DataLoader:
    """Say that a function loads: it returns a tuple of the value and a dictionary of what is known about it.

    Its node holds the value; the node ``<function>.loader`` holds the tuple.
    """
    return DataLoader()


def datasaver() -> DataSaver:
    """Say that a function saves: it returns a dictionary of what is known about what it wrote."""
    return DataSaver()


def _is_dictionary(type_: Any) -> bool:
    returned = plain(type_)
    origin = get_origin(returned) or returned
    return isinstance(origin, type) and issubclass(origin, Mapping)


load_from = _LoadFromFace()
save_to = _SaveToFace()
