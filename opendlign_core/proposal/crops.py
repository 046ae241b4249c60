"""The points of boxes as clouds of their own."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

PADDING = 0.02
"""Metres around a box whose points belong to it too: scans are noisy, and boxes of surfaces are tight."""
FEWEST = 30
"""Points of which something can be told."""
AT_ONCE = 64
"""Boxes whose points are looked for together: a table of all boxes and points would not fit into memory."""


def held(points: Floats, boxes: Boxes, margin: float) -> Iterator[Indices]:  # [N, 3] -> K of [n]
    """The places of the points of every box and of the margin around it, one box after the other."""
    grown = Boxes.of(boxes.centres, boxes.sizes + 2 * margin, boxes.yaws)
    for start in range(0, len(boxes), AT_ONCE):
        yield from map(np.flatnonzero, grown[start : start + AT_ONCE].contain(points))


def crops(points: Floats, boxes: Boxes, count: int) -> list[Floats | None]:  # [N, 3] -> K of [count, 3]
    """So many points of every box, drawn at random, repeated where there are fewer; None where there are hardly any.

    >>> one, none = crops(np.zeros((40, 3), np.float32), Boxes.of([[0, 0, 0], [5, 0, 0]], [[1, 1, 1]] * 2), 64)
    >>> one.shape, none
    ((64, 3), None)
    """
    return [_drawn(points, own, count, box) for box, own in enumerate(held(points, boxes, PADDING))]


def _drawn(points: Floats, own: Indices, count: int, box: int) -> Floats | None:
    if len(own) < FEWEST:
        return None
    rng = np.random.default_rng(box)
    more = rng.choice(own, count - len(own)) if len(own) < count else own[:0]
    drawn: Floats = points[np.concatenate([rng.permutation(own)[:count], more])]
    return drawn
