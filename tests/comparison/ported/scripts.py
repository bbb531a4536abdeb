"""What a team's scripts do with these dataflows; each function returns what can be compared."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pandas as pd

from engine import ad_hoc_utils, async_driver, base, driver, log_setup, telemetry
from engine.function_modifiers import source, value
from engine.graph_types import HamiltonGraph
from engine.io.materialization import from_, to
from engine.lifecycle import PrintLn
from tests.comparison.ported import features, loading, reports, tracking

CONFIG = {"window": "all", "clip": True, "hamilton.enable_power_user_mode": True}


def write_samples(folder: Path) -> dict[str, str]:
    """Write the files that these loaders read."""
    orders_path, rates_path = folder / "orders.csv", folder / "rates.json"
    rows = [(i, f"c{i % 4}", 10.0 * i, ("EUR", "USD")[i % 2], f"2024-01-{i % 9 + 1:02d}") for i in range(1, 25)]
    text = "\n".join(",".join(map(str, row)) for row in [("order_id", "customer", "amount", "currency", "day"), *rows])
    orders_path.write_text(text + "\n")
    rates_path.write_text(json.dumps({"EUR": 1.0, "USD": 0.5}))
    return {"orders_path": str(orders_path), "rates_path": str(rates_path)}


def inputs(folder: Path) -> dict[str, Any]:
    """Return what every call is given."""
    files = write_samples(folder)
    return {
        **files,
        "most": 150.0,
        "unit": 10.0,
        "report_path": str(folder / "report.csv"),
        "note_path": str(folder / "note.txt"),
    }


def build(*adapters: Any, **config: Any) -> driver.Driver:
    """Build the driver of everything."""
    telemetry.disable_telemetry()
    log_setup.setup_logging(log_setup.LOG_LEVELS["ERROR"])
    return (
        driver.Builder()
        .with_modules(loading, features, reports)
        .with_config(CONFIG)
        .with_config(config)
        .with_adapters(*adapters)
        .build()
    )


def columns(folder: Path) -> Any:
    """Join columns into a frame, the older way and the newer."""
    older = driver.Driver({**CONFIG}, loading, features, reports)
    newer = build(base.PandasDataFrameResult())
    wanted = ["total_worth", "mean_worth", "share_of_total", "rich_100", "high"]
    return [dr.execute(wanted, inputs=inputs(folder)).to_dict() for dr in (older, newer)]


def everything(folder: Path) -> Any:
    """Execute every node that is no input, twice, and with something overridden."""
    dr = build(window="week", audience="chiefs")
    names = sorted(v.name for v in dr.list_available_variables() if not v.is_external_input)
    wanted = [name for name in names if name not in {"report_file", "orders.loader", "rates.load_data.loaded"}]
    first = dr.execute(wanted, inputs=inputs(folder))
    overridden = dr.execute(["summary", "low"], inputs=inputs(folder), overrides={"rows": 5, "low": -1.0})
    return names, {name: plain(first[name]) for name in wanted}, overridden


def saved(folder: Path) -> Any:
    """Materialize, with savers and loaders of all sorts."""
    tracking.register()
    journal = tracking.Journal()
    dr = build(journal)
    given = inputs(folder)
    del given["unit"]
    metadata, values = dr.materialize(
        from_.literal(target="unit", value=value(7.0)),
        to.csv(id="wide_csv", dependencies=["wide"], path=str(folder / "wide.csv")),
        to.pickle(id="kept", dependencies=["bounds"], path=source("kept_path")),
        to.shelf(id="shelved", dependencies=["summary"], place="top"),
        to.json(
            id="joined",
            dependencies=["low", "high"],
            combine=base.DictResult(),
            path=str(folder / "joined.json"),
        ),
        additional_vars=["report_file", "report_note", "in_units"],
        inputs={**given, "kept_path": str(folder / "kept.pkl")},
    )
    back = dr.materialize(from_.shelf(target="summary", place=value("top")), additional_vars=["title"])
    texts = [(folder / name).read_text() for name in ("wide.csv", "joined.json", "report.csv", "note.txt")]
    return (
        sorted(metadata),
        metadata["shelved"],
        values["report_note"],
        values["in_units"],
        back,
        texts,
        sorted(journal.lines),
    )


def looked_at(folder: Path) -> Any:
    """Ask the driver about its graph."""
    dr = build()
    by_tag = [
        sorted(v.name for v in dr.list_available_variables(tag_filter=wanted))
        for wanted in ({"stage": "feature"}, {"stage": ["raw", "feature"]}, {"owner": "finance"}, {"side": None})
    ]
    path = [n.name for n in dr.what_is_the_path_between("amount", "summary")]
    return (
        by_tag,
        sorted(n.name for n in dr.what_is_upstream_of("summary")),
        sorted(n.name for n in dr.what_is_downstream_of("rates")),
        sorted(path),
        {
            n.name: n.documentation
            for n in dr.list_available_variables()
            if n.name.startswith(("total", "mean", "rich"))
        },
        sorted({n.name for n in HamiltonGraph.from_graph(dr.graph).nodes} - {*CONFIG}),
        [dr.validate_execution(["summary"], inputs=inputs(folder)), dr.has_cycles(["summary"])],
        [m.__name__.rpartition(".")[2] for m in dr.graph_modules],
    )


def rows(folder: Path) -> Any:
    """Let a result builder and hooks of one's own work."""
    journal = tracking.Journal()
    given = build(tracking.Rows(), journal).execute(["total_worth", "mean_worth"], inputs=inputs(folder))
    return given, journal.lines


def printed(folder: Path) -> Any:
    """Print what happens, through a hook."""
    lines: list[str] = []
    build(PrintLn(print_fn=lines.append, node_filter=["low", "high"])).execute(["bounds"], inputs=inputs(folder))
    return len(lines)


def failing(folder: Path) -> Any:
    """Let nodes fail, and see what reaches the caller."""

    def divided(a: int) -> float:
        return 1 / a

    def behind(divided: float) -> float:
        return divided + 1

    def beside(a: int) -> int:
        return a + 1

    module = ad_hoc_utils.create_temporary_module(divided, behind, beside)
    journal = tracking.Journal()
    told: list[Any] = []
    for adapters in ((journal,), (tracking.graceful(), tracking.Journal())):
        dr = driver.Builder().with_modules(module).with_adapters(*adapters).build()
        try:
            told.append(dr.execute(["behind", "beside"], inputs={"a": 0}))
        except ZeroDivisionError as error:
            told.append(type(error).__name__)
    return told, journal.lines


def awaited(folder: Path) -> Any:
    """Run coroutine functions."""

    async def fetched(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    def doubled(fetched: int) -> int:
        return 2 * fetched

    async def run() -> Any:
        module = ad_hoc_utils.create_temporary_module(fetched, doubled)
        dr = await async_driver.Builder().with_modules(module).build()
        return await dr.execute(["doubled", "fetched"], inputs={"number": 3})

    return asyncio.run(run())


def plain(given: Any) -> Any:
    """Return a value as something that can be compared."""
    if isinstance(given, pd.DataFrame | pd.Series):
        return given.to_dict()
    return type(given).__name__ if type(given).__name__ == "ValidationResult" else given


SCRIPTS = (columns, everything, saved, looked_at, rows, printed, failing, awaited)
