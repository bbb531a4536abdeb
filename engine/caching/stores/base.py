"""MetadataStore and ResultStore: the contracts of where a cache keeps what it knows, and the values.

Theory of operation. The metadata store says, per key of a node (its code, its literals, the data versions it reads),
the data version that came out; the result store has the value, by data version. So equal values are kept once, and what
to run can be found out without reading any value. Rules: nothing a store meets is an error of the dataflow: what is not
there, torn or of another version is a miss.
"""

from __future__ import annotations

import abc
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from engine.caching.encoding import UnkeptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Entry", "MetadataStore", "ResultRetrievalError", "ResultStore", "UnkeptError"]


class ResultRetrievalError(LookupError):
    """A value is not kept, or cannot be read; its node is run instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one node under one key.

    Attributes:
        cache_key: The key.
        data_version: What came out.
        node_name: The node.
        code_version: Its code.
        run_id: The run that made it.
        format: The format of the kept value, empty for the store's own; None where no value is kept.
        token: For a saver, what stood where it wrote.
    """

    cache_key: str
    data_version: str
    node_name: str = ""
    code_version: str = ""
    run_id: str = ""
    format: str | None = None
    token: str | None = None

    def shown(self) -> dict[str, str]:
        """Return it as `MetadataStore.get_run` lists it."""
        names = ("cache_key", "data_version", "node_name", "code_version")
        return {name: value for name, value in asdict(self).items() if name in names}


class MetadataStore(abc.ABC):
    """Entries by key, and which of them each run used."""

    @abc.abstractmethod
    def entry(self, cache_key: str) -> Entry | None:
        """Return what is known under a key."""

    @abc.abstractmethod
    def put(self, entry: Entry) -> None:
        """Note an entry, in the place of an earlier one of its key."""

    @abc.abstractmethod
    def put_run(self, run_id: str, entries: Iterable[Entry]) -> None:
        """Note which entries a run made or used."""

    @abc.abstractmethod
    def delete(self, cache_key: str) -> None:
        """Forget a key."""

    @abc.abstractmethod
    def delete_all(self) -> None:
        """Forget everything."""

    @abc.abstractmethod
    def get_run_ids(self) -> Sequence[str]:
        """Return the ids of the runs, the first one first."""

    @abc.abstractmethod
    def get_run(self, run_id: str) -> Sequence[dict[str, str]]:
        """Return key, data version, node and code version of what a run made or used."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """How many keys are known."""

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of what is open; the next use opens it again."""

    # Apache Hamilton's names.
    def get(self, cache_key: str) -> str | None:
        """Return the data version under a key."""
        entry = self.entry(cache_key)
        return entry.data_version if entry else None

    def set(self, cache_key: str, data_version: str, **facts: Any) -> None:
        """Note the data version under a key."""
        self.put(Entry(cache_key=cache_key, data_version=data_version, **facts))

    def exists(self, cache_key: str) -> bool:
        """Say whether a key is known."""
        return self.entry(cache_key) is not None

    @property
    def last_run_id(self) -> str | None:
        """The id of the last run."""
        return next(reversed(self.get_run_ids()), None)

    def get_last_run(self) -> Sequence[dict[str, str]]:
        """Return what the last run made or used."""
        return self.get_run(self.last_run_id or "")


class ResultStore(abc.ABC):
    """Values by data version."""

    @abc.abstractmethod
    def set(
        self,
        data_version: str,
        result: Any,
        *,
        format: str | None = None,
        is_same: Callable[[Any], bool] | None = None,
    ) -> None:
        """Keep a value.

        Args:
            data_version: What it is known by.
            result: The value.
            format: The name of the saver and loader to write and read it by; None for the store's own way.
            is_same: Says of a value that was read back whether it is the one that was written.

        Raises:
            UnkeptError: It cannot be kept so that it comes back as it was.
            OSError: The store cannot be written.
        """

    @abc.abstractmethod
    def get(self, data_version: str, *, format: str | None = None) -> Any:
        """Return a value.

        Raises:
            ResultRetrievalError: It is not there, or cannot be read.
        """

    @abc.abstractmethod
    def exists(self, data_version: str, *, format: str | None = None) -> bool:
        """Say whether a value is there, without reading it."""

    @abc.abstractmethod
    def delete(self, data_version: str) -> None:
        """Drop a value."""

    @abc.abstractmethod
    def delete_all(self) -> None:
        """Drop every value."""
