"""Which of two axes points up: shapes differ most from top to bottom, and stand on or end in something wide."""

import numpy as np
from numpy.typing import NDArray

_SLICES = 32
_END = 0.04
"""The share of the height that counts as an end."""
_FEW = 3


def lies(points: NDArray[np.float32]) -> bool:  # [N, 3]
    """Whether a shape, taken for y up, looks as if z were up in its file. How often that is right: docs/datasets.md.

    >>> cone = np.array([[x * (1 - y), y, z * (1 - y)] for x in (-1, 1) for y in (0, 0.5, 0.9) for z in (-1, 1)])
    >>> lies(cone), lies(cone[:, [0, 2, 1]])
    (False, True)
    """
    # A file with z up arrives with its height along z, the depth of its shape along y.
    return uprightness(points, 1) < uprightness(points, 2)


def uprightness(points: NDArray[np.float32], axis: int) -> float:  # [N, 3]
    """How much an axis looks like the one that points up, from 0 to 3."""
    sizes = np.maximum(np.ptp(points, axis=0), 1e-9)
    unit = (points - points.min(axis=0)) / sizes
    heights, across = unit[:, axis], np.delete(unit, axis, axis=1)
    slices = np.histogram(heights, _SLICES, (0, 1))[0] / len(points)
    unlike = float(np.abs(slices - slices[::-1]).sum()) / 2
    return unlike + _width(across[heights < _END]) + _width(across[heights > 1 - _END])


def _width(end: NDArray[np.float32]) -> float:  # [N, 2]
    """The share of the shape's outline that the box around one of its ends covers."""
    return float(np.ptp(end, axis=0).prod()) if len(end) >= _FEW else 0.0
