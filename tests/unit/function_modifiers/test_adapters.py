"""Loading and saving written above a function."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from engine.bindings import Source
from engine.errors import ModifierError
from engine.function_modifiers import (
    config,
    dataloader,
    datasaver,
    extract_columns,
    extract_fields,
    inject,
    load_from,
    parameterize,
    save_to,
    source,
    tag,
    value,
)
from engine.node import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_load_from_fills_a_parameter(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """The loader and its value are nodes of their own, named after the function and the parameter."""

    @load_from.literal(value=value(5))
    def f(p: int) -> int:
        return p + 1

    nodes = made(f)
    assert list(nodes) == ["f.load_data.p", "f.select_data.p", "f"]
    assert nodes["f.load_data.p"].kind is NodeKind.LOADER
    assert nodes["f.load_data.p"].tags["hamilton.data_loader.node"] == "p"
    assert nodes["f.load_data.p"].origins == (f,)
    assert nodes["f"].bindings == {"p": Source("f.select_data.p")}
    assert run(nodes, "f") == 6
    assert f(1) == 2


def test_several_parameters_are_loaded(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """Each parameter has its own loader; options may come from nodes."""

    @load_from.literal(value=source("n"), inject_="p")
    @load_from.literal(value=1, inject_="q")
    def f(p: int, q: int, r: int = 0) -> int:
        return p + q + r

    assert run(made(f), "f", n=10) == 11


def test_the_parameter_to_load_must_be_clear() -> None:
    """With several parameters the one to fill must be named, and be there."""

    def f(p: int, q: int) -> int:
        return p + q

    with pytest.raises(ModifierError, match="inject_="):
        load_from.literal(value=1)(f)
    with pytest.raises(ModifierError, match="no parameter 'z'"):
        load_from.literal(value=1, inject_="z")(f)


def test_unknown_loaders_and_savers_are_attribute_errors() -> None:
    """A loader or saver that nobody offers is told where it is written, with near names."""
    with pytest.raises(AttributeError, match="literal"):
        load_from.litral  # noqa: B018 - the attribute is what is tested
    with pytest.raises(AttributeError, match="memory"):
        save_to.memry  # noqa: B018 - as above


def test_wrong_options_name_the_function(made: Callable[..., Any]) -> None:
    """A misspelt option, and a type that no loader serves, are errors that name function, file and line."""

    @load_from.literal(valeu=1)
    def f(p: int) -> int:
        return p

    @save_to.json(pth="x.json")
    def g() -> pd.DataFrame:
        return pd.DataFrame()

    @load_from.environment(names=("A",))
    def h(p: int) -> int:
        return p

    for function, message in ((f, "valeu"), (g, "pth"), (h, "environment")):
        with pytest.raises(ModifierError, match=rf"{function.__name__} \(.*test_adapters\.py:\d+\)(.|\n)*{message}"):
            made(function)


def test_a_parameter_is_filled_only_once(made: Callable[..., Any]) -> None:
    """Loading a parameter that another modifier fills is an error."""

    @inject(p=value(1))
    @load_from.literal(value=2, inject_="p")
    def f(p: int, q: int) -> int:
        return p + q

    with pytest.raises(ModifierError, match="'p' is filled by another modifier"):
        made(f)


def test_parameterized_functions_share_what_is_loaded(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """One loader serves all nodes that are made of the function."""

    @parameterize(a={"x": value(1)}, b={"x": value(2)})
    @load_from.literal(value=10, inject_="p")
    def f(x: int, p: int) -> int:
        return x + p

    nodes = made(f)
    assert list(nodes) == ["f.load_data.p", "f.select_data.p", "a", "b"]
    assert (run(nodes, "a"), run(nodes, "b")) == (11, 12)


def test_save_to_leaves_the_node_alone(made: Callable[..., Any], run: Callable[..., Any], tmp_path: Path) -> None:
    """A saver is one more node; the function's own node neither saves nor changes."""
    path = tmp_path / "f.json"

    @tag(owner="us")
    @save_to.json(path=source("path"))
    @save_to.memory(output_name_="kept")
    def f() -> pd.DataFrame:
        return pd.DataFrame({"a": [1]})

    nodes = made(f)
    assert set(nodes) == {"f", "save.f", "kept"}
    assert nodes["save.f"].kind is NodeKind.SAVER
    assert nodes["save.f"].type == dict[str, Any]
    assert nodes["save.f"].tags["hamilton.data_saver.sink"] == "json"
    assert [node.tags.get("owner") for node in nodes.values()] == ["us"] * 3
    assert isinstance(run(nodes, "save.f", path=str(path)), dict)
    assert path.exists()
    pd.testing.assert_frame_equal(run(nodes, "kept"), f())


def test_several_savers_need_names_of_their_own(made: Callable[..., Any]) -> None:
    """Two savers of one name are an error that says so."""

    @save_to.memory()
    @save_to.memory()
    def f() -> int:
        return 1

    with pytest.raises(ValueError, match=r"two nodes named 'save\.f'"):
        made(f)


@pytest.mark.parametrize(("target", "saver"), [("a", "save.a"), ("f", "save.f"), (["b"], "save.b")])
def test_one_of_several_nodes_is_saved(target: Any, saver: str, made: Callable[..., Any]) -> None:
    """``target_`` names the node to save where there are several."""

    @save_to.memory(target_=target)
    @extract_fields({"a": int, "b": int})
    def f() -> dict[str, int]:
        return {}

    nodes = made(f)
    assert set(nodes) == {"f", "a", "b", saver}
    assert nodes[saver].bindings == {saver.removeprefix("save."): Source(saver.removeprefix("save."))}


def test_saving_several_nodes_at_once_is_refused(made: Callable[..., Any]) -> None:
    """Without ``target_`` it must be clear what is saved."""

    @save_to.memory()
    @extract_fields({"a": int, "b": int})
    def f() -> dict[str, int]:
        return {}

    with pytest.raises(ModifierError, match="target_='a'"):
        made(f)


def test_fields_are_taken_from_the_function_not_from_its_saver(made: Callable[..., Any]) -> None:
    """A saver nearer the function does not come between it and its fields."""

    @extract_fields({"a": int})
    @save_to.memory()
    def f() -> dict[str, int]:
        return {"a": 1}

    nodes = made(f)
    assert set(nodes) == {"f", "save.f", "a"}
    assert nodes["a"].bindings["fields"] == Source("f")


def _loader_tags(**more: Any) -> dict[str, Any]:
    keys = {f"hamilton.data_loader.{key}": said for key, said in more.items()}
    return {"module": __name__, "hamilton.data_loader": True, **keys}


def test_a_function_that_loads(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """A loader function makes a node of what it returns and a node of the value."""

    @dataloader()
    def f(x: int) -> tuple[int, dict[str, Any]]:
        """Numbers."""
        return x, {"rows": 1}

    nodes = made(f)
    assert list(nodes) == ["f.loader", "f"]
    loader, loaded = nodes["f.loader"], nodes["f"]
    assert (loader.kind, loaded.kind, loaded.type) == (NodeKind.LOADER, NodeKind.FUNCTION, int)
    said = {"classname": "f()", "node": "f"}
    assert loader.tags == _loader_tags(**said, has_metadata=True, source="loader")
    assert loaded.tags == _loader_tags(**said, has_metadata=False, source="f")
    assert run(nodes, "f", x=3) == 3
    assert run(nodes, "f.loader", x=3) == (3, {"rows": 1})


def test_a_function_that_saves(made: Callable[..., Any]) -> None:
    """A saver function is one node that gives what is known about what it wrote."""

    @datasaver()
    @config.when(c=1)
    def f__c(x: int) -> dict[str, Any]:
        return {"rows": x}

    (node,) = made(f__c, c=1).values()
    assert (node.name, node.kind) == ("f", NodeKind.SAVER)
    assert node.tags == {
        "module": __name__,
        "hamilton.config": "c",
        "hamilton.data_saver": True,
        "hamilton.data_saver.sink": "f",
        "hamilton.data_saver.classname": "f()",
    }


@pytest.mark.parametrize(
    "annotation",
    [
        tuple[int, dict],
        tuple[int, dict[str, Any]],
        tuple[int, typing.Dict],  # noqa: UP006 - the old spelling must work
        typing.Tuple[int, typing.Dict[str, Any]],  # noqa: UP006 - as above
    ],
    ids=str,
)
def test_every_spelling_of_a_dictionary_will_do(annotation: Any, made: Callable[..., Any]) -> None:
    """Loaders and savers may spell their annotations as people do."""

    def load() -> Any:
        return 1, {}

    def save() -> Any:
        return {}

    load.__annotations__["return"] = annotation
    save.__annotations__["return"] = typing.get_args(annotation)[1]
    assert set(made(dataloader()(load), datasaver()(save))) == {"load.loader", "load", "save"}


@pytest.mark.parametrize("annotation", [tuple, int, tuple[int, int], tuple[int, dict, int], tuple[int, ...]], ids=str)
def test_wrong_annotations_of_loaders_and_savers(annotation: Any, made: Callable[..., Any]) -> None:
    """A loader returns a value and a dictionary, a saver a dictionary; all else is refused with what to write."""

    def load() -> Any:
        return 1, {}

    def save() -> Any:
        return {}

    load.__annotations__["return"] = save.__annotations__["return"] = annotation
    with pytest.raises(ModifierError, match=r"annotate it -> tuple\[YourType, dict"):
        made(dataloader()(load))
    with pytest.raises(ModifierError, match=r"annotate it -> dict"):
        made(datasaver()(save))


def test_loaded_parameters_and_columns_together(made: Callable[..., Any], run: Callable[..., Any]) -> None:
    """A loader's own parameter can be loaded, its value taken apart and a part of it saved."""

    @save_to.memory(target_="a")
    @extract_columns("a", "b")
    @load_from.literal(value=3)
    @dataloader()
    def f(n: int) -> tuple[pd.DataFrame, dict[str, Any]]:
        return pd.DataFrame({"a": [n], "b": [0]}), {}

    nodes = made(f)
    assert list(nodes) == ["f.load_data.n", "f.select_data.n", "f.loader", "f", "a", "save.a", "b"]
    assert run(nodes, "save.a").to_list() == [3]
