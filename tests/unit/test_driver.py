"""What a driver gives back, and what it refuses before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.base import DictResult, PandasDataFrameResult, PolarsDataFrameResult
from engine.driver import Builder, Driver
from engine.errors import InputError, RequestError, UnknownNodeError
from engine.function_modifiers import datasaver
from engine.io.materialization import from_, to
from engine.lifecycle import GraphConstructionHook, GraphExecutionHook, NodeExecutionHook

if TYPE_CHECKING:
    from types import ModuleType

CALLS: list[str] = []


def doubled(number: int) -> int:
    """Twice the input."""
    CALLS.append("doubled")
    return 2 * number


def total(doubled: int, number: int, extra: int = 1) -> int:
    """A sum with a default."""
    CALLS.append("total")
    return doubled + number + extra


def series(number: int) -> pd.Series:
    """A column."""
    return pd.Series(range(number))


def frame(number: int) -> pd.DataFrame:
    """A frame."""
    return pd.DataFrame({"id": range(number), "name": [f"n{i}" for i in range(number)]})


def broken(number: int) -> int:
    """A node that fails."""
    message = f"no such luck: {number}"
    raise RuntimeError(message)


@pytest.fixture
def module() -> ModuleType:
    """A module of all functions above."""
    CALLS.clear()
    return create_temporary_module(doubled, total, series, frame, broken)


@pytest.fixture
def driver(module: ModuleType) -> Driver:
    """A driver without warehouse or metadata."""
    return Builder().with_modules(module).build()


def test_execute_gives_a_dictionary_in_the_order_asked_for(driver: Driver) -> None:
    """Values come back by name, in the caller's order, each node run once."""
    assert list(driver.execute(["total", "doubled"], inputs={"number": 2}).items()) == [("total", 7), ("doubled", 4)]
    assert CALLS == ["doubled", "total"]


def test_functions_name_nodes(driver: Driver) -> None:
    """A function may be given where a name is asked for."""
    assert driver.execute([doubled], inputs={"number": 2}) == {"doubled": 4}


def test_an_input_may_be_asked_for(driver: Driver) -> None:
    """An input comes back as it was given."""
    assert driver.execute(["number", "doubled"], inputs={"number": 3}) == {"number": 3, "doubled": 6}


def test_an_override_stands_for_its_node(driver: Driver) -> None:
    """An overridden node does not run, and comes back as the override."""
    assert driver.execute(["total", "doubled"], inputs={"number": 1}, overrides={"doubled": 10}) == {
        "total": 12,
        "doubled": 10,
    }
    assert CALLS == ["total"]


def test_an_input_is_missing_where_a_node_that_runs_needs_it(module: ModuleType) -> None:
    """Readers with a default do without an input that others need; asked for itself, an optional input is nothing."""

    def relaxed(number: int | None = None) -> str:
        return f"given {number}"

    driver = Builder().with_modules(module, create_temporary_module(relaxed)).build()
    assert driver.execute(["relaxed"]) == {"relaxed": "given None"}
    assert driver.execute(["relaxed"], inputs={"number": 1}) == {"relaxed": "given 1"}
    with pytest.raises(InputError, match="'number', which node 'doubled' reads"):
        driver.execute(["relaxed", "doubled"])
    with pytest.raises(InputError, match="input 'number' is missing"):
        driver.execute(["number"])
    assert driver.execute(["extra", "total"], inputs={"number": 1}) == {"extra": None, "total": 4}


def test_an_input_does_not_replace_a_node(driver: Driver) -> None:
    """A value given for the name of a node that computes is passed over, as in Apache Hamilton; overrides replace."""
    assert driver.execute(["total"], inputs={"number": 1, "doubled": 100}) == {"total": 4}
    with pytest.raises(InputError, match="number"):
        driver.execute(["doubled"], inputs={"doubled": 100})
    driver.validate_execution(["total"], inputs={"number": 1, "doubled": "no number"})


def test_what_a_saver_says_can_be_read(module: ModuleType) -> None:
    """A node that reads a saver makes it save first, once, whether or not the saver is asked for."""

    @datasaver()
    def saved(number: int) -> dict[str, Any]:
        CALLS.append("saved")
        return {"rows": number}

    def told(saved: dict[str, Any]) -> str:
        return f"{saved['rows']} rows"

    driver = Builder().with_modules(module, create_temporary_module(saved, told)).build()
    assert driver.execute(["told"], inputs={"number": 3}) == {"told": "3 rows"}
    assert driver.execute(["told", "saved"], inputs={"number": 3}) == {"told": "3 rows", "saved": {"rows": 3}}
    file, values = driver.materialize(
        to.memory(id="kept", dependencies=["told"]), additional_vars=["told"], inputs={"number": 3}
    )
    assert (file, values) == ({"kept": "3 rows"}, {"told": "3 rows"})
    assert CALLS == ["saved"] * 3


def test_optional_parameters_may_be_given(driver: Driver) -> None:
    """A parameter with a default becomes an optional input."""
    assert driver.execute(["total"], inputs={"number": 1, "extra": 5}) == {"total": 8}


def test_config_fills_parameters(module: ModuleType) -> None:
    """A configuration value fills the parameter of its name."""
    driver = Builder().with_modules(module).with_config({"number": 4}).build()
    assert driver.execute(["doubled"]) == {"doubled": 8}
    with pytest.raises(InputError, match="both"):
        driver.execute(["doubled"], inputs={"number": 4})


def test_missing_inputs_are_told_together(driver: Driver) -> None:
    """An input that is missing is named with the node that reads it, before anything runs."""
    with pytest.raises(InputError, match=r"'number'.*is missing"):
        driver.execute(["total"])
    assert CALLS == []
    with pytest.raises(ValueError, match="number"):
        driver.validate_execution(["total"])


def test_a_wrong_type_of_input_is_refused(driver: Driver) -> None:
    """An input of another type is named with both types."""
    with pytest.raises(InputError, match=r"int.*str"):
        driver.execute(["total"], inputs={"number": "2"})


def test_unknown_names_are_refused(driver: Driver) -> None:
    """An unknown name is refused with the nearest one."""
    with pytest.raises(UnknownNodeError, match="did you mean 'total'"):
        driver.execute(["totl"], inputs={"number": 2})


def test_a_users_exception_comes_through_unchanged(driver: Driver) -> None:
    """What a node raises reaches the caller as it is, with a note on the node."""
    with pytest.raises(RuntimeError, match="no such luck") as caught:
        driver.execute(["broken"], inputs={"number": 2})
    assert caught.value.__notes__ == ["while running node 'broken'"]


def test_build_can_be_called_twice(module: ModuleType) -> None:
    """A builder gives equal drivers each time, and a driver is not changed by later calls on it."""
    builder = Builder().with_modules(module)
    first = builder.build()
    second = builder.with_config({"number": 1}).build()
    assert second.execute(["doubled"]) == {"doubled": 2}
    with pytest.raises(InputError):
        first.execute(["doubled"])


def test_materialize_needs_something_to_do(driver: Driver) -> None:
    """A call without savers and without variables is refused."""
    with pytest.raises(ValueError, match="nothing is to be materialized"):
        driver.materialize()


def test_materialize_files_of_both_libraries(driver: Driver, tmp_path: Any) -> None:
    """One node goes to several formats, and each file gives the frame back."""
    saved, values = driver.materialize(
        to.csv(id="csv", dependencies=["frame"], path=str(tmp_path / "f.csv"), index=False),
        to.parquet(id="parquet", dependencies=["frame"], path=str(tmp_path / "f.parquet")),
        to.json(id="json", dependencies=["frame"], path=str(tmp_path / "f.json")),
        to.pickle(id="pickle", dependencies=["frame"], path=str(tmp_path / "f.pkl")),
        additional_vars=["frame"],
        inputs={"number": 3},
    )
    assert list(saved) == ["csv", "parquet", "json", "pickle"]
    assert saved["csv"]["file_metadata"]["path"] == str(tmp_path / "f.csv")
    assert saved["csv"]["dataframe_metadata"]["rows"] == 3
    for format_name, suffix in (("csv", "csv"), ("parquet", "parquet"), ("json", "json"), ("pickle", "pkl")):
        loader = getattr(from_, format_name)(target="frame", path=str(tmp_path / f"f.{suffix}"))
        _, again = driver.materialize(loader, additional_vars=["frame"])
        pd.testing.assert_frame_equal(again["frame"].astype(values["frame"].dtypes), values["frame"])


def test_a_failed_write_leaves_the_old_file(driver: Driver, tmp_path: Any) -> None:
    """A saver that fails half way leaves the file from before, and nothing beside it."""
    path = tmp_path / "f.parquet"
    driver.materialize(to.parquet(id="out", dependencies=["frame"], path=str(path)), inputs={"number": 3})
    before = path.read_bytes()
    bad = pd.DataFrame({"mixed": [1, "a", object()]})
    with pytest.raises(Exception, match=r"f\.parquet"):
        driver.materialize(to.parquet(id="out", dependencies=["frame"], path=str(path)), overrides={"frame": bad})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("builder", [PandasDataFrameResult(), PolarsDataFrameResult()])
def test_combine_joins_nodes(tmp_path: Any, builder: Any) -> None:
    """Several nodes are joined into one frame, written as one file, under a node of its own."""

    def numbers() -> pd.Series:
        return pd.Series([1, 2, 3])

    def letters() -> pd.Series:
        return pd.Series(["a", "b", "c"])

    def numbers_of_polars() -> pl.Series:
        return pl.Series([1, 2, 3])

    def letters_of_polars() -> pl.Series:
        return pl.Series(["a", "b", "c"])

    driver = (
        Builder().with_modules(create_temporary_module(numbers, letters, numbers_of_polars, letters_of_polars)).build()
    )
    names = ["numbers", "letters"]
    if isinstance(builder, PolarsDataFrameResult):
        names = [f"{name}_of_polars" for name in names]
    path = str(tmp_path / "joined.parquet")
    saved, values = driver.materialize(
        to.parquet(id="joined", dependencies=names, path=path, combine=builder),
        additional_vars=["joined_build_result"],
    )
    assert saved["joined"]["dataframe_metadata"]["column_names"] == names
    assert values["joined_build_result"].shape == (3, 2)


def test_dict_result_is_the_builders_default_and_pandas_the_constructors(module: ModuleType) -> None:
    """The older constructor joins values into a pandas frame, as its users expect."""
    result = Driver({}, module).execute(["series", "doubled"], inputs={"number": 2})
    assert list(result.columns) == ["series", "doubled"]
    assert Driver({}, module, adapter=DictResult()).execute(["doubled"], inputs={"number": 2}) == {"doubled": 4}


def test_the_older_adapter_is_one(module: ModuleType) -> None:
    """`with_adapter` adds one adapter; a second call is an error that names what takes several."""
    builder = Builder().with_modules(module).with_adapter(PandasDataFrameResult())
    assert isinstance(builder.build().execute(["series"], inputs={"number": 2}), pd.DataFrame)
    with pytest.raises(ValueError, match="with_adapters"):
        builder.with_adapter(DictResult())


def test_stale_needs_a_record(module: ModuleType, tmp_path: Any) -> None:
    """Asking for what is stale without a metadata store is refused with the remedy."""
    driver = Builder().with_modules(module).build()
    with pytest.raises(RequestError, match="with_metadata"):
        driver.materialize(
            to.csv(id="out", dependencies=["frame"], path=str(tmp_path / "f.csv")), inputs={"number": 1}, rerun="stale"
        )


class Witness(NodeExecutionHook, GraphExecutionHook, GraphConstructionHook):
    """Notes every call."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def run_after_graph_construction(self, *, graph: Any, config: dict[str, Any], **_: Any) -> None:
        """Note the number of nodes."""
        self.calls.append(("built", len(graph.nodes), config))

    def run_before_graph_execution(self, *, final_vars: list[str], execution_path: list[str], **_: Any) -> None:
        """Note what is asked for."""
        self.calls.append(("before", final_vars, execution_path))

    def run_after_graph_execution(self, *, success: bool, results: Any, **_: Any) -> None:
        """Note the outcome."""
        self.calls.append(("after", success, results))

    def run_before_node_execution(self, *, node_name: str, node_kwargs: dict[str, Any], **_: Any) -> None:
        """Note the arguments."""
        self.calls.append((node_name, node_kwargs))

    def run_after_node_execution(self, *, node_name: str, result: Any, error: Any, **_: Any) -> None:
        """Note the value."""
        self.calls.append((node_name, result, error))


def test_hooks_see_everything_in_order(module: ModuleType) -> None:
    """Hooks are called from construction to the end, each node before and after; defaults are no arguments."""
    witness = Witness()
    driver = Builder().with_modules(module).with_adapters(witness).build()
    driver.execute(["total"], inputs={"number": 1})
    kinds = [call[0] for call in witness.calls]
    assert kinds == ["built", "before", "doubled", "doubled", "total", "total", "after"]
    assert witness.calls[2] == ("doubled", {"number": 1})
    assert witness.calls[4] == ("total", {"doubled": 2, "number": 1})
    assert witness.calls[5] == ("total", 4, None)
    assert witness.calls[6] == ("after", True, {"total": 4})


def test_hooks_see_loaders_and_savers(module: ModuleType, tmp_path: Any) -> None:
    """Materializers are nodes that hooks see by name."""
    witness = Witness()
    driver = Builder().with_modules(module).with_adapters(witness).build()
    driver.materialize(to.csv(id="out", dependencies=["frame"], path=str(tmp_path / "f.csv")), inputs={"number": 1})
    assert [c[0] for c in witness.calls if c[0] not in {"built", "before", "after"}] == ["frame", "frame", "out", "out"]


def test_tags_filter_variables() -> None:
    """Variables are listed by tag: a value, one of several, or any."""
    from engine.function_modifiers import tag

    @tag(team="data")
    def tagged() -> int:
        return 1

    def plain() -> int:
        return 1

    driver = Builder().with_modules(create_temporary_module(tagged, plain)).build()
    assert [v.name for v in driver.list_available_variables(tag_filter={"team": "data"})] == ["tagged"]
    assert [v.name for v in driver.list_available_variables(tag_filter={"team": ["ml", "data"]})] == ["tagged"]
    assert [v.name for v in driver.list_available_variables(tag_filter={"team": None})] == ["tagged"]
    with pytest.raises(ValueError, match="team"):
        driver.list_available_variables(tag_filter={"team": []})
