"""The floor of a scan, by which it is told that a scan of a place stands upright."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput

CELL = 0.1
"""Metres: sides of the cells that the ground is counted in, and height of the layers."""
MUCH = 1.3
"""How many times as large as the floor a wall may be before it is taken for the floor: corridors have large ones."""
LEAST_AREA = 1.0
"""Square metres of a floor: the edge of a wall that stands on it fills less."""


def floor_height(points: NDArray[Any]) -> float | None:  # [N, 3], y up, in metres
    """The lowest height at which points lie over a square metre or more; None where there is none.

    >>> x, z = np.meshgrid(np.arange(0, 2, 0.05), np.arange(0, 2, 0.05))
    >>> floor = np.stack([x.ravel(), np.full(x.size, 0.7), z.ravel()], axis=1)
    >>> round(floor_height(floor), 2), floor_height(floor[:, [1, 0, 2]])
    (0.7, None)
    """
    layer, areas = _layers(points, 1)
    level = np.flatnonzero(areas >= LEAST_AREA)
    return float(np.median(points[layer == level[0], 1])) if len(level) else None


def seems_to_lie(points: NDArray[Any]) -> str:  # [N, 3]
    """The axis, x or z, across which the scan has a much larger level than across y; else empty.

    >>> x, z = np.meshgrid(np.arange(0, 2, 0.05), np.arange(0, 3, 0.05))
    >>> floor = np.stack([x.ravel(), np.zeros(x.size), z.ravel()], axis=1)
    >>> wall = np.stack([x.ravel()[:1200], z.ravel()[:1200], np.zeros(1200)], axis=1)
    >>> seems_to_lie(np.concatenate([floor, wall])), seems_to_lie(np.concatenate([floor, wall])[:, [0, 2, 1]])
    ('', 'z')
    """
    across = [float(_layers(points, axis)[1].max()) for axis in range(3)]
    largest = int(np.argmax(across))
    return "xyz"[largest] if largest != 1 and across[largest] > MUCH * across[1] else ""


def _layers(points: NDArray[Any], axis: int) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    """The layer [N] across an axis in which each point lies, and how many square metres each layer fills."""
    order = [axis, *(other for other in range(3) if other != axis)]
    layer, column, row = np.floor((points - points.min(0)) / CELL).astype(np.int64).T[order]
    cells = (layer * (column.max() + 1) + column) * (row.max() + 1) + row
    filled = np.unique(cells) // ((column.max() + 1) * (row.max() + 1))
    return layer, np.bincount(filled) * CELL**2


def require_floor(points: NDArray[Any], name: str) -> None:  # [N, 3]
    """Refuse what is no upright scan of a place; `name` names it in the sentence."""
    if floor_height(points) is None:
        raise BadInput(
            f"{name} has no floor: no square metre of it is level; it should be a scan of a room in metres, and where "
            "it lies on its side, --up names the axis that points up in the file"
        )
