"""How fast do rows get into PostgreSQL and out of it, compared with the server alone reading and writing a file?

TPC-H's ``lineitem`` (16 columns). Writing is an atomic replace with content hash and ledger row, its limit is a
server-side ``COPY … FREEZE`` of a binary file and a swap; that of reading is ``COPY … TO '/dev/null'``. Peers run in
the same rounds, slow ones with fewer rows. ``postgresql_transfers.py [rows]``, a million by default, 6,001,215 at most,
which take 8 GB of disk. A table of one row tells what a save costs whatever it holds, and one ``materialize`` is held
against Apache Hamilton's. Prints tables and JSON.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import adbc_driver_postgresql.dbapi as adbc
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from measure.server import cpu_of, listening, server
from measure.timing import Case, fails, measure, results, table
from measure.tpch import lineitem

from engine import ad_hoc_utils, driver
from engine.frames import library_of_type
from engine.frames.hashing import hashed
from engine.io.materialization import to
from engine.io.session import Session, using
from engine.io.tables import TableLoader, TableSaver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEER_ROWS = 20_000
SMALL_ROUNDS = 30
ADBC_ROWS = 1_000_000
"""More of its rows would take much time and disk, and no other share of either."""
MATERIALIZE, HAMILTON = "engine's materialize, pandas, float", "Hamilton's to.sql, pandas, float"
TIMES_HAMILTON = 10
"""How many times as fast as Apache Hamilton's a ``materialize`` is to be."""
HASH_SHARE = 0.10
"""What the content hash may take of a save."""


class Writing:
    """The cases of writing.

    Args:
        uri: The server.
        folder: A folder that the server may write to.
        rows: How many.
    """

    def __init__(self, uri: str, folder: Path, rows: int) -> None:
        self.uri, self.folder, self.rows = uri, folder, rows
        self.control = psycopg.connect(uri, autocommit=True)
        self.session = Session(uri)
        self.share = PEER_ROWS / rows
        self.turns = {"numeric": itertools.cycle((0, 1)), "float": itertools.cycle((0, 1))}

    def cases(self) -> list[Case]:
        """Return limits, the engine, and peers."""
        made: list[Case] = []
        for name, decimals, library, least in (
            ("numeric", True, pl.DataFrame, 0.80),
            ("float", False, pd.DataFrame, 0.70),
        ):
            frames = self._two(library, decimals=decimals)
            with using(self.session):
                TableSaver(f"{name}_limit").save_data(frames[0])
            self.control.execute(f"COPY {name}_limit TO '{self.folder}/{name}' (FORMAT binary)".encode())
            limit = f"limit, {name}"
            made.append(Case(limit, lambda name=name: self._limit(name)))
            kind = f"{library.__module__.partition('.')[0]}, {name}"
            made.append(Case(f"engine, {kind}", lambda n=name, f=frames: self._engine(n, f), limit, least=least))
            made += self._peers(name, kind, limit, frames)
        return made

    def one_row(self) -> list[Case]:
        """Return what a save of one row costs, and its limit."""
        name, frames = "row", [frame.head(1) for frame in self._two(pl.DataFrame, decimals=True)]
        self.turns[name] = itertools.cycle((0, 1))
        with using(self.session):
            TableSaver(f"{name}_limit").save_data(frames[0])
        self.control.execute(f"COPY {name}_limit TO '{self.folder}/{name}' (FORMAT binary)".encode())
        limit = "limit, one row"
        return [
            Case(limit, lambda: self._limit(name)),
            Case("engine, polars, one row", lambda: self._engine(name, frames), limit),
        ]

    def _two(self, library: Any, *, decimals: bool) -> list[Any]:
        """Return two frames that share nearly all rows: one that the table already holds would not be written."""
        more = lineitem(self.rows + 1, decimals=decimals)
        frame = library_of_type(library).from_arrow(more.to_reader(), library)
        return [frame[: self.rows], frame[1:]]

    def _limit(self, name: str) -> None:
        control = self.control
        control.execute("BEGIN")
        control.execute(f"CREATE TABLE {name}_new (LIKE {name}_limit)".encode())
        control.execute(f"COPY {name}_new FROM '{self.folder}/{name}' (FORMAT binary, FREEZE)".encode())
        control.execute(f"DROP TABLE {name}_limit".encode())
        control.execute(f"ALTER TABLE {name}_new RENAME TO {name}_limit".encode())
        control.execute("COMMIT")

    def _engine(self, name: str, frames: list[Any]) -> None:
        with using(self.session):
            done = TableSaver(f"{name}_engine").save_data(frames[next(self.turns[name])])
        assert done["commit"]["changed"]

    def _peers(self, name: str, kind: str, limit: str, frames: list[Any]) -> Iterator[Case]:
        engine = sa.create_engine(self.uri.replace("postgresql://", "postgresql+psycopg://"))
        frame = frames[0]
        few = frame.head(PEER_ROWS)
        many = frame.head(ADBC_ROWS)

        def by_adbc() -> None:
            arrow = many.to_arrow() if isinstance(many, pl.DataFrame) else pa.Table.from_pandas(many)
            with adbc.connect(self.uri) as connection, connection.cursor() as cursor:
                cursor.adbc_ingest(f"{name}_adbc", arrow, mode="replace")
                connection.commit()

        yield Case(f"ADBC ingest, {kind}", by_adbc, limit, min(1.0, ADBC_ROWS / self.rows))
        if isinstance(frame, pd.DataFrame):
            yield Case(
                f"pandas.to_sql, {kind}",
                lambda: few.to_sql(f"{name}_pandas", engine, if_exists="replace", index=False),
                limit,
                self.share,
            )
            if importlib.util.find_spec("hamilton"):
                yield Case(MATERIALIZE, self._by_materialize(frames), limit)
                yield Case(HAMILTON, _by_hamilton(few, engine), limit, self.share)
        else:
            yield Case(
                f"polars.write_database, {kind}",
                lambda: few.write_database(f"{name}_polars", engine, if_table_exists="replace"),
                limit,
                self.share,
            )

    def _by_materialize(self, frames: list[pd.DataFrame]) -> Callable[[], object]:
        """Return what writes a frame by one ``materialize``, as Apache Hamilton would."""
        turns = itertools.cycle((0, 1))
        module = ad_hoc_utils.create_temporary_module(_given_rows(), module_name="benchmark_rows_here")
        built = driver.Builder().with_modules(module).with_warehouse(self.uri).build()
        saver = to.table(id="saved", dependencies=["rows"], table="by_materialize")
        return lambda: built.materialize(saver, inputs={"given": frames[next(turns)]})


def _given_rows() -> Callable[[pd.DataFrame], pd.DataFrame]:
    def rows(given: pd.DataFrame) -> pd.DataFrame:
        return given

    return rows


def _by_hamilton(frame: pd.DataFrame, engine: sa.Engine) -> Callable[[], object]:
    """Return what writes a frame by Apache Hamilton."""
    from hamilton import ad_hoc_utils as hamilton_ad_hoc_utils
    from hamilton import driver as hamilton_driver
    from hamilton.io.materialization import to as hamilton_to

    module = hamilton_ad_hoc_utils.create_temporary_module(_given_rows(), module_name="benchmark_rows")
    built = hamilton_driver.Builder().with_modules(module).build()
    saver = hamilton_to.sql(
        id="saved",
        dependencies=["rows"],
        table_name="by_hamilton",
        db_connection=engine,
        if_exists="replace",
        index=False,
    )
    return lambda: built.materialize(saver, inputs={"given": frame})


def reading(uri: str, control: psycopg.Connection[Any], sessions: dict[str, Session], share: float) -> list[Case]:
    """Return the cases of reading the tables that `Writing` wrote, by each way to the server."""
    made: list[Case] = []
    engine = sa.create_engine(uri.replace("postgresql://", "postgresql+psycopg://"))
    for name in ("numeric", "float"):
        limit, whole = f"limit of reading, {name}", f"{name}_engine"
        copy = f"COPY {whole} TO '/dev/null' (FORMAT binary)".encode()
        made.append(Case(limit, lambda copy=copy: control.execute(copy)))
        for way, library in itertools.product(sessions, (pl.DataFrame, pd.DataFrame)):
            kind = f"engine to {library.__module__.partition('.')[0]}, {way}, {name}"
            read = functools.partial(_read, sessions[way], whole, library)
            made.append(Case(kind, read, limit, least=0.70))
        few = f"SELECT * FROM {whole} LIMIT {PEER_ROWS}"
        made += [
            Case(f"ADBC, {name}", lambda t=whole: _by_adbc(uri, t), limit),
            Case(f"pandas.read_sql, {name}", lambda q=few: pd.read_sql(sa.text(q), engine), limit, share),
            Case(f"polars.read_database, {name}", lambda q=few: pl.read_database(q, engine), limit, share),
        ]
    return made


def _read(session: Session, name: str, type_: type) -> None:
    with using(session):
        TableLoader(name).load_data(type_)


def _by_adbc(uri: str, name: str) -> None:
    with adbc.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {name}")
        cursor.fetch_arrow_table()


def _hash(batches: list[pa.RecordBatch]) -> None:
    stream, hasher = hashed(pa.RecordBatchReader.from_batches(batches[0].schema, batches))
    for _ in stream:
        pass
    assert hasher.digest()


def main() -> int:
    """Measure, print, and return 1 where something is not reached."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with server() as (started, folder):
        uri, by_tcp = listening(started, folder)
        writing = Writing(uri, folder, rows)
        written = writing.cases()
        batches = lineitem(rows).to_batches()
        hashing = Case("content hash of the same rows", lambda: _hash(batches), "engine, polars, numeric")
        measure([*written, hashing], server_cpu=cpu_of(folder))
        print(f"write {rows:,} rows, atomic replace\n\n{table([*written, hashing])}\n")
        small = writing.one_row()
        measure(small, server_cpu=cpu_of(folder), rounds=SMALL_ROUNDS)
        print(f"write one row, atomic replace\n\n{table(small, digits=4)}\n")
        writing.control.execute("VACUUM ANALYZE")
        with Session(by_tcp) as over_tcp:
            ways = {"Unix socket": writing.session, "TCP": over_tcp}
            read = reading(uri, writing.control, ways, writing.share)
            measure(read, server_cpu=cpu_of(folder))
        print(f"read {rows:,} rows\n\n{table(read)}\n")
        version = writing.session.warehouse().server_version()
        writing.session.close()
        writing.control.close()
    found = results([*written, hashing]) | results(small) | results(read)
    share = found[hashing.name]["cpu_s"] / found["engine, polars, numeric"]["cpu_s"]
    print(f"{version}; the content hash takes {share:.0%} of a save's CPU time, limit {HASH_SHARE:.0%}")
    times = found[HAMILTON]["wall_s"] / found[MATERIALIZE]["wall_s"] if HAMILTON in found else TIMES_HAMILTON
    print(f"one materialize is {times:.0f} times as fast as Apache Hamilton's to.sql, to reach {TIMES_HAMILTON}")
    print(json.dumps({"benchmark": "postgresql_transfers", "rows": rows, "hash_share": share, "cases": found}))
    return int(fails([*written, *read]) or share > HASH_SHARE or times < TIMES_HAMILTON)


if __name__ == "__main__":
    sys.exit(main())
