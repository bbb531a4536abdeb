"""How a parameter is filled, at Apache Hamilton's path; `engine.bindings` is where these live."""

from __future__ import annotations

from engine.bindings import (
    Binding,
    Configuration,
    Group,
    Source,
    Value,
    configuration,
    group,
    source,
    value,
)

__all__ = [
    "ConfigDependency",
    "GroupedDependency",
    "LiteralDependency",
    "ParametrizedDependency",
    "UpstreamDependency",
    "configuration",
    "group",
    "source",
    "value",
]

ConfigDependency = Configuration
GroupedDependency = Group
LiteralDependency = Value
ParametrizedDependency = Binding
UpstreamDependency = Source
