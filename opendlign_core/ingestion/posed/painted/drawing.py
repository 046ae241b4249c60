"""Coloured triangles as a camera sees them, with hidden surfaces removed."""

import numpy as np
from numpy.typing import NDArray

from opendlign_core.camera import Pose

Floats = NDArray[np.float64]
_NEAR = 1e-3


def seen_faces(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], pose: Pose, size: tuple[int, int]
) -> NDArray[np.int64]:  # [V, 3], [F, 3] -> [H, W]
    """Which triangle every pixel of a picture of `size` rows and columns shows, -1 for none.

    Triangles that reach behind the camera are not drawn.
    """
    depths = pose.depths(vertices)
    kept = np.flatnonzero((depths[faces] > _NEAR).all(1))
    corners, inverse = pose.project(vertices)[faces[kept]], 1 / depths[faces[kept]]
    triangle, column, row = _candidates(corners, size)
    planes, x, y = _planes(corners), column + 0.5, row + 0.5
    shares = [across[triangle] * x + down[triangle] * y + base[triangle] for across, down, base in planes]
    inside = np.flatnonzero((shares[0] >= 0) & (shares[1] >= 0) & (shares[2] >= 0))
    triangle, pixel = triangle[inside], (row * size[1] + column)[inside]
    nearness = sum(share[inside] * inverse[triangle, corner] for corner, share in enumerate(shares))
    order = np.argsort(nearness, kind="stable")  # of those on one pixel the last one written, the nearest, stays
    seen = np.full(size[0] * size[1], -1)
    seen[pixel[order]] = kept[triangle[order]]
    return seen.reshape(size)


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


def _planes(corners: Floats) -> Floats:  # [F, 3, 2] -> [3, 3, F]
    """By what column, row and 1 are multiplied to give how much of each corner a point takes.

    What a point takes of a triangle without area is less than nothing everywhere.
    """
    following, last = np.roll(corners, -1, 1), np.roll(corners, -2, 1)
    across, down = following[..., 1] - last[..., 1], last[..., 0] - following[..., 0]
    base = following[..., 0] * last[..., 1] - last[..., 0] * following[..., 1]
    area = base.sum(1)[:, None]
    planes = np.stack([across, down, base], axis=2)
    flat = np.broadcast_to(np.array([0.0, 0.0, -1.0]), planes.shape)
    found: Floats = np.where(np.abs(area[..., None]) > 1e-9, planes / np.where(area == 0, 1, area)[..., None], flat)
    return np.ascontiguousarray(found.transpose(1, 2, 0))


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
