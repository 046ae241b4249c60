"""A cloud as the page's viewer takes it: centred, of radius one, with the direction of the surface at every point."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

MOST_POINTS = 8192
"""More than a viewer can tell apart."""
_NEIGHBOURS = 24
GREY = 176


def packed(points: NDArray[np.float32], colors: NDArray[np.uint8] | None) -> bytes:
    """Points and normals as float32 [N, 3] each, then colours as uint8 [N, 3], little-endian: 27 bytes a point."""
    step = -(-len(points) // MOST_POINTS)
    kept = points[::step].astype(np.float64)
    paint = np.full((len(kept), 3), GREY, np.uint8) if colors is None else colors[::step]
    centred = kept - (kept.max(axis=0) + kept.min(axis=0)) / 2
    unit = centred / max(float(np.linalg.norm(centred, axis=1).max()), 1e-9)
    parts = (unit.astype("<f4"), normals(unit).astype("<f4"), np.ascontiguousarray(paint))
    return b"".join(part.tobytes() for part in parts)


def normals(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Directions [N, 3] in which the points [N, 3] around each of them spread least; their sign says nothing."""
    count = min(_NEIGHBOURS, len(points))
    _, near = cKDTree(points).query(points, k=count)
    around = points[near.reshape(len(points), count)]  # [N, K, 3]
    spread = around - around.mean(axis=1, keepdims=True)
    _, directions = np.linalg.eigh(np.einsum("nki,nkj->nij", spread, spread))
    return directions[:, :, 0]
