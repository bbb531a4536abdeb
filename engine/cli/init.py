"""`engine init`: a first project that works, to be changed into one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import debug_option
from engine.errors import RequestError
from engine.settings import SETTINGS_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

_SETTINGS = """\
# Settings of this project. ${NAME} stands for an environment variable, ${NAME:-text} for one with a default.

project = "PROJECT"
modules = ["dataflow"]                     # functions of these modules are the nodes
materializers = "dataflow:materializers"   # which nodes are kept, and where
warehouse = "duckdb:///warehouse.duckdb"   # or postgresql://user:${PGPASSWORD}@host/database, sqlite:///file.db

[inputs]
minimum_amount = 20.0
"""

_DATAFLOW = '''\
"""Orders, cleaned and summed up by country.

A function is a node, its parameters name the nodes it reads, a name beginning with "_" is a helper.
Change something and run `engine plan` to see what would be rebuilt, and why.
"""

from __future__ import annotations

import pandas as pd

from engine.io.materialization import to


def orders() -> pd.DataFrame:
    """Orders as they come in; in earnest, use from_.csv(...) or from_.table(...) below."""
    return pd.DataFrame(
        {
            "order_id": [1, 2, 3, 4, 5],
            "country": ["de", "DE", "fr", "fr", "jp"],
            "amount": [30.0, 12.5, 99.0, 45.0, 60.0],
        }
    )


def large_orders(orders: pd.DataFrame, minimum_amount: float) -> pd.DataFrame:
    """Orders of at least the minimum amount, with tidy country codes."""
    large = orders[orders["amount"] >= minimum_amount]
    return large.assign(country=large["country"].map(_tidy))


def revenue_by_country(large_orders: pd.DataFrame) -> pd.DataFrame:
    """Revenue and number of orders per country, the best first."""
    by_country = large_orders.groupby("country", as_index=False)
    revenue = by_country.agg(revenue=("amount", "sum"), orders=("order_id", "count"))
    return revenue.sort_values("revenue", ascending=False, ignore_index=True)


def best_country(revenue_by_country: pd.DataFrame) -> pd.DataFrame:
    """The country with the highest revenue."""
    return revenue_by_country.head(1)


def _tidy(country: str) -> str:
    return country.strip().upper()


materializers = [
    to.table(id="large_orders_table", dependencies=["large_orders"], table="large_orders"),
    to.table(id="revenue_table", dependencies=["revenue_by_country"], table="revenue_by_country"),
    to.table(id="best_country_table", dependencies=["best_country"], table="best_country"),
]
'''

_IGNORED = """\
.engine/
*.duckdb
*.duckdb.wal
__pycache__/
"""


@click.command()
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(file_okay=False))
@debug_option
def init(directory: str) -> None:
    """Make a small project that works.

    Writes engine.toml and dataflow.py into DIR (by default the present folder), and overwrites nothing.
    """
    folder = Path(directory)
    files = {
        SETTINGS_FILE: _SETTINGS.replace("PROJECT", folder.resolve().name),
        "dataflow.py": _DATAFLOW,
        ".gitignore": _IGNORED,
    }
    _refuse_to_overwrite(folder, files)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")
            click.echo(f"wrote {folder / name}")
    option = "" if directory == "." else f" --project {directory}"
    click.echo(f"\nNow bring its tables up to date:\n\n  engine run{option}")


def _refuse_to_overwrite(folder: Path, files: Mapping[str, str]) -> None:
    # A .gitignore of the user's own is left as it is.
    there = [str(folder / name) for name in files if name != ".gitignore" and (folder / name).exists()]
    if there:
        raise RequestError(
            f"{' and '.join(there)} exist{'s' if len(there) == 1 else ''} already; nothing was written",
            hint="name an empty folder: engine init DIR",
        )
