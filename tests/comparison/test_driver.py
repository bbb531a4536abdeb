"""The same calls of a driver under Apache Hamilton and under the engine give the same."""

from __future__ import annotations

import importlib
import itertools
import warnings
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("hamilton", reason="apache-hamilton is not installed")

ROOTS = ("hamilton", "engine")
SOURCE = """
import pandas as pd
from typing import *
from ROOT.function_modifiers import *

def total(n: int, k: int = 2) -> int:
    "The total."
    return n + k

def first(n: int) -> pd.Series:
    return pd.Series([n, 2], index=["x", "y"], name="s")

def second(total: int) -> pd.Series:
    return pd.Series([total, 2], index=["y", "z"])

def frame(first: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"c1": first, "c2": first})

def relaxed(n: Optional[int] = None) -> Union[int, str]:
    return n or "none"

def listed(n: int) -> List[int]:
    return [n]

def nested(listed: List[int]) -> Dict[str, List[int]]:
    return {"k": listed}

def unnested(nested: Dict[str, List[int]]) -> Tuple[int, str]:
    return nested["k"][0], "x"
"""

CALLS: tuple[tuple[list[str], dict[str, Any]], ...] = (
    (["total"], {"inputs": {"n": 1}}),
    (["total", "total"], {"inputs": {"n": 1}}),
    (["n", "total"], {"inputs": {"n": 1}}),
    (["k", "total"], {"inputs": {"n": 1}}),
    (["total"], {"inputs": {"n": True, "unknown": 3}}),
    (["total"], {"inputs": {"n": 1, "first": 3}}),
    (["total"], {"inputs": {"n": 1}, "overrides": {"n": 5}}),
    (["total", "unnested"], {"inputs": {"n": 1}, "overrides": {"total": 5, "nested": {"k": [7]}}}),
    (["relaxed"], {"inputs": {"n": None}}),
    (["relaxed"], {}),
    ([], {"inputs": {"n": 1}}),
    (["total"], {}),
    (["total"], {"inputs": {"n": 1.0}}),
    (["total"], {"inputs": {"n": "1"}}),
    (["nothing"], {"inputs": {"n": 1}}),
)
BUILT = (
    ["first"], ["first", "second"], ["first", "total"], ["total", "relaxed"], ["frame"], ["frame", "first"], ["listed"],
    ["listed", "total"],
)  # fmt: skip

_numbers = itertools.count()


def driver_of(root: str, *adapters: Any) -> Any:
    """Build a driver under a root."""
    make = importlib.import_module(f"{root}.ad_hoc_utils").module_from_source
    module = make(SOURCE.replace("ROOT", root), f"driven_{root}_{next(_numbers)}")
    return importlib.import_module(f"{root}.driver").Builder().with_modules(module).with_adapters(*adapters).build()


def outcome(call: Any) -> str:
    """Return what a call gives as text, or the builtin error that it can be caught by."""
    try:
        given = call()
    except ValueError:
        return "ValueError"
    return repr(given.to_dict() if hasattr(given, "to_dict") else given)


@pytest.fixture(autouse=True)
def _peer_may_warn() -> Iterator[None]:
    """Apache Hamilton warns of what its libraries deprecate; that is not what is compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize(("wanted", "call"), CALLS)
def test_executing_gives_the_same(wanted: list[str], call: dict[str, Any]) -> None:
    """Values come in the order asked for, or the call is refused with an error of the same kind."""
    theirs, ours = (driver_of(root) for root in ROOTS)
    expected = outcome(lambda: theirs.execute(wanted, **call))
    assert outcome(lambda: ours.execute(wanted, **call)) == expected
    assert outcome(lambda: ours.validate_execution(wanted, **{"inputs": {}, **call})) == outcome(
        lambda: theirs.validate_execution(wanted, **{"inputs": {}, **call})
    )


@pytest.mark.parametrize("wanted", BUILT, ids=str)
def test_pandas_results_are_the_same(wanted: list[str]) -> None:
    """Series are joined by their index, scalars repeated, frames spread out."""
    builders = (importlib.import_module(f"{root}.base").PandasDataFrameResult() for root in ROOTS)
    theirs, ours = (driver_of(root, builder) for root, builder in zip(ROOTS, builders, strict=True))
    assert outcome(lambda: ours.execute(wanted, inputs={"n": 1})) == outcome(
        lambda: theirs.execute(wanted, inputs={"n": 1})
    )


def test_materializing_gives_the_same(tmp_path: Path) -> None:
    """Savers with and without combine, loaders in a node's or an input's place, and variables beside them."""
    results = []
    for root in ROOTS:
        driver, io = driver_of(root), importlib.import_module(f"{root}.io.materialization")
        joined = importlib.import_module(f"{root}.base").PandasDataFrameResult()
        csv, json = str(tmp_path / f"{root}.csv"), str(tmp_path / f"{root}.json")
        saved, values = driver.materialize(
            io.to.csv(id="a", dependencies=["first", "total"], combine=joined, path=csv),
            io.to.json(id="b", dependencies=["nested"], path=json),
            additional_vars=["relaxed"],
            inputs={"n": 1},
        )
        loaded = driver.materialize(
            io.from_.json(target="nested", path=json),
            io.from_.literal(target="n", value=9),
            additional_vars=["unnested", "total"],
        )
        texts = [(tmp_path / f"{root}.{suffix}").read_text() for suffix in ("csv", "json")]
        results.append((sorted(saved), values, loaded, texts))
    assert results[1] == results[0]


def test_views_of_nodes_are_the_same() -> None:
    """Names, types, inputs and dependencies of all nodes agree, and what lies around them."""
    views = []
    for root in ROOTS:
        driver = driver_of(root)
        views.append(
            (
                sorted(
                    (v.name, str(v.type), v.is_external_input, sorted(v.required_dependencies))
                    for v in driver.list_available_variables()
                ),
                {v.name: v.documentation for v in driver.list_available_variables()},
                sorted(v.name for v in driver.what_is_upstream_of("unnested", "second")),
                sorted(v.name for v in driver.what_is_downstream_of("total")),
                sorted(v.name for v in driver.what_is_the_path_between("n", "unnested")),
                type(driver.display_all_functions()).__name__,
            )
        )
    assert views[1] == views[0]
