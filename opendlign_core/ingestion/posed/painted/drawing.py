"""Coloured triangles as a camera sees them, with hidden surfaces removed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from opendlign_core.camera import Pose

Floats = NDArray[np.float64]
_NEAR = 1e-3


class Drawn(NamedTuple):
    """One object on its own."""

    colours: Floats  # [H, W, 3], 0 to 255
    mask: NDArray[np.bool_]  # [H, W]


def draw(
    vertices: NDArray[np.floating],  # [V, 3]
    faces: NDArray[np.integer],  # [F, 3]
    colours: Floats,  # [F, 3]
    pose: Pose,
    size: tuple[int, int],
) -> Drawn:
    """Triangles in flat colours on a picture of `size` rows and columns; those that reach behind the camera are not
    drawn.
    """  # noqa: D205
    places, depths = pose.project(vertices), pose.depths(vertices)
    kept = np.flatnonzero((depths[faces] > _NEAR).all(1))
    corners, inverse = places[faces[kept]], 1 / depths[faces[kept]]
    triangle, column, row = _candidates(corners, size)
    shares = _shares(corners[triangle], np.stack([column + 0.5, row + 0.5], axis=1))
    inside = (shares >= 0).all(1)
    triangle, pixel, shares = triangle[inside], (row * size[1] + column)[inside], shares[inside]
    nearness = (shares * inverse[triangle]).sum(1)
    order = np.argsort(nearness, kind="stable")  # of those on one pixel the last one written, the nearest, stays
    seen = np.full(size[0] * size[1], -1)
    seen[pixel[order]] = kept[triangle[order]]
    mask = (seen >= 0).reshape(size)
    return Drawn(np.where(mask[..., None], colours[seen.reshape(size)], 0.0), mask)


def _candidates(corners: Floats, size: tuple[int, int]) -> tuple[NDArray[np.int64], ...]:
    """Triangle, column and row of every pixel in the box around every triangle [F, 3, 2]."""
    limits = np.array([size[1], size[0]])
    low = np.clip(np.floor(corners.min(1) - 0.5), 0, limits).astype(np.int64)
    high = np.clip(np.ceil(corners.max(1) + 0.5), 0, limits).astype(np.int64)
    wide, tall = np.maximum(high - low, 0).T
    count = wide * tall
    triangle = np.repeat(np.arange(len(corners)), count)
    place = np.arange(len(triangle)) - np.repeat(np.cumsum(count) - count, count)
    return triangle, low[triangle, 0] + place % wide[triangle], low[triangle, 1] + place // wide[triangle]


def _shares(corners: Floats, points: Floats) -> Floats:  # [K, 3, 2], [K, 2] -> [K, 3]
    """How much of each corner a point takes; negative outside of the triangle, and for one without area."""
    a, b, c = np.moveaxis(corners, 1, 0)
    area = _cross(b - a, c - a)
    parts = np.stack(
        [_cross(b - points, c - points), _cross(c - points, a - points), _cross(a - points, b - points)], 1
    )
    shares: Floats = np.divide(parts, area[:, None], out=np.full_like(parts, -1.0), where=np.abs(area[:, None]) > 1e-9)
    return shares


def _cross(first: Floats, second: Floats) -> Floats:  # [K, 2] each -> [K]
    crossed: Floats = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return crossed


def lit(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], colours: Floats, light: Floats, ambient: float
) -> Floats:  # [F, 3]
    """Colours of triangles under a light from that direction [3]; both sides are alike."""
    a, b, c = np.moveaxis(vertices[faces].astype(np.float64), 1, 0)
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1)
    facing = np.abs(normals @ (light / np.linalg.norm(light))) / np.maximum(length, 1e-12)
    shaded: Floats = colours * (ambient + (1 - ambient) * facing)[:, None]
    return shaded
