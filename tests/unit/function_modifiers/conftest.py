"""Nodes of functions, and their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.bindings import Binding, Group, Source, Value
from engine.driver import Builder, Driver
from engine.function_modifiers.base import nodes_of
from engine.node import Node

Make = Callable[..., dict[str, Node]]


@pytest.fixture
def made() -> Make:
    """Give a function that makes the nodes of functions, by name."""

    def make(*functions: Callable[..., Any], **config: Any) -> dict[str, Node]:
        nodes = [node for function in functions for node in nodes_of(function, config)]
        assert len({node.name for node in nodes}) == len(nodes)
        return {node.name: node for node in nodes}

    return make


@pytest.fixture
def run() -> Callable[..., Any]:
    """Give a function that computes a node's value with everything upstream of it."""

    def compute(nodes: dict[str, Node], name: str, **inputs: Any) -> Any:
        def fill(binding: Binding) -> Any:
            match binding:
                case Source(upstream):
                    return inputs[upstream] if upstream in inputs else compute(nodes, upstream, **inputs)
                case Value(literal):
                    return literal
                case Group(items, None):
                    return [fill(item) for item in items]
                case Group(items, keys):
                    return dict(zip(keys, map(fill, items), strict=True))
            raise AssertionError(binding)

        node = nodes[name]
        assert node.function is not None
        given = {
            parameter: fill(binding)
            for parameter, binding in node.bindings.items()
            if not (
                isinstance(binding, Source) and parameter in node.optional and binding.name not in {*inputs, *nodes}
            )
        }
        return node.function(**given)

    return compute


@pytest.fixture
def built() -> Callable[..., Driver]:
    """Give a function that builds a driver of functions under a configuration."""

    def build(*functions: Callable[..., Any], **config: Any) -> Driver:
        return Builder().with_modules(create_temporary_module(*functions)).with_config(config).build()

    return build
