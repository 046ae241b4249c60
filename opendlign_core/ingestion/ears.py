"""Concave polygons: which ones turn both ways, and their triangles by cutting ears."""

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.cloud import Faces
from opendlign_core.ingestion.shapes import Array

# Corners bent back by less than this share of a right angle are taken as straight.
_STRAIGHT = 1e-6


def concave_polygons(corners: Faces, sizes: Faces, vertices: Array) -> npt.NDArray[np.bool_]:
    """Which polygons [P] have a corner that turns against the others; all corners one after another, none empty."""
    starts = np.cumsum(sizes) - sizes
    owner = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(corners)) - starts[owner]
    following = vertices[corners[starts[owner] + (place + 1) % sizes[owner]]]
    here, before = vertices[corners], vertices[corners[starts[owner] + (place - 1) % sizes[owner]]]
    # Twice the area vector of each polygon: the axis that its corners turn about on the whole.
    base = vertices[corners[starts]][owner]
    axes = np.add.reduceat(np.cross(here - base, following - base), starts, axis=0)
    incoming, outgoing = here - before, following - here
    turns = (np.cross(incoming, outgoing) * axes[owner]).sum(axis=1)
    scale = np.linalg.norm(incoming, axis=1) * np.linalg.norm(outgoing, axis=1) * np.linalg.norm(axes, axis=1)[owner]
    backward: npt.NDArray[np.bool_] = np.logical_or.reduceat(turns < -_STRAIGHT * scale, starts)
    return backward


def cut_ears(points: Array) -> Faces:
    """Triangles [N - 2, 3] of one polygon [N, 3] as places in it; a polygon that crosses itself is cut somehow."""
    flat = _flatten(points)
    remaining = list(range(len(points)))
    triangles = []
    while len(remaining) > 3:
        at = next((place for place in range(len(remaining)) if _is_ear(flat, remaining, place)), 0)
        triangles.append([remaining[at - 1], remaining[at], remaining[(at + 1) % len(remaining)]])
        del remaining[at]
    return np.array([*triangles, remaining], dtype=np.int64)


def _flatten(points: Array) -> Array:
    """The polygon [N, 2] in the plane that shows most of it, counter-clockwise."""
    moved = points - points[0]
    axis = np.cross(moved, np.roll(moved, -1, axis=0)).sum(axis=0)
    dropped = int(np.abs(axis).argmax())
    flat = np.delete(points, dropped, axis=1)
    # Leaving out y mirrors the other two.
    clockwise = (axis[dropped] < 0) != (dropped == 1)
    return flat * (1, -1) if clockwise else flat


def _is_ear(flat: Array, remaining: list[int], at: int) -> bool:
    """Whether the corner turns forward and no other corner lies inside the triangle that cutting it takes away."""
    triangle = flat[[remaining[at - 1], remaining[at], remaining[(at + 1) % len(remaining)]]]
    if _side(triangle[0], triangle[1], triangle[2]) <= 0:
        return False
    others = flat[remaining]
    sides = [_side(triangle[i], triangle[(i + 1) % 3], others) for i in range(3)]
    # Corners on the border count as inside, unless they coincide with a corner of the triangle (keyholes).
    inside = (sides[0] >= 0) & (sides[1] >= 0) & (sides[2] >= 0)
    coincide = (others[:, None] == triangle).all(axis=2).any(axis=1)
    return not bool((inside & ~coincide).any())


def _side(start: Array, end: Array, point: Array) -> Array:
    """Positive where `point` [..., 2] lies to the left of the line from `start` to `end`."""
    along, across = end - start, point - start
    side: Array = along[0] * across[..., 1] - along[1] * across[..., 0]
    return side
