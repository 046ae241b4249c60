"""The floor and the outer walls of a scene, which join everything and are no thing."""

import numpy as np
from numpy.typing import NDArray

from opendlign_core.proposal.superpoints.surface import Floats, Indices, Surface, extents

NEAR = 0.08
"""Metres from a plane within which points lie on it."""
ALIGNED = 0.8
"""Cosine between the normals of a plane and of a point on it."""
BEYOND = 0.12
"""Share of a scene's points behind one of its outer walls, at most: through windows and doors."""
WALL_AREA, WALL_HEIGHT = 1.5, 1.5
"""Square metres and metres of a wall, at least."""
FLOOR_SHARE = 0.25
"""Of the points at the fullest height: the lowest height that has as many is the floor's."""


def structural(surface: Surface, pieces: Indices, longer: float) -> NDArray[np.bool_]:  # [N] -> [pieces]
    """Which pieces longer than so many metres lie mostly on the floor or on an outer wall."""
    on_planes = _on_floor(surface)
    for piece in range(pieces.max() + 1):
        own = surface.points[pieces == piece]
        plane = _wall_plane(own)
        if plane is not None and _is_outer(surface.points, *plane):
            on_planes |= _on_plane(surface, *plane)
    counts = np.bincount(pieces)
    flat = np.bincount(pieces, weights=on_planes) > counts / 2
    low, high = extents(surface.low, surface.high, pieces)
    return np.asarray(flat & ((high - low).max(1) > longer))


def _on_floor(surface: Surface) -> NDArray[np.bool_]:
    level = np.abs(surface.normals[:, 1]) > ALIGNED
    heights = surface.points[level, 1]
    if not len(heights):
        return np.zeros(len(level), bool)
    counts, edges = np.histogram(heights, bins=np.arange(heights.min(), heights.max() + 0.1, 0.05))
    floor = edges[np.argmax(counts >= FLOOR_SHARE * counts.max())] + 0.025
    on_floor: NDArray[np.bool_] = level & (np.abs(surface.points[:, 1] - floor) < NEAR)
    return on_floor


def _wall_plane(points: Floats) -> tuple[Floats, float] | None:  # [n, 3]
    """Normal and offset of the upright plane through a piece, if it is as large as a wall."""
    sides = np.ptp(points, axis=0)
    if sides[1] < WALL_HEIGHT or sides[1] * float(np.hypot(sides[0], sides[2])) < WALL_AREA:
        return None
    ground = points[:, [0, 2]] - points[:, [0, 2]].mean(0)
    across = np.linalg.eigh(ground.T @ ground)[1][:, 0]
    normal = np.array([across[0], 0.0, across[1]])
    return normal, float(np.median(points @ normal))


def _is_outer(points: Floats, normal: Floats, offset: float) -> bool:
    beside = points @ normal - offset
    return bool(min((beside > NEAR).mean(), (beside < -NEAR).mean()) < BEYOND)


def _on_plane(surface: Surface, normal: Floats, offset: float) -> NDArray[np.bool_]:
    near = np.abs(surface.points @ normal - offset) < NEAR
    on_plane: NDArray[np.bool_] = near & (np.abs(surface.normals @ normal) > ALIGNED)
    return on_plane
