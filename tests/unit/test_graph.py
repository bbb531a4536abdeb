"""How nodes are linked, ordered and refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import polars as pl  # noqa: TC002 - the annotations of nodes are resolved at run time
import pytest

from engine.ad_hoc_utils import create_temporary_module, module_from_source
from engine.errors import (
    AnnotationError,
    CycleError,
    DefinitionError,
    DuplicateNodeError,
    EdgeTypeError,
    OptionError,
    UnknownNodeError,
)
from engine.graph import FunctionGraph
from engine.io.materialization import from_, to


def graph_of(*functions: object, **config: object) -> FunctionGraph:
    """Build a graph of functions."""
    return FunctionGraph.from_modules([create_temporary_module(*functions)], config)


def doubled(number: int) -> int:
    """A node that reads an input."""
    return 2 * number


def total(doubled: int, number: int) -> int:
    """A node that reads a node and the same input."""
    return doubled + number


def frame(number: int) -> pd.DataFrame:
    """A frame."""
    return pd.DataFrame({"number": [number]})


def test_parameters_are_edges_and_unknown_names_are_inputs() -> None:
    """Every parameter that no function provides becomes one external input."""
    graph = graph_of(doubled, total)
    assert set(graph.nodes) == {"doubled", "total", "number"}
    assert graph.order(["total"]) == ["number", "doubled", "total"]


def test_readers_and_downstream() -> None:
    """What depends on a node is found, the node included."""
    assert graph_of(doubled, total).downstream_of(["doubled"]) == ["doubled", "total"]


def test_an_unknown_name_is_refused_with_near_ones() -> None:
    """Asking for a name that is not there names similar ones."""
    with pytest.raises(UnknownNodeError, match="totl") as caught:
        graph_of(doubled, total).order(["totl"])
    assert caught.value.near == ("total",)


def test_a_cycle_is_refused_with_its_path() -> None:
    """A cycle is an error when the graph is built, and its path is told."""

    def first(third: int) -> int:
        return third

    def second(first: int) -> int:
        return first

    def third(second: int) -> int:
        return second

    with pytest.raises(CycleError, match="cycle") as caught:
        graph_of(first, second, third)
    assert caught.value.path[0] == caught.value.path[-1]
    assert set(caught.value.path) == {"first", "second", "third"}


def test_a_node_that_reads_itself_is_a_cycle() -> None:
    """The shortest cycle is one node long."""

    def mirror(mirror: int) -> int:
        return mirror

    with pytest.raises(CycleError, match="mirror → mirror"):
        graph_of(mirror)


def test_types_of_edges_are_checked_together() -> None:
    """All edges whose types do not fit are told in one error, with their places."""

    def text(number: int) -> str:
        return str(number)

    def left(text: int) -> int:
        return text

    def right(text: float) -> float:
        return text

    with pytest.raises(EdgeTypeError) as caught:
        graph_of(text, left, right)
    assert "'left'" in str(caught.value)
    assert "'right'" in str(caught.value)
    assert "test_graph.py" in str(caught.value)


def test_one_input_of_two_types_is_refused() -> None:
    """Two functions that ask for one input with types that do not fit are refused."""

    def shout(number: str) -> str:
        return number

    with pytest.raises(EdgeTypeError, match="number"):
        graph_of(doubled, shout)


def test_two_functions_of_one_name_are_refused() -> None:
    """Two modules that make the same node are an error that names both places."""
    modules = [create_temporary_module(doubled), create_temporary_module(doubled)]
    with pytest.raises(DuplicateNodeError, match="doubled"):
        FunctionGraph.from_modules(modules)
    graph = FunctionGraph.from_modules(modules, allow_module_overrides=True)
    assert "doubled" in graph.nodes


def test_a_missing_annotation_is_refused() -> None:
    """A node function without annotations names the function and its file."""

    def bare(number):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return number

    with pytest.raises(AnnotationError, match=r"bare.*test_graph\.py"):
        graph_of(bare)


def test_attaching_leaves_the_graph_alone() -> None:
    """A request makes a new graph and changes nothing of the old one."""
    graph = graph_of(frame)
    attached = graph.attach([to.csv(id="out", dependencies=["frame"], path="frame.csv")])
    assert "out" in attached.nodes
    assert "out" not in graph.nodes


@pytest.mark.parametrize("taken", ["frame", "number"])
def test_an_id_that_is_taken_is_refused(taken: str) -> None:
    """A materializer may not have the name of a node or an input."""
    with pytest.raises(DuplicateNodeError, match=taken):
        graph_of(frame).attach([to.csv(id=taken, dependencies=["frame"], path="frame.csv")])


def test_two_requests_of_one_id_are_refused() -> None:
    """Two requests with one id are an error: none is dropped without a word."""
    requests = [to.csv(id="out", dependencies=["frame"], path=f"{n}.csv") for n in "ab"]
    with pytest.raises(DuplicateNodeError, match="out"):
        graph_of(frame).attach(requests)


def test_two_savers_of_one_table_are_refused() -> None:
    """Two savers that write one table, or one file, are an error."""
    tables = [to.table(id=n, dependencies=["frame"], table="marts.frame") for n in "ab"]
    with pytest.raises(DuplicateNodeError, match=r"marts\.frame"):
        graph_of(frame).attach(tables)
    files = [to.csv(id=n, dependencies=["frame"], path="frame.csv") for n in "ab"]
    with pytest.raises(DuplicateNodeError, match=r"frame\.csv"):
        graph_of(frame).attach(files)


def test_a_misspelt_option_is_refused_before_anything_runs() -> None:
    """An option that the loader or saver does not have names the nearest one it has."""
    with pytest.raises(OptionError, match="did you mean 'sep'"):
        graph_of(frame).attach([to.csv(id="out", dependencies=["frame"], path="frame.csv", sepp=";")])


def test_a_loader_follows_the_saver_of_its_table() -> None:
    """A loader of a table that a saver of the same graph writes waits for that saver."""

    def summary(stored: pl.DataFrame) -> pl.DataFrame:
        return stored

    graph = graph_of(frame, summary).attach(
        [
            from_.table(target="stored", table="marts.frame"),
            to.table(id="out", dependencies=["frame"], table="marts.frame"),
        ]
    )
    order = graph.order(["summary"])
    assert order.index("out") < order.index("load_data.stored")


def test_a_query_follows_the_saver_of_a_table_it_mentions() -> None:
    """A query that mentions a table which a saver writes waits for that saver."""

    def summary(stored: pl.DataFrame) -> pl.DataFrame:
        return stored

    graph = graph_of(frame, summary).attach(
        [
            to.table(id="out", dependencies=["frame"], table="marts.frame"),
            from_.query(target="stored", sql="SELECT * FROM marts.frame"),
        ]
    )
    assert graph.nodes["load_data.stored"].after == ("out",)


def test_a_table_may_be_built_from_its_own_last_version() -> None:
    """A loader whose own saver depends on it reads the version from before: that is no cycle."""

    def grown(before: pd.DataFrame) -> pd.DataFrame:
        return before

    graph = graph_of(grown).attach(
        [
            from_.table(target="before", table="marts.grown"),
            to.table(id="out", dependencies=["grown"], table="marts.grown"),
        ]
    )
    assert graph.nodes["load_data.before"].after == ()


def test_from_replaces_a_node_and_keeps_its_type() -> None:
    """A loader may take the place of a function; what the function needed is no longer upstream."""
    graph = graph_of(frame).attach([from_.csv(target="frame", path="frame.csv")])
    assert graph.order(["frame"]) == ["load_data.frame", "frame"]
    assert graph.nodes["frame"].type is pd.DataFrame


def test_a_long_chain_is_ordered_without_recursion() -> None:
    """A chain of 5,000 nodes is ordered like any other."""
    lines = ["def n0(number: int) -> int:\n    return number\n"]
    lines += [f"def n{i}(n{i - 1}: int) -> int:\n    return n{i - 1} + 1\n" for i in range(1, 5_000)]
    from engine.ad_hoc_utils import module_from_source

    graph = FunctionGraph.from_modules([module_from_source("".join(lines))])
    assert len(graph.order(["n4999"])) == 5_001


WRONG = """
def unsaid(a, b):
    return a

@extract_fields({"x": int})
def whole(n: int) -> int:
    return n

def fine(n: int) -> str:
    return str(n)

def unresolved(n: "Missing") -> int:
    return 1
"""


def test_what_is_wrong_with_each_function_is_told_together() -> None:
    """One error lists every function that cannot be a node, with its file and line."""
    module = module_from_source("from engine.function_modifiers import extract_fields\n" + WRONG, "wrong")
    with pytest.raises(DefinitionError) as caught:
        FunctionGraph.from_modules([module])
    text = str(caught.value)
    assert "3 things are wrong" in text
    assert "parameter 'a' and parameter 'b' and the return value of function unsaid" in text
    assert all(name in text for name in ("whole (", "unresolved (", ">:3)", ">:6)"))


def test_all_edges_that_do_not_fit_are_told_together() -> None:
    """One error lists every edge and every input whose types disagree."""
    source = """
def a(n: int) -> str:
    return ""
def b(a: int, n: str) -> int:
    return 1
def c(a: float) -> int:
    return 1
"""
    with pytest.raises(EdgeTypeError) as caught:
        FunctionGraph.from_modules([module_from_source(source, "mismatched")])
    text = str(caught.value)
    assert "3 things are wrong" in text
    assert all(
        part in text for part in ("the input 'n' is asked for as int", "takes int for 'a'", "takes float for 'a'")
    )
    assert text.count("make the two annotations agree") == 2


class Unlisted(Mapping[str, Any]):
    """A mapping that answers for one key at a time and cannot be gone through."""

    def __init__(self, items: Mapping[str, Any]) -> None:
        self.items_ = items

    def __getitem__(self, key: str) -> Any:
        return self.items_[key]

    def __iter__(self) -> Iterator[str]:
        pytest.fail("the graph is gone through as a whole")

    def __len__(self) -> int:
        return len(self.items_)


def test_a_saver_on_top_costs_nothing_that_grows_with_the_graph() -> None:
    """Attaching a saver looks up what it reads, and neither copies nor goes through all nodes."""
    graph = graph_of(doubled, total)
    guarded = dataclasses.replace(graph, nodes=Unlisted(graph.nodes), upstream=Unlisted(graph.upstream))
    attached = guarded.attach([to.pickle(id="saved", dependencies=["total"], path="total.pickle")])
    assert attached.order(["saved"]) == ["number", "doubled", "total", "saved"]
    assert attached.savers() == ["saved"]
    assert graph.savers() == []


def test_requests_attached_in_turn_are_all_there() -> None:
    """Attaching to a graph that has requests already gives the same graph as attaching all at once."""
    first, second = (to.pickle(id=f"saved_{n}", dependencies=["total"], path=f"{n}.pickle") for n in (1, 2))
    load = from_.literal(target="number", value=3)
    graph = graph_of(doubled, total)
    once, in_turn = graph.attach([first, load, second]), graph.attach([first]).attach([load]).attach([second])
    assert dict(once.nodes).keys() == dict(in_turn.nodes).keys()
    assert dict(once.upstream) == dict(in_turn.upstream)
    assert once.savers() == in_turn.savers() == ["saved_1", "saved_2"]
    assert len(once.nodes) == len(list(once.nodes)) == len(in_turn.nodes)
