"""Annotated poses as clip coordinates: the one place where a world whose z is up becomes rows that go down."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.camera import Pose
from opendlign_core.pose import Floats

NEAREST = 1e-3
"""The near plane stands at this share of the camera's distance, or just before the nearest vertex."""

SLACK = 1e-3
"""By how much of their depth near and far planes stand off the object."""


def clip_coordinates(
    vertices: NDArray[np.floating], poses: Sequence[Pose], size: tuple[int, int]
) -> Tensor:  # [N, 3] in the CAD's frame -> [B, N, 4] float64
    """Vertices as the cameras of ImageNet3D see them in an image of `size` rows and columns.

    Column 0 of an annotation is the left edge of the first pixel, whose centre is at 0.5.

    >>> pose = Pose(azimuth=0, elevation=0, theta=0, distance=5, px=4, py=3, viewport=10)
    >>> x, y, z, w = clip_coordinates(np.array([[0.5, 0.0, 0.0]]), [pose], (6, 8))[0, 0].tolist()
    >>> round((x / w + 1) * 4, 6), round((y / w + 1) * 3, 6), w
    (5.0, 3.0, 5.0)
    """
    points = np.concatenate([vertices, np.ones((len(vertices), 1))], 1)
    return torch.from_numpy(np.stack([points @ clip_matrix(pose, vertices, size).T for pose in poses]))


def clip_matrix(pose: Pose, vertices: NDArray[np.floating], size: tuple[int, int]) -> Floats:  # [4, 4]
    """From homogeneous points in the CAD's frame to clip coordinates; depth planes enclose the vertices [N, 3]."""
    rows, columns = size
    turn = pose.rotation()
    cos, sin = np.cos(pose.theta), np.sin(pose.theta)
    right, up = cos * turn[0] - sin * turn[1], sin * turn[0] + cos * turn[1]
    right, up, ahead = (np.append(axis, -axis @ pose.centre()) for axis in (right, up, -turn[2]))
    depths = pose.depths(vertices)
    near = max(float(depths.min()) * (1 - SLACK), pose.distance * NEAREST)
    far = max(float(depths.max()), near) * (1 + SLACK)
    return np.stack([
        2 / columns * (pose.viewport * right + pose.px * ahead) - ahead,
        2 / rows * (pose.py * ahead - pose.viewport * up) - ahead,
        ((far + near) * ahead - np.array([0, 0, 0, 2 * far * near])) / (far - near),
        ahead,
    ])  # fmt: skip
