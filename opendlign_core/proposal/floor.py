"""The floor of a scan, by which it is told that a scan of a place stands upright."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput

CELL = 0.1
"""Metres: sides of the cells that the ground is counted in, and height of the layers."""
LEAST_AREA = 1.0
"""Square metres of a floor: the edge of a wall that stands on it fills less."""


def floor_height(points: NDArray[Any]) -> float | None:  # [N, 3], y up, in metres
    """The lowest height at which points lie over a square metre or more; None where there is none.

    >>> x, z = np.meshgrid(np.arange(0, 2, 0.05), np.arange(0, 2, 0.05))
    >>> floor = np.stack([x.ravel(), np.full(x.size, 0.7), z.ravel()], axis=1)
    >>> round(floor_height(floor), 2), floor_height(floor[:, [1, 0, 2]])
    (0.7, None)
    """
    layer, column, row = np.floor((points - points.min(0)) / CELL).astype(np.int64).T[[1, 0, 2]]
    cells = (layer * (column.max() + 1) + column) * (row.max() + 1) + row
    filled = np.unique(cells) // ((column.max() + 1) * (row.max() + 1))
    level = np.flatnonzero(np.bincount(filled) * CELL**2 >= LEAST_AREA)
    return float(np.median(points[layer == level[0], 1])) if len(level) else None


def require_floor(points: NDArray[Any], name: str) -> None:  # [N, 3]
    """Refuse what is no upright scan of a place; `name` names it in the sentence."""
    if floor_height(points) is None:
        raise BadInput(
            f"{name} has no floor: no square metre of it is level; it should be a scan of a room in metres, and where "
            "it lies on its side, --up names the axis that points up in the file"
        )
