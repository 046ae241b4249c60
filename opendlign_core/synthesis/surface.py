"""The visible surface behind a depth map: its mask, its normals and how enclosed each point is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opendlign_core.synthesis.noise import Plane, box_blur, enlarge

BACKGROUND = np.float32(0.9995)
"""Depth from which a pixel belongs to the background; the farthest surface of any projection lies well below."""


@dataclass(frozen=True)
class Surface:
    """What the painter knows of an object, on the smallest window that holds it."""

    rows: slice
    columns: slice
    mask: NDArray[np.bool_]  # [h, w]
    normal: tuple[Plane, Plane, Plane]  # right, down, towards the viewer; unit length
    height: Plane  # [h, w] towards the viewer, in image widths
    enclosure: Plane  # [h, w] 0 open to 1 enclosed

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        return self.mask.shape[0], self.mask.shape[1]


def read_surface(depth: Plane, relief: float) -> Surface | None:  # depth [H, W]
    """The surface of one depth map, or None where the map shows nothing.

    `relief` says how many image widths one unit of depth spans.
    """
    mask = depth < BACKGROUND
    lines, posts = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not lines.size:
        return None
    rows, columns = slice(lines[0], lines[-1] + 1), slice(posts[0], posts[-1] + 1)
    mask = np.ascontiguousarray(mask[rows, columns])
    height = depth[rows, columns] * np.float32(-relief)
    height *= mask
    normal = _normals(height, mask.astype(np.float32), depth.shape[1])
    return Surface(rows, columns, mask, normal, height, _enclosure(height, mask, depth.shape[1]))


def _normals(height: Plane, weight: Plane, side: int) -> tuple[Plane, Plane, Plane]:
    """Unit normals from slopes averaged over a few pixels; slopes never reach across the contour.

    Depth maps come in terraces (points are spread over small squares), so single differences would show squares.
    Steps are limited before averaging, so that a jump inside the object makes a crease instead of a smear.
    """
    radius = max(1, side // 100)
    limit = np.float32(3.0 / side)
    planes = np.zeros((3, *height.shape), np.float32)
    planes[0] = weight
    np.subtract(height[:, 1:], height[:, :-1], out=planes[1, :, 1:])
    planes[1, :, 1:] *= weight[:, :-1]
    np.subtract(height[1:], height[:-1], out=planes[2, 1:])
    planes[2, 1:] *= weight[:-1]
    planes[1:] *= weight
    np.clip(planes[1:], -limit, limit, out=planes[1:])
    share, right, down = box_blur(planes, radius, passes=2)
    np.maximum(share, np.float32(1e-3), out=share)
    np.divide(np.float32(-side), share, out=share)
    right *= share
    down *= share
    length = right * right
    length += down * down
    length += np.float32(1)
    np.sqrt(length, out=length)
    towards = np.divide(np.float32(1), length, out=length)
    right *= towards
    down *= towards
    return right, down, towards


def _enclosure(height: Plane, mask: NDArray[np.bool_], side: int) -> Plane:
    """How far each point lies behind the mean of its neighbourhood, in a twelfth of the image width."""
    step = max(1, side // 56)
    small, inside = height[::step, ::step], mask[::step, ::step].astype(np.float32)
    mean, share = box_blur(np.stack((small, inside)), max(1, side // step // 14))
    mean /= np.maximum(share, np.float32(1e-3))
    gap = enlarge(mean, step, *height.shape)
    gap -= height
    gap *= np.float32(12)
    return np.clip(gap, 0, 1, out=gap)
