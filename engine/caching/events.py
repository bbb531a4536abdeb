"""Events: what a cache did about each node of a run, for the log and who asks for it; never a value."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class CachingEventType(Enum):
    """What happened."""

    GET_DATA_VERSION = "get_data_version"
    SET_DATA_VERSION = "set_data_version"
    GET_CACHE_KEY = "get_cache_key"
    SET_CACHE_KEY = "set_cache_key"
    GET_RESULT = "get_result"
    SET_RESULT = "set_result"
    MISSING_RESULT = "missing_result"
    FAILED_RETRIEVAL = "failed_retrieval"
    EXECUTE_NODE = "execute_node"
    FAILED_EXECUTION = "failed_execution"
    RESOLVE_BEHAVIOR = "resolve_behavior"
    UNHASHABLE_DATA_VERSION = "unhashable_data_version"
    IS_OVERRIDE = "is_override"
    IS_INPUT = "is_input"
    IS_FINAL_VAR = "is_final_var"
    IS_DEFAULT_PARAMETER_VALUE = "is_default_parameter_value"


INFO = frozenset(
    {
        CachingEventType.GET_RESULT,
        CachingEventType.EXECUTE_NODE,
        CachingEventType.FAILED_EXECUTION,
        CachingEventType.FAILED_RETRIEVAL,
        CachingEventType.MISSING_RESULT,
        CachingEventType.UNHASHABLE_DATA_VERSION,
    }
)
"""What is shown where the details are not asked for."""


@dataclass(frozen=True, slots=True)
class CachingEvent:
    """One thing that happened."""

    run_id: str
    actor: str
    event_type: CachingEventType
    node_name: str
    task_id: str | None = None
    msg: str | None = None
    value: Any = None
    timestamp: float = field(default_factory=time.time)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        value = self.value.name if isinstance(self.value, Enum) else self.value
        return {
            "run_id": self.run_id,
            "actor": self.actor,
            "event_type": self.event_type.value,
            "node_name": self.node_name,
            "task_id": self.task_id,
            "msg": self.msg,
            "value": value,
            "timestamp": self.timestamp,
        }

    def __str__(self) -> str:
        return json.dumps(self.as_dict())
