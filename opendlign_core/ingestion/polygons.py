"""Polygons into triangles."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.cloud import Faces
from opendlign_core.ingestion.ears import concave_polygons, cut_ears
from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.shapes import Array

_MOST_EARS = 128
_MOST_WORK = 200_000  # sum of squared corners; what lies beyond stays with the fan


def triangulate(corners: npt.ArrayLike, sizes: npt.ArrayLike, vertices: Array | None = None) -> Faces:
    """Polygons as triangles; those of fewer than three corners vanish.

    A polygon is fanned out from its first corner. Given the vertices, one that turns both ways is cut along its ears
    instead, since its fan would cover what lies outside.

    Args:
        corners: vertex indices of all polygons, one after another [sum(sizes)].
        sizes: number of corners of each polygon [P].
        vertices: [V, 3].

    Returns:
        Triangles [T, 3] in the order of the polygons.
    """
    flat = np.asarray(corners, dtype=np.int64)
    counts = np.asarray(sizes, dtype=np.int64)
    require(bool((counts >= 0).all()) and int(counts.sum()) == len(flat), "has faces of inconsistent sizes")
    starts = np.cumsum(counts) - counts
    fans = np.maximum(counts - 2, 0)
    ends = np.cumsum(fans)
    first = np.repeat(starts, fans)
    step = np.arange(int(fans.sum())) - np.repeat(ends - fans, fans) + 1
    triangles = np.stack([flat[first], flat[first + step], flat[first + step + 1]], axis=1)
    if vertices is not None:
        for polygon in _to_cut(flat, counts, starts, vertices):
            own = flat[starts[polygon] : starts[polygon] + counts[polygon]]
            with np.errstate(all="ignore"):
                places = cut_ears(vertices[own].astype(np.float64))
            triangles[ends[polygon] - fans[polygon] : ends[polygon]] = own[places]
    return triangles


def _to_cut(flat: Faces, counts: Faces, starts: Faces, vertices: Array) -> list[int]:
    """Polygons that turn both ways, as far as the work of cutting them stays bounded."""
    candidates = np.flatnonzero((counts > 3) & (counts <= _MOST_EARS))
    if len(candidates) == 0 or flat.min() < 0 or flat.max() >= len(vertices):
        return []  # absent vertices are refused, with their number, when the mesh is made
    owner = np.repeat(candidates, counts[candidates])
    sizes = counts[candidates]
    places = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + starts[owner]
    with np.errstate(all="ignore"):  # coordinates that are no numbers are refused later
        concave = candidates[concave_polygons(flat[places], sizes, np.asarray(vertices, dtype=np.float64))]
    return [int(polygon) for polygon in concave[np.cumsum(counts[concave] ** 2) <= _MOST_WORK]]


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
