"""Poses as three angles, and how far apart two of them are.

Angles are azimuth, elevation and theta in radians, [..., 3]. The world is ImageNet3D's: z up, things front towards -y,
azimuth 0 before the thing and growing towards +x, elevation up, theta counter-clockwise on screen.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TURN = 2 * np.pi
BINS = 40
"""Classes of each angle where a pose is learnt as one of so many, as ImageNet3D's models do."""


def rotation(angles: NDArray[np.floating[Any]]) -> Floats:  # [..., 3] -> [..., 3, 3]
    """World directions as the camera sees them: x right, y up, looking along -z.

    >>> rotation(np.zeros(3)).round(3).tolist()  # the world's up (z) is the camera's up (y)
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]
    """
    azimuth, elevation, theta = np.moveaxis(np.asarray(angles, np.float64), -1, 0)
    return _about(theta, 2) @ _about(elevation - np.pi / 2, 0) @ _about(-azimuth, 2)


def pose_error(found: NDArray[np.floating[Any]], true: NDArray[np.floating[Any]]) -> Floats:  # [..., 3] each -> [...]
    """The angle of the turn from one pose to the other, 0 to pi; pi where an angle is not a number.

    Stable at half turns, where a matrix logarithm is not.
    """
    between = np.swapaxes(rotation(found), -1, -2) @ rotation(true)
    skew = between - np.swapaxes(between, -1, -2)
    sine = np.sqrt(skew[..., 2, 1] ** 2 + skew[..., 0, 2] ** 2 + skew[..., 1, 0] ** 2) / 2
    cosine = (np.trace(between, axis1=-2, axis2=-1) - 1) / 2
    angle = np.arctan2(sine, cosine)
    return np.where(np.isnan(angle), np.pi, angle)


def mirrored(angles: Floats) -> Floats:  # [..., 3]
    """The pose of the thing in the mirrored image, exact for things that are their own mirror image in x."""
    azimuth, elevation, theta = np.moveaxis(np.asarray(angles), -1, 0)
    return np.stack([TURN - azimuth, elevation, -theta], -1)


def binned(angles: NDArray[np.floating[Any]]) -> NDArray[np.int64]:  # [...] radians, any turn
    """The bin of each angle, 0 to 39, in the precision of the angles."""
    return np.floor(np.asarray(angles) / TURN % 1 * BINS).astype(np.int64) % BINS


def centres(bins: NDArray[np.integer[Any]]) -> Floats:  # [...] radians
    """The angle in the middle of each bin: up to 4.5 degrees from what was binned."""
    return (np.asarray(bins) % BINS + 0.5) / BINS * TURN


def decoded(logits: NDArray[np.floating[Any]]) -> Floats:  # [N, 3 * 40] -> [N, 3]
    """Azimuth, elevation and theta of the highest logits (of equal ones the first)."""
    return centres(np.asarray(logits).reshape(len(logits), 3, BINS).argmax(-1))


def _about(angle: Floats, axis: int) -> Floats:  # [...] -> [..., 3, 3]
    """Right-handed turns about one axis."""
    after, last = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((*np.shape(angle), 3, 3))
    turn[..., axis, axis] = 1
    turn[..., after, after] = turn[..., last, last] = np.cos(angle)
    turn[..., last, after] = np.sin(angle)
    turn[..., after, last] = -np.sin(angle)
    return turn
