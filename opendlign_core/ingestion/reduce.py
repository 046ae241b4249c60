"""From any number of points to N: farthest-point or random reduction, or padding by repetition."""

import math

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.cloud import Points

Indices = npt.NDArray[np.int64]

# Below this size one pass over all points costs less than keeping buckets.
_SMALL = 6_000
_BUCKET = 128


def pad_indices(present: int, wanted: int) -> Indices:
    """Indices that repeat `present` points in turn until there are `wanted`."""
    return np.arange(wanted, dtype=np.int64) % present


def random_indices(present: int, wanted: int, rng: np.random.Generator) -> Indices:
    """A random subset in the order of the file."""
    return np.sort(rng.choice(present, wanted, replace=False)).astype(np.int64)


def farthest_indices(points: Points, wanted: int) -> Indices:
    """Exact farthest-point sampling that starts at the point farthest from the centre.

    Each next point is the one whose distance to all chosen points is largest. Large clouds are split into boxes, and a
    new point only visits the boxes that it can still bring a shorter distance to; the result equals the plain loop's.

    Args:
        points: [N, 3].
        wanted: at most N.

    Returns:
        Distinct indices [wanted] in the order of choice.
    """
    centre = points.mean(axis=0, dtype=np.float64)
    start = int(np.square(points - centre).sum(axis=1).argmax())
    if len(points) <= _SMALL or wanted <= 64:
        return _plain(points, wanted, start)
    return _bucketed(points, wanted, start)


def _plain(points: Points, wanted: int, start: int) -> Indices:
    columns = np.ascontiguousarray(points.T)  # [3, N]
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    difference, square = np.empty_like(columns), np.empty_like(nearest)
    chosen = np.empty(wanted, dtype=np.int64)
    current = start
    for step in range(wanted):
        chosen[step] = current
        np.subtract(columns, columns[:, current, None], out=difference)
        np.multiply(difference, difference, out=difference)
        np.add(difference[0], difference[1], out=square)
        np.add(square, difference[2], out=square)
        np.minimum(nearest, square, out=nearest)
        nearest[current] = -1.0  # a chosen point is never chosen again, even where points coincide
        current = int(nearest.argmax())
    return chosen


def _bucketed(points: Points, wanted: int, start: int) -> Indices:
    order = _buckets(points)  # [B, S] indices; the last entries of a row may repeat
    blocks = np.ascontiguousarray(points[order].transpose(0, 2, 1))  # [B, 3, S]
    low, high = blocks.min(axis=2), blocks.max(axis=2)  # [B, 3]
    nearest = np.full(order.shape, np.inf, dtype=np.float32)  # [B, S]
    worst = np.full(len(order), np.inf, dtype=np.float32)  # [B], largest of each row of nearest
    chosen = np.empty(wanted, dtype=np.int64)
    current = start
    for step in range(wanted):
        chosen[step] = current
        point = points[current]
        gap = np.maximum(np.maximum(low - point, point - high), 0)
        # Rounding may put the bound a hair above a true distance, so it is lowered before boxes are left out.
        reached = np.flatnonzero((gap * gap).sum(axis=1) * np.float32(0.9999) <= worst)
        difference = blocks[reached] - point[:, None]
        difference *= difference
        square = difference[:, 0] + difference[:, 1] + difference[:, 2]
        rows = np.minimum(nearest[reached], square)
        rows[order[reached] == current] = -1.0
        nearest[reached] = rows
        worst[reached] = rows.max(axis=1)
        bucket = int(worst.argmax())
        current = int(order[bucket, nearest[bucket].argmax()])
    return chosen


def _buckets(points: Points) -> Indices:
    """Indices [B, S] of equally many neighbouring points per row, by halving along the longest side."""
    size = 1 << max(math.ceil(math.log2(len(points) / _BUCKET)), 0)
    each = -(-len(points) // size)
    padded = np.concatenate([np.arange(len(points)), np.zeros(size * each - len(points), dtype=np.int64)])
    groups = [padded]
    while len(groups) < size:
        groups = [half for group in groups for half in _halves(points, group)]
    return np.stack(groups)


def _halves(points: Points, group: Indices) -> tuple[Indices, Indices]:
    own = points[group]
    axis = int(np.ptp(own, axis=0).argmax())
    middle = len(group) // 2
    order = np.argpartition(own[:, axis], middle)
    return group[order[:middle]], group[order[middle:]]
