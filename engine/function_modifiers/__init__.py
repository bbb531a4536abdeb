"""Function modifiers: decorators that say more about a node function than its signature can.

They leave the function callable as it is; `engine.function_modifiers.base` says in which order they act.
"""

from __future__ import annotations

from engine.bindings import configuration, group, source, value
from engine.function_modifiers.adapters import dataloader, datasaver, load_from, save_to
from engine.function_modifiers.base import InvalidDecoratorException
from engine.function_modifiers.conditions import config, hamilton_exclude
from engine.function_modifiers.expanders import (
    ParameterizedExtract,
    inject,
    parameterize,
    parameterize_extract_columns,
    parameterize_sources,
    parameterize_values,
)
from engine.function_modifiers.extractors import extract_columns, extract_fields, unpack_fields
from engine.function_modifiers.macros import does
from engine.function_modifiers.metadata import tag, tag_outputs

__all__ = [
    "InvalidDecoratorException",
    "ParameterizedExtract",
    "config",
    "configuration",
    "dataloader",
    "datasaver",
    "does",
    "extract_columns",
    "extract_fields",
    "group",
    "hamilton_exclude",
    "inject",
    "load_from",
    "parameterize",
    "parameterize_extract_columns",
    "parameterize_sources",
    "parameterize_values",
    "save_to",
    "source",
    "tag",
    "tag_outputs",
    "unpack_fields",
    "value",
]
