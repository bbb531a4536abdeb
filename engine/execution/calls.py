"""Calls: what a stage runs where nobody watches, compiled to calls over numbered slots.

Theory of operation. A value lives in a slot of one list from the call that makes it to its last reader. That reader's
own value takes the slot over, so storing the new value drops the old one, and a graph of any size needs as many slots
as values are alive at once. Steps are compiled from the last to the first, because then the slot of a value that was
read last is known before the value is made. Literals have slots of their own. A function whose parameters are all
filled, in their order, is called by position; any other one by name.

`benchmarks/dataflow.py` says what this is worth.
"""

from __future__ import annotations

import types
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.bindings import Source, Value, sources_of
from engine.execution.steps import fill, note

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Mapping, MutableMapping

    from engine.bindings import Binding
    from engine.execution.steps import Step
    from engine.node import Node

_BY_NAME, _NONE, _ONE, _TWO, _MANY = range(5)
_MOST_LISTED = 2

Call: TypeAlias = "tuple[int, Callable[..., Any], Any, Any, int, tuple[int, ...]]"
"""Form, function, what fills it (two items), the slot of its value, the slots that are empty afterwards."""


class Calls:
    """The steps of one stage, ready to run.

    Args:
        steps: The steps from the last to the first, each with what it releases.
        made: The names of the values that the steps make.
        at_hand: The names of the values there are before.
    """

    def __init__(self, steps: Iterable[Step], made: Collection[str], at_hand: Container[str]) -> None:
        self._made, self._at_hand = made, at_hand
        self._slots: list[Any] = []
        self._free: list[int] = []
        self._places: dict[str, int] = {}
        self._stores: dict[str, int] = {}
        self._nodes: list[Node] = []
        self._calls: list[Call] = []
        for node, releases in steps:
            self._calls.append(self._call(node, releases))
            self._nodes.append(node)
        self._calls.reverse()
        self._nodes.reverse()
        # No step makes what has a place still, and nobody takes away what is kept.
        self._loads = tuple(self._places.items())
        self._takes = tuple(name for name in self._places if name not in self._stores)
        self._stores = {name: place for name, place in self._stores.items() if name in made}
        del self._free, self._places, self._made, self._at_hand

    def run(self, values: MutableMapping[str, Any]) -> None:
        """Run the steps; what somebody needs afterwards is put into ``values``, what nobody does is taken out.

        Raises:
            Exception: What a node raised, with a note on the node.
        """
        slots = self._loaded(values)
        call: Call | None = None
        try:
            for call in self._calls:
                form, function, first, second, out, empties = call
                if form == _TWO:
                    slots[out] = function(slots[first], slots[second])
                elif form == _ONE:
                    slots[out] = function(slots[first])
                elif form == _MANY:
                    slots[out] = function(*first(slots))
                elif form == _NONE:
                    slots[out] = function()
                else:
                    slots[out] = function(**_named(first, second, slots))
                if empties:
                    for place in empties:
                        slots[place] = None
        except Exception as error:
            failed = next(i for i, other in enumerate(self._calls) if other is call)
            note(error, self._nodes[failed].name)
            self._save(self._nodes[:failed], slots, values)  # other stages may need what was made before
            raise
        for name, place in self._stores.items():
            values[name] = slots[place]

    def _loaded(self, values: MutableMapping[str, Any]) -> list[Any]:
        slots = self._slots.copy()
        for name, place in self._loads:
            slots[place] = values[name]
        for name in self._takes:
            del values[name]
        return slots

    def _save(self, nodes: Iterable[Node], slots: list[Any], values: MutableMapping[str, Any]) -> None:
        places = self._stores
        values.update((node.name, slots[places[node.name]]) for node in nodes if node.name in places)

    # --- compiling, from the last step to the first -------------------------------------------------------------------
    def _call(self, node: Node, releases: tuple[str, ...]) -> Call:
        name, function, places, free = node.name, node.function, self._places, self._free
        assert function is not None, name  # noqa: S101 - inputs, which have no function, make no steps
        out = places.pop(name, None)
        if out is None:
            out = self._slot() if name in releases else self._kept(name)
        free.append(out)
        empties = []
        for read in releases:
            place = out if read == name else free.pop() if free else self._slot()
            if read != name:
                places[read] = place
            if read == name or place != out:
                empties.append(place)
        reads = self._positions(function, node.bindings)
        ended = tuple(empties) if empties else ()
        if reads is None:
            return _BY_NAME, function, node, self._reads(node), out, ended
        count = len(reads)
        if count == _MOST_LISTED:
            return _TWO, function, reads[0], reads[1], out, ended
        if count > _MOST_LISTED:
            return _MANY, function, itemgetter(*reads), None, out, ended
        return (_ONE, function, reads[0], None, out, ended) if reads else (_NONE, function, None, None, out, ended)

    def _positions(self, function: Callable[..., Any], bindings: Mapping[str, Binding]) -> list[int] | None:
        """Return the slots of the values that a function takes by position, or None where it cannot be called so."""
        if type(function) is not types.FunctionType:
            return None
        code = function.__code__
        if (
            code.co_argcount != len(bindings)
            or code.co_kwonlyargcount
            or code.co_varnames[: len(bindings)] != tuple(bindings)
        ):
            return None
        reads = []
        for binding in bindings.values():
            if type(binding) is Source:
                place = self._place(binding.name)
            else:
                place = self._slot(binding.value) if type(binding) is Value else None
            if place is None:
                return None
            reads.append(place)
        return reads

    def _reads(self, node: Node) -> list[tuple[str, int]]:
        names = dict.fromkeys(name for binding in node.bindings.values() for name in sources_of(binding))
        return [(name, place) for name in names if (place := self._place(name)) is not None]

    def _place(self, name: str) -> int | None:
        """Return the slot of a value that is read; None for an optional one that is not there."""
        place = self._places.get(name)
        if place is None and (name in self._made or name in self._at_hand):
            place = self._places[name] = self._kept(name)
        return place

    def _kept(self, name: str) -> int:
        place = self._stores[name] = self._slot()
        return place

    def _slot(self, value: Any = None) -> int:
        self._slots.append(value)
        return len(self._slots) - 1


def _named(node: Node, reads: Iterable[tuple[str, int]], slots: list[Any]) -> dict[str, Any]:
    return fill(node, {name: slots[place] for name, place in reads})
