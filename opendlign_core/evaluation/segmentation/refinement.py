"""Scores of points made smoother along the surface: a part is a piece of it, and points nearby mostly share theirs."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from opendlign_core.evaluation.segmentation.choices import AnswerSpec
from opendlign_core.farthest import farthest_indices

Points = NDArray[np.float32]


def refined(scores: Tensor, seen: Tensor, points: Points, answer: AnswerSpec) -> tuple[Tensor, Tensor]:
    """Scores [N, P] and who has any [N], after what the answer asks for; `seen` [V, N] tells which views see a point.

    Points that no view sees have no say, and are spoken for by those around them.
    """
    voice = seen.any(0)
    if answer.neighbours:
        scores, voice = smoothed(scores, voice, points, answer.neighbours)
    if answer.superpoints:
        scores, voice = grouped(scores, voice, points, answer.superpoints)
    return scores, voice


def smoothed(scores: Tensor, voice: Tensor, points: Points, neighbours: int) -> tuple[Tensor, Tensor]:
    """Scores [N, P] averaged over each point's so many nearest points, itself included, that have a voice [N]."""
    near = _nearest(points, points, min(neighbours, len(points)))  # [N, k]
    counted = voice[near].to(scores)
    total = (scores[near] * counted[..., None]).sum(1)
    return total / counted.sum(1, keepdim=True).clamp(min=1), counted.any(1)


def grouped(scores: Tensor, voice: Tensor, points: Points, groups: int) -> tuple[Tensor, Tensor]:
    """The mean of the scores [N, P] of each group of points, for all of its points.

    Groups gather around points that are spread as far apart as can be.
    """
    centres = farthest_indices(points, min(groups, len(points)))
    group = _nearest(points, points[centres], 1)[:, 0]
    total = torch.zeros(len(centres), scores.shape[1]).index_add_(0, group, scores * voice[:, None])
    count = torch.zeros(len(centres)).index_add_(0, group, voice.float())
    return (total / count.clamp(min=1)[:, None])[group], (count > 0)[group]


def _nearest(points: Points, among: Points, count: int) -> Tensor:  # [N, 3], [M, 3] -> [N, count]
    """Rows of the nearest points."""
    found = cKDTree(among).query(points, k=range(1, count + 1))[1]
    return torch.from_numpy(found.astype(np.int64))
