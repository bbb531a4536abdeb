"""Random tables, edited at random: what an incremental run leaves is what a full one would make, on every database."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.io.materialization import from_, to
from engine.io.tables import TableLoader
from engine.lifecycle import NodeExecutionHook
from tests.fixtures.dataflows import run_sql, states

if TYPE_CHECKING:
    from tests.fixtures.dataflows import Project

EXAMPLES = {"duckdb": 2, "sqlite": 3, "postgresql": 1}
"""How many dataflows are tried; each is run about ten times."""

MODULUS = 1009
SHAPES = ("plain", "helped", "of an input", "configured", "piped", "two")
EDITS = ("number", "body", "helper", "input", "config", "row", "comment", "drop", "nothing")

_numbers = itertools.count()


@dataclass(frozen=True)
class Table:
    """One function whose value is a frame of three rows."""

    name: str
    shape: str
    reads: tuple[str, ...]
    number: int
    factor: int = 1

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes it makes."""
        return (f"{self.name}_one", f"{self.name}_two") if self.shape == "two" else (self.name,)

    def __str__(self) -> str:
        modifier, more, added = "", "", f"K_{self.name}"
        if self.shape == "helped":
            added = f"twisted({added})"
        elif self.shape == "of an input":
            more, added = ", day: int", f"{added} + day"
        elif self.shape == "configured":
            more, added = ", mode: int", f"{added} + mode"
        elif self.shape == "piped":
            modifier, added = f"@pipe_output(step(_moved, by={self.number}))\n", "0"
        elif self.shape == "two":
            modifier = f"@parameterize({self.name}_one={{'k': value(1)}}, {self.name}_two={{'k': value(2)}})\n"
            more, added = ", k: int", f"{added} + k"
        parameters = ", ".join(f"{read}: pl.DataFrame" for read in self.reads)
        total = " + ".join(f"{read}['v']" for read in self.reads)
        return (
            f"K_{self.name} = {self.number}\n\n{modifier}def {self.name}({parameters}{more}) -> pl.DataFrame:\n"
            f"    return pl.DataFrame({{'v': (({total}) * {self.factor} + {added}) % {MODULUS}}})\n"
        )


@dataclass(frozen=True)
class World:
    """A dataflow and all that it depends on."""

    tables: tuple[Table, ...]
    saved: tuple[str, ...]
    rows: tuple[int, ...] = (1, 2, 3)
    helper: int = 1
    day: int = 0
    mode: int = 0
    comments: int = 0
    dropped: frozenset[str] = field(default=frozenset(), compare=False)

    def text(self) -> str:
        """Return the module of the dataflow."""
        start = "import polars as pl\nfrom engine.function_modifiers import *\nfrom helpers import twisted\n\n"
        moved = f"def _moved(x: pl.DataFrame, by: int) -> pl.DataFrame:\n    return (x + by) % {MODULUS}\n\n"
        return start + "# said\n" * self.comments + moved + "\n".join(map(str, self.tables))

    def worth(self) -> dict[str, list[int]]:
        """Return the rows of every node, computed without the engine."""
        known = {"raw": list(self.rows)}
        for table in self.tables:
            for place, node in enumerate(table.nodes):
                added = table.number + {
                    "helped": self.helper,
                    "of an input": self.day,
                    "configured": self.mode,
                    "two": place + 1,
                }.get(table.shape, 0)
                sums = (sum(row) for row in zip(*(known[read] for read in table.reads), strict=True))
                known[node] = [(total * table.factor + added) % MODULUS for total in sums]
        return known


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a dataflow of a few tables, some of them kept."""
    tables: list[Table] = []
    names = ["raw"]
    for index in range(draw(st.integers(1, 6))):
        reads = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)))
        tables.append(Table(f"n{index}", draw(st.sampled_from(SHAPES)), reads, draw(st.integers(0, 9))))
        names += tables[-1].nodes
    return World(tuple(tables), tuple(draw(st.lists(st.sampled_from(names[1:]), min_size=1, max_size=5, unique=True))))


def edited(world: World, edit: str, place: int) -> World:
    """Return the world after an edit; ``place`` says of which table."""
    index = place % len(world.tables)
    table = world.tables[index]

    def with_table(**changes: Any) -> World:
        return replace(world, tables=(*world.tables[:index], replace(table, **changes), *world.tables[index + 1 :]))

    return {
        "number": lambda: with_table(number=table.number + 1),
        "body": lambda: with_table(factor=table.factor + 1),
        "helper": lambda: replace(world, helper=world.helper + 1),
        "input": lambda: replace(world, day=world.day + 1),
        "config": lambda: replace(world, mode=world.mode + 1),
        "row": lambda: replace(world, rows=(world.rows[0] + 1, *world.rows[1:])),
        "comment": lambda: replace(world, comments=world.comments + 1),
        "drop": lambda: replace(world, dropped=frozenset([world.saved[place % len(world.saved)]])),
        "nothing": lambda: world,
    }[edit]()


class Counting(NodeExecutionHook):
    """Notes which nodes ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def run_before_node_execution(self, *, node_name: str, **_: Any) -> None:
        """Note the name."""
        self.ran.append(node_name)

    def run_after_node_execution(self, **_: Any) -> None:
        """Do nothing."""


class Run:
    """One dataflow in one warehouse, under names of its own there."""

    def __init__(self, project: Project) -> None:
        self.project, self.prefix = project, f"w{next(_numbers)}"
        project.hooks = [counting := Counting()]
        self.counting = counting

    def refresh(self, world: World, rerun: str = "stale") -> Any:
        """Write the world down and bring its tables up to date."""
        self.project.write("helpers", f"def twisted(x: int) -> int:\n    return x + {world.helper}\n")
        self.project.write("flow", world.text())
        self.project.config = {"mode": world.mode}
        requests: list[Any] = [
            to.table(id=f"{self.prefix}_{n}", dependencies=[n], table=f"{self.prefix}_{n}") for n in world.saved
        ]
        if any("raw" in table.reads for table in world.tables):
            requests.append(from_.table(target="raw", table=f"{self.prefix}_raw"))
        self.counting.ran.clear()
        with self.project.driver(*requests) as driver:
            result = driver.refresh(inputs={"day": world.day}, rerun=rerun)
        assert result.succeeded
        return result

    def check(self, world: World) -> None:
        """Compare every table with what it is worth."""
        worth = world.worth()
        for name in world.saved:
            loader = TableLoader(f"{self.prefix}_{name}", warehouse=self.project.warehouse)
            rows: pl.DataFrame = loader.load_data(pl.DataFrame)[0]
            assert sorted(rows["v"].to_list()) == sorted(worth[name]), name

    def sql(self, *statements: str) -> None:
        """Run statements on the warehouse as somebody else."""
        run_sql(self.project.warehouse, *(statement.replace("PREFIX", self.prefix) for statement in statements))

    def start(self, world: World) -> None:
        """Make the table that is read."""
        rows = ", ".join(f"({place}, {value})" for place, value in enumerate(world.rows))
        self.sql("CREATE TABLE PREFIX_raw (place INTEGER, v INTEGER)", f"INSERT INTO PREFIX_raw VALUES {rows}")


def try_world(project: Project, world: World, edits: list[tuple[str, int]]) -> None:
    """Build a world, edit it again and again, and compare after each run; at the end compare with a full one."""
    run = Run(project)
    run.start(world)
    run.refresh(world)
    run.check(world)
    for edit, place in edits:
        before, world = world, edited(world, edit, place)
        if edit == "row":
            run.sql(f"UPDATE PREFIX_raw SET v = {world.rows[0]} WHERE place = 0")
        if edit == "drop":
            run.sql(*(f"DROP TABLE PREFIX_{name}" for name in world.dropped))
        result = run.refresh(world)
        run.check(world)
        if (world == before and edit != "drop") or edit == "comment":
            assert set(states(result).values()) == {"fresh"}
        result = run.refresh(world)
        assert set(states(result).values()) == {"fresh"}
        assert run.counting.ran == []
    full = Run(project)
    full.start(world)
    assert set(states(full.refresh(world, rerun="all")).values()) == {"built"}
    full.check(world)


def test_incremental_runs_leave_what_full_ones_would(project: Project, database: str) -> None:
    """After any edits, every table holds what computing everything gives; a second run runs no node."""

    @settings(max_examples=EXAMPLES[database], deadline=None, suppress_health_check=list(HealthCheck))
    @given(worlds(), st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 9)), min_size=1, max_size=3))
    def check(world: World, edits: list[tuple[str, int]]) -> None:
        try_world(project, world, edits)

    check()
