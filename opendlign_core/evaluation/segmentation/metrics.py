"""How well parts are told apart: intersection over union of parts, of shapes, of categories."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.integer]


def part_ious(predicted: Ids, truth: Ids, parts: int) -> NDArray[np.float64]:  # [N], [N] -> [parts]
    """Intersection over union of every part of one shape, as the reference counts it.

    A part that is neither there nor predicted counts as 1, one that is predicted but not there as 0. Points whose
    truth is negative belong to no part and are left out.

    >>> part_ious(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    array([0.5, 0.5, 1. ])
    """
    counted = truth >= 0
    predicted, truth = predicted[counted], truth[counted]
    both = np.bincount(truth[predicted == truth], minlength=parts)[:parts]
    either = (np.bincount(predicted, minlength=parts) + np.bincount(truth, minlength=parts))[:parts] - both
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def shape_iou(predicted: Ids, truth: Ids, parts: int) -> float:
    """The mean over all parts of the shape's category."""
    return float(part_ious(predicted, truth, parts).mean())


def accuracy(predicted: Ids, truth: Ids) -> float:
    """The share of the points of a shape that are right; points without a part are left out."""
    counted = truth >= 0
    return float((predicted[counted] == truth[counted]).mean()) if counted.any() else 0.0


@dataclass(frozen=True)
class Summary:
    """Shapes of several categories in numbers, each a share."""

    categories: Mapping[str, float]
    """Mean over the shapes of each category, which is what the reference reports."""
    instance: float
    """Mean over all shapes."""
    category: float
    """Mean over the categories."""


def summarise(shapes: Iterable[tuple[str, float]]) -> Summary:
    """What pairs of category and shape IoU come to.

    >>> summarise([("mug", 0.5), ("mug", 0.75), ("cap", 0.25)])
    Summary(categories={'cap': 0.25, 'mug': 0.625}, instance=0.5, category=0.4375)
    """
    grouped: dict[str, list[float]] = {}
    for category, iou in shapes:
        grouped.setdefault(category, []).append(iou)
    means = {category: float(np.mean(grouped[category])) for category in sorted(grouped)}
    everything = [iou for ious in grouped.values() for iou in ious]
    return Summary(means, float(np.mean(everything)), float(np.mean(list(means.values()))))
