"""Hooks, result builders, loaders and savers of a team's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import pandas as pd

from engine import registry
from engine.io.data_adapters import DataLoader, DataSaver
from engine.lifecycle import GraphConstructionHook, GraphExecutionHook, NodeExecutionHook, ResultBuilder
from engine.lifecycle.base import BasePreDoAnythingHook
from engine.lifecycle.default import GracefulErrorAdapter

SHELF: dict[str, Any] = {}
"""Where `ShelfSaver` keeps values."""


class Journal(NodeExecutionHook, GraphExecutionHook, GraphConstructionHook, BasePreDoAnythingHook):
    """Writes down what happens."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def pre_do_anything(self) -> None:
        """Begin."""
        self.lines.append("begin")

    def run_after_graph_construction(self, *, graph: Any, config: dict[str, Any], **future_kwargs: Any) -> None:
        """Say how large the graph is."""
        self.lines.append(f"built with {sorted(config)}")

    def run_before_graph_execution(
        self, *, final_vars: list[str], inputs: dict[str, Any], **future_kwargs: Any
    ) -> None:
        """Say what is wanted."""
        self.lines.append(f"wanted {sorted(final_vars)} of {sorted(inputs or {})}")

    def run_after_graph_execution(self, *, success: bool, error: Exception | None, **future_kwargs: Any) -> None:
        """Say how it went."""
        self.lines.append(f"ended {success} {type(error).__name__}")

    def run_before_node_execution(
        self, *, node_name: str, node_tags: dict[str, Any], node_kwargs: dict[str, Any], **future_kwargs: Any
    ) -> None:
        """Say which node begins."""
        self.lines.append(f"node {node_name} stage={node_tags.get('stage')} of {sorted(node_kwargs)}")

    def run_after_node_execution(self, *, node_name: str, success: bool, result: Any, **future_kwargs: Any) -> None:
        """Say how it ended."""
        self.lines.append(f"done {node_name} {success} {type(result).__name__}")


class Rows(ResultBuilder):
    """Joins columns and gives rows."""

    def build_result(self, **outputs: Any) -> list[dict[str, Any]]:
        """Return a list of rows."""
        return pd.DataFrame(outputs).reset_index().to_dict(orient="records")

    def output_type(self) -> type:
        """Return a list."""
        return list


@dataclasses.dataclass
class ShelfSaver(DataSaver):
    """Puts values on a shelf."""

    place: str

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        """Anything that is a text or a dictionary."""
        return [str, dict]

    @classmethod
    def name(cls) -> str:
        """Its name."""
        return "shelf"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Put it there."""
        SHELF[self.place] = data
        return {"place": self.place, "kind": type(data).__name__}


@dataclasses.dataclass
class ShelfLoader(DataLoader):
    """Takes values from a shelf."""

    place: str
    otherwise: Any = None

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        """Texts and dictionaries."""
        return [str, dict]

    @classmethod
    def name(cls) -> str:
        """Its name."""
        return "shelf"

    def load_data(self, type_: type) -> tuple[Any, dict[str, Any]]:
        """Take it."""
        return SHELF.get(self.place, self.otherwise), {"place": self.place}


def register() -> None:
    """Make them known."""
    for adapter in (ShelfSaver, ShelfLoader):
        registry.register_adapter(adapter)


def graceful() -> GracefulErrorAdapter:
    """Let a failing node give None instead."""
    return GracefulErrorAdapter(error_to_catch=ZeroDivisionError, sentinel_value=None)
