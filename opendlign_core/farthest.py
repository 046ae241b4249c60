"""Points spread over a cloud as far apart as can be."""

import numpy as np
import numpy.typing as npt


def farthest_indices(points: npt.NDArray[np.float32], wanted: int) -> npt.NDArray[np.int64]:
    """Exact farthest-point sampling that starts at the point farthest from the centre.

    Each next point is the one whose distance to all chosen points is largest; of equally far ones, the first.

    Args:
        points: [N, 3].
        wanted: at most N.

    Returns:
        Distinct indices [wanted] in the order of choice.

    >>> farthest_indices(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0], [2, 0, 0]], np.float32), 3).tolist()
    [0, 2, 1]
    """
    centre = points.mean(axis=0, dtype=np.float64)
    current = int(np.square(points - centre).sum(axis=1).argmax())
    # Columns and preallocated buffers: the loop is bound by memory, and this is the least it can touch.
    columns = np.ascontiguousarray(points.T)  # [3, N]
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    difference, square = np.empty_like(columns), np.empty_like(nearest)
    chosen = np.empty(wanted, dtype=np.int64)
    for step in range(wanted):
        chosen[step] = current
        np.subtract(columns, columns[:, current, None], out=difference)
        np.multiply(difference, difference, out=difference)
        np.add(difference[0], difference[1], out=square)
        np.add(square, difference[2], out=square)
        np.minimum(nearest, square, out=nearest)
        nearest[current] = -1.0  # a chosen point is never chosen again, even where points coincide
        current = int(nearest.argmax())
    return chosen
