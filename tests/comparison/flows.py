"""Small dataflows, written so that they mean the same under both roots: ``ROOT`` stands for the import root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HEADER = """
from typing import Any
import pandas as pd
import polars as pl
from ROOT.function_modifiers import *
from ROOT.htypes import Collect, Parallelizable

def _add(x: int, y: int = 1) -> int:
    return x + y

def _negate(x: int) -> int:
    return -x

def _scale(x: int, by: int) -> int:
    return x * by
"""


@dataclass(frozen=True)
class Flow:
    """One dataflow and one call of it.

    Attributes:
        name: What it shows.
        source: Its text, after `HEADER`.
        outputs: What to execute.
        inputs: What to execute it with.
        config: What to build it with.
        fails: How it fails: ``build`` or ``execute`` and Apache Hamilton's class of error.
    """

    name: str
    source: str
    outputs: tuple[str, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    fails: tuple[str, str] | None = None


PIPES = (
    Flow(
        "steps before a parameter",
        """
@pipe_input(step(_add), step(_add, 5), step(_scale, by=source("k")).named("scaled"), step(_add, y=value(2)))
def f(a: int, b: int) -> int:
    return a + b
""",
        ("f", "f.with_add", "f.scaled"),
        {"a": 1, "b": 2, "k": 3, "y": 1},
    ),
    Flow(
        "namespaces of steps",
        """
@pipe_input(step(_add, y=2), step(_add, y=1), namespace="shared")
def f(a: int) -> int:
    return a

@pipe_input(step(_negate), step(_add, y=1).named("bare", namespace=None))
def g(a: int) -> int:
    return a

@pipe_input(step(_add, y=1), step(_add, y=1), namespace=None)
def h(a: int) -> int:
    return a
""",
        ("f", "g", "h"),
        {"a": 1},
    ),
    Flow(
        "steps that the configuration chooses",
        """
@pipe_input(
    step(_add, y=1).when(k=1), step(_add, y=2).when_not(k=1),
    step(_add, y=4).when_in(k=[1, 2]), step(_add, y=8).when_not_in(k=[1, 2]),
)
def f(a: int) -> int:
    return a

@pipe_output(step(_negate).when(k=2))
def g(a: int) -> int:
    return a
""",
        ("f", "g"),
        {"a": 0},
        {"k": 1},
    ),
    Flow(
        "steps before another parameter, and two pipes",
        """
@pipe_input(step(_add, y=1), namespace="far")
@pipe_input(step(_scale, by=10), namespace="near")
def f(a: int, b: int) -> int:
    return a + b

@pipe_input(step(_add, y=1), step(_add, y=1), on_input="b")
def g(a: int, b: int) -> int:
    return a + b
""",
        ("f", "g"),
        {"a": 1, "b": 2},
    ),
    Flow(
        "steps behind a function",
        """
def _text(x: int) -> str:
    return str(x)

@pipe_output(step(_negate), step(_add, y=5), step(_scale, by=source("k")).named("scaled"), step(_text))
def f(a: int) -> int:
    return a

@pipe_output(step(_negate), namespace="ns")
def g(a: int) -> int:
    return a

@pipe_output(step(_negate).named("own", namespace="passed_over"))
def h(a: int) -> int:
    return a
""",
        ("f", "f.raw", "g", "h"),
        {"a": 1, "k": 3},
    ),
    Flow(
        "steps behind fields",
        """
@pipe_output(step(_negate), on_output=["a", "b"])
@extract_fields({"a": int, "b": int, "c": int})
def f(n: int) -> dict:
    return {"a": n, "b": 2 * n, "c": 3}

@pipe_output(step(_negate).on_output("u"), step(_add, y=1).on_output(["u", "v"]), step(_add, y=2))
@extract_fields({"u": int, "v": int, "w": int})
def g(n: int) -> dict:
    return {"u": n, "v": 2 * n, "w": 3}
""",
        ("a", "b", "c", "u", "v", "w"),
        {"n": 1},
    ),
    Flow(
        "functions changed by others of the module",
        """
def a(x: int) -> int:
    return x

def b(x: int) -> int:
    return 2 * x

@extract_fields({"u": int, "v": int})
def c(x: int) -> dict:
    return {"u": x, "v": x}

@mutate(apply_to(a, z=value(5)).named("own"), apply_to(b).when(k=1), apply_to(c, z=source("x")).on_output("u"), z=2)
def _plus(q: int, z: int) -> int:
    return q + z

@mutate(a)
@mutate(a)
def once_more(q: int) -> int:
    return q + 1
""",
        ("a", "b", "u", "v"),
        {"x": 1},
        {"k": 1},
    ),
    Flow(
        "a changed function that has steps and variants",
        """
@pipe_output(step(_scale, by=10))
@config.when(k=1)
def a__one(x: int) -> int:
    return x

@config.when_not(k=1)
def a__other(x: int) -> int:
    return -x

@mutate(a__one, a__other)
def _plus(q: int) -> int:
    return q + 1
""",
        ("a",),
        {"x": 1},
        {"k": 1},
    ),
    Flow(
        "steps with parameterize, extract_fields, load_from and save_to",
        """
@pipe_output(step(_add, y=1))
@parameterize(u={"a": value(1)}, v={"a": source("n")})
def f(a: int) -> int:
    return a

@extract_fields({"r": int})
@pipe_input(step(_add, y=1))
def g(n: int) -> dict:
    return {"r": n}

@load_from.literal(value=3, inject_="a")
@pipe_input(step(_add, y=5))
def h(a: int) -> int:
    return a

@save_to.memory()
@pipe_output(step(_add, y=5))
def i(n: int) -> int:
    return n
""",
        ("u", "v", "r", "h", "i"),
        {"n": 1},
    ),
)

INNER = """
@config.when(mode="p")
def b__p(a: int) -> int:
    return a * 10

@config.when(mode="q")
def b__q(a: int, extra: int) -> int:
    return a * 100 + extra

def a(x: int, k: int = 1) -> int:
    return x + k

@tag(kind="inner")
def c(b: int) -> int:
    return b + 1
"""

SUBDAGS = (
    Flow(
        "a dataflow inside a node",
        INNER
        + """
@subdag(a, b__p, b__q, c, inputs={"x": source("given"), "k": value(3)}, config={"mode": "p"})
def s(c: int) -> int:
    return c

@subdag(a, b__p, b__q, inputs={"x": source("given")}, config={"mode": "q", "k": 7}, namespace="ns", final_node_name="t")
def made(b: int) -> int:
    return b
""",
        ("s", "s.a", "t", "ns.b"),
        {"given": 1, "extra": 5},
        {"mode": "p"},
    ),
    Flow(
        "inputs from outside",
        """
def fa(x: int) -> int:
    return x + 1

@subdag(fa, external_inputs=["outer"])
def s(fa: int, outer: int) -> int:
    return fa + outer

@subdag(fa, external_inputs=["fa"])
def t(fa: int) -> int:
    return fa

@subdag(fa, inputs={"x": source("y")})
def u(fa: int, d: int = 4) -> int:
    return fa + d
""",
        ("s", "t", "u"),
        {"x": 1, "outer": 10, "y": 2},
    ),
    Flow(
        "dataflows inside dataflows",
        """
def fa(x: int) -> int:
    return x + 1

def base() -> int:
    return 10

@subdag(fa, inputs={"x": source("base")})
def mid(fa: int) -> int:
    return fa

@subdag(mid, inputs={"base": source("k")})
def outer(mid: int) -> int:
    return mid

@subdag(outer, mid)
def top(outer: int, mid: int) -> int:
    return outer + mid
""",
        ("mid", "outer", "top"),
        {"x": 1, "k": 100},
    ),
    Flow(
        "every modifier inside",
        """
@extract_columns("a", "b")
def df(n: int) -> pd.DataFrame:
    return pd.DataFrame({"a": [n], "b": [2]})

@check_output(range=(0, 100))
def ab(a: pd.Series, b: pd.Series) -> pd.Series:
    return a + b

@load_from.literal(value=4, inject_="q")
def loaded(q: int) -> int:
    return q

@pipe_input(step(_add, y=1))
@pipe_output(step(_negate))
def piped(loaded: int) -> int:
    return loaded

@parameterize(p1={"i": value(1)}, p2={"i": source("piped")})
def p(i: int) -> int:
    return i

@subdag(df, ab, loaded, piped, p, inputs={"n": source("given")})
def s(ab: pd.Series, p2: int, p1: int) -> pd.Series:
    return ab + p2 + p1
""",
        ("s",),
        {"given": 1, "n": 2},
    ),
    Flow(
        "several dataflows of one kind",
        INNER
        + """
@parameterized_subdag(
    a, b__p, b__q, c, inputs={"x": source("given")}, config={"mode": "p"},
    k1={}, k2={"inputs": {"k": value(5)}}, k3={"config": {"mode": "q"}, "inputs": {"x": source("other")}},
)
def s(c: int) -> int:
    return c
""",
        ("k1", "k2", "k3"),
        {"given": 1, "other": 2, "extra": 7},
        {"mode": "p"},
    ),
    Flow(
        "modifiers above a dataflow",
        """
def fa(x: int) -> int:
    return x + 1

@tag(owner="us")
@check_output(range=(0, 10))
@extract_fields({"p": int, "q": int})
@subdag(fa)
def s(fa: int) -> dict:
    return {"p": fa, "q": 2}

@pipe_output(step(_negate))
@parameterized_subdag(fa, z1={"inputs": {"x": value(1)}}, z2={"inputs": {"x": value(2)}})
def t(fa: int) -> int:
    return fa

@subdag(fa)
@config.when(k=1)
def u__one(fa: int) -> int:
    return fa
""",
        ("p", "q", "z1", "z2", "u"),
        {"x": 1},
        {"k": 1},
    ),
)

CHECKS = (
    Flow(
        "checks of numbers and texts",
        """
@check_output(range=(0, 3), values_in=[1, 2], data_type=int, importance="warn")
def f(a: int) -> int:
    return a

@check_output(contains="x", does_not_contain=["q", "r"], allow_none=False)
def g() -> str:
    return "xyz"

@check_output(range=(0, 3))
@parameterize(u={"a": value(1)}, v={"a": value(9)})
def h(a: int) -> int:
    return a
""",
        ("f", "g", "u", "v"),
        {"a": 9},
    ),
    Flow(
        "checks of series",
        """
@check_output(
    range=(0, 3), values_in=[1.0, 2.0, 9.0], allow_nans=False, max_fraction_nans=0.5, mean_in_range=(0, 5),
    max_standard_dev=10.0, data_type=float,
)
def f(a: int) -> pd.Series:
    return pd.Series([1, 2, None, 9])
""",
        ("f",),
        {"a": 1},
    ),
    Flow(
        "checks of columns, behind and before steps",
        """
@check_output(range=(0, 3))
@extract_columns("a", "b")
def df() -> pd.DataFrame:
    return pd.DataFrame({"a": [1], "b": [2]})

@pipe_output(step(_negate))
@check_output(range=(0, 10))
def p(n: int) -> int:
    return n

@check_output(range=(0, 10))
@pipe_output(step(_negate))
def q(n: int) -> int:
    return n
""",
        ("a", "b", "p", "q"),
        {"n": 1},
    ),
    Flow(
        "a check that must hold",
        """
@check_output(range=(0, 3), data_type=str, importance="fail")
def f(a: int) -> int:
    return a
""",
        ("f",),
        {"a": 9},
        fails=("execute", "DataValidationError"),
    ),
    Flow(
        "checks of one's own",
        """
from ROOT.data_quality.base import BaseDefaultValidator, DataValidator, ValidationResult

class Positive(DataValidator):
    def applies_to(self, datatype):
        return datatype is int

    def description(self):
        return "is positive"

    @classmethod
    def name(cls):
        return "positive"

    def validate(self, dataset):
        return ValidationResult(passes=dataset > 0, message="it must be positive")

class Odd(BaseDefaultValidator):
    def __init__(self, odd, importance):
        super().__init__(importance)
        self.odd = odd

    @classmethod
    def applies_to(cls, datatype):
        return datatype is int

    def description(self):
        return "is odd"

    @classmethod
    def arg(cls):
        return "odd"

    def validate(self, dataset):
        return ValidationResult(passes=dataset % 2 == self.odd, message="it must be odd")

@check_output_custom(Positive("warn"), Positive("warn"))
def f(a: int) -> int:
    return a

@check_output(default_validator_candidates=[Odd], odd=1)
def g(a: int) -> int:
    return a

@check_output_custom(Positive("fail"), target_="p")
@extract_fields({"p": int, "q": int})
def h(a: int) -> dict:
    return {"p": 1, "q": -1}
""",
        ("f", "g", "p", "q"),
        {"a": -1},
    ),
    Flow(
        "a check that there is not",
        """
@check_output(rnge=(0, 3))
def f(a: int) -> int:
    return a
""",
        fails=("build", "ValueError"),
    ),
)

_COLUMNS = """
def ab(a: COLUMN, b: COLUMN) -> COLUMN:
    return a + b

def ac(ab: COLUMN, k: int) -> COLUMN:
    return ab * k

def initial() -> FRAME:
    return FRAME({"a": [1, 2], "b": [3, 4], "z": [0, 0]})

@with_columns(ab, ac, columns_to_pass=["a", "b"])
def f(initial: FRAME) -> FRAME:
    return initial

@with_columns(ab, ac, columns_to_pass=["a", "b"], select=["ac"], namespace="ns")
def g(initial: FRAME) -> FRAME:
    return initial

@with_columns(ab, columns_to_pass=["a", "b"])
@with_columns(ab, columns_to_pass=["a", "b"], namespace="second")
def h(initial: FRAME) -> FRAME:
    return initial
"""


def _columns(library: str, frame: str, column: str) -> Flow:
    text = f"from ROOT.plugins.{library} import with_columns\n" + _COLUMNS
    text = text.replace("FRAME", frame).replace("COLUMN", column)
    return Flow(f"columns added to a {frame}", text, ("f", "g", "h"), {"k": 10})


COLUMNS = (
    _columns("h_pandas", "pd.DataFrame", "pd.Series"),
    _columns("h_polars", "pl.DataFrame", "pl.Series"),
    _columns("h_polars_lazyframe", "pl.LazyFrame", "pl.Expr"),
    Flow(
        "columns changed in place",
        """
from ROOT.plugins.h_pandas import with_columns

def a(initial: pd.DataFrame) -> pd.Series:
    return initial["a"] * 10

def double(a: pd.Series) -> pd.Series:
    return a * 2

def initial() -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2]})

@with_columns(a, double, on_input="initial")
def f(n: int, initial: pd.DataFrame) -> pd.DataFrame:
    return initial.assign(n=n)
""",
        ("f",),
        {"n": 5},
    ),
    Flow(
        "expressions over a lazy frame",
        """
@extract_columns("a", "b")
def df(n: int) -> pl.LazyFrame:
    return pl.LazyFrame({"a": [n], "b": [2]})

def joined(df: pl.LazyFrame, a: pl.Expr, b: pl.Expr) -> pl.LazyFrame:
    return df.select(a + b)
""",
        ("joined",),
        {"n": 1},
    ),
)

OTHERS = (
    Flow(
        "a modifier that the configuration chooses",
        """
@resolve(when=ResolveAt.CONFIG_AVAILABLE, decorate_with=lambda columns, other=1: extract_columns(*columns))
def df(n: int) -> pd.DataFrame:
    return pd.DataFrame({"a": [n], "b": [2]})

def _inner(n: int) -> int:
    return n

@resolve_from_config(decorate_with=lambda k: config.when(k=1))
def f__x(n: int) -> int:
    return n
""",
        ("a", "b", "f"),
        {"n": 1},
        {"columns": ["a", "b"], "k": 1, "hamilton.enable_power_user_mode": True},
    ),
    Flow(
        "tags of cache and schema",
        """
@cache(behavior="ignore", format="parquet")
@extract_fields({"u": int, "v": int})
def f(n: int) -> dict:
    return {"u": 1, "v": 2}

@cache(format="json", target_="w")
@extract_fields({"w": int})
def g(n: int) -> dict:
    return {"w": 1}

@schema.output(("a", "int"), ("b", "str"))
def df(n: int) -> pd.DataFrame:
    return pd.DataFrame()
""",
        ("u", "w"),
        {"n": 1},
    ),
    Flow(
        "older names",
        """
@parameterized_inputs(o1={"a": "x"}, o2={"a": "y"})
def f(a: int) -> int:
    return a

@parametrized("a", {("o3", "three"): 3, ("o4", "four"): 4})
def g(a: int) -> int:
    return a

@parametrized_input("a", {"x": ("o5", "five"), "y": ("o6", "six")})
def h(a: int) -> int:
    return a

def _all(**given: int) -> int:
    return sum(given.values())

@does(_all)
def i(x: int, y: int = 3) -> int:
    pass
""",
        ("o1", "o2", "o3", "o4", "o5", "o6", "i"),
        {"x": 1, "y": 2},
    ),
)


def _misuse(name: str, modifier: str, error: str = "InvalidDecoratorException", stage: str = "build") -> Flow:
    text = f"""
def _unsaid(x):
    return x

def _text(x: str) -> str:
    return x

def fa(x: int) -> int:
    return x

{modifier}
def f(a: int) -> int:
    return a
"""
    return Flow(name, text, fails=(stage, error))


MISUSES = (
    _misuse("a step with an unknown argument", "@pipe_input(step(_add, z=3))"),
    _misuse("a step without annotations", "@pipe_input(step(_unsaid))"),
    _misuse("a step that lacks an argument", "@pipe_output(step(_scale))"),
    _misuse("a step of another type", "@pipe_input(step(_text))", "ValueError"),
    _misuse("two targets", '@pipe_output(step(_negate).on_output("f"), on_output="f")', "SingleTargetError"),
    _misuse("a target that there is not", '@pipe_output(step(_negate), on_output="g")'),
    _misuse("steps behind everything", "@pipe_output(step(_negate), on_output=...)", "ValueError"),
    _misuse("an inner dataflow of nothing", "@subdag()", "ValueError"),
    _misuse("a literal input inside", '@subdag(fa, inputs={"x": 3})'),
    _misuse("a node as configuration inside", '@subdag(fa, config={"m": source("k")})'),
    _misuse("a configuration that is not there", '@subdag(fa, config={"m": configuration("k")})'),
    _misuse("input and configuration of one name", '@subdag(fa, inputs={"x": value(1)}, config={"x": 1})'),
    _misuse("a check of a node that there is not", '@check_output(range=(0, 1), target_="g")'),
    _misuse("cache of a node that there is not", '@cache(format="json", target_="g")'),
    _misuse("an importance that is none", '@check_output(range=(0, 1), importance="perhaps")', "ValueError"),
)

FLOWS = (*PIPES, *SUBDAGS, *CHECKS, *COLUMNS, *OTHERS, *MISUSES)

CHECKED = tuple(flow for flow in FLOWS if "check_output" in flow.source and not flow.fails)
"""The dataflows with validators whose results can be asked for."""
