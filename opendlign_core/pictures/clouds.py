"""Coloured clouds as small shaded images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Cloud = npt.NDArray[np.floating[Any]]

_LIGHT = np.array([0.45, 0.75, 0.5]) / np.linalg.norm([0.45, 0.75, 0.5])


def cloud_picture(
    points: Cloud,
    colors: UInt8 | None = None,
    *,
    size: int = 128,
    azimuth: float = 35.0,
    elevation: float = 22.0,
) -> UInt8:
    """Draw a y-up cloud [N, 3] as a shaded image [size, size, 3], seen `azimuth` degrees to the right of its front.

    Points become discs against a z-buffer; shading comes from the resulting depth, so no normals are needed.
    """
    right, up, near = _view_axes(azimuth, elevation)
    centre = (points.max(0) + points.min(0)) / 2
    reach = float(np.linalg.norm(points - centre, axis=1).max()) or 1.0
    flat = (points.astype(np.float64) - centre) / reach
    x, y, z = flat @ right, flat @ up, flat @ near
    disc = _disc(len(points), size)
    scale = (size / 2 - disc.max() - 1) / max(float(np.abs(x).max()), float(np.abs(y).max()), 1e-6)
    depth, nearest = _splat(size / 2 + x * scale, size / 2 - y * scale, z, size, disc)
    paint = np.full((len(points), 3), 176.0) if colors is None else colors.astype(np.float64)
    return _shade(depth, nearest, paint, scale)


def _view_axes(azimuth: float, elevation: float) -> tuple[Floats, Floats, Floats]:
    a, e = np.radians(azimuth), np.radians(elevation)
    near = np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    right = np.array([np.cos(a), 0.0, -np.sin(a)])
    return right, np.cross(near, right), near


def _disc(points: int, size: int) -> npt.NDArray[np.int64]:
    """Pixel offsets [K, 2] of a disc large enough that a cloud of so many points looks closed."""
    radius = float(np.clip(2.4 * size / np.sqrt(max(points, 1)), 1.0, 4.0))
    reach = int(radius)
    grid: npt.NDArray[np.int64] = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T
    inside: npt.NDArray[np.int64] = grid[(grid**2).sum(1) <= radius**2]
    return inside


def _splat(
    x: Floats, y: Floats, z: Floats, size: int, disc: npt.NDArray[np.int64]
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Depth [size, size] (-inf where empty) and the index of the nearest point, -1 where there is none."""
    order = np.argsort(z)
    columns = np.clip(x[order, None].astype(np.int64) + disc[:, 0], 0, size - 1)
    rows = np.clip(y[order, None].astype(np.int64) + disc[:, 1], 0, size - 1)
    nearest = np.full((size, size), -1, np.int64)
    # Later writes win, and points are sorted from far to near.
    nearest[rows, columns] = order[:, None]
    return np.where(nearest >= 0, z[nearest], -np.inf), nearest


def _shade(depth: Floats, nearest: npt.NDArray[np.int64], paint: Floats, scale: float) -> UInt8:
    solid = nearest >= 0
    height = np.where(solid, depth, 0.0) * scale
    height = _smooth(height, solid)
    slope_y, slope_x = np.gradient(height)
    normal = np.stack([-slope_x, slope_y, np.full_like(height, 1.2)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = 0.45 + 0.6 * np.clip(normal @ _LIGHT, 0, 1)
    image = np.where(solid[..., None], paint[nearest] * light[..., None], 255.0)
    return np.clip(image, 0, 255).astype(np.uint8)


def _smooth(height: Floats, solid: npt.NDArray[np.bool_]) -> Floats:
    """A 5 x 5 mean over filled pixels, which hides the discs."""
    total, weight = np.zeros_like(height), np.zeros_like(height)
    padded, mask = np.pad(height * solid, 2), np.pad(solid, 2).astype(np.float64)
    rows, columns = height.shape
    for i in range(5):
        for j in range(5):
            total += padded[i : i + rows, j : j + columns]
            weight += mask[i : i + rows, j : j + columns]
    return np.where(solid, total / np.maximum(weight, 1.0), 0.0)
