"""Every modifier alone and above every other one: small dataflows, generated, that mean the same under both roots."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from tests.comparison.flows import Flow

if TYPE_CHECKING:
    from collections.abc import Iterator

_AROUND = """
import pandas as pd
from typing import Any, Dict, List, Tuple
from ROOT.data_quality.base import DataValidator, ValidationResult
from ROOT.function_modifiers import *
from ROOT.plugins.h_pandas import with_columns
from tests.comparison.columns import more

class Odd(DataValidator):
    def applies_to(self, datatype):
        return True

    def description(self):
        return "is something"

    @classmethod
    def name(cls):
        return "odd"

    def validate(self, dataset):
        return ValidationResult(passes=True, message="it must be something")

def _same(x: Any) -> Any:
    return x

def _plus(x: int, y: int = 1) -> int:
    return x + y

def _answer(**given: Any) -> Any:
    return ANSWER

def a(n: int) -> int:
    return n + 1

def initial(n: int) -> pd.DataFrame:
    return pd.DataFrame({"u": [n, 2]})

MODIFIERS
def f(PARAMETERS) -> RETURNED:
    BODY
"""


class Shape(NamedTuple):
    """A function to put modifiers above: what it takes, what it gives, and the same without its parameters."""

    returned: str
    body: str
    answer: str
    parameters: str = "a: int, b: int"


SHAPES = {
    "number": Shape("int", "a + b", "9"),
    "fields": Shape("Dict[str, int]", '{"u": a, "v": b}', '{"u": 9, "v": 8}'),
    "tuple": Shape("Tuple[int, int]", "(a, b)", "(9, 8)"),
    "frame": Shape(
        "pd.DataFrame", 'pd.DataFrame({"u": [a, 2], "v": [b, 3]})', 'pd.DataFrame({"u": [9, 8], "v": [7, 6]})'
    ),
    "framed": Shape("pd.DataFrame", "initial.assign(v=b)", "given['initial']", "initial: pd.DataFrame, b: int"),
    "grouped": Shape("int", "a + sum(b)", "9", "a: int, b: List[int]"),
    "loads": Shape("Tuple[int, Dict[str, Any]]", '(a + b, {"rows": 1})', '(9, {"rows": 1})'),
    "saves": Shape("dict", '{"rows": a + b}', '{"rows": 9}'),
}

_EVERY = tuple(SHAPES)

MODIFIERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "cache": ('cache(behavior="ignore", format="json")', _EVERY),
    "check_output of numbers": ("check_output(range=(0, 3))", ("number",)),
    "check_output of types": ("check_output(data_type=dict)", ("fields",)),
    "check_output_custom": ('check_output_custom(Odd("warn"))', _EVERY),
    "config": ("config(lambda given: given.get('k') == 1)", _EVERY),
    "config.when": ("config.when(k=1)", _EVERY),
    "config.when_in": ("config.when_in(k=[1, 2], name='g')", _EVERY),
    "config.when_not": ("config.when_not(k=1)", _EVERY),
    "config.when_not_in": ("config.when_not_in(k=[2])", _EVERY),
    "dataloader": ("dataloader()", ("loads",)),
    "datasaver": ("datasaver()", ("saves",)),
    "does": ("does(_answer)", _EVERY),
    "extract_columns": ('extract_columns("u", ("v", "The second."))', ("frame",)),
    "extract_fields": ('extract_fields({"u": int, "v": int})', ("fields",)),
    "hamilton_exclude": ("hamilton_exclude", _EVERY),
    "inject of a": ("inject(a=value(7))", _EVERY),
    "inject of b": ('inject(b=source("m"))', _EVERY),
    "inject of groups": ('inject(b=group(source("n"), value(5)))', ("grouped",)),
    "load_from": ('load_from.literal(value=3, inject_="b")', _EVERY),
    "parameterize": ('parameterize(p={"b": value(1)}, q={"a": source("m"), "b": source("n")})', _EVERY),
    "parameterize of groups": ('parameterize(p={"b": group(source("n"))}, q={"b": group(value(1))})', ("grouped",)),
    "parameterize_extract_columns": (
        'parameterize_extract_columns(ParameterizedExtract(("u", "v"), {"b": value(1)}))',
        ("frame",),
    ),
    "parameterize_sources": ('parameterize_sources(p={"b": "n"}, q={"b": "m"})', _EVERY),
    "parameterize_values": ('parameterize_values("b", {("p", "The first."): 1, ("q", "The second."): 2})', _EVERY),
    "parameterized_inputs": ('parameterized_inputs(p={"b": "n"}, q={"b": "m"})', _EVERY),
    "parameterized_subdag": ('parameterized_subdag(a, p={"inputs": {"n": value(1)}}, q={})', _EVERY),
    "parametrized": ('parametrized("b", {("p", "The first."): 1, ("q", "The second."): 2})', _EVERY),
    "parametrized_input": ('parametrized_input("b", {"n": ("p", "The first."), "m": ("q", "The second.")})', _EVERY),
    "pipe_input of a": ("pipe_input(step(_plus, y=2), step(_plus))", _EVERY),
    "pipe_input of b": ('pipe_input(step(_plus, y=source("m")).named("w"), on_input="b")', _EVERY),
    "pipe_output of anything": ("pipe_output(step(_same))", _EVERY),
    "pipe_output of numbers": ("pipe_output(step(_plus, y=2))", ("number", "fields")),
    "resolve": ("resolve(when=ResolveAt.CONFIG_AVAILABLE, decorate_with=lambda k: tag(kind=str(k)))", _EVERY),
    "resolve_from_config": ("resolve_from_config(decorate_with=lambda k: tag(sort=str(k)))", _EVERY),
    "save_to": ("save_to.memory()", _EVERY),
    "schema.output": ('schema.output(("u", "int"), ("v", "int"))', ("frame", "framed")),
    "subdag": ('subdag(a, inputs={"n": source("m")})', _EVERY),
    "tag": ('tag(owner="us")', _EVERY),
    "tag_outputs": ('tag_outputs(f={"of": "the whole"}, u={"of": "a part"})', _EVERY),
    "unpack_fields": ('unpack_fields("u", "v")', ("tuple",)),
    "with_columns": ('with_columns(more, columns_to_pass=["u"])', ("framed",)),
}
"""Each modifier, and the shapes of the functions it may stand above; behind ``of``, what it is used for."""

_EXPANDERS = (
    "inject",
    "parameterize",
    "parameterize_extract_columns",
    "parameterize_sources",
    "parameterize_values",
    "parameterized_inputs",
    "parametrized",
    "parametrized_input",
)
_PARTS = ("extract_columns", "extract_fields", "unpack_fields")
_CHECKS = ("check_output", "check_output_custom")


def _each(reason: str, *kinds: tuple[str, ...]) -> dict[frozenset[str], str]:
    return {frozenset(pair): reason for pair in itertools.product(*kinds)}


MORE: dict[frozenset[str], str] = {
    **_each("one fills a parameter, the other works on it", _EXPANDERS, ("pipe_input", "load_from", "with_columns")),
    **_each("steps work on what an inner dataflow makes", ("subdag", "parameterized_subdag"), ("pipe_input",)),
    **_each("what is loaded may be filled in several ways", _EXPANDERS, ("dataloader",)),
    **_each("what takes all arguments takes these", ("does",), ("parameterize_extract_columns",)),
    **_each("what stands above a saver acts on the saved node", (*_PARTS, *_CHECKS, "pipe_output"), ("save_to",)),
    **_each("checks follow one another", _CHECKS, _CHECKS),
    **_each("steps follow one another", ("pipe_input", "pipe_output"), ("pipe_input", "pipe_output")),
    **_each("words of several sorts", ("schema.output",), ("schema.output", "cache", "tag", "tag_outputs", "save_to")),
}
"""Pairs that Apache Hamilton refuses at least in one order, and that work here."""

DIFFERENT: dict[frozenset[str], str] = {
    **_each(
        "checks and steps above a saver act on the saved node", ("check_output_custom", "pipe_output"), ("save_to",)
    ),
    **_each(
        "the saved node has the tags too, not its saver alone", ("tag", "resolve", "resolve_from_config"), ("save_to",)
    ),
    **_each("the step gets what is loaded", ("pipe_input",), ("load_from",)),
    **_each("behind a step that may give anything, the parts may be anything", ("pipe_output",), ("unpack_fields",)),
}
"""Pairs whose nodes differ on purpose."""

LESS: dict[frozenset[str], str] = {
    **_each(
        "the second saves what the first says, there; here both save, and need two names", ("save_to",), ("save_to",)
    ),
}
"""Pairs that work there only."""


_B = {"grouped": [1, 2]}


def kind(name: str) -> str:
    """Return which modifier a name stands for."""
    return name.partition(" of ")[0]


def _flow(names: tuple[str, ...], shape_name: str) -> Flow:
    shape = SHAPES[shape_name]
    text = (
        _AROUND.replace("ANSWER", shape.answer)
        .replace("MODIFIERS", "\n".join(f"@{MODIFIERS[name][0]}" for name in names))
        .replace("PARAMETERS", shape.parameters)
        .replace("RETURNED", shape.returned)
        .replace("BODY", "pass" if "does" in names else f"return {shape.body}")
    )
    return Flow(
        f"{' above '.join(names)}: {shape_name}",
        text,
        inputs={"n": 1, "m": 2, "y": 5, **dict.fromkeys(("b", "f.b", "g.b", "p.b", "q.b"), _B.get(shape_name, 4))},
        config={"k": 1, "hamilton.enable_power_user_mode": True},
    )


def alone() -> Iterator[Flow]:
    """Yield one dataflow for each modifier and each shape."""
    for name, (_, shapes) in MODIFIERS.items():
        for shape in shapes:
            yield _flow((name,), shape)


def above(name: str) -> Iterator[tuple[str, Flow]]:
    """Yield the modifiers that may stand below one, with one dataflow for each shape that both are made for."""
    for below, (_, shapes) in MODIFIERS.items():
        both = [shape for shape in SHAPES if shape in MODIFIERS[name][1] and shape in shapes]
        for shape in both if len(both) < len(SHAPES) else ("number",):
            yield below, _flow((name, below), shape)
