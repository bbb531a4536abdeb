"""The matrix of exactness: what of every type comes back from every database, and the page that shows it.

``python -m engine.testing.exactness duckdb:///… postgresql://… sqlite:///…`` writes ``docs/reference/types.md`` anew;
the databases are to be empty.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa

from engine.dialects import dialect_of
from engine.errors import SaveError
from engine.io.session import Session, using
from engine.io.tables import TableLoader, TableSaver
from engine.testing.values import CASES, FLAVOURS, TABLES, frame_of, table_as

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs/reference/types.md"
_BEGIN, _END = "<!-- the matrix -->", "<!-- end of the matrix -->"
KEPT, EQUAL = "✓", "equal"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one kind of column, or of one table, in one database.

    Attributes:
        flavours: The flavours that have the type.
        state: `KEPT`; `EQUAL`: the values equal those that went in, of the same type, but they can be told apart; or
            why the save was refused.
    """

    flavours: tuple[str, ...]
    state: str


def outcomes(url: str) -> dict[str, Outcome]:
    """Save every case from every library, read it back as that library's frame, and say what became of it.

    Raises:
        AssertionError: A value or type came back changed, a refusal does not say where and what to do, or the libraries
            differ in what becomes of the same values.
    """
    with Session(url) as session, using(session):
        by_flavour = {flavour: _of_columns(flavour) for flavour in FLAVOURS}
        found = {
            case.name: {flavour: states[case.name] for flavour, states in by_flavour.items() if case.name in states}
            for case in CASES
        }
        for name, table in TABLES.items():
            flavours = [flavour for flavour in FLAVOURS if flavour not in FLAVOURS[1:3]]
            found[name] = {each: _state(f"{name} of {each}", table_as(table, each), "") for each in flavours}
    return {name: _outcome(name, states) for name, states in found.items()}


def _outcome(name: str, states: dict[str, str]) -> Outcome:
    kinds = {state if state in (KEPT, EQUAL) else "refused" for state in states.values()}
    assert len(kinds) == 1, (name, states)
    return Outcome(tuple(states), states[next(reversed(states))])


def _of_columns(flavour: str) -> dict[str, str]:
    """Return what becomes of each column that a library has: those of one length together, a refused one by itself."""
    states: dict[str, str] = {}
    cases = [case for case in CASES if case.maker(flavour) is not None]
    for rows in {len(case.arrow): None for case in cases}:
        together = {case.name: case for case in cases if len(case.arrow) == rows}
        while together:
            frame, table = frame_of(together, flavour), f"{rows} rows of {flavour}"
            try:
                TableSaver(f'"{table}"').save_data(frame)
            except SaveError as error:
                message = error.message.replace("'", "")
                refused = max((name for name in together if f"column {name}" in message), key=len, default=None)
                if refused is None:
                    raise
                alone = frame_of({"x": together.pop(refused)}, flavour)
                states[refused] = _state(f"{refused} of {flavour}", alone, "column x")
                continue
            back, _ = TableLoader(f'"{table}"').load_data(type(frame))
            for name in together:
                states[name] = compare(f"{name} of {flavour}", _columns(frame, name), _columns(back, name))
            break
    return states


def _columns(frame: Any, name: str) -> Any:
    wanted = ["row", name]
    return frame.select(wanted) if isinstance(frame, pa.Table) else frame[wanted]


def _state(table: str, frame: Any, names_column: str) -> str:
    refusal = None
    try:
        TableSaver(f'"{table}"').save_data(frame)
    except SaveError as error:
        refusal = error
    if refusal is None:
        back, _ = TableLoader(f'"{table}"').load_data(type(frame))
        return compare(table, frame, back)
    assert names_column in refusal.message.replace("'", ""), refusal
    assert refusal.hint, refusal
    said = refusal.message.replace(f'"{table}"', "the table").replace(table, "the table")
    return f"{re.sub(r'_e_[0-9a-f]+', '…', said)}; {refusal.hint}"


def compare(name: str, frame: Any, back: Any) -> str:
    """Say whether a frame that came back is the one that went in, whatever the order of its rows.

    Raises:
        AssertionError: It is not.
    """
    types, types_back = _types(frame), _types(back)
    assert types == types_back, f"{name}: {types} came back as {types_back}"
    rows, rows_back = list(_rows(frame)), list(_rows(back))
    if repr(rows) == repr(rows_back):
        return KEPT
    assert rows == rows_back, f"{name}: {rows} came back as {rows_back}"
    return EQUAL


def _types(frame: Any) -> list[tuple[str, Any, str]]:
    if isinstance(frame, pa.Table):
        found = zip(frame.schema.names, frame.schema.types, strict=True)
    else:
        found = zip(frame.columns, frame.dtypes, strict=True)
    return [(name, type_, repr(type_)) for name, type_ in found]


def _rows(frame: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(frame, pa.Table):
        columns = [column.to_pylist() for column in frame.columns]
    elif isinstance(frame, pl.DataFrame):
        columns = [column.to_list() for column in frame.get_columns()]
    else:
        assert isinstance(frame.index, pd.RangeIndex)
        columns = [frame[name].tolist() for name in frame.columns]
    yield from sorted(zip(*columns, strict=True), key=lambda row: row[0])


def matrix(by_database: dict[str, dict[str, Outcome]]) -> str:
    """Return the table of the page, and the refusals below it."""
    databases, reasons = list(by_database), dict[str, int]()
    lines = ["| | " + " | ".join([*FLAVOURS, *databases]) + " |", "|---|" + "---|" * (len(FLAVOURS) + len(databases))]
    for name in [case.name for case in CASES] + list(TABLES):
        found = [by_database[database][name] for database in databases]
        cells = ["✓" if flavour in found[0].flavours else "" for flavour in FLAVOURS]
        for outcome in found:
            is_back = outcome.state in (KEPT, EQUAL)
            cells.append(
                outcome.state if is_back else f"refused ({reasons.setdefault(outcome.state, len(reasons) + 1)})"
            )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"{number}. {reason}" for reason, number in reasons.items())])


def page_with(text: str, table: str) -> str:
    """Return the text of the page with its table replaced."""
    head, _, rest = text.partition(_BEGIN)
    return f"{head}{_BEGIN}\n\n{table}\n\n{_END}{rest.partition(_END)[2]}"


def shown(text: str, database: str) -> dict[str, str]:
    """Return what a page says of one database, by case: `KEPT`, `EQUAL` or ``refused``."""
    rows = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    head = next(row for row in rows if database in row)
    place = head.index(database) - len(head)
    return {row[0]: row[place].partition(" (")[0] for row in rows if row is not head and len(row) > len(FLAVOURS)}


def main() -> None:
    """Write the page, from the databases whose URLs are the arguments."""
    found = {dialect_of(url).traits.name: outcomes(url) for url in sys.argv[1:]}
    PAGE.write_text(page_with(PAGE.read_text(), matrix(found)))


if __name__ == "__main__":
    main()
