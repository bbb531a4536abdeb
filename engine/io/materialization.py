"""``from_`` and ``to``: requests to load into, or save from, a node. Frozen data; no graph is known here.

    to.table(id="daily_table", dependencies=["daily"], table="marts.daily")
    from_.csv(target="airlines", path="airlines.csv")

``to.<name>`` and ``from_.<name>`` exist for every format and database, and for every class registered with
`engine.registry.register_adapter`.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from engine.bindings import Configuration, Group, Source, Value
from engine.errors import OptionError, RequestError, UnknownAdapterError, did_you_mean
from engine.io.lookup import loader_names, saver_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.bindings import Binding
    from engine.io import signatures

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Fill node or input ``target`` by the loader called ``loader``; ``arguments`` are its options."""

    loader: str
    target: str
    arguments: Mapping[str, Binding]


@dataclass(frozen=True, slots=True)
class SaveRequest:
    """Save ``dependencies`` by the saver called ``saver``, under the name ``id``.

    Attributes:
        dependencies: Names of nodes; exactly one unless ``combine`` is given.
        combine: A result builder that joins several nodes into one value.
    """

    saver: str
    id: str
    dependencies: tuple[str, ...]
    arguments: Mapping[str, Binding]
    combine: Any = None


# Apache Hamilton's names for the same two things.
MaterializerFactory = SaveRequest
ExtractorFactory = LoadRequest


def as_bindings(arguments: Mapping[str, Any]) -> dict[str, Binding]:
    """Return options as bindings: a literal stands for itself, `source` for another node.

    >>> as_bindings({"path": "a.csv"})
    {'path': Value(value='a.csv')}
    """
    return {k: v if isinstance(v, Source | Value | Group | Configuration) else Value(v) for k, v in arguments.items()}


def _checked(face: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Have wrong options of a method refused in the engine's words instead of Python's."""

    def decorate(method: Callable[_P, _R]) -> Callable[_P, _R]:
        parameters = inspect.signature(method).parameters.values()
        needed = {p.name: p.default is p.empty for p in parameters if p.kind is p.KEYWORD_ONLY}
        first = next(iter(needed))

        @functools.wraps(method)
        def call(*face_object: _P.args, **options: _P.kwargs) -> _R:
            what = f"{first}={options[first]!r}" if first in options else ""
            owner = f"{face}.{method.__name__}({what})"
            if len(face_object) > 1:
                raise OptionError(f"{owner} takes its options by name", hint=f"write {first}=…")
            for option in options:
                if option not in needed:
                    raise OptionError.unknown(option, owner, needed)
            if missing := [name for name, is_needed in needed.items() if is_needed and name not in options]:
                raise OptionError(f"{owner} needs the option {missing[0]!r}", hint=f"add {missing[0]}=…")
            return method(*face_object, **options)

        return call

    return decorate


class _Loaders:
    """The namespace ``from_``."""

    @_checked("from_")
    def table(
        self,
        *,
        target: str,
        table: Any,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        params: Mapping[str, Any] | None = None,
        warehouse: str | None = None,
    ) -> LoadRequest:
        """Read a table into node ``target``, as the type that the node's readers ask for.

        Args:
            target: The node or input to fill.
            table: ``name`` or ``schema.name``.
            columns: Only these columns, in this order.
            where: Only rows for which this SQL condition holds; ``:name`` stands for a parameter.
            params: The values of the parameters in ``where``.
            warehouse: The URL of another database than the driver's.
        """
        options = {"table": table, "columns": columns, "where": where, "params": params, "warehouse": warehouse}
        return LoadRequest("table", target, as_bindings({k: v for k, v in options.items() if v is not None}))

    @_checked("from_")
    def query(
        self,
        *,
        target: str,
        sql: Any,
        params: Mapping[str, Any] | None = None,
        warehouse: str | None = None,
    ) -> LoadRequest:
        """Run a query and give its rows to node ``target``.

        Args:
            target: The node or input to fill.
            sql: One SELECT statement; ``:name`` stands for a parameter.
            params: The values of the parameters.
            warehouse: The URL of another database than the driver's.
        """
        options = {"sql": sql, "params": params, "warehouse": warehouse}
        return LoadRequest("query", target, as_bindings({k: v for k, v in options.items() if v is not None}))

    def __getattr__(self, name: str) -> Callable[..., LoadRequest]:
        _check(name, loader_names, "loader", "from_")

        def request(target: str, **options: Any) -> LoadRequest:
            return LoadRequest(name, target, as_bindings(options))

        request.__name__ = request.__qualname__ = f"from_.{name}"
        return request


class _Savers:
    """The namespace ``to``."""

    @_checked("to")
    def table(
        self,
        *,
        id: str,
        dependencies: Sequence[Any],
        table: Any,
        mode: Any = "replace",
        keys: Sequence[str] = (),
        combine: Any = None,
        warehouse: str | None = None,
        adopt: bool = False,
        types: Mapping[str, Any] | None = None,
        primary_key: str | Sequence[str] = (),
        indexes: str | Sequence[str | Sequence[str]] = (),
        not_null: str | Sequence[str] = (),
        comment: str | bool = "",
        index: bool | None = None,
        order_matters: bool = False,
    ) -> SaveRequest:
        """Write a node's rows as a table, in one transaction with the row that proves it.

        Args:
            id: The name of the output.
            dependencies: The node to write; several with ``combine``.
            table: ``name`` or ``schema.name``; the schema is created when missing.
            mode: ``replace``, ``append``, ``upsert``, ``delete_insert`` or ``view``.
            keys: The key columns of upsert and delete_insert.
            combine: A result builder that joins several nodes into one frame.
            warehouse: The URL of another database than the driver's.
            adopt: Write over a table that the engine did not write, or that was altered since.
            types: The types of columns: a SQLAlchemy type or SQL text for each; values must fit exactly.
            primary_key: The column or columns of the primary key.
            indexes: For each index its column or columns.
            not_null: Columns that may hold no NULL.
            comment: The table's comment; True takes the node's docstring. Lines ``name: text`` under ``Columns:`` in it
                become the columns' comments.
            index: Of a pandas frame: True makes columns of an index that means something, False drops it; otherwise
                such an index is refused.
            order_matters: Equal rows in another order are another content, for readers that take the first row.
        """
        options: dict[str, Any] = {"table": table, "mode": mode}
        options |= {"keys": tuple(keys)} if keys else {}
        options |= {"warehouse": warehouse} if warehouse is not None else {}
        options |= {"adopt": True} if adopt else {}
        asked = {"types": types, "primary_key": primary_key, "indexes": indexes, "not_null": not_null}
        options |= {name: value for name, value in asked.items() if value}
        options |= {"comment": comment} if comment else {}
        options |= {"index": index} if index is not None else {}
        options |= {"order_matters": True} if order_matters else {}
        return _save_request("table", id, dependencies, combine, options)

    def __getattr__(self, name: str) -> Callable[..., SaveRequest]:
        _check(name, saver_names, "saver", "to")

        def request(id: str, dependencies: Sequence[Any], combine: Any = None, **options: Any) -> SaveRequest:
            return _save_request(name, id, dependencies, combine, options)

        request.__name__ = request.__qualname__ = f"to.{name}"
        return request


def _save_request(
    saver: str, id_: str, dependencies: Sequence[Any], combine: Any, options: Mapping[str, Any]
) -> SaveRequest:
    if isinstance(dependencies, str):
        raise RequestError(
            f"to.{saver}(id={id_!r}): dependencies is the text {dependencies!r}", hint=f"write [{dependencies!r}]"
        )
    names = tuple(d if isinstance(d, str) else getattr(d, "name", None) or d.__name__ for d in dependencies)
    if len(names) != 1 and combine is None:
        raise RequestError(
            f"to.{saver}(id={id_!r}) has {len(names)} dependencies; without combine= it takes exactly one",
            hint="pass combine=PandasDataFrameResult() or another result builder to join several nodes",
        )
    return SaveRequest(saver, id_, names, as_bindings(options), combine)


def _check(name: str, names_of: Callable[[str], Iterable[str]], kind: str, face: str) -> None:
    if name.startswith("_"):  # Python's own protocols ask for such names
        raise AttributeError(name)
    known = set(names_of(name))
    if name in known:
        return
    near = did_you_mean(name, known)
    hint = f"did you mean {face}.{near[0]}?" if near else f"there are: {', '.join(sorted(known))}"
    raise UnknownAdapterError(f"there is no {kind} named {name!r}", hint=hint)


if TYPE_CHECKING:

    class _TypedLoaders(_Loaders, signatures.Loaders):
        pass

    class _TypedSavers(_Savers, signatures.Savers):
        pass

    from_: _TypedLoaders
    to: _TypedSavers
else:
    from_ = _Loaders()
    to = _Savers()
