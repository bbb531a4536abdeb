"""Memory: stores that live as long as the process, or until they are persisted to others."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

from engine.caching.stores.base import Entry, MetadataStore, ResultRetrievalError, ResultStore, UnkeptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class InMemoryMetadataStore(MetadataStore):
    """Entries in a dictionary."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._runs: dict[str, list[Entry]] = {}

    def __reduce__(self) -> Any:
        return type(self), ()  # what is in the memory of one process stays there

    def entry(self, cache_key: str) -> Entry | None:
        """Return what is known under a key."""
        return self._entries.get(cache_key)

    def put(self, entry: Entry) -> None:
        """Note an entry."""
        self._entries[entry.cache_key] = entry

    def put_run(self, run_id: str, entries: Iterable[Entry]) -> None:
        """Note which entries a run made or used."""
        self._runs[run_id] = list(entries)

    def delete(self, cache_key: str) -> None:
        """Forget a key."""
        self._entries.pop(cache_key, None)

    def delete_all(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._runs.clear()

    def get_run_ids(self) -> list[str]:
        """Return the ids of the runs, the first one first."""
        return list(self._runs)

    def get_run(self, run_id: str) -> list[dict[str, str]]:
        """Return key, data version, node and code version of what a run made or used."""
        return [entry.shown() for entry in self._runs.get(run_id, ())]

    @property
    def size(self) -> int:
        """How many keys are known."""
        return len(self._entries)

    def persist_to(self, metadata_store: MetadataStore) -> None:
        """Copy what is known to another store."""
        _copy(self, metadata_store)

    @classmethod
    def load_from(cls, metadata_store: MetadataStore) -> Self:
        """Make a store of what another one knows of its runs."""
        made = cls()
        _copy(metadata_store, made)
        return made


def _copy(given: MetadataStore, taker: MetadataStore) -> None:
    for run_id in given.get_run_ids():
        found = (given.entry(row["cache_key"]) for row in given.get_run(run_id))
        entries = [entry for entry in found if entry is not None]
        for entry in entries:
            taker.put(entry)
        taker.put_run(run_id, entries)


class InMemoryResultStore(ResultStore):
    """Values in a dictionary; what is kept is a copy, so that nobody changes it from outside."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def __reduce__(self) -> Any:
        return type(self), ()  # as above

    def set(
        self,
        data_version: str,
        result: Any,
        *,
        format: str | None = None,
        is_same: Callable[[Any], bool] | None = None,
    ) -> None:
        """Keep a copy of a value.

        Raises:
            UnkeptError: It cannot be copied.
        """
        del format
        kept = _copied(result)
        if is_same is not None and not is_same(kept):
            raise UnkeptError(f"the copy of a {type(result).__qualname__} is not the same")
        self._values[data_version] = kept

    def get(self, data_version: str, *, format: str | None = None) -> Any:
        """Return a copy of a value.

        Raises:
            ResultRetrievalError: It is not there.
        """
        del format
        if data_version not in self._values:
            raise ResultRetrievalError(data_version)
        return _copied(self._values[data_version])

    def exists(self, data_version: str, *, format: str | None = None) -> bool:
        """Say whether a value is there."""
        del format
        return data_version in self._values

    def delete(self, data_version: str) -> None:
        """Drop a value."""
        self._values.pop(data_version, None)

    def delete_all(self) -> None:
        """Drop every value."""
        self._values.clear()

    def persist_to(self, result_store: ResultStore) -> None:
        """Copy every value to another store."""
        for data_version, value in self._values.items():
            result_store.set(data_version, value)

    @classmethod
    def load_from(cls, result_store: ResultStore, metadata_store: MetadataStore) -> Self:
        """Make a store of the values that another one has of the runs a metadata store knows."""
        made = cls()
        for run_id in metadata_store.get_run_ids():
            for row in metadata_store.get_run(run_id):
                entry = metadata_store.entry(row["cache_key"])
                if entry and entry.format is not None and result_store.exists(entry.data_version, format=entry.format):
                    made._values[entry.data_version] = result_store.get(entry.data_version, format=entry.format)
        return made


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception as error:  # noqa: BLE001 - whatever the value's own class raises
        raise UnkeptError(f"a {type(value).__qualname__} cannot be copied ({type(error).__name__})") from None
