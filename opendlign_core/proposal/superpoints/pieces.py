"""Surfaces cut into pieces that bend little, by the graph segmentation of Felzenszwalb and Huttenlocher."""

from collections.abc import Iterable

import numpy as np

from opendlign_core.proposal.superpoints.surface import Indices, Surface


class Groups:
    """Members that join, each group known by one of them."""

    def __init__(self, count: int) -> None:
        self.parents = list(range(count))
        self.sizes = [1] * count

    def find(self, member: int) -> int:
        parents = self.parents
        while parents[member] != member:
            parents[member] = parents[parents[member]]
            member = parents[member]
        return member

    def join(self, one: int, other: int) -> int:
        """Join two groups, named by their representatives; returns that of the joint one."""
        if self.sizes[one] < self.sizes[other]:
            one, other = other, one
        self.parents[other] = one
        self.sizes[one] += self.sizes[other]
        return one


def pieces_of(surface: Surface, tolerance: float, least: int) -> Indices:  # -> [N]
    """The number of each point's piece, from 0.

    Two pieces join over a link that bends no more than the flatter of them does inside, plus `tolerance` shared among
    its points; then pieces of fewer than `least` points join the one over their flattest link.
    """
    order = np.argsort(surface.bends, kind="stable")
    links, bends = surface.links[order].tolist(), surface.bends[order].tolist()
    groups = Groups(len(surface.points))
    allowed = [tolerance] * len(surface.points)
    for (first, second), bend in zip(links, bends, strict=True):
        one, other = groups.find(first), groups.find(second)
        if one != other and bend <= allowed[one] and bend <= allowed[other]:
            joint = groups.join(one, other)
            allowed[joint] = bend + tolerance / groups.sizes[joint]
    _absorb_small(groups, links, least)
    roots = np.array([groups.find(point) for point in range(len(surface.points))])
    return np.unique(roots, return_inverse=True)[1]


def _absorb_small(groups: Groups, links: Iterable[tuple[int, int]], least: int) -> None:
    for first, second in links:
        one, other = groups.find(first), groups.find(second)
        if one != other and min(groups.sizes[one], groups.sizes[other]) < least:
            groups.join(one, other)
