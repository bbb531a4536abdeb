"""LifecycleAdapterSet: which adapters answer which hook, found out once; and the names of the low-level hooks."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from engine.errors import ConfigurationError, ValidationError
from engine.htypes import fits, fits_value
from engine.lifecycle.contracts import (
    HOOKS,
    METHODS,
    VALIDATORS,
    BaseDoBuildResult,
    BaseDoCheckEdgeTypesMatch,
    BaseDoChooseExecutor,
    BaseDoNodeExecute,
    BaseDoNodeExecuteAsync,
    BaseDoNodeRecall,
    BaseDoRemoteExecute,
    BaseDoValidateInput,
    BasePostGraphConstruct,
    BasePostGraphConstructAsync,
    BasePostGraphExecute,
    BasePostGraphExecuteAsync,
    BasePostNodeExecute,
    BasePostNodeExecuteAsync,
    BasePostTaskExecute,
    BasePostTaskExecuteAsync,
    BasePostTaskExpand,
    BasePostTaskGroup,
    BasePostTaskReturn,
    BasePreDoAnythingHook,
    BasePreGraphExecute,
    BasePreGraphExecuteAsync,
    BasePreNodeExecute,
    BasePreNodeExecuteAsync,
    BasePreTaskExecute,
    BasePreTaskExecuteAsync,
    BasePreTaskSubmission,
    BaseValidateGraph,
    BaseValidateNode,
    LifecycleAdapter,
    OutputExecutionHook,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from types import ModuleType

    from engine.graph import FunctionGraph

__all__ = [
    "BaseDoBuildResult",
    "BaseDoCheckEdgeTypesMatch",
    "BaseDoChooseExecutor",
    "BaseDoNodeExecute",
    "BaseDoNodeExecuteAsync",
    "BaseDoNodeRecall",
    "BaseDoRemoteExecute",
    "BaseDoValidateInput",
    "BasePostGraphConstruct",
    "BasePostGraphConstructAsync",
    "BasePostGraphExecute",
    "BasePostGraphExecuteAsync",
    "BasePostNodeExecute",
    "BasePostNodeExecuteAsync",
    "BasePostTaskExecute",
    "BasePostTaskExecuteAsync",
    "BasePostTaskExpand",
    "BasePostTaskGroup",
    "BasePostTaskReturn",
    "BasePreDoAnythingHook",
    "BasePreGraphExecute",
    "BasePreGraphExecuteAsync",
    "BasePreNodeExecute",
    "BasePreNodeExecuteAsync",
    "BasePreTaskExecute",
    "BasePreTaskExecuteAsync",
    "BasePreTaskSubmission",
    "BaseValidateGraph",
    "BaseValidateNode",
    "InvalidLifecycleAdapter",
    "LifecycleAdapter",
    "LifecycleAdapterSet",
    "OutputExecutionHook",
    "ValidationException",
    "ValidationResult",
]

# Apache Hamilton's names.
InvalidLifecycleAdapter = ConfigurationError
ValidationException = ValidationError


Answers: TypeAlias = Mapping[str, tuple[Callable[..., Any], ...]]
"""Per hook, method or validator, what answers it."""


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What one validator says of one thing."""

    success: bool
    error: str | None
    validator: Any


class LifecycleAdapterSet:
    """The adapters of a driver, sorted by what they answer, in the order they were given.

    An adapter answers a hook if its class has a method of its own for it; what only inherits the empty one is never
    called.

    Args:
        adapters: What ``Builder.with_adapters`` was given.

    Raises:
        ConfigurationError: Something is no adapter, or two answer what only one can.
    """

    def __init__(self, *adapters: Any) -> None:
        self._adapters = adapters
        for adapter in adapters:
            if not isinstance(adapter, LifecycleAdapter):
                raise ConfigurationError(
                    f"{adapter!r} is no adapter: its class does not subclass one of engine.lifecycle",
                    hint="pass an instance of a NodeExecutionHook, GraphExecutionHook, ResultBuilder … subclass",
                )
        self._all: Answers = {
            name: tuple(answer for a in adapters for answer in _answers(a, name, contracts))
            for name, contracts in {**HOOKS, **METHODS, **VALIDATORS}.items()
        }
        self._sync: Answers = _only(self._all, lambda answer: not inspect.iscoroutinefunction(answer))
        self._async: Answers = _only(self._all, inspect.iscoroutinefunction)
        self._called = self._sync
        for name in METHODS:
            self._check_single(name)

    def _check_single(self, name: str) -> None:
        answers = (*self._sync[name], *self._async[name])
        if len(answers) > 1:
            owners = ", ".join(type(answer.__self__).__name__ for answer in answers)  # type: ignore[attr-defined]  # bound
            hint = (
                "use to.…(combine=) for other results" if name == "do_build_result" else "give the driver one of them"
            )
            raise ConfigurationError(f"{len(answers)} adapters implement {name}, but only one can: {owners}", hint=hint)

    @property
    def adapters(self) -> list[Any]:
        """The adapters, in the order they were given."""
        return list(self._adapters)

    # --- what the driver and the runner ask ---------------------------------------------------------------------------
    def awaited_on(self, loop: asyncio.AbstractEventLoop) -> Self:
        """Return the same adapters for a thread beside a loop: `of` and `method` give the coroutine functions as well.

        Such a one is called like any other; it runs on the loop, and the call returns when it is done.
        """
        twin = copy.copy(self)
        called = {name: tuple(_waiting(answer, loop) for answer in all_) for name, all_ in self._all.items()}
        twin._called = called  # noqa: SLF001 - an instance of this class
        return twin

    def of(self, name: str) -> tuple[Callable[..., Any], ...]:
        """Return the methods that answer a hook or validator, in the order of the adapters; an empty tuple if none."""
        return self._called[name]

    def of_async(self, name: str) -> tuple[Callable[..., Any], ...]:
        """Return the coroutine functions that answer a hook."""
        return self._async[name]

    def method(self, name: str) -> Callable[..., Any] | None:
        """Return the one method of this name, if an adapter has it."""
        return self._called[name][0] if self._called[name] else None

    @property
    def sees_turns(self) -> bool:
        """Whether an adapter watches, or runs, one node after the other."""
        watching = ("pre_node_execute", "post_node_execute", "do_node_execute")
        return any(
            not answer.__self__.allows_overlap  # type: ignore[attr-defined]  # bound
            for name in watching
            for answer in self._all[name]
        )

    @property
    def fits(self) -> Callable[[Any, Any], bool]:
        """Says whether a value of one type may fill a parameter of another; an adapter may allow more."""
        widened = self.method("do_check_edge_types_match")
        return fits if widened is None else functools.partial(_fits_or, widened)

    @property
    def fits_value(self) -> Callable[[Any, Any], bool]:
        """Says whether a value may be given for an input of a type; where an adapter decides, it decides alone."""
        decides = self.method("do_validate_input")
        return fits_value if decides is None else functools.partial(_decided, decides)

    def validate(self, graph: FunctionGraph, modules: Sequence[ModuleType]) -> None:
        """Ask the validators about a graph.

        Raises:
            ValidationError: One of them refuses it; all that is wrong with the nodes is told together.
        """
        faults: list[str] = []
        if self.of("validate_node"):
            for node in graph.nodes.values():
                failed = self.call_all_validators_sync("validate_node", created_node=node)
                faults += [f"node {node.name!r}: {f.error or 'refused'}" for f in failed]
        if self.of("validate_graph") and not faults:
            config = dict(graph.config)
            failed = self.call_all_validators_sync("validate_graph", graph=graph, modules=modules, config=config)
            faults += [f.error or f"{type(f.validator).__name__} refuses the graph" for f in failed]
        if faults:
            raise ValidationError(faults)

    # --- Apache Hamilton's way to ask ---------------------------------------------------------------------------------
    def does_hook(self, hook_name: str, is_async: bool | None = None) -> bool:
        """Say whether an adapter answers a hook; ``is_async`` restricts it to one of the two kinds."""
        return self._does(hook_name, is_async)

    def does_method(self, method_name: str, is_async: bool | None = None) -> bool:
        """Say whether an adapter has a method."""
        return self._does(method_name, is_async)

    def does_validation(self, validator_name: str) -> bool:
        """Say whether an adapter has a validator."""
        return self._does(validator_name, is_async=False)

    def _does(self, name: str, is_async: bool | None) -> bool:
        return bool((is_async is not True and self._sync[name]) or (is_async is not False and self._async[name]))

    def call_all_lifecycle_hooks_sync(self, hook_name: str, **kwargs: Any) -> None:
        """Call a hook of all adapters that answer it."""
        for answer in self._sync[hook_name]:
            answer(**kwargs)

    async def call_all_lifecycle_hooks_async(self, hook_name: str, **kwargs: Any) -> None:
        """Call the coroutine functions of all adapters that answer a hook, one after the other."""
        for answer in self._async[hook_name]:
            await answer(**kwargs)

    async def call_all_lifecycle_hooks_sync_and_async(self, hook_name: str, **kwargs: Any) -> None:
        """Call both kinds, the plain functions first."""
        self.call_all_lifecycle_hooks_sync(hook_name, **kwargs)
        await self.call_all_lifecycle_hooks_async(hook_name, **kwargs)

    def call_lifecycle_method_sync(self, method_name: str, **kwargs: Any) -> Any:
        """Call the one method of this name.

        Raises:
            ConfigurationError: No adapter has it.
        """
        return self._the(self._sync, method_name)(**kwargs)

    async def call_lifecycle_method_async(self, method_name: str, **kwargs: Any) -> Any:
        """Await the one coroutine function of this name.

        Raises:
            ConfigurationError: No adapter has it.
        """
        return await self._the(self._async, method_name)(**kwargs)

    def _the(self, kind: Answers, name: str) -> Callable[..., Any]:
        if not kind[name]:
            raise ConfigurationError(f"no adapter implements {name}", hint="ask does_method() first")
        return kind[name][0]

    def call_all_validators_sync(
        self, validator_name: str, output_only_failures: bool = True, **kwargs: Any
    ) -> list[ValidationResult]:
        """Ask all adapters that have a validator; return what they say, or only what they refuse."""
        results = []
        for answer in self._sync[validator_name]:
            success, error = answer(**kwargs)
            if not (success and output_only_failures):
                message = None if error is None else str(error)
                results.append(ValidationResult(success, message, answer.__self__))  # type: ignore[attr-defined]  # bound
        return results

    async def ainit(self) -> None:
        """Await ``ainit`` of every adapter that has one, once an event loop runs."""
        for adapter in self._adapters:
            if hasattr(adapter, "ainit"):
                await adapter.ainit()


def _answers(adapter: Any, name: str, contracts: tuple[type, ...]) -> list[Callable[..., Any]]:
    own = [c for c in contracts if isinstance(adapter, c) and getattr(type(adapter), name) is not getattr(c, name)]
    return [getattr(adapter, name)] if own else []


def _only(answers: Answers, is_kind: Callable[[Any], bool]) -> Answers:
    return {name: tuple(filter(is_kind, methods)) for name, methods in answers.items()}


def _waiting(answer: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """Return a plain function in a coroutine function's stead."""
    return functools.partial(_wait_for, answer, loop) if inspect.iscoroutinefunction(answer) else answer


def _wait_for(answer: Callable[..., Any], loop: asyncio.AbstractEventLoop, **arguments: Any) -> Any:
    import asyncio

    return asyncio.run_coroutine_threadsafe(answer(**arguments), loop).result()


def _fits_or(widened: Callable[..., bool], given: Any, wanted: Any) -> bool:
    return fits(given, wanted) or widened(type_from=wanted, type_to=given)


def _decided(decides: Callable[..., bool], value: Any, type_: Any) -> bool:
    return decides(node_type=type_, input_value=value)
