"""Rotation of a shape so that its up axis becomes y; all six are proper rotations, none a mirror."""

import numpy as np

from opendlign_core.ingestion.cloud import Points
from opendlign_core.ingestion.entry import UpAxis

# For each up axis: which column gives x, y and z, and with which sign.
_TURNS: dict[UpAxis, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "y": ((0, 1, 2), (1, 1, 1)),
    "-y": ((0, 1, 2), (1, -1, -1)),
    "z": ((0, 2, 1), (1, 1, -1)),
    "-z": ((0, 2, 1), (1, -1, 1)),
    "x": ((1, 0, 2), (-1, 1, 1)),
    "-x": ((1, 0, 2), (1, -1, 1)),
}


def to_y_up(points: Points, up_axis: UpAxis) -> Points:
    """The points [N, 3] rotated so that `up_axis` becomes +y."""
    columns, signs = _TURNS[up_axis]
    # Adding zero turns the negative zeros of a flipped sign back into plain ones.
    return np.ascontiguousarray(points[:, columns] * np.asarray(signs, dtype=np.float32) + np.float32(0))
