"""From a scan of many points to one of fewer."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from opendlign_core.ingestion.cloud import Points
from opendlign_core.ingestion.recipe import SceneReading
from opendlign_core.ingestion.reduce import Indices, random_indices

FINEST = 1 / 4096
"""Side of the first grid's cubes, as a share of the scene's longest side."""
LEAST_STEP = 1.05
"""By which each grid is coarser than the one before it, at least."""


class Kept(NamedTuple):
    """Which points stay."""

    places: Indices | slice
    cubes: float = 0.0
    """Side of the cubes of which each kept one; 0 where none were needed."""


def thinned(points: Points, reading: SceneReading, rng: np.random.Generator) -> Kept:
    """At most `reading.most_points` of the points [N, 3], in their order."""
    if len(points) <= reading.most_points:
        return Kept(slice(None))
    if reading.reduction == "random":
        return Kept(random_indices(len(points), reading.most_points, rng))
    return _one_per_cube(points, reading.most_points, rng)


def _one_per_cube(points: Points, most: int, rng: np.random.Generator) -> Kept:
    """The first, in an order drawn at random, of every cube of the finest grid that holds few enough."""
    side = float(np.ptp(points, axis=0).max()) * FINEST
    shuffled = rng.permutation(len(points))
    while True:
        first = np.unique(_cube_numbers(points, side)[shuffled], return_index=True)[1]
        if len(first) <= most:
            return Kept(np.sort(shuffled[first]), side)
        # A surface fills cubes by the square of their number along a side.
        side *= max(float(np.sqrt(len(first) / most)), LEAST_STEP)


def _cube_numbers(points: Points, side: float) -> NDArray[np.int64]:  # [N, 3] -> [N]
    """One number for all points of a cube; an axis at a time, since scans of millions of points come here."""
    low = points.min(axis=0)
    numbers = np.zeros(len(points), np.int64)
    for axis in range(3):
        along = np.floor((points[:, axis] - low[axis]) / np.float32(side)).astype(np.int64)
        numbers = numbers * (int(along.max()) + 1) + along
    return numbers
