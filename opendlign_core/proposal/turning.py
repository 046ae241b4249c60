"""Upright boxes turned as what is in them: the rectangle of least area around a footprint."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from opendlign_core.boxes import Boxes

Floats = NDArray[np.float64]

GAIN = 0.8
"""Share of the area along the axes up to which a turned rectangle is worth it: less is noise, or half a thing."""


def turned_box(points: Floats) -> Boxes:  # [N, 3], y up -> 1
    """The box around points, turned about y as its footprint is smallest; along the axes where that saves little.

    >>> angle = np.radians(30)
    >>> turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    >>> corners = np.array([[x, y, z] for x in (-2, 2) for y in (0, 1) for z in (-0.5, 0.5)])
    >>> box = turned_box(corners @ turn)
    >>> box.sizes.round(3).tolist(), np.degrees(box.yaws).round(1).tolist()
    ([[4.0, 1.0, 1.0]], [30.0])
    """
    yaw = _yaw(points[:, ::2])
    own = _along(points, yaw)
    low, high = own.min(0), own.max(0)
    centre = _along((low + high)[None] / 2, -yaw)
    return Boxes.of(centre, (high - low)[None], [yaw])


def _yaw(footprint: Floats) -> float:  # [N, 2], (x, z)
    """Between -45 and 45 degrees, from +x towards +z."""
    try:
        outline = footprint[ConvexHull(footprint).vertices]
    except QhullError:  # all on a line, or fewer than three
        return _line(footprint)
    edges = np.roll(outline, -1, axis=0) - outline
    # A side of the smallest rectangle lies along a side of the outline.
    yaws = _quarter(np.arctan2(edges[:, 1], edges[:, 0]))
    along = np.stack([np.cos(yaws), np.sin(yaws)])  # [2, E]
    across = np.stack([-np.sin(yaws), np.cos(yaws)])
    areas = np.ptp(outline @ along, axis=0) * np.ptp(outline @ across, axis=0)
    best = int(areas.argmin())
    return float(yaws[best]) if areas[best] < GAIN * np.ptp(outline, axis=0).prod() else 0.0


def _line(footprint: Floats) -> float:
    """The direction of points on one line; 0 for points in one place."""
    farthest = footprint[((footprint - footprint[0]) ** 2).sum(1).argmax()] - footprint[0]
    return float(_quarter(np.arctan2(farthest[1], farthest[0])))


def _quarter(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same rectangle turned by no more than an eighth of a circle."""
    return np.asarray((angle + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def _along(points: Floats, yaw: float) -> Floats:  # [N, 3] -> [N, 3]
    """Points in the frame of a box of this yaw."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    x, y, z = points.T
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=1)
