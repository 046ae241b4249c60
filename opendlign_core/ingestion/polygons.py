"""Polygons into triangles."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.cloud import Faces
from opendlign_core.ingestion.safety import require


def triangulate(corners: npt.ArrayLike, sizes: npt.ArrayLike) -> Faces:
    """Fan polygons out from their first corner; polygons of fewer than three corners vanish.

    Args:
        corners: vertex indices of all polygons, one after another [sum(sizes)].
        sizes: number of corners of each polygon [P].

    Returns:
        Triangles [T, 3] in the order of the polygons.
    """
    flat = np.asarray(corners, dtype=np.int64)
    counts = np.asarray(sizes, dtype=np.int64)
    require(bool((counts >= 0).all()) and int(counts.sum()) == len(flat), "has faces of inconsistent sizes")
    starts = np.cumsum(counts) - counts
    fans = np.maximum(counts - 2, 0)
    first = np.repeat(starts, fans)
    step = np.arange(int(fans.sum())) - np.repeat(np.cumsum(fans) - fans, fans) + 1
    return np.stack([flat[first], flat[first + step], flat[first + step + 1]], axis=1)


def strip_triangles(corners: Sequence[int] | npt.NDArray[np.int64]) -> Faces:
    """Triangles [T, 3] of a triangle strip, all wound alike."""
    flat = np.asarray(corners, dtype=np.int64)
    if len(flat) < 3:
        return np.zeros((0, 3), dtype=np.int64)
    triangles = np.stack([flat[:-2], flat[1:-1], flat[2:]], axis=1)
    triangles[1::2] = triangles[1::2, [1, 0, 2]]
    return triangles


def fan_triangles(corners: Sequence[int] | npt.NDArray[np.int64]) -> Faces:
    """Triangles [T, 3] of a triangle fan."""
    return triangulate(corners, [len(corners)])
