"""CADs placed by the box in which a photo shows them, and with fewer triangles where outlines are all that counts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.camera import Pose
from opendlign_core.pose import Floats

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


def pose_in_box(vertices: NDArray[np.floating[Any]], angles: Floats, box: Box, away: float = 5.0) -> Pose:
    """The camera at azimuth, elevation and theta [3] that sees a CAD [N, 3] in a box: as large along the diagonal.

    It stands `away` diagonals of the CAD from its origin; how far is hardly seen, so it is not told by the box.

    >>> corners = np.array([[x, 0.0, z] for x in (-1, 1) for z in (-1, 1)])
    >>> pose = pose_in_box(corners, np.zeros(3), (10, 20, 50, 60))
    >>> pose.project(corners).round(3).tolist()
    [[10.0, 60.0], [10.0, 20.0], [50.0, 60.0], [50.0, 20.0]]
    """
    azimuth, elevation, theta = angles.tolist()
    distance = away * float(np.linalg.norm(vertices.max(0) - vertices.min(0)))
    pose = Pose(azimuth=azimuth, elevation=elevation, theta=theta, distance=distance, px=0, py=0, viewport=1)
    places = pose.project(vertices)
    low, high = places.min(0), places.max(0)
    left, top, right, bottom = box
    scale = float(np.hypot(right - left, bottom - top) / np.hypot(*(high - low)))
    px, py = np.array([left + right, top + bottom]) / 2 - scale * (low + high) / 2
    return pose.model_copy(update={"viewport": scale, "px": float(px), "py": float(py)})


def coarse(
    vertices: NDArray[np.floating[Any]], faces: NDArray[np.integer[Any]], cells: int = 96
) -> tuple[Floats, NDArray[np.int64]]:  # [N, 3], [F, 3] -> [M, 3], [G, 3]
    """A mesh with the corners in each cell of a grid made one; triangles that vanish or repeat go.

    `cells` lie along its largest extent, so outlines move by less than one of them.
    """
    side = float((vertices.max(0) - vertices.min(0)).max()) / cells
    _, first, merged = np.unique(np.floor(vertices / side), axis=0, return_index=True, return_inverse=True)
    kept = merged.reshape(-1)[faces]
    kept = kept[(kept != np.roll(kept, 1, 1)).all(1)]
    return np.asarray(vertices[first], np.float64), np.unique(np.sort(kept, 1), axis=0)
