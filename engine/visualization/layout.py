"""Layout: places for the boxes of a directed graph, in layers from left to right.

Theory of operation. The four steps of Sugiyama, Tagawa and Toda ("Methods for Visual Understanding of Hierarchical
System Structures", IEEE Transactions on Systems, Man, and Cybernetics 11, 1981):

1. *Layers.* A box stands one layer right of the last box it reads; a box with at least as many readers as sources moves
   right until it stands beside its first reader.
2. *Slots.* Where an edge passes through a layer, it gets a slot of its own there, so that from here on every edge joins
   neighbouring layers and boxes make room for lines.
3. *Order.* Each layer is sorted by the mean place of its neighbours, to and fro; the order with fewest crossings stays.
4. *Heights.* Each box wants the mean height of its neighbours; what is nearest to all wishes in a layer without
   changing its order is an isotonic regression, solved exactly by pooling adjacent violators. Slots pull hardest, which
   makes long lines straight.

It knows no nodes: names, sizes and pairs go in, centres and lines come out.
"""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Point: TypeAlias = tuple[float, float]

_ORDER_SWEEPS = 24
_HEIGHT_SWEEPS = 40
_SWAP_ROUNDS = 10
_SWAP_LIMIT = 2_000
"""Slots and boxes up to which neighbours are tried in exchanged order; above, the time would be felt."""
_PULL = ((1.0, 2.0), (2.0, 8.0))
"""How hard an edge pulls, by whether its ends are slots. Source: Gansner et al., "A Technique for Drawing Directed
Graphs", IEEE Transactions on Software Engineering 19, 1993, section 4."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything goes.

    Attributes:
        places: The left edge and the middle height of each box.
        lines: Per edge, the points it goes through; each pair of points is joined by a straight line or a smooth curve.
        width: Of the whole.
        height: Of the whole.
    """

    places: Mapping[str, Point]
    lines: Mapping[tuple[str, str], Sequence[Point]]
    width: float
    height: float


@dataclass(slots=True)
class _Slots:
    """Boxes and slots, numbered; boxes come first, in the order of their names."""

    layers: list[list[int]]
    left: list[list[int]]
    right: list[list[int]]
    heights: list[float]
    box_count: int

    def is_slot(self, item: int) -> bool:
        return item >= self.box_count


def lay_out(
    sizes: Mapping[str, tuple[float, float]],
    edges: Iterable[tuple[str, str]],
    *,
    gap_x: float = 56,
    gap_y: float = 16,
) -> Layout:
    """Place boxes so that edges run from left to right.

    Args:
        sizes: Width and height of each box.
        edges: Pairs (tail, head), each once; they must not form a circle.
        gap_x: The least space between layers.
        gap_y: The space between boxes of a layer.
    """
    edges = list(edges)
    names = list(sizes)
    number = {name: place for place, name in enumerate(names)}
    layer_of = _layers(names, edges)
    slots, chains = _slots(
        [layer_of[name] for name in names],
        [sizes[name][1] for name in names],
        [(number[tail], number[head]) for tail, head in edges],
    )
    _order(slots)
    middles = _heights(slots, gap_y)
    top = min((middles[i] - slots.heights[i] / 2 for layer in slots.layers for i in layer), default=0.0)
    middles = [middle - top for middle in middles]
    lefts, rights = _columns(slots, [sizes[name][0] for name in names], gap_x)
    places = {name: (lefts[layer_of[name]], middles[number[name]]) for name in names}
    lines = {}
    for (tail, head), chain in zip(edges, chains, strict=True):
        first, last = layer_of[tail], layer_of[head]
        points = [(lefts[first] + sizes[tail][0], middles[number[tail]]), (rights[first], middles[number[tail]])]
        for layer, slot in enumerate(chain, start=first + 1):
            points += [(lefts[layer], middles[slot]), (rights[layer], middles[slot])]
        points.append((lefts[last], middles[number[head]]))
        lines[tail, head] = points
    height = max((middles[i] + slots.heights[i] / 2 for layer in slots.layers for i in layer), default=0.0)
    return Layout(places, lines, rights[-1] if rights else 0.0, height)


def _layers(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    heads, tails = defaultdict(list), defaultdict(list)
    for tail, head in edges:
        heads[tail].append(head)
        tails[head].append(tail)
    waiting = {name: len(tails[name]) for name in names}
    order = [name for name in names if not waiting[name]]
    layer = dict.fromkeys(names, 0)
    for name in order:  # grows while it is walked
        for head in heads[name]:
            layer[head] = max(layer[head], layer[name] + 1)
            waiting[head] -= 1
            if not waiting[head]:
                order.append(head)
    for name in reversed(order):
        if heads[name] and len(heads[name]) >= len(tails[name]):
            layer[name] = min(layer[head] for head in heads[name]) - 1
    used = {value: place for place, value in enumerate(sorted(set(layer.values())))}
    return {name: used[value] for name, value in layer.items()}


def _slots(
    layer_of: Sequence[int], heights: Sequence[float], edges: Sequence[tuple[int, int]]
) -> tuple[_Slots, list[list[int]]]:
    """Give each edge its slots; return everything numbered, and the slots of each edge."""
    count = len(layer_of)
    layers: list[list[int]] = [[] for _ in range(max(layer_of, default=-1) + 1)]
    for item, layer in enumerate(layer_of):
        layers[layer].append(item)
    slots = _Slots(layers, [[] for _ in range(count)], [[] for _ in range(count)], list(heights), count)
    chains = []
    for tail, head in edges:
        chain = []
        for layer in range(layer_of[tail] + 1, layer_of[head]):
            chain.append(len(slots.heights))
            layers[layer].append(chain[-1])
            slots.heights.append(0.0)
            slots.left.append([])
            slots.right.append([])
        walk = [tail, *chain, head]
        for one, other in itertools.pairwise(walk):
            slots.right[one].append(other)
            slots.left[other].append(one)
        chains.append(chain)
    return slots, chains


def _order(slots: _Slots) -> None:
    """Order each layer so that few edges cross."""
    best, fewest = [list(layer) for layer in slots.layers], _crossings(slots)
    for sweep in range(_ORDER_SWEEPS):
        if not fewest:
            break
        rightwards = sweep % 2 == 0
        neighbours = slots.left if rightwards else slots.right
        layers = slots.layers if rightwards else slots.layers[::-1]
        for fixed, layer in itertools.pairwise(layers):
            _sort_by_mean(layer, neighbours, {item: place for place, item in enumerate(fixed)})
        rounds = _SWAP_ROUNDS if len(slots.heights) <= _SWAP_LIMIT else 0
        while rounds and _swap_neighbours(slots):
            rounds -= 1
        crossings = _crossings(slots)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in slots.layers], crossings
    slots.layers[:] = best


def _sort_by_mean(layer: list[int], neighbours: Sequence[Sequence[int]], place: Mapping[int, int]) -> None:
    def mean(index: int, item: int) -> float:
        near = neighbours[item]
        return sum(place[other] for other in near) / len(near) if near else float(index)

    wanted = {item: mean(index, item) for index, item in enumerate(layer)}
    layer.sort(key=wanted.__getitem__)


def _swap_neighbours(slots: _Slots) -> bool:
    """Exchange neighbours of a layer wherever that removes crossings; say whether any were exchanged."""
    swapped = False
    place = {item: index for layer in slots.layers for index, item in enumerate(layer)}
    for layer in slots.layers:
        for index in range(len(layer) - 1):
            one, other = layer[index], layer[index + 1]
            now = then = 0
            for near in (slots.left, slots.right):
                for a in near[one]:
                    for b in near[other]:
                        now += place[a] > place[b]
                        then += place[a] < place[b]
            if then < now:
                layer[index], layer[index + 1] = other, one
                place[one], place[other] = index + 1, index
                swapped = True
    return swapped


def _crossings(slots: _Slots) -> int:
    total = 0
    for layer, following in zip(slots.layers, slots.layers[1:], strict=False):
        place = {item: index for index, item in enumerate(following)}
        seen: list[int] = []
        for item in layer:
            ends = sorted(place[other] for other in slots.right[item])
            total += sum(len(seen) - bisect.bisect_right(seen, end) for end in ends)
            for end in ends:
                bisect.insort(seen, end)
    return total


def _heights(slots: _Slots, gap: float) -> list[float]:
    """Return the middle height of each box and slot."""
    middle = [0.0] * len(slots.heights)
    offsets = []
    for layer in slots.layers:
        offset, at = [], 0.0
        for index, item in enumerate(layer):
            if index:
                at += (slots.heights[layer[index - 1]] + slots.heights[item]) / 2 + gap
            offset.append(at)
            middle[item] = at
        offsets.append(offset)
    for sweep in range(_HEIGHT_SWEEPS):
        # One side at a time carries a height far; both together, at the end, come to rest.
        is_late = sweep >= _HEIGHT_SWEEPS // 2
        sides = (slots.left, slots.right) if is_late else ((slots.left, slots.right)[sweep % 2],)
        numbers = range(len(slots.layers))
        for number in numbers if sweep % 2 == 0 else reversed(numbers):
            _settle(slots, slots.layers[number], offsets[number], middle, sides)
    return middle


def _settle(
    slots: _Slots,
    layer: Sequence[int],
    offsets: Sequence[float],
    middle: list[float],
    sides: Sequence[Sequence[Sequence[int]]],
) -> None:
    """Move one layer as near to its wishes as its order allows."""
    wishes = []
    for item, offset in zip(layer, offsets, strict=True):
        pulls = [(middle[n], _PULL[slots.is_slot(item)][slots.is_slot(n)]) for side in sides for n in side[item]]
        weight = sum(pull for _, pull in pulls)
        # What has no neighbour on this side would rather stay, but gives way.
        wish = sum(height * pull for height, pull in pulls) / weight if pulls else middle[item]
        wishes.append((wish - offset, weight or 0.1))
    for item, offset, level in zip(layer, offsets, _isotonic(wishes), strict=True):
        middle[item] = level + offset


def _isotonic(wishes: Sequence[tuple[float, float]]) -> list[float]:
    """Return the rising sequence nearest to weighted wishes, by pooling adjacent violators.

    >>> _isotonic([(1.0, 1.0), (4.0, 1.0), (2.0, 1.0)])
    [1.0, 3.0, 3.0]
    """
    pools: list[tuple[float, float, int]] = []
    for wish, weight in wishes:
        level, total, count = wish, weight, 1
        while pools and pools[-1][0] > level:
            other_level, other_total, other_count = pools.pop()
            level = (level * total + other_level * other_total) / (total + other_total)
            total, count = total + other_total, count + other_count
        pools.append((level, total, count))
    return [level for level, _, count in pools for _ in range(count)]


def _columns(slots: _Slots, widths: Sequence[float], gap: float) -> tuple[list[float], list[float]]:
    """Return the left and right edge of each layer; a gap that many edges cross is wider."""
    lefts, rights, at = [], [], 0.0
    for layer in slots.layers:
        width = max((widths[item] for item in layer if not slots.is_slot(item)), default=0.0)
        lefts.append(at)
        rights.append(at + width)
        at += width + gap + min(2.0 * sum(len(slots.right[item]) for item in layer), gap)
    return lefts, rights
