"""Function modifiers: decorators that say more about a node function than its signature can.

They leave the function callable as it is; `engine.function_modifiers.base` says in which order they act.
"""

from __future__ import annotations

from engine.bindings import configuration, group, source, value
from engine.function_modifiers.adapters import dataloader, datasaver, load_from, save_to
from engine.function_modifiers.base import InvalidDecoratorException
from engine.function_modifiers.conditions import config, hamilton_exclude
from engine.function_modifiers.delayed import ResolveAt, resolve, resolve_from_config
from engine.function_modifiers.expanders import (
    ParameterizedExtract,
    inject,
    parameterize,
    parameterize_extract_columns,
    parameterize_sources,
    parameterize_values,
    parameterized_inputs,
    parametrized,
    parametrized_input,
)
from engine.function_modifiers.extractors import extract_columns, extract_fields, unpack_fields
from engine.function_modifiers.macros import does
from engine.function_modifiers.metadata import cache, schema, tag, tag_outputs
from engine.function_modifiers.pipes import apply_to, mutate, pipe_input, pipe_output, step
from engine.function_modifiers.recursive import parameterized_subdag, subdag
from engine.function_modifiers.validation import check_output, check_output_custom

pipe = pipe_input
"""The older name."""

__all__ = [
    "InvalidDecoratorException",
    "ParameterizedExtract",
    "ResolveAt",
    "apply_to",
    "cache",
    "check_output",
    "check_output_custom",
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
    "mutate",
    "parameterize",
    "parameterize_extract_columns",
    "parameterize_sources",
    "parameterize_values",
    "parameterized_inputs",
    "parameterized_subdag",
    "parametrized",
    "parametrized_input",
    "pipe",
    "pipe_input",
    "pipe_output",
    "resolve",
    "resolve_from_config",
    "save_to",
    "schema",
    "source",
    "step",
    "subdag",
    "tag",
    "tag_outputs",
    "unpack_fields",
    "value",
]
