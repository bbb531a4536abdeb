"""Ready-made adapters: graceful errors, checks of types at run time, and what helps to see what runs."""

from __future__ import annotations

import functools
import inspect
import pdb  # noqa: T100 - a debugger for users
import random
import reprlib
import time
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from engine.errors import OptionError
from engine.htypes import fits_deeply, type_name
from engine.lifecycle.api import EdgeConnectionHook, NodeExecutionHook, NodeExecutionMethod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    NodeFilter: TypeAlias = Callable[[str, dict[str, Any]], bool] | list[str] | str | None

P = ParamSpec("P")
R = TypeVar("R")

_ACCEPTS = "__accepts_error_sentinels__"
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "μs"), (1e-9, "ns"))
_SHOWN = 80
"""Letters of a value that a debugger's prompt shows."""


def accept_error_sentinels(func: Callable[P, R]) -> Callable[P, R]:
    """Let a node function be called with the sentinels of a `GracefulErrorAdapter` among its arguments."""
    setattr(func, _ACCEPTS, True)
    return func


class GracefulErrorAdapter(NodeExecutionMethod):
    """Lets a run go on after errors: a node that raises gives a sentinel, and so does all that reads it.

    What ran well is there at the end; what is the sentinel did not.

    Args:
        error_to_catch: The class of errors to catch; others end the run.
        sentinel_value: What stands for a failed value; recognized by identity.
        try_all_parallel: Of a node that gives the items of parallel branches, keep those before the error.
        allow_injection: Let functions decorated with `accept_error_sentinels` see sentinels.
    """

    def __init__(
        self,
        error_to_catch: type[Exception],
        sentinel_value: Any = None,
        try_all_parallel: bool = True,
        allow_injection: bool = True,
    ) -> None:
        self.error_to_catch = error_to_catch
        self.sentinel_value = sentinel_value
        self.try_all_parallel = try_all_parallel
        self.allow_injection = allow_injection

    def run_to_execute_node(
        self,
        *,
        node_callable: Callable[..., Any],
        node_kwargs: dict[str, Any],
        is_expand: bool,
        **future_kwargs: Any,  # noqa: ARG002 - of no interest here
    ) -> Any:
        """Return the node's value, or the sentinel."""
        if not (self.allow_injection and _accepts(node_callable)) and self._is_among(node_kwargs.values()):
            return [self.sentinel_value] if is_expand else self.sentinel_value
        try:
            value = node_callable(**node_kwargs)
            if not is_expand:
                return value
            return list(self._kept(value)) if self.try_all_parallel else list(value)
        except self.error_to_catch:
            return [self.sentinel_value] if is_expand else self.sentinel_value

    def _is_among(self, values: Iterable[Any]) -> bool:
        return any(value is self.sentinel_value for value in values)

    def _kept(self, items: Iterable[Any]) -> Iterator[Any]:
        try:
            yield from items
        except self.error_to_catch:
            yield self.sentinel_value


def _accepts(function: Any) -> bool:
    return getattr(inspect.unwrap(function), _ACCEPTS, False) or getattr(function, _ACCEPTS, False)


class FunctionInputOutputTypeChecker(NodeExecutionHook):
    """Checks arguments and results of every node against its annotations, what containers hold included.

    Args:
        check_input: Check arguments.
        check_output: Check results.
    """

    def __init__(self, check_input: bool = True, check_output: bool = True) -> None:
        self.check_input = check_input
        self.check_output = check_output

    def run_before_node_execution(
        self, *, node_name: str, node_kwargs: dict[str, Any], node_input_types: dict[str, Any], **future_kwargs: Any
    ) -> None:
        """Check the arguments.

        Raises:
            TypeError: One does not fit its annotation.
        """
        del future_kwargs
        for name, value in node_kwargs.items() if self.check_input else ():
            wanted = node_input_types.get(name, Any)
            if not fits_deeply(value, wanted):
                message = (
                    f"node {node_name!r} takes {type_name(wanted)} for {name!r}, but is given {type_name(type(value))}"
                )
                raise TypeError(message)

    def run_after_node_execution(
        self, *, node_name: str, node_return_type: Any, result: Any, success: bool, **future_kwargs: Any
    ) -> None:
        """Check the result.

        Raises:
            TypeError: It does not fit the annotation.
        """
        del future_kwargs
        if self.check_output and success and not fits_deeply(result, node_return_type):
            message = (
                f"node {node_name!r} is to give {type_name(node_return_type)}, but gave {type_name(type(result))}; "
                "a value inside it may be of another type"
            )
            raise TypeError(message)


class NoEdgeAndInputTypeChecking(EdgeConnectionHook):
    """Lets every edge and every input be."""

    def check_edge_types_match(self, type_from: Any, type_to: Any, **kwargs: Any) -> bool:  # noqa: ARG002 - allows all
        """Allow the edge."""
        return True

    def validate_input(self, node_type: Any, input_value: Any, **kwargs: Any) -> bool:  # noqa: ARG002 - allows all
        """Allow the value."""
        return True


def should_run_node(node_name: str, node_tags: Mapping[str, Any], node_filter: NodeFilter) -> bool:
    """Say whether a filter is about a node: its name, a list with its name, a function of name and tags, or None."""
    if node_filter is None:
        return True
    if callable(node_filter):
        return bool(node_filter(node_name, dict(node_tags)))
    return node_name == node_filter if isinstance(node_filter, str) else node_name in node_filter


class PrintLn(NodeExecutionHook):
    """Prints when nodes begin and end.

    Args:
        verbosity: 1 prints names and durations, 2 also values.
        print_fn: Prints a line.
        node_filter: Which nodes to print: a name, a list of names, a function of name and tags, or None for all.

    Raises:
        OptionError: The verbosity is neither 1 nor 2.
    """

    def __init__(
        self,
        verbosity: int = 1,
        print_fn: Callable[[str], None] = print,
        node_filter: NodeFilter = None,
    ) -> None:
        if verbosity not in {1, 2}:
            raise OptionError(f"PrintLn has no verbosity {verbosity}", hint="1 prints names, 2 values as well")
        self.verbosity = verbosity
        self.print_fn = print_fn
        self.node_filter = node_filter
        self._started: dict[tuple[str | None, str], float] = {}

    def run_before_node_execution(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_kwargs: dict[str, Any],
        task_id: str | None,
        **future_kwargs: Any,
    ) -> None:
        """Print that a node begins."""
        del future_kwargs
        if should_run_node(node_name, node_tags, self.node_filter):
            inputs = f" Inputs: \n{node_kwargs}" if self.verbosity == 2 else ""  # noqa: PLR2004 - as documented above
            self.print_fn(f"Executing node: {_in_task(node_name, task_id)}.{inputs}")
            self._started[task_id, node_name] = time.perf_counter()

    def run_after_node_execution(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        result: Any,
        error: Exception | None,
        success: bool,
        task_id: str | None,
        **future_kwargs: Any,
    ) -> None:
        """Print that a node ended, and how long it took."""
        del future_kwargs
        if should_run_node(node_name, node_tags, self.node_filter):
            duration = time.perf_counter() - self._started.pop((task_id, node_name))
            outcome = "Success." if success else "Failure."
            if self.verbosity == 2:  # noqa: PLR2004 - as documented above
                outcome += f" Result: \n{result}\n" if success else f" Error: \n{error!r}"
            name = _in_task(node_name, task_id)
            self.print_fn(f"Finished debugging node: {name} in {_duration(duration)}. Status: {outcome}")


PrintLnHook = PrintLn


def _in_task(node_name: str, task_id: str | None) -> str:
    return f"{task_id}:{node_name}" if task_id else node_name


def _duration(seconds: float) -> str:
    """Write a duration with three digits that count.

    >>> _duration(0.0123), _duration(0.000_012_3), _duration(12.3)
    ('12.3ms', '12.3μs', '12.3s')
    """
    size, unit = next(((s, u) for s, u in _UNITS if seconds >= s), _UNITS[-1])
    return f"{seconds / size:.3g}{unit}"


class PDBDebugger(NodeExecutionHook, NodeExecutionMethod):
    """Stops in Python's debugger at nodes.

    Args:
        node_filter: Which nodes: a name, a list of names, a function of name and tags, or None for all.
        before: Stop before the node runs.
        during: Stop inside the node's function, at its first line.
        after: Stop after the node ran, its value in ``result``.
    """

    def __init__(
        self, node_filter: NodeFilter = None, before: bool = False, during: bool = False, after: bool = False
    ) -> None:
        self.node_filter = node_filter
        self.run_before, self.run_during, self.run_after = before, during, after

    def run_before_node_execution(
        self, *, node_name: str, node_tags: dict[str, Any], node_kwargs: dict[str, Any], **future_kwargs: Any
    ) -> None:
        """Stop with the arguments in ``node_kwargs``."""
        del future_kwargs
        if self.run_before and should_run_node(node_name, node_tags, self.node_filter):
            _say(f"before node {node_name!r}", node_kwargs)
            pdb.set_trace()  # noqa: T100 - what was asked for

    def run_to_execute_node(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_callable: Callable[..., Any],
        node_kwargs: dict[str, Any],
        **future_kwargs: Any,
    ) -> Any:
        """Return the node's value, stopping in its function if that is asked for."""
        del future_kwargs
        if self.run_during and should_run_node(node_name, node_tags, self.node_filter):
            _say(f"in node {node_name!r}", node_kwargs)
            return pdb.runcall(functools.partial(node_callable, **node_kwargs))
        return node_callable(**node_kwargs)

    def run_after_node_execution(
        self, *, node_name: str, node_tags: dict[str, Any], node_kwargs: dict[str, Any], result: Any, **facts: Any
    ) -> None:
        """Stop with the value in ``result``."""
        del facts
        if self.run_after and should_run_node(node_name, node_tags, self.node_filter):
            _say(f"after node {node_name!r}", {**node_kwargs, "result": result})
            pdb.set_trace()  # noqa: T100 - what was asked for


def _say(where: str, values: Mapping[str, Any]) -> None:
    short = reprlib.Repr()
    short.maxother = short.maxstring = _SHOWN
    shown = "".join(f"\n  {name} = {short.repr(value)}" for name, value in values.items())
    print(f"{where}:{shown}")  # noqa: T201 - at a prompt


class SlowDownYouMoveTooFast(NodeExecutionHook):
    """Waits before each node, for demonstrations of progress bars.

    Args:
        sleep_time_mean: How long on average. **Units**: seconds.
        sleep_time_std: The standard deviation. **Units**: seconds.
    """

    def __init__(self, sleep_time_mean: float, sleep_time_std: float) -> None:
        self.sleep_time_mean = sleep_time_mean
        self.sleep_time_std = sleep_time_std

    def run_before_node_execution(self, **future_kwargs: Any) -> None:
        """Wait."""
        del future_kwargs
        time.sleep(max(0.0, random.gauss(self.sleep_time_mean, self.sleep_time_std)))

    def run_after_node_execution(self, **future_kwargs: Any) -> None:
        """Do nothing."""
