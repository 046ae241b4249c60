"""How much boxes share, and which to keep of those that share too much. Free of torch."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes, Floats, Hulls

Measure = Literal["union", "lower"]
"""What the shared volume is a share of: both boxes together (IoU), or the one of lower score alone."""


def iou(ours: Boxes, theirs: Boxes) -> Floats:  # [K], [L] -> [K, L]
    """Intersection over union of every pair of boxes, exact for turned ones; 0 for boxes that only touch.

    >>> iou(Boxes.of([[0, 0, 0]], [[2, 2, 2]]), Boxes.of([[1, 0, 0], [2, 0, 0]], [[2, 2, 2]] * 2)).round(3).tolist()
    [[0.333, 0.0]]
    """
    shared = _shared_hulls(ours.hulls(), theirs.hulls())
    rows, columns = np.nonzero(shared)
    turned = (ours.yaws[rows] != 0) | (theirs.yaws[columns] != 0)
    rows, columns = rows[turned], columns[turned]
    heights = _shared_heights(ours[rows], theirs[columns])
    shared[rows, columns] = heights * _shared_areas(ours[rows].footprints(), theirs[columns].footprints())
    return _share(shared, ours.volumes[:, None] + theirs.volumes - shared)


def hull_iou(ours: Hulls, theirs: Hulls) -> Floats:  # [K], [L] -> [K, L]
    """Intersection over union of every pair of hulls, over as many axes as they have."""
    shared = _shared_hulls(ours, theirs)
    return _share(shared, _content(ours)[:, None] + _content(theirs) - shared)


def suppress(
    hulls: Hulls,
    scores: NDArray[np.floating],  # [K]
    most: float,
    classes: NDArray[np.integer] | None = None,  # [K]
    measure: Measure = "union",
) -> NDArray[np.int64]:
    """The boxes to keep, best first: each that is kept drops those whose overlap with it is above `most`.

    With `classes`, boxes only drop those of their own class. Of equal scores the later box counts as the better one.

    >>> hulls = Boxes.of([[0, 0, 0], [0.1, 0, 0], [9, 0, 0]], [[1, 1, 1]] * 3).hulls()
    >>> suppress(hulls, np.array([0.5, 0.9, 0.1]), most=0.25).tolist()
    [1, 2]
    """
    waiting = np.argsort(scores, kind="stable")[::-1]
    overlap = _overlap_with(hulls, measure)
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        dropped = overlap(best, waiting) > most
        if classes is not None:
            dropped &= classes[waiting] == classes[best]
        waiting = waiting[~dropped]
    return np.array(kept, np.int64)


def _overlap_with(hulls: Hulls, measure: Measure) -> Callable[[np.int64, NDArray[np.int64]], Floats]:
    """A function that gives the overlap of one box with others of lower score."""
    contents = _content(hulls)

    def overlap(best: np.int64, others: NDArray[np.int64]) -> Floats:
        sides = np.minimum(hulls.high[best], hulls.high[others]) - np.maximum(hulls.low[best], hulls.low[others])
        shared = np.maximum(sides, 0).prod(-1)
        whole = contents[others] if measure == "lower" else contents[best] + contents[others] - shared
        return _share(shared, np.asarray(whole))

    return overlap


def _content(hulls: Hulls) -> Floats:
    return np.asarray((hulls.high - hulls.low).prod(-1))


def _share(shared: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0))


def _shared_hulls(ours: Hulls, theirs: Hulls) -> Floats:  # [K], [L] -> [K, L]
    sides = np.minimum(ours.high[:, None], theirs.high) - np.maximum(ours.low[:, None], theirs.low)
    return np.asarray(np.maximum(sides, 0).prod(-1))


def _shared_heights(ours: Boxes, theirs: Boxes) -> Floats:  # [P], [P] -> [P]
    low, high = ([box.centres[:, 1] + side * box.sizes[:, 1] / 2 for box in (ours, theirs)] for side in (-1, 1))
    return np.asarray(np.maximum(np.minimum(*high) - np.maximum(*low), 0))


def _shared_areas(ours: Floats, theirs: Floats) -> Floats:  # [P, 4, 2], [P, 4, 2] -> [P]
    """Areas of the intersections of convex polygons that go round the same way."""
    polygons = ours
    for edge in range(theirs.shape[1]):
        polygons = _clipped(polygons, theirs[:, edge], theirs[:, (edge + 1) % theirs.shape[1]])
    return np.abs(_signed_areas(polygons))


def _clipped(polygons: Floats, start: Floats, end: Floats) -> Floats:  # [P, n, 2], [P, 2], [P, 2] -> [P, 2n, 2]
    """The part of each polygon left of the line from start to end, with the same area.

    What lies right of it is laid flat onto the line, where it encloses nothing: so all polygons keep one number of
    corners, and slivers need no special case.
    """
    along = (end - start)[:, None]
    length = np.maximum((along**2).sum(-1, keepdims=True), np.finfo(np.float64).tiny)
    normal = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    side = ((polygons - start[:, None]) * normal).sum(-1, keepdims=True) / length
    beyond = np.roll(side, -1, axis=1)
    flat = polygons - np.minimum(side, 0) * normal
    crossing = np.divide(side, side - beyond, out=np.zeros_like(side), where=(side > 0) != (beyond > 0))
    crossings = polygons + crossing * (np.roll(polygons, -1, axis=1) - polygons)
    between = np.where((side > 0) != (beyond > 0), crossings, flat)
    return np.stack([flat, between], axis=2).reshape(len(polygons), 2 * polygons.shape[1], 2)


def _signed_areas(polygons: Floats) -> Floats:  # [P, n, 2] -> [P]
    # Around a corner of their own, far away places cost no digits.
    x, y = np.moveaxis(polygons - polygons[:, :1], -1, 0)
    return np.asarray((x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(1) / 2)
