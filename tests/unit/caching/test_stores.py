"""Where a cache keeps things: exactly, whole or not at all, never in the way, and no password."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import multiprocessing
import pathlib
import pickle
import uuid
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from engine.caching.stores.base import Entry, ResultRetrievalError, UnkeptError
from engine.caching.stores.file import FileResultStore
from engine.caching.stores.memory import InMemoryMetadataStore, InMemoryResultStore
from engine.caching.stores.sqlite import SQLiteMetadataStore
from engine.planning.fingerprint import Fingerprinter
from tests.fixtures.caching import CachedFlow

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Point:
    """A frozen object."""

    x: int
    y: Any = None


class Pair(NamedTuple):
    """A named tuple."""

    left: int
    right: str


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("a",)


def slotted() -> Slotted:
    """Make one."""
    made = Slotted()
    made.a = 1  # type: ignore[attr-defined]  # a slot
    return made


VALUES: dict[str, Any] = {
    "none": None,
    "nan": float("nan"),
    "infinity": float("-inf"),
    "minus zero": -0.0,
    "large": 2**200,
    "text": "é\u2028'\"\n",
    "bytes": b"\0\xff",
    "complex": 1 - 2j,
    "nested": {"a": [1, (2, {3}), frozenset([4])], 5: None, (1, 2): b""},
    "decimal": decimal.Decimal("1.20"),
    "moments": [
        dt.datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - one without a zone
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=1),
        dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2), "two")),
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        dt.date(2026, 1, 1),
        dt.time(1, 2, tzinfo=dt.UTC),
        dt.timedelta(days=-1, microseconds=3),
    ],
    "uuid": uuid.UUID(int=7),
    "path": pathlib.Path("/a/b"),
    "range": range(1, 10, 2),
    "counter": collections.Counter("aab"),
    "ordered": collections.OrderedDict(b=1, a=2),
    "dataclass": Point(1, Point(2)),
    "named tuple": Pair(1, "x"),
    "enum": [Colour.RED],
    "slots": slotted(),
    "array": np.arange(6, dtype="int16").reshape(2, 3),
    "array of dates": np.array(["2026-01-01"], dtype="datetime64[s]"),
    "array of texts": np.array(["a", "bc"]),
    "scalar": np.float32(1.5),
    "pandas": pd.DataFrame(
        {
            "a": [1, 2],
            "b": ["x", None],
            "c": pd.Categorical(["u", "v"]),
            "d": pd.array([1, None], dtype="Int64"),
            "t": pd.to_datetime(["2026-01-01", None]).tz_localize("Europe/Berlin"),
        },
        index=pd.Index([5, 6], name="k"),
    ),
    "pandas of numbers": pd.DataFrame(np.arange(4).reshape(2, 2)),
    "pandas with a step": pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2026-01-01", periods=2, freq="D")),
    "pandas without anything": pd.DataFrame(),
    "pandas with levels": pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "x"), (2, "y")])),
    "series with a step": pd.Series([1, 2], index=pd.date_range("2026-01-01", periods=2, freq="ME")),
    "series": pd.Series([1.5, None], name=("a", 1), index=["x", "y"]),
    "polars": pl.DataFrame(
        {
            "a": pl.Series([1, None], dtype=pl.Int8),
            "e": pl.Series(["x", "y"], dtype=pl.Enum(["x", "y"])),
            "l": [[1], []],
            "s": [{"q": dt.time(1)}] * 2,
            "d": pl.Series([decimal.Decimal("1.20")] * 2, dtype=pl.Decimal(10, 2)),
        }
    ),
    "polars column": pl.Series("name", [1, 2], dtype=pl.UInt8),
    "arrow": pa.table({"a": pa.array([1, None], pa.int8()), "d": pa.array(["x", "y"]).dictionary_encode()}),
    "arrow column": pa.chunked_array([[1], [2, 3]]),
    "frames in a dictionary": {"one": pl.DataFrame({"a": [1]}), "two": [pd.DataFrame({"b": [2]})]},
    "no rows": pl.DataFrame(schema={"a": pl.String}),
}


@pytest.fixture
def version() -> Callable[[Any], str | None]:
    """Return the data version of a value."""
    return Fingerprinter([__name__.partition(".")[0]]).data_version


@pytest.mark.parametrize("store", [FileResultStore, lambda _: InMemoryResultStore()], ids=["files", "memory"])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_comes_back_as_it_was(store: Any, value: Any, version: Any, tmp_path: Path) -> None:
    """Type, order, names, zones and all."""
    results = store(tmp_path)
    results.set("v", value, is_same=lambda read: version(read) == version(value))
    assert results.exists("v")
    kept = results.get("v")
    assert type(kept) is type(value)
    assert version(kept) == version(value) != None  # noqa: E711 - both are hashes
    results.delete("v")
    assert not results.exists("v")


@pytest.mark.parametrize(
    "value",
    [
        iter([1]),
        open,
        object(),
        np.array([object()]),
        pd.DataFrame({"a": [1, "x"]}),
        pd.DataFrame({"a": pd.Series(["x"], dtype=object)}),
        pl.LazyFrame({"a": [1]}),
        pl.DataFrame({"a": [1]}).lazy().collect().lazy(),
        {"deep": lambda: 1},
        type("Local", (), {"a": 1})(),
        "\ud800",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_come_back_is_refused(value: Any, version: Any, tmp_path: Path) -> None:
    """A value that a file would change is not kept at all, and nothing is left behind."""
    store = FileResultStore(tmp_path)
    with pytest.raises(UnkeptError):
        store.set("v", value, is_same=lambda read: version(read) == version(value))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("parquet", VALUES["polars"]),
        ("parquet", pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})),
        ("feather", VALUES["arrow"]),
        ("json", {"a": [1, 2.5, None]}),
        ("pickle", {"a": {1, 2}}),
    ],
)
def test_a_format_is_written_by_its_saver(form: str, value: Any, version: Any, tmp_path: Path) -> None:
    """A value kept in a format comes back from its loader."""
    store = FileResultStore(tmp_path)
    store.set("v", value, format=form, is_same=lambda read: version(read) == version(value))
    assert version(store.get("v", format=form)) == version(value)
    assert not store.exists("v")


def test_a_format_that_changes_the_value_is_refused(version: Any, tmp_path: Path) -> None:
    """JSON makes a list of a tuple, so the tuple is not kept in it."""
    value = {"a": (1, 2)}
    with pytest.raises(UnkeptError, match="does not come back from json exactly"):
        FileResultStore(tmp_path).set("v", value, format="json", is_same=lambda read: version(read) == version(value))
    with pytest.raises(UnkeptError, match="refuses"):
        FileResultStore(tmp_path).set("v", value, format="nope")


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pathlib.Path.touch, (pathlib.Path("trapped"),)


def test_a_foreign_pickle_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a format that runs code is trusted only if it bears the seal of this user's key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENGINE_HASH_KEY", "theirs")
    FileResultStore(tmp_path).set("v", Trap(), format="pickle")
    monkeypatch.setenv("ENGINE_HASH_KEY", "ours")
    with pytest.raises(ResultRetrievalError, match="not what was written"):
        FileResultStore(tmp_path).get("v", format="pickle")
    assert not Path("trapped").exists()


PASSWORD = "s3cr3t-c4nary"  # noqa: S105 - to be looked for
URL = f"postgresql://ann:{PASSWORD}@db/shop"


@pytest.mark.parametrize(
    "value",
    [
        URL,
        {"a": [URL]},
        pd.DataFrame({"a": ["x", URL]}),
        pl.DataFrame({"a": [URL, None]}),
        pl.DataFrame({"a": [URL, None]}).cast(pl.Categorical),
        pa.table({"a": [URL]}),
        np.array([URL]),
        pl.Series([URL]),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("form", [None, "pickle"])
def test_a_password_is_not_written(value: Any, form: str | None, tmp_path: Path) -> None:
    """A value with the password of a URL in it is not kept."""
    with pytest.raises(UnkeptError, match="password of a URL"):
        FileResultStore(tmp_path).set("v", value, format=form)
    assert not list(tmp_path.iterdir())


def test_no_secret_is_in_the_folder(flow: CachedFlow) -> None:
    """Neither an input nor a value that is secret by its name, nor a plain hash of it, is in any file."""
    flow.write(
        "def password(db_password: str) -> str:\n    return db_password + '!'\n\n"
        "def url(password: str) -> str:\n    return f'postgresql://ann:{password}@db/shop'\n\n"
        "def host(url: str) -> str:\n    return url.split('@')[1]\n"
    )
    assert flow.run("host", inputs={"db_password": PASSWORD}, log_to_file=True)[0] == ["db/shop"]
    assert flow.run("host", inputs={"db_password": PASSWORD}, log_to_file=True) == (["db/shop"], ["password", "url"])
    hashed = flow.drivers[-1].cache.version_data(PASSWORD)
    assert hashed
    for file in flow.folder.rglob("*"):
        assert PASSWORD.encode() not in file.read_bytes()
        assert hashed.encode() not in file.read_bytes()


# --- never in the way -------------------------------------------------------------------------------------------------
SIMPLE = (
    "def a(x: int) -> list:\n    return [x]\n\n"
    "def b(a: list) -> list:\n    return [*a, 2]\n\n"
    "def c(b: list) -> int:\n    return len(b)\n"
)


def damage_result(folder: Path, how: str) -> None:
    """Damage every value that is kept."""
    for path in folder.glob("*.zip"):
        data = path.read_bytes()
        if how == "gone":
            path.unlink()
        else:
            path.write_bytes({"torn": data[: len(data) // 2], "empty": b"", "changed": data[:-5] + b"12345"}[how])


@pytest.mark.parametrize("how", ["gone", "torn", "empty", "changed"])
def test_a_damaged_value_is_a_miss(flow: CachedFlow, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read is computed again, with all that it takes, and is kept again."""
    flow.write(SIMPLE)
    flow.run("b", "c", inputs={"x": 1})
    damage_result(flow.folder, how)
    assert flow.run("b", "c", inputs={"x": 1}) == ([[1, 2], 2], ["a", "b", "c"])
    assert how == "gone" or any("runs again" in record.message for record in caplog.records)
    assert flow.run("b", "c", inputs={"x": 1}) == ([[1, 2], 2], [])


def test_a_long_chain_of_damaged_values_runs(flow: CachedFlow) -> None:
    """However long the chain, all of it is computed again."""
    links = 1500
    flow.write(
        "def n0(x: int) -> int:\n    return x\n\n"
        + "".join(f"def n{i}(n{i - 1}: int) -> int:\n    return n{i - 1} + 1\n\n" for i in range(1, links))
    )
    flow.run(f"n{links - 1}", inputs={"x": 1})
    damage_result(flow.folder, "empty")
    value, executed = flow.run(f"n{links - 1}", inputs={"x": 1})
    assert (value, len(executed)) == ([links], links)


@pytest.mark.parametrize("data", [b"no database at all, but long enough to be read as one" * 50, b""])
def test_a_damaged_metadata_file_starts_empty(flow: CachedFlow, data: bytes) -> None:
    """A file that is no database is replaced."""
    flow.write(SIMPLE)
    flow.run("c", inputs={"x": 1})
    (flow.folder / "metadata.db").write_bytes(data)
    for suffix in ("-wal", "-shm"):
        (flow.folder / f"metadata.db{suffix}").unlink(missing_ok=True)
    assert flow.run("c", inputs={"x": 1})[0] == [2]
    flow.run("c", inputs={"x": 1})
    assert flow.run("c", inputs={"x": 1}) == ([2], [])


def test_a_folder_that_cannot_be_written_is_not_in_the_way(flow: CachedFlow, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing can be kept everything runs, with a line in the log."""
    flow.write(SIMPLE)
    flow.folder.write_text("a file")
    assert flow.run("c", inputs={"x": 1}) == ([2], ["a", "b", "c"])
    assert flow.run("c", inputs={"x": 1}) == ([2], ["a", "b", "c"])
    assert any("cache" in record.message for record in caplog.records)


def _many_runs(folder: str, source: str, name: str, start: Any) -> None:
    flow = CachedFlow(Path(folder))
    flow.name = name
    flow.write(source)
    start.wait()
    for x in range(15):
        assert flow.run("c", inputs={"x": x})[0] == [2]


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    """Several processes at once write and read one cache, and each gets what it would get alone."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    workers = [
        context.Process(target=_many_runs, args=(str(tmp_path / "cache"), SIMPLE, "shared_flow", start))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert SQLiteMetadataStore(tmp_path / "cache").size == 15 * 3
    assert not list((tmp_path / "cache").glob("*.aside"))


# --- the contracts of stores ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [SQLiteMetadataStore, lambda _: InMemoryMetadataStore()], ids=["sqlite", "memory"])
def test_a_metadata_store(make: Any, tmp_path: Path) -> None:
    """Keys and runs are noted, found, replaced and forgotten."""
    store = make(tmp_path)
    entries = [Entry(cache_key=f"k{i}", data_version="v", node_name=f"n{i}", run_id="r", format="") for i in range(3)]
    for entry in entries:
        store.put(entry)
    store.put_run("r", entries[:2])
    store.put_run("s", [])
    store.set("k2", "w", node_name="n2")
    assert (store.size, store.get("k2"), store.get("k9"), store.exists("k1")) == (3, "w", None, True)
    assert store.entry("k0") == entries[0]
    assert (list(store.get_run_ids()), store.last_run_id, list(store.get_last_run())) == (["r", "s"], "s", [])
    assert [row["node_name"] for row in store.get_run("r")] == ["n0", "n1"]
    store.delete("k0")
    assert store.entry("k0") is None
    store.delete_all()
    assert (store.size, list(store.get_run_ids())) == (0, [])
    store.close()
    assert store.size == 0


def test_stores_in_memory_can_be_persisted(flow: CachedFlow, tmp_path: Path) -> None:
    """What was kept in memory goes to files, and comes back from them."""
    memory = InMemoryMetadataStore(), InMemoryResultStore()
    flow.write(SIMPLE)
    flow.run("c", inputs={"x": 1}, metadata_store=memory[0], result_store=memory[1])
    memory[0].persist_to(SQLiteMetadataStore(tmp_path / "there"))
    memory[1].persist_to(FileResultStore(tmp_path / "there"))
    assert flow.run("c", inputs={"x": 1}, path=tmp_path / "there") == ([2], [])
    metadata = InMemoryMetadataStore.load_from(SQLiteMetadataStore(tmp_path / "there"))
    results = InMemoryResultStore.load_from(FileResultStore(tmp_path / "there"), metadata)
    assert flow.run("b", "c", inputs={"x": 1}, metadata_store=metadata, result_store=results) == ([[1, 2], 2], [])


def test_a_format_keeps_what_has_no_hash(flow: CachedFlow) -> None:
    """An object without a canonical hash that is kept in a format is known by the run that made it."""
    source = """
import pandas as pd
from engine.function_modifiers import cache

class _Model:
    def __init__(self, x):
        self.items = iter([x])
    def __reduce__(self):
        return _Model, (7,)

@cache(format="pickle")
def model(x: int) -> object:
    return _Model(7)

def shown(model: object) -> int:
    return list(model.items)[0]
"""
    flow.write(source)
    assert flow.run("shown", inputs={"x": 1}) == ([7], ["model", "shown"])
    assert flow.run("shown", inputs={"x": 1}) == ([7], [])
    assert flow.run("shown", inputs={"x": 1}, recompute=["model"]) == ([7], ["model", "shown"])


def test_a_metadata_store_can_be_sent() -> None:
    """A pickled store opens its file where it arrives."""
    assert pickle.loads(pickle.dumps(SQLiteMetadataStore("nowhere"))) is not None  # noqa: S301 - our own bytes
