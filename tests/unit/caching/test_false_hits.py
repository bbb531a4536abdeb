"""The hunt for false hits: whatever decides what a node gives, changing it runs the node again."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.caching import CachedFlow

HELD = """
import functools
import dataclasses
import enum
import pandas as pd
import polars as pl
from engine.function_modifiers import (
    cache, check_output, config, extract_columns, inject, parameterize, pipe_input, pipe_output, source, step,
    subdag, value,
)

RATE = 3
TABLE = {"a": 1, "b": [1, 2]}
NAMES = {"one", "two"}

def _deep(n):
    return n + 1

def _helper(n):
    return _deep(n) * 2

class _Scale:
    factor = 2

    def times(self, n):
        return n * self.factor

@dataclasses.dataclass
class _Options:
    limit: int = 5

class _Kind(enum.Enum):
    LOW = 1

def _adder(k):
    def add(n):
        return n + k
    return add

_plus = _adder(4)
_part = functools.partial(_helper)
_short = lambda n: n - 1

def _decorated(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs) + 100
    return inner

def by_helper(x: int) -> int:
    return _helper(x)

def by_constant(x: int) -> int:
    return x * RATE

def by_dict(x: int) -> int:
    return x + TABLE["a"]

def by_set(x: int) -> bool:
    return "one" in NAMES

def by_class(x: int) -> int:
    return _Scale().times(x)

def by_dataclass(x: int) -> int:
    return _Options().limit

def by_enum(x: int) -> int:
    return _Kind.LOW.value

def by_closure(x: int) -> int:
    return _plus(x)

def by_partial(x: int) -> int:
    return _part(x)

def by_lambda(x: int) -> int:
    return _short(x)

def by_default(x: int, y: int = 10) -> int:
    return x + y

@_decorated
def by_decorator(x: int) -> int:
    return x

def _step(n: int, by: int) -> int:
    return n * by

@pipe_input(step(_step, by=value(2)))
def by_pipe(x: int) -> int:
    return x

@pipe_output(step(_step, by=value(2)))
def by_pipe_output(x: int) -> int:
    return x

@parameterize(by_parameter={"k": value(5)})
def unused_name(x: int, k: int) -> int:
    return x + k

@inject(k=value(6))
def by_inject(x: int, k: int) -> int:
    return x + k

@config.when(mode="one")
def by_config__one(x: int) -> int:
    return x + 1

@config.when(mode="two")
def by_config__two(x: int) -> int:
    return x + 2

def by_key(x: int, mode: str) -> str:
    return mode

@extract_columns("p", "q")
def table(x: int) -> pd.DataFrame:
    return pd.DataFrame({"p": [1], "q": [2]})

@check_output(range=(0, 1000), importance="fail")
def by_check(x: int) -> int:
    return x

def _inner(x: int) -> int:
    return x + RATE

@subdag(_inner, inputs={"x": source("x")})
def by_subdag(_inner: int) -> int:
    return _inner
"""


@pytest.mark.parametrize(
    ("node", "old", "new"),
    [
        ("by_helper", "return _deep(n) * 2", "return _deep(n) * 3"),
        ("by_helper", "return n + 1", "return n + 2"),
        ("by_constant", "RATE = 3", "RATE = 4"),
        ("by_constant", "RATE = 3", "RATE = 3.0"),
        ("by_dict", '"a": 1,', '"a": 2,'),
        ("by_set", '{"one", "two"}', '{"1", "two"}'),
        ("by_class", "factor = 2", "factor = 3"),
        ("by_class", "n * self.factor", "n + self.factor"),
        ("by_dataclass", "limit: int = 5", "limit: int = 6"),
        ("by_enum", "LOW = 1", "LOW = 2"),
        ("by_closure", "_adder(4)", "_adder(5)"),
        ("by_closure", "return n + k\n    return add", "return n - k\n    return add"),
        ("by_partial", "return _deep(n) * 2", "return _deep(n) * 3"),
        ("by_lambda", "n - 1", "n - 2"),
        ("by_default", "y: int = 10", "y: int = 11"),
        ("by_decorator", "+ 100", "+ 200"),
        ("by_pipe", "return n * by", "return n + by"),
        ("by_pipe", "@pipe_input(step(_step, by=value(2)))", "@pipe_input(step(_step, by=value(3)))"),
        ("by_pipe_output", "return n * by", "return n + by"),
        ("by_pipe_output", "@pipe_output(step(_step, by=value(2)))", "@pipe_output(step(_step, by=value(3)))"),
        ("by_parameter", "value(5)", "value(7)"),
        ("by_inject", "value(6)", "value(7)"),
        ("by_check", "range=(0, 1000)", "range=(2, 1000)"),
        ("by_subdag", "RATE = 3", "RATE = 4"),
    ],
)
def test_an_edit_counts(flow: CachedFlow, node: str, old: str, new: str) -> None:
    """After an edit the value is the one that the edited text gives without a cache."""
    flow.write(HELD)
    flow.config = {"mode": "one"}
    flow.run(node, inputs={"x": 1})
    assert flow.run(node, inputs={"x": 1})[1] == []
    flow.edit(old, new)
    if "range" in old:
        with pytest.raises(Exception, match="by_check"):
            flow.run(node, inputs={"x": 1})
        return
    fresh = flow.run(node, inputs={"x": 1}, disable=True)[0]
    value, executed = flow.run(node, inputs={"x": 1})
    assert (value, [type(v) for v in value]) == (fresh, [type(v) for v in fresh])
    assert executed


def test_what_does_not_decide_does_not_count(flow: CachedFlow) -> None:
    """Comments, docstrings, other nodes and the place of a function run nothing again."""
    flow.write(HELD)
    flow.config = {"mode": "one"}
    flow.run("by_helper", "by_constant", inputs={"x": 1})
    flow.edit("def by_helper(x: int) -> int:\n", '# moved\n\n\ndef by_helper(x: int) -> int:\n    """Say."""\n')
    flow.edit("_Options().limit", "_Options().limit + 1")
    flow.edit('"a": 1,', '"a": 2,')
    assert flow.run("by_helper", "by_constant", inputs={"x": 1})[1] == []


def test_configuration_counts(flow: CachedFlow) -> None:
    """A key of the configuration counts for the nodes that read it or exist by it, and for no other."""
    flow.write(HELD)
    flow.config = {"mode": "one"}
    flow.run("by_config", "by_key", "by_helper", inputs={"x": 1})
    flow.config = {"mode": "two"}
    assert flow.run("by_config", "by_key", "by_helper", inputs={"x": 1}) == ([3, "two", 4], ["by_config", "by_key"])


FRAMES = """
import pandas as pd
import polars as pl
import pyarrow as pa

def start(seed: int) -> LIBRARY:
    return MADE

def read(start: LIBRARY) -> str:
    return SHOWN
"""
PANDAS = 'pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})'
POLARS = 'pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})'
ARROW = 'pa.table({"a": [1, 2], "b": ["x", "y"]})'


@pytest.mark.parametrize(
    ("library", "shown", "made", "other"),
    [
        ("pd.DataFrame", "str(list(start))", PANDAS, PANDAS.replace('"a"', '"c"')),
        ("pd.DataFrame", "str(start.dtypes['a'])", PANDAS, PANDAS + '.astype({"a": "int32"})'),
        ("pd.DataFrame", "str(start.dtypes['a'])", PANDAS, PANDAS + '.astype({"a": "Int64"})'),
        ("pd.DataFrame", "str(start.index[0])", PANDAS, PANDAS + ".set_index(pd.Index([5, 6]))"),
        ("pd.DataFrame", "str(start.index.name)", PANDAS, PANDAS + '.rename_axis("i")'),
        ("pd.DataFrame", "str(start['b'].iloc[0])", PANDAS, PANDAS + ".iloc[::-1].reset_index(drop=True)"),
        ("pd.DataFrame", "str(list(start))", PANDAS, PANDAS + '[["b", "a"]]'),
        ("pl.DataFrame", "str(start.columns)", POLARS, POLARS.replace('"a"', '"c"')),
        ("pl.DataFrame", "str(start.dtypes)", POLARS, POLARS + '.cast({"a": pl.Int8})'),
        ("pl.DataFrame", "str(start['b'][0])", POLARS, POLARS + ".reverse()"),
        ("pa.Table", "str(start.schema)", ARROW, ARROW + '.rename_columns(["c", "b"])'),
        ("pa.Table", "str(start.schema)", ARROW, ARROW + '.cast(pa.schema([("a", pa.int8()), ("b", pa.string())]))'),
        ("dict", "str(list(start))", '{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
        ("list", "str(start)", "[1, 2]", "[2, 1]"),
        ("list", "str(start)", "[1]", "[True]"),
        ("object", "type(start).__name__", "[1]", "(1,)"),
        ("float", "str(start)", "0.0", "-0.0"),
    ],
)
def test_names_types_and_order_count(flow: CachedFlow, library: str, shown: str, made: str, other: str) -> None:
    """Two values that any reader could tell apart have two versions, and come back as what they are."""
    flow.write(
        FRAMES.replace("LIBRARY", library).replace("SHOWN", shown).replace("MADE", f"{made} if seed < 2 else {other}")
    )
    first = flow.run("read", inputs={"seed": 1})
    assert flow.run("read", inputs={"seed": 2}) == (
        flow.run("read", inputs={"seed": 2}, disable=True)[0],
        ["start", "read"],
    )
    assert flow.run("read", inputs={"seed": 1}) == (first[0], [])
    (kept,), executed = flow.run("start", inputs={"seed": 2})
    (computed,), _ = flow.run("start", inputs={"seed": 2}, disable=True)
    assert executed == []
    assert type(kept) is type(computed)
    assert flow.drivers[-1].cache.version_data(kept) == flow.drivers[-1].cache.version_data(computed)


def test_code_that_cannot_be_known_is_never_taken_from_the_cache(
    flow: CachedFlow, caplog: pytest.LogCaptureFixture
) -> None:
    """A node that runs text or looks names up runs every time, and says why once per run."""
    flow.write(
        'def risky(x: int) -> int:\n    return eval("x + 1")\n\ndef after(risky: int) -> int:\n    return risky * 2\n'
    )
    flow.run("after", inputs={"x": 1})
    caplog.clear()
    assert flow.run("after", inputs={"x": 1}) == ([4], ["risky"])
    assert any("'risky' is never taken from the cache" in record.message for record in caplog.records)


OPAQUE = """
class _Reader:
    def __init__(self):
        self.items = iter([1, 2, 3])

def reader(x: int) -> object:
    return _Reader()

def total(reader: object) -> int:
    return sum(reader.items)

def after(total: int) -> int:
    return total + 1
"""


def test_a_value_without_a_version_runs_what_reads_it(flow: CachedFlow, caplog: pytest.LogCaptureFixture) -> None:
    """An object without a canonical hash, and what reads it, run every time; a warning says so once."""
    flow.write(OPAQUE)
    flow.run("after", inputs={"x": 1})
    caplog.clear()
    driver = flow.driver()
    for _ in range(2):
        assert driver.execute(["after"], inputs={"x": 1}) == {"after": 7}
        run = driver.cache.last_run_id
        kinds = {name: events[-1].event_type.value for name, events in driver.cache.logs(run).items()}
        assert kinds == {"reader": "unhashable_data_version", "total": "execute_node", "after": "get_result"}
    assert len([r for r in caplog.records if "'reader' gives a _Reader" in r.message]) == 1
    assert flow.run("after", inputs={"x": 1}, ignore=["reader"])[1] == ["reader", "total"]
    assert flow.run("after", inputs={"x": 1}, ignore=["reader"])[1] == ["reader"]


def test_a_type_can_say_how_it_is_hashed(flow: CachedFlow) -> None:
    """A registered function gives values of its type a version, inside of others too."""
    flow.write(
        OPAQUE.replace("return _Reader()", 'return {"one": _Reader()}').replace("reader.items", 'reader["one"].items')
        + "\nfrom engine.caching.fingerprinting import hash_value\n"
        "@hash_value.register(_Reader)\n"
        "def _(obj, *args, depth=0, **kwargs):\n    return 'always the same'\n"
    )
    flow.run("after", inputs={"x": 1})
    assert flow.run("after", inputs={"x": 1})[1] == ["reader"]


def test_a_node_that_changes_its_input_spoils_nothing(flow: CachedFlow, caplog: pytest.LogCaptureFixture) -> None:
    """With a node that changes what it reads, every call gives what it gives without a cache."""
    flow.write(
        "def start(x: int) -> list:\n    return [x]\n\n"
        "def adds(start: list) -> int:\n    start.append(9)\n    return 0\n\n"
        "def reads(start: list, adds: int) -> int:\n    return len(start) + 0\n\n"
        "def alone(start: list) -> int:\n    return len(start)\n"
    )
    for _ in range(3):
        assert flow.run("adds", "reads", inputs={"x": 1})[0] == [0, 2]
    assert flow.run("alone", inputs={"x": 1})[0] == [1]
    assert any("'adds' changes the value of 'start'" in record.message for record in caplog.records)


def test_two_nodes_of_equal_code_are_two(flow: CachedFlow) -> None:
    """Nodes that one function makes have keys of their own."""
    flow.write(
        "from engine.function_modifiers import parameterize, value\n\n"
        "@parameterize(one={'k': value(1)}, two={'k': value(2)})\ndef f(x: int, k: int) -> int:\n    return x + k\n"
    )
    assert flow.run("one", "two", inputs={"x": 1})[0] == [2, 3]
    assert flow.run("one", "two", inputs={"x": 1}) == ([2, 3], [])


def test_a_module_beside_counts(flow: CachedFlow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function two modules away counts, called through its module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    for number, (text, expected) in enumerate([("n + 1", 2), ("n + 5", 6), ("n + 5", 6)]):
        (tmp_path / "beside_far.py").write_text(f"def far(n):\n    return {text}\n")
        (tmp_path / "beside_near.py").write_text("import beside_far\n\ndef near(n):\n    return beside_far.far(n)\n")
        for name in ("beside_far", "beside_near"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        flow.write("import beside_near\n\ndef node(x: int) -> int:\n    return beside_near.near(x)\n")
        value, executed = flow.run("node", inputs={"x": 1})
        assert (value, bool(executed)) == ([expected], number < 2)


def test_the_class_of_a_value_counts(flow: CachedFlow) -> None:
    """The method of a class counts for a node that is given an object of it."""
    source = (
        "import dataclasses\n\n@dataclasses.dataclass\nclass Shape:\n    side: int\n\n    def area(self):\n"
        "        return self.side * 2\n\n"
        "def shape(x: int) -> Shape:\n    return Shape(x)\n\n"
        "def area(shape: Shape) -> int:\n    return shape.area()\n"
    )
    flow.write(source)
    assert flow.run("area", inputs={"x": 3})[0] == [6]
    assert flow.run("area", inputs={"x": 3})[1] == []
    flow.edit("self.side * 2", "self.side * self.side")
    assert flow.run("area", inputs={"x": 3}) == ([9], ["shape", "area"])


def test_a_hash_that_fails_is_no_hash(flow: CachedFlow) -> None:
    """A function that cannot hash a value leaves it without a version; nothing else fails."""
    flow.write(
        OPAQUE + "\nfrom engine.caching.fingerprinting import hash_value\n"
        "@hash_value.register(_Reader)\n"
        "def _(obj, *args, depth=0, **kwargs):\n    raise RuntimeError('no')\n"
    )
    flow.run("after", inputs={"x": 1})
    assert flow.run("after", inputs={"x": 1})[1] == ["reader", "total"]
