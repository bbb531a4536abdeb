"""What a driver tells about its graph: paths, exports, versions, drawings; and that it can be pickled."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from engine.ad_hoc_utils import create_temporary_module, module_from_source
from engine.driver import Builder, Driver
from engine.errors import ConfigurationError, InputError, OptionError, RequestError, UnknownNodeError
from engine.function_modifiers import schema
from engine.graph_types import HamiltonGraph
from engine.io.materialization import to

if TYPE_CHECKING:
    from pathlib import Path


def base(number: int) -> int:
    """The beginning."""
    return number + 1


def left(base: int, factor: int = 3) -> int:
    """One way."""
    return base * factor


def right(base: int) -> int:
    """The other way."""
    return -base


def joined(left: int, right: int, aside: int) -> int:
    """Where the ways meet."""
    return left + right + aside


def aside(number: int) -> int:
    """Beside the ways."""
    return number


@schema.output(("id", "int"), ("name", "str"))
def frame(joined: int) -> pd.DataFrame:
    """A frame whose columns are declared."""
    return pd.DataFrame({"id": [joined], "name": ["x"]})


@pytest.fixture
def driver() -> Driver:
    """A driver of the functions above."""
    return Builder().with_modules(create_temporary_module(base, left, right, joined, aside, frame)).build()


def names(nodes: Any) -> set[str]:
    """Return the names of views."""
    return {node.name for node in nodes}


def source_of(drawing: Any) -> str:
    """Return the text of a drawing, whichever kind it is."""
    return str(getattr(drawing, "source", drawing))


def test_the_path_between_two_nodes_is_all_ways(driver: Driver) -> None:
    """Both ends and everything on any way are on the path; there is none against the stream."""
    assert names(driver.what_is_the_path_between("base", "joined")) == {"base", "left", "right", "joined"}
    assert driver.what_is_the_path_between("joined", "base") == []
    assert names(driver.what_is_the_path_between("base", "base")) == {"base"}
    for ends in (("bas", "joined"), ("base", "joind")):
        with pytest.raises(UnknownNodeError, match="did you mean"):
            driver.what_is_the_path_between(*ends)


def test_a_built_graph_has_no_cycles(driver: Driver) -> None:
    """The answer is always no, and unknown names are refused all the same."""
    assert driver.has_cycles(["joined", left]) is False
    with pytest.raises(ValueError, match="nothing"):
        driver.has_cycles(["nothing"])


def test_an_execution_is_exported_as_json(driver: Driver) -> None:
    """The export names the nodes that would run, with their types, sources and versions."""
    nodes = json.loads(driver.export_execution(["left"], inputs={"number": 1}))["nodes"]
    assert [node["name"] for node in nodes] == ["base", "factor", "left", "number"]
    (exported,) = [node for node in nodes if node["name"] == "left"]
    assert exported["output_type"] == "int"
    assert exported["required_dependencies"] == ["base"]
    assert exported["optional_dependencies"] == ["factor"]
    assert exported["source"].startswith("def left(base: int, factor: int = 3) -> int:")
    assert exported["documentation"] == "One way."
    with pytest.raises(InputError):
        driver.export_execution(["left"])
    overridden = json.loads(driver.export_execution(["left"], overrides={"base": 1}))["nodes"]
    assert [node["name"] for node in overridden] == ["base", "factor", "left"]


def test_raw_execute_gives_a_dictionary(driver: Driver) -> None:
    """The older call passes the result builder by."""
    module = create_temporary_module(base)
    assert Driver({}, module).raw_execute(["base"], inputs={"number": 1}) == {"base": 2}
    assert driver.raw_execute(["base"], overrides={"base": 3}) == {"base": 3}


def version_of(source: str) -> str | None:
    """Return the version of the node ``f`` in this source."""
    (node,) = Builder().with_modules(module_from_source(source)).build().list_available_variables()
    return node.version


def test_a_version_is_of_the_code_alone() -> None:
    """Docstrings, comments and layout do not change a node's version; code does."""
    version = version_of("def f() -> int:\n    return 1\n")
    assert version == version_of("def f() -> int:\n    '''Docs.'''\n    # why\n    return (1)\n")
    assert version != version_of("def f() -> int:\n    return 2\n")


def test_views_tell_defaults_and_versions(driver: Driver) -> None:
    """A node tells what it falls back to; an input has no version; the graph's version is that of its nodes."""
    graph = HamiltonGraph.from_graph(driver.graph)
    assert graph["left"].optional_dependencies_default_values == {"factor": 3}
    assert graph["left"].as_dict(include_optional_dependencies_default_values=True)[
        "optional_dependencies_default_values"
    ] == {"factor": 3}
    assert graph["number"].version is None
    assert graph.version == HamiltonGraph(list(reversed(graph.nodes))).version
    assert graph.version != HamiltonGraph(graph.nodes[1:]).version
    assert names(graph.filter_nodes(lambda node: node.is_external_input)) == {"number", "factor"}
    assert names(pickle.loads(pickle.dumps(graph)).nodes) == names(graph.nodes)  # noqa: S301 - our own bytes


def test_a_driver_travels_by_the_names_of_its_modules(driver: Driver) -> None:
    """A driver that was pickled runs again, with its configuration and materializers."""
    module = create_temporary_module(base, left)
    first = Builder().with_modules(module).with_config({"factor": 5}).build()
    second = pickle.loads(pickle.dumps(first))  # noqa: S301 - our own bytes
    assert second.execute(["left"], inputs={"number": 1}) == {"left": 10}
    assert isinstance(pickle.loads(pickle.dumps(driver)), Driver)  # noqa: S301 - our own bytes


def test_a_driver_whose_modules_are_absent_says_so(tmp_path: Path) -> None:
    """Where a module does not import, the error names it."""
    module = create_temporary_module(base, module_name="only_in_this_process")
    path = tmp_path / "driver.pickle"
    path.write_bytes(pickle.dumps(Builder().with_modules(module).build()))
    code = f"import pickle; pickle.load(open({str(path)!r}, 'rb'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert ConfigurationError.__name__ in done.stderr
    assert "'only_in_this_process' does not import here" in done.stderr


def test_every_drawing_shows_its_part(driver: Driver) -> None:
    """Each drawing shows the nodes it is about and no others."""
    drawings = {
        "all": driver.display_all_functions(),
        "up": driver.display_upstream_of("left"),
        "down": driver.display_downstream_of("joined"),
        "execution": driver.visualize_execution(["left"], inputs={"number": 1}),
        "path": driver.visualize_path_between("base", "joined"),
        "strict": driver.visualize_path_between("base", "joined", strict_path_visualization=True),
    }
    every = ("number", "base", "left", "right", "joined", "aside", "frame")
    shown = {
        key: {name for name in every if f'"{name}" [' in text}
        for key, text in ((key, source_of(drawing)) for key, drawing in drawings.items())
    }
    assert shown == {
        "all": {"number", "base", "left", "right", "joined", "aside", "frame"},
        "up": {"number", "base", "left"},
        "down": {"left", "right", "aside", "joined", "frame"},
        "execution": {"number", "base", "left"},
        "path": {"number", "base", "left", "right", "joined", "aside"},
        "strict": {"base", "left", "right", "joined"},
    }


def test_drawings_of_calls_check_the_call_unless_told_not_to(driver: Driver) -> None:
    """A call that could not be served is refused; `bypass_validation` draws it anyway."""
    with pytest.raises(InputError, match="number"):
        driver.visualize_execution(["left"])
    assert '"left"' in source_of(driver.visualize_execution(["left"], bypass_validation=True))
    request = to.memory(id="kept", dependencies=["left"])
    with pytest.raises(InputError, match="number"):
        driver.visualize_materialization(request)
    assert '"kept"' in source_of(driver.visualize_materialization(request, inputs={"number": 1}))
    with pytest.raises(RequestError, match="no way leads"):
        driver.visualize_path_between("joined", "base")
    with pytest.raises(UnknownNodeError):
        driver.display_upstream_of("nothing")


def test_an_overridden_node_is_drawn_without_what_it_needs(driver: Driver) -> None:
    """Overriding a node leaves out what only it would have read."""
    text = source_of(driver.visualize_execution(["left"], overrides={"base": 1}))
    assert '"base" [' in text
    assert '"number" [' not in text


def test_a_style_of_ones_own(driver: Driver) -> None:
    """A style function sees each node and its class; its attributes and its legend are drawn."""
    seen = {}

    def style(*, node: Any, node_class: str) -> tuple[dict[str, str], str | None, str | None]:
        seen[node.name] = node_class
        return ({"fillcolor": "aquamarine"}, "check", "mine") if node.name == "left" else ({}, None, None)

    text = source_of(driver.display_all_functions(custom_style_function=style))
    assert seen["left"] == "function"
    assert seen["number"] == "input"
    assert '"fillcolor"="aquamarine"' in text
    assert '"legend: mine"' in text


def test_schemas_are_drawn_unless_told_not_to(driver: Driver, tmp_path: Path) -> None:
    """Declared columns are listed in the shape, in Graphviz's drawing and in our own."""
    assert "name: str" in source_of(driver.display_all_functions())
    assert "name: str" not in source_of(driver.display_all_functions(show_schema=False))
    path = tmp_path / "graph.svg"
    driver.display_all_functions(str(path), show_legend=False)
    root = ET.parse(path).getroot()  # noqa: S314 - our own text
    assert {"id: int", "name: str"} <= {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}


def test_options_of_graphviz_reach_it(driver: Driver) -> None:
    """Attributes given for Graphviz come after ours, so that they count; unknown options are refused."""
    pytest.importorskip("graphviz")
    options = {"graph_attr": {"ranksep": "2"}, "node_attr": {"shape": "box"}, "engine": "neato"}
    digraph = driver.display_all_functions(graphviz_kwargs=options, orient="TB", hide_inputs=True)
    assert 'ranksep="0.5" "ranksep"="2"' in digraph.source
    assert digraph.engine == "neato"
    assert 'rankdir="TB"' in digraph.source
    assert '"number"' not in digraph.source
    with pytest.raises(OptionError, match="did you mean 'hide_inputs'"):
        driver.display_all_functions(hide_input=True)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_makes_the_file_where_its_options_are_given(driver: Driver, tmp_path: Path) -> None:
    """The format may come from `render_kwargs`; `keep_dot` leaves the text beside the file, and only then."""
    pytest.importorskip("graphviz")
    driver.display_all_functions(str(tmp_path / "graph"), {"format": "png"})
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    driver.display_all_functions(str(tmp_path / "other.svg"), graphviz_kwargs={"graph_attr": {"bgcolor": "red"}})
    assert "Generated by graphviz" in (tmp_path / "other.svg").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.png", "other.svg"]
    driver.display_all_functions(str(tmp_path / "third.svg"), keep_dot=True)
    assert (tmp_path / "third.gv").read_text().startswith("digraph")


def test_a_notebook_shows_the_graph(driver: Driver) -> None:
    """A driver at the end of a cell is drawn as SVG."""
    bundle = driver._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert set(driver._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert set(driver._repr_mimebundle_(exclude=["text/plain"])) == {"image/svg+xml"}
