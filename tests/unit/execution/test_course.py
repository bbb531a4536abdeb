"""The course of a call: what a materializer on top of a graph costs, and that it serves whatever is put on top."""

from __future__ import annotations

import functools
import gc
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import engine
from engine.ad_hoc_utils import module_from_source
from engine.base import PandasDataFrameResult
from engine.driver import Builder
from engine.io.materialization import from_, to
from engine.lifecycle import NodeExecutionHook

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from engine.driver import Driver

PACKAGE = str(Path(engine.__file__).parent)
DIAMOND = """
import pandas as pd

def numbers(count: int) -> pd.Series:
    return pd.Series(range(count))

def doubled(numbers: pd.Series) -> pd.Series:
    return 2 * numbers

def total(doubled: pd.Series) -> dict:
    return {"total": int(doubled.sum())}

def size(numbers: pd.Series) -> dict:
    return {"size": len(numbers)}
"""


class Ran(NodeExecutionHook):
    """Notes which nodes run."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def run_before_node_execution(self, *, node_name: str, **_: Any) -> None:
        """Note it."""
        self.names.append(node_name)

    def run_after_node_execution(self, **_: Any) -> None:
        """Nothing."""


@pytest.fixture
def driver() -> Driver:
    """A driver of the diamond."""
    return Builder().with_modules(module_from_source(DIAMOND)).build()


def calls_of_engine(work: Callable[[], Any]) -> int:
    """Return how many calls of the engine's own functions a piece of work makes."""
    count = 0

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(PACKAGE)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def chain(length: int) -> Driver:
    """Return a driver of nodes of which each reads the one before."""
    nodes = ["def n0(x: int) -> int:\n    return x\n"]
    nodes += [f"def n{i}(n{i - 1}: int) -> int:\n    return n{i - 1}\n" for i in range(1, length)]
    nodes.append(f"def top(n{length - 1}: int) -> dict:\n    return {{'n': n{length - 1}}}\n")
    return Builder().with_modules(module_from_source("\n".join(nodes))).build()


@pytest.mark.parametrize("options", [{}, {"combine": PandasDataFrameResult()}], ids=["one node", "joined"])
def test_the_next_materialize_does_not_walk_the_graph(tmp_path: Path, options: dict[str, Any]) -> None:
    """From the second call on, a materializer of the same form costs the engine the same on any graph."""
    word = "pickle" if options else "json"
    counts = {}
    for length in (20, 400):
        driver = chain(length)
        for number in range(3):
            path = str(tmp_path / f"{length}_{number}")
            request = getattr(to, word)(id="saved", dependencies=["top"], path=path, **options)
            run = functools.partial(driver.materialize, request, inputs={"x": 1})
            counts[length, number] = calls_of_engine(run)
            assert Path(path).exists()
    assert counts[400, 0] > counts[400, 2] + 400
    assert counts[20, 2] == counts[400, 2]


def test_what_is_put_on_top_is_what_runs(driver: Driver, tmp_path: Path) -> None:
    """Calls of one form that differ in options, values and joining builders each get their own."""
    for count in (2, 5):
        path = tmp_path / f"{count}.json"
        driver.materialize(to.json(id="out", dependencies=["total"], path=str(path)), inputs={"count": count})
        assert path.read_text() == f'{{"total": {count * (count - 1)}}}'
    saver = {"id": "joined", "dependencies": ["numbers", "doubled"]}
    for name, builder in (("frame", PandasDataFrameResult()), ("strict", PandasDataFrameResult())):
        path = tmp_path / f"{name}.parquet"
        request = to.parquet(**saver, path=str(path), combine=builder)
        _, values = driver.materialize(request, additional_vars=["joined_build_result"], inputs={"count": 3})
        assert pd.read_parquet(path).equals(values["joined_build_result"])
        assert list(values["joined_build_result"]["doubled"]) == [0, 2, 4]


def test_a_form_is_told_from_another(driver: Driver, tmp_path: Path) -> None:
    """Under one id another node can be saved next, with other overrides, or a node be loaded that was computed."""
    path = tmp_path / "out.json"
    for node, text in (("total", '{"total": 6}'), ("size", '{"size": 3}'), ("total", '{"total": 6}')):
        driver.materialize(to.json(id="out", dependencies=[node], path=str(path)), inputs={"count": 3})
        assert path.read_text() == text
    total = to.json(id="out", dependencies=["total"], path=str(path))
    driver.materialize(total, overrides={"numbers": pd.Series([5])})
    assert path.read_text() == '{"total": 10}'
    driver.materialize(total, from_.literal(target="numbers", value=pd.Series([7])))
    assert path.read_text() == '{"total": 14}'


def test_a_node_that_two_savers_need_runs_once(tmp_path: Path) -> None:
    """Several savers and values of one call share what they need; every call runs the same nodes in the same order."""
    ran = Ran()
    driver = Builder().with_modules(module_from_source(DIAMOND)).with_adapters(ran).build()
    requests = [to.json(id=f"{n}_file", dependencies=[n], path=str(tmp_path / n)) for n in ("size", "total")]
    for _ in range(2):
        _, values = driver.materialize(*requests, additional_vars=["doubled", "size"], inputs={"count": 2})
        assert ran.names == ["numbers", "size", "size_file", "doubled", "total", "total_file"]
        assert list(values) == ["doubled", "size"]
        ran.names.clear()


def test_a_value_is_dropped_when_no_stage_needs_it(tmp_path: Path) -> None:
    """What only the first saver needs is gone when the second one's nodes run."""
    source = """
import gc, weakref

class Thing(dict):
    pass

SEEN = []

def first() -> dict:
    thing = Thing(a=1)
    SEEN.append(weakref.ref(thing))
    return thing

def second() -> dict:
    gc.collect()
    return {"alive": SEEN[-1]() is not None}
"""
    driver = Builder().with_modules(module_from_source(source)).build()
    requests = [to.json(id=f"{n}_file", dependencies=[n], path=str(tmp_path / n)) for n in ("first", "second")]
    for _ in range(2):
        driver.materialize(*requests)
        assert (tmp_path / "second").read_text() == '{"alive": false}'


def test_what_a_call_brings_is_not_kept(driver: Driver, tmp_path: Path) -> None:
    """A driver holds neither the builder that a call joined by nor the frames among its options afterwards."""
    builder = PandasDataFrameResult()
    gone = weakref.ref(builder)
    request = to.parquet(
        id="joined", dependencies=["numbers", "doubled"], path=str(tmp_path / "f.parquet"), combine=builder
    )
    driver.materialize(request, inputs={"count": 3})
    del builder, request
    gc.collect()
    assert gone() is None
