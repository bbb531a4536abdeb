"""A drawing shows every node once, every edge once, and stays readable whatever the names are."""

from __future__ import annotations

import itertools
import random
import shutil
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.bindings import Source, Value
from engine.errors import ExtensionError, OptionError, SaveError
from engine.function_modifiers import schema
from engine.graph import FunctionGraph
from engine.node import Node, NodeKind
from engine.visualization import draw, to_digraph, to_dot, to_svg, write
from engine.visualization.layout import lay_out
from engine.visualization.shapes import shapes_of, type_name

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def function(name: str, *upstream: str, type_: Any = pd.DataFrame, **fields: Any) -> Node:
    """Make a node that reads others."""
    return Node(name=name, type=type_, function=len, bindings={n: Source(n) for n in upstream}, **fields)


def loaded(target: str, path: str) -> list[Node]:
    """Make the two nodes of a loader."""
    tags: Any = {"hamilton.data_loader": True, "hamilton.data_loader.source": "csv"}
    name = f"load_data.{target}"
    loader = Node(name=name, type=tuple, function=len, kind=NodeKind.LOADER, tags=tags, bindings={"path": Value(path)})
    return [loader, function(target, name, tags=tags)]


def saved(name: str, dependency: str, table: str) -> Node:
    """Make the node of a table saver."""
    bindings = {dependency: Source(dependency), "table": Value(table), "mode": Value("upsert")}
    tags: Any = {"hamilton.data_saver": True, "hamilton.data_saver.sink": "table"}
    return Node(name=name, type=dict, function=len, kind=NodeKind.SAVER, bindings=bindings, tags=tags)


@pytest.fixture
def nodes() -> dict[str, Node]:
    """Make a small graph with one node of each kind, and a loader that waits for a saver."""
    made = [
        *loaded("orders", "orders.csv"),
        Node.external_input("minimum", int),
        function("large", "orders", "minimum", doc="Large <orders> & more."),
        saved("large_table", "large", "marts.large"),
        Node(
            name="load_data.again",
            type=tuple,
            function=len,
            kind=NodeKind.LOADER,
            bindings={"table": Value("marts.large")},
            tags={"hamilton.data_loader": True, "hamilton.data_loader.source": "table"},  # type: ignore[dict-item]
            after=("large_table",),
        ),
        function("again", "load_data.again", tags={"hamilton.data_loader": True}),
    ]
    return {node.name: node for node in made}


def test_a_loader_is_one_shape(nodes: dict[str, Node]) -> None:
    """The two nodes of a loader are drawn as one, which says where it reads and waits for whom the loader waits for."""
    shapes, edges = shapes_of(nodes)
    assert {shape.name: (shape.kind, shape.detail) for shape in shapes} == {
        "orders": ("loader", "csv · orders.csv"),
        "minimum": ("input", "int"),
        "large": ("function", "pd.DataFrame"),
        "large_table": ("saver", "table · marts.large · upsert"),
        "again": ("loader", "table · marts.large"),
    }
    assert {(edge.tail, edge.head, edge.is_order) for edge in edges} == {
        ("orders", "large", False),
        ("minimum", "large", False),
        ("large", "large_table", False),
        ("large_table", "again", True),
    }


def test_svg_shows_every_shape_and_edge(nodes: dict[str, Node]) -> None:
    """The SVG is well-formed and holds one group per shape and one line per edge."""
    root = ET.fromstring(to_svg(nodes, highlight=["large"]))  # noqa: S314 - our own text
    groups = {g.get("data-node"): g for g in root.iter(f"{SVG}g") if g.get("data-node")}
    assert set(groups) == {"orders", "minimum", "large", "large_table", "again"}
    assert groups["large"].get("class") == "function strong"
    assert groups["large"].findtext(f"{SVG}title") == "large: pd.DataFrame\n\nLarge <orders> & more."
    assert sum((path.get("class") or "").startswith("edge") for path in root.iter(f"{SVG}path")) == 4


def test_hidden_inputs_are_gone(nodes: dict[str, Node]) -> None:
    """With `hide_inputs`, neither the inputs nor their edges are drawn."""
    shapes, edges = shapes_of(nodes, hide_inputs=True)
    assert "minimum" not in {shape.name for shape in shapes}
    assert len(edges) == 3


def test_part_of_a_graph_can_be_drawn(nodes: dict[str, Node]) -> None:
    """Edges to nodes that are left out are left out as well."""
    part = {name: nodes[name] for name in ("large", "large_table")}
    assert len(shapes_of(part)[1]) == 1
    ET.fromstring(to_svg(part))  # noqa: S314 - our own text


def test_nothing_is_drawn_of_nothing() -> None:
    """An empty graph gives an empty drawing, not an error."""
    ET.fromstring(to_svg({}))  # noqa: S314 - our own text
    assert to_dot({}).startswith("digraph")


@pytest.mark.parametrize("name", ['a"b', "a\\", "a\nb", "<b>&", "ns.sub.node", "naïve", "\x01"])
def test_dot_keeps_any_name_apart_from_its_syntax(name: str) -> None:
    """Names and docs with characters of DOT's or HTML's own syntax neither break the text nor vanish from it."""
    text = to_dot({name: function(name, doc=name)}, show_legend=True)
    assert text.count("{") == text.count("}")
    assert "<b><b>" not in text


def test_digraph_holds_the_same_lines(nodes: dict[str, Node]) -> None:
    """The object of the graphviz library says what the DOT text says."""
    pytest.importorskip("graphviz")
    digraph = to_digraph(nodes, orient="TB")
    assert 'rankdir="TB"' in digraph.source
    assert all(line in digraph.source for line in to_dot(nodes, orient="TB").splitlines()[1:-1])


@pytest.mark.parametrize("seed", range(5))
def test_boxes_never_overlap_and_edges_run_right(seed: int) -> None:
    """Whatever the graph, boxes keep apart and each line goes from its tail's right edge to its head's left one."""
    chance = random.Random(seed)  # noqa: S311 - reproducible on purpose
    names = [f"n{number}" for number in range(60)]
    sizes = {name: (chance.uniform(40, 200), chance.choice([30.0, 44.0])) for name in names}
    edges = [pair for pair in itertools.combinations(names, 2) if chance.random() < 0.04]
    layout = lay_out(sizes, edges)
    boxes = [(x, y - sizes[n][1] / 2, x + sizes[n][0], y + sizes[n][1] / 2) for n, (x, y) in layout.places.items()]
    for (a, b, c, d), (e, f, g, h) in itertools.combinations(boxes, 2):
        assert c <= e or g <= a or d <= f or h <= b
    assert min(top for _, top, _, _ in boxes) >= -1e-6
    assert max(bottom for *_, bottom in boxes) <= layout.height + 1e-6
    for (tail, head), points in layout.lines.items():
        assert points[0] == (layout.places[tail][0] + sizes[tail][0], layout.places[tail][1])
        assert points[-1] == layout.places[head]
        assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_a_chain_is_a_straight_line() -> None:
    """Nodes that follow one another stand at one height."""
    names = [f"n{number}" for number in range(30)]
    layout = lay_out(dict.fromkeys(names, (50.0, 20.0)), list(itertools.pairwise(names)))
    assert {y for _, y in layout.places.values()} == {10.0}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (pd.DataFrame, "pd.DataFrame"),
        (Any, "Any"),
        (None, "None"),
        (tuple[int, ...], "tuple[int, …]"),
        (dict[str, pd.Series], "dict[str, pd.Series]"),
        ("forward", "forward"),
    ],
)
def test_types_read_as_in_code(annotation: Any, expected: str) -> None:
    """Types are written as people write them."""
    assert type_name(annotation) == expected


@pytest.mark.parametrize(("name", "start"), [("g.svg", "<svg"), ("g.dot", "digraph"), ("g", "<svg")])
def test_the_suffix_chooses_the_format(nodes: dict[str, Node], tmp_path: Path, name: str, start: str) -> None:
    """A drawing is written as its file's suffix says; without one it is an SVG."""
    assert write(tmp_path / name, nodes).read_text(encoding="utf-8").startswith(start)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_renders_a_picture(nodes: dict[str, Node], tmp_path: Path) -> None:
    """With Graphviz there, a .png is one, and what cannot be written is an error of ours."""
    assert write(tmp_path / "g.png", nodes).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SaveError, match=r"cannot be written|cannot write"):
        write(tmp_path / "absent" / "g.png", nodes)


def test_without_graphviz_a_picture_is_refused(
    nodes: dict[str, Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Graphviz is missing, the error says what does work."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ExtensionError, match=r"needs the program 'dot'[\s\S]*\.svg"):
        write(tmp_path / "g.png", nodes)


def test_draw_takes_hamiltons_options_and_no_others(nodes: dict[str, Node], tmp_path: Path) -> None:
    """Options that Apache Hamilton's drawings have are taken; a misspelt one is an error; the file is written."""
    draw(nodes.values(), output_file_path=str(tmp_path / "g.svg"), keep_dot=True, show_schema=False)
    assert (tmp_path / "g.svg").exists()
    with pytest.raises(OptionError, match="did you mean 'hide_inputs'"):
        draw(nodes.values(), hide_input=True)


def test_types_with_commas_are_one_column() -> None:
    """A comma within a type's brackets does not part two columns."""

    @schema.output(("at", "timestamp[ns, tz=UTC]"), ("price", "decimal(10, 2)"))
    def prices() -> pd.DataFrame:
        return pd.DataFrame()

    text = to_svg(FunctionGraph.from_modules([create_temporary_module(prices)]).nodes)
    assert ">at: timestamp[ns, tz=UTC]<" in text
    assert ">price: decimal(10, 2)<" in text
