"""What a cache does about each node: default, recompute, ignore, disable, by setting and by modifier."""

from __future__ import annotations

import asyncio
import gc
import pickle
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from engine import async_driver
from engine.caching.adapter import CachingBehavior, HamiltonCacheAdapter
from engine.caching.stores.memory import InMemoryMetadataStore, InMemoryResultStore
from engine.driver import Builder
from engine.errors import ConfigurationError, RunNotFoundError, UnknownNodeError
from engine.lifecycle import NodeExecutionMethod
from tests.fixtures.caching import ran

if TYPE_CHECKING:
    from tests.fixtures.caching import CachedFlow

CHAIN = """
from engine.function_modifiers import cache

def a(x: int) -> int:
    return x % 10

def b(a: int) -> dict:
    return {"b": a}

def c(b: dict) -> int:
    return b["b"]
"""


@pytest.fixture(params=["files", "memory"])
def chain(request: pytest.FixtureRequest, flow: CachedFlow) -> CachedFlow:
    """Three nodes in a row, with either kind of store."""
    flow.write(CHAIN)
    if request.param == "memory":
        flow.settings = {"metadata_store": InMemoryMetadataStore(), "result_store": InMemoryResultStore()}
    return flow


def test_a_second_run_runs_nothing(chain: CachedFlow) -> None:
    """What was computed once is taken from the cache."""
    assert chain.run("c", inputs={"x": 1}) == ([1], ["a", "b", "c"])
    assert chain.run("c", inputs={"x": 1}) == ([1], [])


def test_an_equal_value_stops_the_recomputation(chain: CachedFlow) -> None:
    """Downstream of a node that gives the same value again, nothing runs."""
    chain.run("c", inputs={"x": 1})
    assert chain.run("c", inputs={"x": 11}) == ([1], ["a"])
    assert chain.run("c", inputs={"x": 2}) == ([2], ["a", "b", "c"])


def test_an_input_is_known_by_type_and_value(chain: CachedFlow) -> None:
    """``1`` and ``True`` are two inputs."""
    chain.run("c", inputs={"x": 1})
    assert chain.run("c", inputs={"x": True})[1] == ["a"]


@pytest.mark.parametrize(
    ("settings", "first", "second"),
    [
        ({"recompute": ["b"]}, ["b"], ["b"]),
        ({"ignore": ["b"]}, ["b", "c"], ["b"]),
        ({"disable": ["b"]}, ["b", "c"], ["b", "c"]),
        ({"disable": True}, ["a", "b", "c"], ["a", "b", "c"]),
        ({"recompute": True}, ["a", "b", "c"], ["a", "b", "c"]),
        ({"default_behavior": "recompute"}, ["a", "b", "c"], ["a", "b", "c"]),
        ({"default_behavior": "disable", "default": ["a"]}, ["b", "c"], ["b", "c"]),
        ({"default": True}, [], []),
    ],
)
def test_settings(chain: CachedFlow, settings: dict[str, Any], first: list[str], second: list[str]) -> None:
    """Each behavior runs what it says, at the first call with it and at later ones."""
    chain.run("c", inputs={"x": 1})
    assert chain.run("c", inputs={"x": 1}, **settings) == ([1], first)
    assert chain.run("c", inputs={"x": 1}, **settings) == ([1], second)


def test_the_modifier_says_it_unless_the_driver_does(chain: CachedFlow) -> None:
    """``@cache`` holds for its node, and the driver's settings stand above it."""
    chain.edit("def b", '@cache(behavior="recompute")\ndef b')
    chain.run("c", inputs={"x": 1})
    assert chain.run("c", inputs={"x": 1})[1] == ["b"]
    assert chain.run("c", inputs={"x": 1}, default=["b"])[1] == []
    assert chain.run("c", inputs={"x": 1}, default_behavior="disable")[1] == ["a", "b", "c"]


def test_an_override_is_known_by_its_value(chain: CachedFlow) -> None:
    """A node that is overridden decides by the value it is given, and that value is not kept as the node's own."""
    chain.run("c", inputs={"x": 1})
    assert chain.run("c", inputs={"x": 1}, overrides={"b": {"b": 7}}) == ([7], ["c"])
    assert chain.run("c", inputs={"x": 1}, overrides={"b": {"b": 7}}) == ([7], [])
    assert chain.run("c", inputs={"x": 1}) == ([1], [])


def test_only_what_is_asked_for_is_read(chain: CachedFlow) -> None:
    """The values in the middle of what is kept are not needed."""
    chain.run("c", inputs={"x": 1})
    driver = chain.driver()
    store: Any = driver.cache.result_store
    driver.cache.result_store = read = _Counting(store)
    assert driver.execute(["c"], inputs={"x": 1}) == {"c": 1}
    assert len(read.versions) == 1


class _Counting:
    """Counts what is read from a store."""

    def __init__(self, store: Any) -> None:
        self.store, self.versions = store, []

    def get(self, data_version: str, **options: Any) -> Any:
        self.versions.append(data_version)
        return self.store.get(data_version, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def test_a_failure_keeps_what_was_done(chain: CachedFlow) -> None:
    """After a failure only what is missing runs."""
    chain.edit('return b["b"]', 'return b["c"]')
    with pytest.raises(KeyError):
        chain.run("c", inputs={"x": 1})
    chain.edit('return b["c"]', 'return b["b"]')
    assert chain.run("c", inputs={"x": 1}) == ([1], ["c"])


def test_a_copy_is_kept(chain: CachedFlow) -> None:
    """Who changes a result changes nothing that is kept."""
    (value,), _ = chain.run("b", inputs={"x": 1})
    value["b"] = "changed"
    (value,), ran = chain.run("b", inputs={"x": 1})
    assert (value, ran) == ({"b": 1}, [])
    value["b"] = "changed"
    assert chain.run("b", inputs={"x": 1})[0] == [{"b": 1}]


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        (
            {"recompute": ["b"], "disable": ["b"]},
            ConfigurationError,
            "'b' is given the behaviors recompute and disable",
        ),
        ({"recompute": True, "disable": ["b"]}, ConfigurationError, "'b' is given the behaviors"),
        ({"recompute": ["nope"]}, UnknownNodeError, "nope"),
        ({"recompute": "b"}, ConfigurationError, "is a text"),
        ({"default_behavior": "sometimes"}, ConfigurationError, "'sometimes' is no behavior"),
    ],
)
def test_wrong_settings(chain: CachedFlow, settings: dict[str, Any], error: type[Exception], text: str) -> None:
    """Settings that cannot be meant are errors when the driver is built."""
    with pytest.raises(error, match=text):
        chain.driver(**settings)


def test_looking_at_a_run(chain: CachedFlow) -> None:
    """The cache tells versions, keys, behaviors and what happened, per run and node."""
    driver = chain.driver()
    assert driver.cache.run_ids == []
    with pytest.raises(RunNotFoundError, match="nothing has run"):
        _ = driver.cache.last_run_id
    driver.execute(["c"], inputs={"x": 1})
    driver.execute(["c"], inputs={"x": 1})
    cache = driver.cache
    first, last = cache.run_ids
    assert last == cache.last_run_id
    assert set(cache.data_versions[last]) == {"x", "a", "b", "c"}
    assert cache.data_versions[first] == cache.data_versions[last]
    assert cache.data_versions[last]["a"] == cache.version_data(1) == cache.get_data_version(last, "a")
    assert cache.code_versions[last]["b"] == cache.version_code("b") != ""
    assert cache.cache_keys[first] == cache.cache_keys[last]
    key = cache.get_cache_key(last, "b")
    assert cache.get_data_version(last, "b", key) == cache.get_data_version(last, "b")
    assert cache.resolve_behaviors(last) == cache.behaviors[last] == dict.fromkeys("xabc", CachingBehavior.DEFAULT)
    assert {n: [e.event_type.value for e in events] for n, events in cache.logs(last).items()} == {
        n: ["get_result"] for n in "abc"
    }
    assert [e.event_type.value for e in cache.logs()[first]] == ["execute_node"] * 3
    assert len(cache.logs(first, level="debug")["a"]) > 1
    assert "<svg" in str(cache.view_run()) or "digraph" in str(cache.view_run())
    assert cache.metadata_store.last_run_id == last
    assert {row["node_name"] for row in cache.metadata_store.get_last_run()} == {"a", "b", "c"}
    assert cache.metadata_store.size == 3
    with pytest.raises(RunNotFoundError, match="look into run_ids"):
        cache.view_run("nope")


def test_a_driver_without_a_cache_says_so(chain: CachedFlow) -> None:
    """``Driver.cache`` of a driver without one is an error that says how to get one."""
    driver = Builder().with_modules(*chain.driver().graph_modules).build()
    with pytest.raises(ConfigurationError, match="the driver has no cache"):
        _ = driver.cache


def test_the_adapter_can_be_given_by_hand(chain: CachedFlow) -> None:
    """The cache is an adapter like any other."""
    modules = chain.driver().graph_modules
    cache = HamiltonCacheAdapter(chain.folder)
    driver = Builder().with_modules(*modules).with_adapters(cache).build()
    driver.execute(["c"], inputs={"x": 1})
    assert driver.cache is cache


class Doubling(NodeExecutionMethod):
    """Doubles every value."""

    def run_to_execute_node(self, *, node_callable: Any, node_kwargs: dict[str, Any], **_: Any) -> Any:
        """Run a node."""
        return node_callable(**node_kwargs) * 2


def test_who_decides_what_nodes_give_cannot_be_kept(chain: CachedFlow) -> None:
    """A method that runs nodes itself and a cache are an error together, since no code tells what it gives."""
    with pytest.raises(ConfigurationError, match="Doubling decides what nodes give"):
        chain.driver(builder=Builder().with_adapters(Doubling()))


def test_a_driver_with_a_cache_can_be_sent(flow: CachedFlow) -> None:
    """A pickled driver arrives with its cache."""
    flow.write(CHAIN)
    flow.run("c", inputs={"x": 1})
    driver = flow.driver()
    twin = pickle.loads(pickle.dumps(driver))  # noqa: S301 - our own bytes
    assert twin.execute(["c"], inputs={"x": 1}) == {"c": 1}
    assert [e.event_type.value for e in twin.cache.logs()[twin.cache.last_run_id]] == ["get_result"] * 3


def test_the_log_can_be_a_file(flow: CachedFlow) -> None:
    """What happened is written down, one JSON line each, and without values."""
    flow.write(CHAIN)
    flow.run("c", inputs={"x": 987654321}, log_to_file=True)
    text = (flow.folder / "cache.jsonl").read_text()
    assert '"execute_node"' in text
    assert "987654321" not in text


def test_an_async_driver_has_a_cache_too(flow: CachedFlow) -> None:
    """Coroutines are kept like functions, and damaged values are computed again."""
    flow.write(
        "import asyncio\n\n"
        "async def a(x: int) -> int:\n    await asyncio.sleep(0)\n    return x + 1\n\n"
        "def b(a: int) -> int:\n    return a * 2\n\n"
        "async def c(a: int, b: int) -> int:\n    return a + b\n"
    )

    async def run() -> tuple[Any, list[str]]:
        async with await _async_builder(flow).build() as driver:
            values = await driver.execute(["c"], inputs={"x": 1})
            assert driver.cache is driver.driver.cache
            return values["c"], sorted(ran(driver.driver))

    assert asyncio.run(run()) == (6, ["a", "b", "c"])
    assert asyncio.run(run()) == (6, [])
    for path in flow.folder.glob("*.zip"):
        path.write_bytes(b"")
    assert asyncio.run(run()) == (6, ["a", "b", "c"])


def _async_builder(flow: CachedFlow) -> async_driver.Builder:
    modules = flow.driver().graph_modules
    return async_driver.Builder().with_modules(*modules).with_cache(flow.folder)


class Large:
    """An input that is to be let go of."""


def test_nothing_is_held_after_a_run(flow: CachedFlow) -> None:
    """What was given to a call and what it gave is not held by the cache."""
    flow.write("def a(given: object) -> list:\n    return [given]\n\ndef b(a: list) -> int:\n    return len(a)\n")
    driver, given = flow.driver(), Large()
    driver.execute(["b"], inputs={"given": given})
    held = weakref.ref(given)
    del given
    gc.collect()
    assert held() is None
    assert driver.cache.version_code("a") == driver.cache.code_versions[driver.cache.last_run_id]["a"]


def test_old_runs_are_forgotten(flow: CachedFlow) -> None:
    """A program that calls a driver all day keeps the latest runs in memory."""
    flow.write(CHAIN)
    driver = flow.driver()
    for _ in range(110):
        driver.execute(["a"], inputs={"x": 1})
    assert len(driver.cache.run_ids) == 100
    assert len(driver.cache.metadata_store.get_run_ids()) == 110
