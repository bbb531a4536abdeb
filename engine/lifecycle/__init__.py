"""Hooks: classes that users subclass to watch a run, and the set that calls them."""

from __future__ import annotations

from engine.lifecycle.api import (
    EdgeConnectionHook,
    GraphAdapter,
    GraphConstructionHook,
    GraphExecutionHook,
    LegacyResultMixin,
    LifecycleAdapter,
    NodeExecutionHook,
    NodeExecutionMethod,
    OutputExecutionHook,
    ResultBuilder,
    StaticValidator,
)
from engine.lifecycle.default import (
    FunctionInputOutputTypeChecker,
    GracefulErrorAdapter,
    NoEdgeAndInputTypeChecking,
    PDBDebugger,
    PrintLn,
    PrintLnHook,
    SlowDownYouMoveTooFast,
    accept_error_sentinels,
)
from engine.lifecycle.tasks import TaskExecutionHook, TaskGroupingHook, TaskReturnHook, TaskSubmissionHook

__all__ = [
    "EdgeConnectionHook",
    "FunctionInputOutputTypeChecker",
    "GracefulErrorAdapter",
    "GraphAdapter",
    "GraphConstructionHook",
    "GraphExecutionHook",
    "LegacyResultMixin",
    "LifecycleAdapter",
    "NoEdgeAndInputTypeChecking",
    "NodeExecutionHook",
    "NodeExecutionMethod",
    "OutputExecutionHook",
    "PDBDebugger",
    "PrintLn",
    "PrintLnHook",
    "ResultBuilder",
    "SlowDownYouMoveTooFast",
    "StaticValidator",
    "TaskExecutionHook",
    "TaskGroupingHook",
    "TaskReturnHook",
    "TaskSubmissionHook",
    "accept_error_sentinels",
]
