"""From scores to one part for every point."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor


def best_parts(scores: Tensor, seen: Tensor, points: NDArray[np.float32]) -> NDArray[np.int64]:
    """The best part of every point; of equally good ones the first.

    Scores are [N, P], `seen` [V, N] tells which views see a point, points are [N, 3]. A point that no view sees takes
    the part of the nearest point that one does.
    """
    chosen: NDArray[np.int64] = scores.argmax(1).numpy()
    known = seen.any(0).numpy()
    if known.any() and not known.all():
        nearest = cKDTree(points[known]).query(points[~known])[1]
        chosen[~known] = chosen[known][nearest]
    return chosen


def reference_parts(scores: Tensor) -> NDArray[np.int64]:
    """The reference's choice: which of equally good parts wins is up to the backend."""
    chosen: NDArray[np.int64] = torch.topk(scores, 1, dim=1).indices[:, 0].numpy()
    return chosen
