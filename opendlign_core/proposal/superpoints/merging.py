"""Pieces that touch, merged two by two, cheapest first: everything that arises on the way may be a thing."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from opendlign_core.proposal.superpoints.surface import Floats, Indices, Surface, extents

LEAST_SIDE = 0.05
"""Metres of a flat box's sides, lest its volume says nothing."""
EMPTINESS, LARGENESS, CLOSENESS = 0.12, 0.01, 0.15
"""What a cubic metre of new empty space costs, what a square metre of surface does, and what a long border saves. Not
shares of the scene: a chair is the same in a room and in a flat."""

Corner = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Node:
    """Some pieces together."""

    low: Corner
    high: Corner
    points: int
    piece: int = -1
    """Its number, where it is a single piece."""
    parts: tuple["Node", ...] = ()
    """What it was merged from, where it is not."""

    @property
    def volume(self) -> float:
        sides = [max(high - low, LEAST_SIDE) for low, high in zip(self.low, self.high, strict=True)]
        return sides[0] * sides[1] * sides[2]

    def joined(self, other: "Node") -> "Node":
        low = tuple(map(min, self.low, other.low))
        high = tuple(map(max, self.high, other.high))
        return Node(low, high, self.points + other.points, parts=(self, other))  # type: ignore[arg-type]

    def pieces(self) -> list[int]:
        """The numbers of all pieces in it."""
        found, waiting = list[int](), [self]
        while waiting:
            node = waiting.pop()
            waiting += node.parts
            found += [node.piece] if not node.parts else []
        return found


def merge_tree(surface: Surface, pieces: Indices, kept: Indices) -> list[tuple[Node, float]]:
    """The kept pieces, then every union of two earlier ones that arises when the cheapest pair is merged each time.

    With each comes what it cost to merge it with another; 1, which is dear, where it touches none.
    """
    tree = _Tree(_leaves(surface, pieces, kept), surface.area)
    for one, other, contacts in _borders(surface, pieces, kept):
        tree.touch(one, other, contacts)
    return tree.grown()


class _Tree:
    def __init__(self, leaves: list[Node], area: float) -> None:
        self.nodes, self.area = leaves, area
        self.borders: list[dict[int, int]] = [{} for _ in leaves]
        self.queue: list[tuple[float, int, int]] = []

    def touch(self, one: int, other: int, contacts: int) -> None:
        self.borders[one][other] = self.borders[other][one] = contacts
        heapq.heappush(self.queue, (self._cost(one, other, contacts), one, other))

    def grown(self) -> list[tuple[Node, float]]:
        merged: dict[int, float] = {}
        while self.queue:
            cost, one, other = heapq.heappop(self.queue)
            if one not in merged and other not in merged:
                merged[one] = merged[other] = cost
                self._merge(one, other)
        return [(node, merged.get(number, 1.0)) for number, node in enumerate(self.nodes)]

    def _merge(self, one: int, other: int) -> None:
        joint = len(self.nodes)
        self.nodes.append(self.nodes[one].joined(self.nodes[other]))
        self.borders.append({})
        around = self.borders[one].keys() | self.borders[other].keys()
        for neighbour in around - {one, other}:
            contacts = sum(self.borders[part].get(neighbour, 0) for part in (one, other))
            for part in (one, other):
                self.borders[neighbour].pop(part, None)
            self.touch(joint, neighbour, contacts)

    def _cost(self, one: int, other: int, contacts: int) -> float:
        first, second = self.nodes[one], self.nodes[other]
        joint = first.joined(second)
        empty = max(0.0, joint.volume - first.volume - second.volume)
        close = min(1.0, contacts / min(first.points, second.points))
        return EMPTINESS * empty + LARGENESS * joint.points * self.area - CLOSENESS * close


def _leaves(surface: Surface, pieces: Indices, kept: Indices) -> list[Node]:
    counts = np.bincount(pieces)
    low, high = extents(surface.low, surface.high, pieces)
    return [Node(_corner(low[piece]), _corner(high[piece]), int(counts[piece]), int(piece)) for piece in kept]


def _corner(row: Floats) -> Corner:
    x, y, z = row.tolist()
    return x, y, z


def _borders(surface: Surface, pieces: Indices, kept: Indices) -> Iterator[tuple[int, int, int]]:
    """Pairs of leaves that touch, with the links between them."""
    leaf = np.full(pieces.max() + 1, -1)
    leaf[kept] = np.arange(len(kept))
    pairs = np.sort(leaf[pieces[surface.links]], axis=1)
    pairs = pairs[(pairs[:, 0] >= 0) & (pairs[:, 0] != pairs[:, 1])]
    found, contacts = np.unique(pairs, axis=0, return_counts=True)
    for (one, other), count in zip(found.tolist(), contacts.tolist(), strict=True):
        yield one, other, count
