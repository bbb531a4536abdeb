"""From function to nodes: the one place that fixes what modifiers may do, and in which order.

Theory of operation. A modifier is a frozen value. Decorating a function with one adds it to the function's list
``__engine_modifiers__`` (the one nearest the function first) and gives back the very same function: it stays callable
as a plain function, and nothing is wrapped. `nodes_of` reads the list when a graph is built. Whatever the order in
which modifiers of different kinds stand above the function, they act in this order:

1. `Delayed`: is replaced by the modifier that the configuration asks for.
2. `Resolver`: is the function there at all under this configuration, and what is its node called?
3. one `Creator`: makes the first nodes. Without one there is a single node, the function itself.
4. `Injector`: fills parameters of a node from nodes that it puts upstream of it.
5. one `Expander`: makes several nodes of one by filling its parameters differently. Then the creator may complete them.
6. `Transformer`, the one nearest the function first: replaces a node by nodes that carry its value further.
7. `Decorator`, the one nearest the function first: changes what is said about a node, never what it computes.

Modifiers of one kind act in the order in which they stand above the function, the nearest first; but injectors that
wrap what fills a parameter (`Injector.wraps`) act after those that fill it, the farthest first: what the farthest one
makes of a value is what the next one gets, and the function gets what the nearest makes of it.

Rules. From step 4 on a modifier acts on *final* nodes: those that are not ``refined``. Whoever puts a node in front of
or behind another one, so that later modifiers should leave it alone, marks it ``refined``; ``target_=`` names nodes
explicitly, refined or not. A new node is made from the old one by `dataclasses.replace`; its function is defined in a
module or is a frozen callable dataclass, never a closure, so that nodes can be pickled and fingerprinted by their
fields. What can be known from a modifier's arguments and the function's signature is checked when decorating; what
needs the resolved annotations, which may name classes defined further down, when the nodes are made.
"""

from __future__ import annotations

import inspect
import itertools
import types
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from engine.bindings import Configuration, Group, Source, Value
from engine.errors import ConfigurationError, DefinitionError, DuplicateNodeError, ModifierError, did_you_mean
from engine.node import Node, NodeKind, where_is

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from engine.bindings import Binding

F = TypeVar("F", bound="Callable[..., Any]")
M = TypeVar("M", bound="Modifier")

Target: TypeAlias = str | Collection[str] | EllipsisType | None
"""Which nodes of a function a modifier acts on: the final ones (None), all (``...``), or those named."""

InvalidDecoratorException = ModifierError
"""Apache Hamilton's name."""

MissingConfigParametersException = ConfigurationError
"""Apache Hamilton's name."""

_VARIADIC = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS

_FINAL_BINDINGS = (Source, Value)
"""The kinds of bindings that no configuration changes."""

ATTRIBUTE = "__engine_modifiers__"
"""Where a function keeps its modifiers, nearest first."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a modifier may know besides the node it acts on.

    Attributes:
        function: The user's function.
        config: The configuration that the graph is built with.
        names: The names of all nodes made of the function so far; what a modifier makes of the node's neighbours is not
            among them.
    """

    function: Callable[..., Any]
    config: Mapping[str, Any]
    names: frozenset[str] = frozenset()


class Modifier(ABC):
    """What all modifiers have in common: they decorate.

    Attributes:
        label: How messages call it.
    """

    label: ClassVar[str]

    def __call__(self, function: F) -> F:
        """Leave this modifier on the function.

        Raises:
            ModifierError: It is misused; all faults that can be seen now are reported together.
        """
        if not isinstance(function, types.FunctionType):
            raise ModifierError(
                f"{self.label} stands above {where_is(function)}, which is no function",
                hint=f"put {self.label} above a 'def'; write it with parentheses",
            )
        faults = list(self.faults(function))
        if faults:
            raise self.error(function, "; ".join(faults))
        # A new list: functools.wraps may have made another function share the old one.
        setattr(function, ATTRIBUTE, [*modifiers_of(function), self])
        return function

    def faults(self, function: Callable[..., Any]) -> Iterable[str]:  # noqa: ARG002 - for those who have a say
        """Yield a sentence for each fault that arguments and signature show."""
        return ()

    def error(self, function: Callable[..., Any], fault: str, *, hint: str = "") -> ModifierError:
        """Make the error that names this modifier, the function, its file and its line."""
        return ModifierError(f"{self.label} on function {where_is(function)}: {fault}", hint=hint)


class Delayed(Modifier):
    """Is decided when the configuration is known."""

    @abstractmethod
    def modifier(self, function: Callable[..., Any], config: Mapping[str, Any]) -> Modifier:
        """Return the modifier to use in this one's place."""


class Resolver(Modifier):
    """Says whether a function is there.

    Attributes:
        config_keys: The keys of the configuration it looks at, as far as known.
    """

    config_keys: tuple[str, ...] = ()

    @abstractmethod
    def resolve(self, function: Callable[..., Any], config: Mapping[str, Any]) -> str | None:
        """Return the name of the function's node, or None where the function is not there."""


class Creator(Modifier):
    """Makes the first nodes of a function."""

    @abstractmethod
    def create(self, name: str, definition: Definition) -> list[Node]:
        """Return the nodes; the one that stands for the function is called ``name``, those behind it are refined."""

    def complete(self, node: Node) -> list[Node]:
        """Return what takes the place of a final node once its parameters are filled: as a rule, itself."""
        return [node]


class Injector(Modifier):
    """Fills parameters from nodes that it puts upstream.

    Attributes:
        wraps: It carries on what fills the parameter already, instead of filling it anew.
    """

    wraps: ClassVar[bool] = False

    @abstractmethod
    def inject(self, node: Node, definition: Definition) -> list[Node]:
        """Return the changed node and, refined, those that it now reads."""


class Expander(Modifier):
    """Makes several nodes of one by filling parameters differently."""

    @abstractmethod
    def expand(self, node: Node, definition: Definition) -> list[Node]:
        """Return the nodes that take the place of this one."""


class Transformer(Modifier):
    """Replaces a node by nodes that carry its value further.

    Attributes:
        target: The nodes it acts on.
        is_single: It acts on one node only.
    """

    target: Target = None
    is_single: ClassVar[bool] = False

    @abstractmethod
    def transform(self, node: Node, definition: Definition) -> list[Node]:
        """Return the nodes that take the place of this one, this one (often refined) among them."""


class Decorator(Modifier):
    """Changes what is said about a node.

    Attributes:
        target: The nodes it acts on.
        reaches_savers: Unless it names its nodes, it acts on what saves the final ones as well.
    """

    target: Target = None
    reaches_savers: ClassVar[bool] = False

    @abstractmethod
    def decorate(self, node: Node, definition: Definition) -> Node:
        """Return the node with other words."""


def modifiers_of(function: Callable[..., Any]) -> list[Modifier]:
    """Return the modifiers of a function, the nearest first."""
    return list(getattr(function, ATTRIBUTE, ()))


def functions_of(module: types.ModuleType) -> list[tuple[str, Callable[..., Any]]]:
    """Return the node functions of a module with their names, in the order of definition.

    Node functions are the functions defined in the module, or in a submodule it imports them from, whose name does not
    begin with ``_``. Classes, lambdas and functions imported from elsewhere are none.
    """
    inside = f"{module.__name__}."
    found: dict[int, tuple[str, Callable[..., Any]]] = {}
    for attribute, function in vars(module).items():
        if (
            isinstance(function, types.FunctionType)
            and not attribute.startswith("_")
            and not function.__name__.startswith(("_", "<"))
            and f"{function.__module__}.".startswith(inside)
        ):
            found.setdefault(id(function), (function.__name__, function))
    return list(found.values())


def nodes_of(function: Callable[..., Any], config: Mapping[str, Any] | None = None) -> list[Node]:
    """Return the nodes that a function and its modifiers stand for under a configuration; none where it is not there.

    Args:
        function: A function with annotations.
        config: The configuration that the graph is built with.

    Raises:
        ModifierError: A modifier is misused.
        AnnotationError: An annotation is missing or cannot be resolved.
        DuplicateNodeError: The function makes two nodes of one name.
    """
    config = config or {}
    if not modifiers_of(function):
        _check_parameters(function)
        return [Node.from_function(function, tags={"module": function.__module__})]
    modifiers = [m.modifier(function, config) if isinstance(m, Delayed) else m for m in modifiers_of(function)]
    resolvers = [m for m in modifiers if isinstance(m, Resolver)]
    name = _resolved_name(function, resolvers, config)
    if name is None:
        return []
    definition = Definition(function, config)
    _check_parameters(function)
    creator = _only([m for m in modifiers if isinstance(m, Creator)], function)
    nodes = _created(creator, name, definition, _tags_of(function, resolvers))
    for injector in _injectors(modifiers):
        nodes = _each(injector.inject, _final(nodes), nodes, definition)
    expander = _only([m for m in modifiers if isinstance(m, Expander)], function)
    if expander is not None:
        nodes = _each(expander.expand, _final(nodes), nodes, definition)
    if creator is not None:
        nodes = [made for node in nodes for made in ([node] if node.refined else creator.complete(node))]
    for transformer in (m for m in modifiers if isinstance(m, Transformer)):
        chosen = _chosen(transformer, transformer.target, nodes, function)
        if transformer.is_single and len(chosen) != 1:
            raise transformer.error(
                function,
                f"it acts on one node, but there are {len(chosen)}: {', '.join(sorted(chosen))}",
                hint=f"name one of them: target_={min(chosen)!r}" if chosen else "",
            )
        nodes = _each(transformer.transform, chosen, nodes, definition)
    for decorator in (m for m in modifiers if isinstance(m, Decorator)):
        chosen = _chosen(decorator, decorator.target, nodes, function)
        if decorator.reaches_savers and decorator.target is None:
            chosen |= _savers_of(chosen, nodes)
        nodes = [decorator.decorate(node, definition) if node.name in chosen else node for node in nodes]
    _check_names(nodes, function)
    return nodes


def rebound(
    modifier: Modifier, node: Node, bindings: Mapping[str, Binding], function: Callable[..., Any]
) -> dict[str, Binding]:
    """Return the node's bindings with some parameters filled by others.

    Raises:
        ModifierError: The node has no such parameter, or another modifier has filled it.
    """
    for parameter in bindings:
        if parameter not in node.bindings:
            raise modifier.error(function, unknown_parameter(parameter, node.bindings))
        present = node.bindings[parameter]
        if not (isinstance(present, Source) and present.name == parameter):
            raise modifier.error(
                function,
                f"the parameter {parameter!r} is filled by another modifier already",
                hint="fill each parameter in one place",
            )
    return {**node.bindings, **bindings}


def unknown_parameter(parameter: str, parameters: Iterable[str]) -> str:
    """Return the sentence for a parameter that a function does not have."""
    parameters = list(parameters)
    near = did_you_mean(parameter, parameters)
    known = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(parameters) or 'none'}"
    return f"the function has no parameter {parameter!r}; {known}"


def unknown_parameters(function: Callable[..., Any], names: Iterable[str]) -> Iterator[str]:
    """Yield the sentence for each name that is no parameter of the function."""
    parameters = inspect.signature(function).parameters
    return (unknown_parameter(name, parameters) for name in dict.fromkeys(names) if name not in parameters)


def configured(node: Node, config: Mapping[str, Any]) -> Node:
    """Return the node with its bindings to the configuration turned into literals.

    Raises:
        ConfigurationError: The configuration lacks a key.
    """
    if all(type(binding) in _FINAL_BINDINGS for binding in node.bindings.values()):
        return node

    def resolved(binding: Binding) -> Binding:
        if isinstance(binding, Configuration):
            if binding.key not in config:
                raise ConfigurationError(
                    f"node {node.name!r} needs the configuration key {binding.key!r}",
                    hint=f"Builder().with_config({{{binding.key!r}: …}})",
                )
            return Value(config[binding.key])
        if isinstance(binding, Group):
            return Group(tuple(map(resolved, binding.items)), binding.keys)
        return binding

    bindings = {parameter: resolved(binding) for parameter, binding in node.bindings.items()}
    return node if bindings == node.bindings else replace(node, bindings=bindings)


def free_name(name: str, *taken: Collection[str]) -> str:
    """Return the name, numbered from 1 on where it is taken already.

    >>> free_name("f.with_add", {"f.with_add"}, ["f.with_add_1"])
    'f.with_add_2'
    """
    numbered = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(1)))
    return next(candidate for candidate in numbered if not any(candidate in names for names in taken))


def carried_on(node: Node, function: Callable[..., Any], type_: Any, parameter: str, upstream: str) -> Node:
    """Return the node that takes a node's name and place, and gives on what another one made of its value."""
    return replace(
        node,
        type=type_,
        function=function,
        bindings={parameter: Source(upstream)},
        parameter_types={parameter: type_},
        optional=frozenset(),
        kind=NodeKind.FUNCTION,
        tags=tags_of_part(node),
        after=(),
        refined=False,
    )


def tags_of_part(node: Node) -> dict[str, Any]:
    """Return a node's tags without those that say that it loads or saves."""
    return {key: value for key, value in node.tags.items() if not key.startswith("hamilton.data_")}


def _injectors(modifiers: list[Modifier]) -> list[Injector]:
    injectors = [m for m in modifiers if isinstance(m, Injector)]
    return [m for m in injectors if not m.wraps] + [m for m in reversed(injectors) if m.wraps]


def _only(modifiers: list[M], function: Callable[..., Any]) -> M | None:
    if len(modifiers) > 1:
        raise modifiers[-1].error(
            function,
            f"it cannot be joined with {', '.join(m.label for m in modifiers[:-1])}",
            hint="only one of them may stand above a function: put everything into one",
        )
    return modifiers[0] if modifiers else None


def name_before_suffix(function: Callable[..., Any]) -> str:
    """Return the function's name up to its last ``__``: ``rate__us`` and ``rate__eu`` are two ways to make ``rate``."""
    name: str = function.__name__
    return name.rpartition("__")[0] or name


def _resolved_name(
    function: Callable[..., Any], resolvers: Iterable[Resolver], config: Mapping[str, Any]
) -> str | None:
    """Return the name that the resolvers give, one that a user wrote down before one cut from the function's."""
    name: str | None = None
    cut = name_before_suffix(function)
    for resolver in resolvers:
        resolved = resolver.resolve(function, config)
        if resolved is None:
            return None
        name = resolved if name is None or resolved != cut else name
    return name or function.__name__


def _tags_of(function: Callable[..., Any], resolvers: Iterable[Resolver]) -> dict[str, Any]:
    """Return the tags that say which module, and which keys of the configuration, a function is there through."""
    keys = [key for resolver in resolvers for key in resolver.config_keys]
    through = {"hamilton.config": ",".join(dict.fromkeys(keys))} if keys else {}
    return {"module": function.__module__, **through}


def _created(creator: Creator | None, name: str, definition: Definition, tags: Mapping[str, Any]) -> list[Node]:
    """Return a function's first nodes with their tags; those behind the one that stands for it only say the module."""
    if creator is None:
        return [Node.from_function(definition.function, name, tags)]
    module = {"module": tags["module"]}
    nodes = creator.create(name, definition)
    return [replace(node, tags={**(module if node.refined else tags), **node.tags}) for node in nodes]


def _check_parameters(function: Callable[..., Any]) -> None:
    """Refuse parameters that cannot be filled by name: a parameter's name is the edge."""
    code = function.__code__
    if not (code.co_posonlyargcount or code.co_flags & _VARIADIC or hasattr(function, "__wrapped__")):
        return  # asking for the signature takes as long as all the rest
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            shown = str(parameter.replace(annotation=parameter.empty))
            raise DefinitionError(
                f"function {where_is(function)} has the parameter {shown!r}, which cannot be filled by name",
                hint=f"write out plain parameters instead of {name!r}; a helper, which is no node, is named "
                f"'_{function.__name__}'",
            )


def _each(
    act: Callable[[Node, Definition], list[Node]], chosen: Collection[str], nodes: list[Node], definition: Definition
) -> list[Node]:
    """Put what ``act`` makes of each chosen node in its place."""
    context = Definition(definition.function, definition.config, frozenset(node.name for node in nodes))
    return [made for node in nodes for made in (act(node, context) if node.name in chosen else [node])]


def _final(nodes: Iterable[Node]) -> set[str]:
    return {node.name for node in nodes if not node.refined}


def _savers_of(names: set[str], nodes: Iterable[Node]) -> set[str]:
    return {node.name for node in nodes if node.kind is NodeKind.SAVER and not names.isdisjoint(node.upstream)}


def _chosen(modifier: Modifier, target: Target, nodes: list[Node], function: Callable[..., Any]) -> set[str]:
    if target is None:
        return _final(nodes)
    names = {node.name for node in nodes}
    if target is ...:
        return names
    wanted = {target} if isinstance(target, str) else set(target)
    unknown = sorted(wanted - names)
    if unknown:
        near = did_you_mean(unknown[0], names)
        raise modifier.error(
            function,
            f"it makes no node named {unknown[0]!r}",
            hint=f"did you mean {near[0]!r}?" if near else f"it makes: {', '.join(sorted(names))}",
        )
    return wanted


def _check_names(nodes: Collection[Node], function: Callable[..., Any]) -> None:
    if len(nodes) == 1:
        return
    twice = [name for name, times in Counter(node.name for node in nodes).items() if times > 1]
    if twice:
        raise DuplicateNodeError(
            f"function {where_is(function)} makes two nodes named {', '.join(map(repr, twice))}",
            hint="give each column, field and output of its modifiers a name of its own",
        )
