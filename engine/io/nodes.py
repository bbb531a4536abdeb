"""Nodes: the nodes that serve a request to load or save; ``from_``/``to`` and ``@load_from``/``@save_to`` use them.

The string tags are the ones hooks written for Apache Hamilton look for.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.bindings import Group, Source, Value
from engine.errors import OptionError
from engine.io.data_adapters import TableSource
from engine.io.lookup import find_loader, find_saver
from engine.io.session import in_turn
from engine.node import Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.bindings import Binding
    from engine.io.data_adapters import DataLoader, DataSaver
    from engine.io.materialization import LoadRequest, SaveRequest
    from engine.io.session import Session


@dataclass(frozen=True, slots=True)
class LoadData:
    """Load a value: the function of a loader node.

    Attributes:
        make: Called with the options, gives the `DataLoader`.
        type: The type to load.
    """

    make: Callable[..., DataLoader]
    type: Any

    def __call__(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Return the value and what the loader says of it."""
        loader = self.make(**options)
        with in_turn(functools.partial(is_apart, loader)):
            return loader.load_data(self.type)


def is_apart(loader: DataLoader, session: Session) -> bool:
    """Say whether a loader may work on another thread than the caller's, beside others."""
    if not loader.may_leave_thread:
        return False
    source = loader.source()
    return not isinstance(source, TableSource) or session.warehouse(source.warehouse).has_many_connections


@dataclass(frozen=True, slots=True)
class SaveData:
    """Save a value: the function of a saver node.

    Attributes:
        make: Called with the options, gives the `DataSaver`.
        data: The name of the parameter that is the value; all others are options.
    """

    make: Callable[..., DataSaver]
    data: str

    def __call__(self, **parameters: Any) -> dict[str, Any]:
        """Return what the saver says of what it wrote."""
        data = parameters.pop(self.data)
        return self.make(**parameters).save_data(data)


@dataclass(frozen=True, slots=True)
class BuildResult:
    """Join several nodes into one value by a result builder."""

    builder: Any

    def __call__(self, **outputs: Any) -> Any:
        """Return the joined value."""
        return self.builder.build_result(**outputs)


def select_data(loaded: tuple[Any, dict[str, Any]]) -> Any:
    """Take the value out of what a loader gives."""
    return loaded[0]


def loader_nodes(request: LoadRequest, *, data_name: str, loaded_name: str, type_: Any) -> list[Node]:
    """Make the two nodes that serve a load request: the loader (value and metadata) and the value.

    Args:
        request: What to load.
        data_name: The name of the value's node.
        loaded_name: The name of the loader's node.
        type_: The type to load.

    Raises:
        OptionError: No loader serves the name and type, or its options are wrong.
    """
    owner = f"from_.{request.loader}(target={request.target!r})"
    choice = find_loader(request.loader, type_)
    choice.check(request.arguments, owner)
    loader = Node(
        name=loaded_name,
        type=tuple[Any, dict[str, Any]],
        function=LoadData(choice.make, type_),
        bindings=dict(request.arguments),
        parameter_types=dict.fromkeys(request.arguments, Any),
        kind=NodeKind.LOADER,
        tags={
            "hamilton.data_loader": True,
            "hamilton.data_loader.has_metadata": True,
            "hamilton.data_loader.node": request.target,
            "hamilton.data_loader.source": request.loader,
            "hamilton.data_loader.classname": choice.classname,
        },
        doc=f"Load {data_name} by {request.loader}.",
    )
    value = Node(
        name=data_name,
        type=type_,
        function=select_data,
        bindings={"loaded": Source(loaded_name)},
        parameter_types={"loaded": Any},
        tags={
            "hamilton.data_loader": True,
            "hamilton.data_loader.has_metadata": False,
            "hamilton.data_loader.node": request.target,
            "hamilton.data_loader.source": request.loader,
            "hamilton.data_loader.classname": choice.classname,
        },
        doc=f"The value that {loaded_name} loads.",
    )
    _try_literals(loader.function, request.arguments, "source")
    return [loader, value]


def saver_nodes(request: SaveRequest, *, saved: Mapping[str, Node]) -> list[Node]:
    """Make the saver that serves a save request, and the node that joins its dependencies where there are several.

    Args:
        request: What to save; its dependencies are nodes.
        saved: The dependencies.

    Raises:
        OptionError: No saver serves the name and type, or its options are wrong.
    """
    owner = f"to.{request.saver}(id={request.id!r})"
    nodes: list[Node] = []
    if request.combine is not None:
        data_name = f"{request.id}_build_result"
        joined = Node(
            name=data_name,
            type=request.combine.output_type(),
            function=BuildResult(request.combine),
            bindings={d: Source(d) for d in request.dependencies},
            parameter_types={d: saved[d].type for d in request.dependencies},
            doc=f"Join {', '.join(request.dependencies)}.",
        )
        nodes.append(joined)
        type_ = joined.type
    else:
        (data_name,) = request.dependencies
        type_ = saved[data_name].type
    choice = find_saver(request.saver, type_)
    choice.check(request.arguments, owner)
    if request.arguments.get("comment") == Value(True):  # noqa: FBT003 - what the user wrote
        text = _columns_said(saved) if request.combine is not None else saved[data_name].doc
        request = replace(request, arguments={**request.arguments, "comment": Value(text)})
    data = data_name if data_name not in request.arguments else f"{data_name}_"
    bindings: dict[str, Binding] = {data: Source(data_name), **request.arguments}
    saver = Node(
        name=request.id,
        type=dict[str, Any],
        function=SaveData(choice.make, data),
        bindings=bindings,
        parameter_types={data: type_, **dict.fromkeys(request.arguments, Any)},
        kind=NodeKind.SAVER,
        tags={
            "hamilton.data_saver": True,
            "hamilton.data_saver.sink": request.saver,
            "hamilton.data_saver.classname": choice.classname,
        },
        doc=f"Save {data_name} by {request.saver}.",
    )
    _try_literals(saver.function, request.arguments, "target")
    return [*nodes, saver]


def _columns_said(nodes: Mapping[str, Node]) -> str:
    """Return a docstring for a frame joined from nodes: the first line on each is what its column is."""
    said = {name: node.doc.strip().partition("\n")[0] for name, node in nodes.items() if node.doc.strip()}
    return "Columns:\n" + "\n".join(f"    {name}: {text}" for name, text in said.items()) if said else ""


def adapter_of(node: Node, known: Mapping[str, Any]) -> DataLoader | DataSaver | None:
    """Return the loader or saver of a node as its options make it, or None where an option is not known yet.

    Args:
        node: A loader's or saver's node.
        known: Values of inputs that options may come from.
    """
    function = node.function
    if not isinstance(function, LoadData | SaveData):
        return None
    options = {}
    for name, binding in node.bindings.items():
        if isinstance(function, SaveData) and name == function.data:
            continue
        if isinstance(binding, Value):
            options[name] = binding.value
        elif isinstance(binding, Source) and binding.name in known:
            options[name] = known[binding.name]
        elif isinstance(binding, Source | Group):
            return None
    return function.make(**options)


def _try_literals(function: Any, arguments: Mapping[str, Binding], question: str) -> None:
    """Ask a loader or saver whose options are all literals what it will touch, so that wrong ones fail now."""
    if not all(isinstance(binding, Value) for binding in arguments.values()):
        return
    options = {name: binding.value for name, binding in arguments.items() if isinstance(binding, Value)}
    try:
        getattr(function.make(**options), question)()
    except TypeError as error:
        raise OptionError(f"the options of {function.make} do not go together: {error}") from error
