"""What data sets give as boxes: rows of centre, size and yaw, and names."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Hulls
from opendlign_core.ingestion.cloud import Parts, Points
from opendlign_core.ingestion.safety import require
from opendlign_core.overlap import hull_iou

SAME = 0.5
"""IoU from which an instance's extents are those of a box: of a thinned scan they are a little smaller."""

Rows = NDArray[np.float64]


def rows_of(centres: NDArray[Any], sizes: NDArray[Any], yaws: NDArray[Any] | None = None) -> Rows:  # [K, 3] -> [K, 7]
    turned = np.zeros(len(centres)) if yaws is None else yaws
    return np.column_stack([centres, sizes, turned]).astype(np.float64).reshape(-1, 7)


def extents_of(points: Points, instances: Parts, wanted: list[int]) -> Rows:  # [N, 3], [N] -> [K, 7]
    """The boxes of these instances as ScanNet's are: the extents of their points along the axes."""
    sides = [(own.min(0), own.max(0)) for own in (points[instances == one] for one in wanted)]
    low, high = (np.array([side[which] for side in sides]).reshape(-1, 3) for which in (0, 1))
    return rows_of((low + high) / 2, high - low)


def named_rows(table: NDArray[Any], names: dict[int, str], columns: int) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The rows of a table of boxes whose last column is among the names, and what they are called."""
    fits = table.ndim == 2 and table.shape[1] == columns
    require(fits, f"has boxes of shape {list(table.shape)}, not [K, {columns}]")
    require(bool(np.isfinite(table).all()), "has a box that is not finite")
    kept = table[np.isin(table[:, -1].astype(int), list(names))]
    return kept, tuple(names[int(number)] for number in kept[:, -1])


def numbered(points: Points, instances: Parts, boxes: Rows) -> Parts:  # [N, 3], [N], [K, 7] -> [N]
    """Instances renumbered to 1 + the row of the box that their points fill, 0 where they fill none."""
    known = [int(one) for one in np.unique(instances) if one]
    found = np.zeros(max([0, *known]) + 1, np.int32)
    if known and len(boxes):
        likeness = hull_iou(_hulls(extents_of(points, instances, known)), _hulls(boxes))
        best = likeness.argmax(0)  # the instance that each box is most like
        for row, one in enumerate(best):
            if likeness[one, row] >= SAME:
                found[known[one]] = row + 1
    return found[instances]


def _hulls(rows: Rows) -> Hulls:
    return Hulls(rows[:, :3] - rows[:, 3:6] / 2, rows[:, :3] + rows[:, 3:6] / 2)
