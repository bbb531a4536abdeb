"""Words on nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from engine.errors import ModifierError
from engine.function_modifiers import cache, extract_columns, extract_fields, save_to, schema, tag, tag_outputs
from engine.function_modifiers.base import Modifier, nodes_of

if TYPE_CHECKING:
    from collections.abc import Callable


def tagged(*modifiers: Modifier) -> dict[str, dict[str, Any]]:
    """Return the tags of the nodes that two fields of a dictionary make."""

    @extract_fields({"a": int, "b": int})
    def f() -> dict[str, int]:
        return {"a": 1, "b": 2}

    for modifier in modifiers:
        modifier(f)
    return {n.name: {key: text for key, text in n.tags.items() if key != "module"} for n in nodes_of(f)}


@pytest.mark.parametrize(
    ("target", "names"),
    [(None, {"a", "b"}), (..., {"f", "a", "b"}), ("f", {"f"}), ("a", {"a"}), (["f", "b"], {"f", "b"})],
)
def test_a_tag_goes_to_its_target(target: Any, names: set[str]) -> None:
    """Tags go to the final nodes, to all, or to those named."""
    tags = tagged(tag(owner="us", target_=target))
    assert {name for name, words in tags.items() if words == {"owner": "us"}} == names
    assert sum(map(bool, tags.values())) == len(names)


def test_a_tag_reaches_what_saves(made: Callable[..., Any]) -> None:
    """Whoever looks for a tag finds the node and what saves it, so that executing what is found saves."""

    @tag(owner="us")
    @save_to.memory()
    @extract_fields({"a": int})
    def f() -> dict[str, int]:
        return {"a": 1}

    tagged_nodes = {name for name, node in made(f).items() if node.tags.get("owner") == "us"}
    assert tagged_nodes == {"a", "save.a"}


def test_outer_tags_win() -> None:
    """Of two tags with one key the one further from the function counts."""
    assert tagged(tag(a="1", b="1"), tag(a="2"))["a"] == {"a": "2", "b": "1"}


def test_each_output_has_its_own_tags() -> None:
    """`tag_outputs` tags by name; names that are not made are passed over."""
    tags = tagged(tag(x="0"), tag_outputs(a={"x": "1"}, f={"y": ["1", "2"]}, other={"z": "1"}))
    assert tags == {"f": {"y": ["1", "2"]}, "a": {"x": "1"}, "b": {"x": "0"}}


def test_an_unknown_target_is_an_error() -> None:
    """A tag for a node that the function does not make names the nodes it makes."""
    with pytest.raises(ModifierError, match=r"no node named 'c'(.|\n)*a, b, f"):
        tagged(tag(owner="us", target_="c"))


@pytest.mark.parametrize(
    "tags",
    [
        {"a": 1},
        {"a": []},
        {"a": ["x", "x"]},
        {"a": ["x", 1]},
        {"a..b": "x"},
        {"a b": "x"},
        {"": "x"},
        {"hamilton": "x"},
        {"gdpr.level": "x"},
    ],
    ids=str,
)
def test_what_is_no_tag_is_refused_when_decorating(tags: dict[str, Any], made: Callable[..., Any]) -> None:
    """Keys are words with dots whose first is not reserved; values are strings or lists of different ones."""

    def f() -> int:
        return 1

    with pytest.raises(ModifierError, match="@tag on function"):
        tag(**tags)(f)
    with pytest.raises(ModifierError, match="@tag_outputs on function"):
        tag_outputs(f=tags)(f)
    assert made(f)["f"].tags == {"module": __name__}


def test_reserved_words_can_be_used_on_purpose(made: Callable[..., Any]) -> None:
    """Integrations may set reserved tags."""

    @tag(**{"hamilton.x.y": "1"}, bypass_reserved_namespaces_=True)
    def f() -> int:
        return 1

    assert made(f)["f"].tags["hamilton.x.y"] == "1"


def test_cache_says_how_values_are_kept(made: Callable[..., Any]) -> None:
    """Behavior and format are tags, of all nodes unless some are named; what is not said is no tag."""

    @cache(behavior="ignore", format="parquet")
    @extract_fields({"a": int})
    def f() -> dict[str, int]:
        return {"a": 1}

    @cache(format="json", target_="b")
    @extract_fields({"b": int})
    def g() -> dict[str, int]:
        return {"b": 1}

    nodes = made(f, g)
    said = {name: {k: v for k, v in n.tags.items() if k.startswith("cache.")} for name, n in nodes.items()}
    both = {"cache.behavior": "ignore", "cache.format": "parquet"}
    assert said == {"f": both, "a": both, "g": {}, "b": {"cache.format": "json"}}


def test_schema_lists_the_columns_of_frames(made: Callable[..., Any]) -> None:
    """Names and types are one tag of the frame."""

    @schema.output(("a", "int"), ("b", str), target_="f")
    @extract_columns("a")
    def f() -> pd.DataFrame:
        return pd.DataFrame()

    nodes = made(f)
    assert nodes["f"].tags["hamilton.internal.schema_output"] == "a=int,b=<class 'str'>"
    assert "hamilton.internal.schema_output" not in nodes["a"].tags


@pytest.mark.parametrize(
    ("modifier", "fault"),
    [
        (cache(behavior="sometimes", format=3), "behavior='sometimes' is none of .*format=3"),  # type: ignore[arg-type]  # what is tested
        (cache(target_="g"), "no node named 'g'"),
        (schema.output("a"), r"write \('name', 'type'\)"),  # type: ignore[arg-type]  # what is tested
        (schema.output(("a", "int")), "is no frame"),
    ],
)
def test_what_cannot_be_said_is_refused(modifier: Any, fault: str, made: Callable[..., Any]) -> None:
    """A word that means nothing, and a schema of what is no frame, are errors that name the function."""

    def f() -> int:
        return 1

    with pytest.raises(ModifierError, match=rf"on function .*f \(.*{fault}"):
        made(modifier(f))
