"""Values: the values of one run by name, some of which are read, or made, only when somebody asks for them.

Theory of operation. An adapter may give a node's value without running the node (`BaseDoNodeRecall`); that value is
*recalled*: it counts as there, and is read at its first use. Until it is read or dropped, the values that the node
reads are held back from being dropped, so that the node can be run should reading fail. All of this goes by loops, for
a chain of nodes may be as long as it likes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


class _Recalled(NamedTuple):
    read: Callable[[], Any]
    run: Callable[[], Any]
    needs: tuple[str, ...]


class Values(MutableMapping[str, Any]):
    """Values by name.

    Args:
        given: The values there are from the start.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._known = dict(given)
        self._recalled: dict[str, _Recalled] = {}
        self._readers: Counter[str] = Counter()
        self._due: set[str] = set()

    def recall(self, name: str, read: Callable[[], Any], run: Callable[[], Any], needs: Iterable[str]) -> None:
        """Let a value be there without having it.

        Args:
            name: The node's name.
            read: Gives the value, or raises LookupError.
            run: Runs the node and gives the value, should ``read`` fail.
            needs: The names of the values that ``run`` takes.
        """
        recalled = self._recalled[name] = _Recalled(read, run, tuple(needs))
        self._readers.update(recalled.needs)

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._obtain(name)
        return self._known[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._known[name] = value
        self._settle(name)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._due.add(name)
        self._drop([name])

    def __contains__(self, name: object) -> bool:
        # What is due may still be wanted to run a recalled node.
        return name in self._known or name in self._recalled

    def __iter__(self) -> Iterator[str]:
        return (name for name in (*self._known, *self._recalled) if name not in self._due)

    def __len__(self) -> int:
        return len(self._known) + len(self._recalled) - len(self._due)

    def at_hand(self, name: str) -> Any:
        """Return a value if it need not be read first, else None."""
        return self._known.get(name)

    def _obtain(self, name: str) -> None:
        """Read a recalled value; run its node, and before it those that it reads, where reading fails."""
        unreadable: set[str] = set()
        wanted = [name]
        while wanted:
            name = wanted[-1]
            if name in self._known:
                wanted.pop()
                continue
            recalled = self._recalled[name]
            missing = [need for need in recalled.needs if need in self._recalled] if name in unreadable else []
            if missing:
                wanted.extend(missing)
                continue
            try:
                self[name] = recalled.run() if name in unreadable else recalled.read()
            except LookupError:
                if name in unreadable:
                    raise
                unreadable.add(name)

    def _settle(self, name: str) -> None:
        """Note that a value is there, so that what it would be made of need not be held any longer."""
        if name in self._recalled:
            self._drop(self._freed(name))

    def _drop(self, names: list[str]) -> None:
        """Drop those of these values that nobody may want to be made of, and what that sets free in its turn."""
        while names:
            name = names.pop()
            if name in self._due and not self._readers[name]:
                self._due.discard(name)
                self._known.pop(name, None)
                if name in self._recalled:
                    names.extend(self._freed(name))

    def _freed(self, name: str) -> list[str]:
        needs = self._recalled.pop(name).needs
        self._readers.subtract(needs)
        return list(needs)
