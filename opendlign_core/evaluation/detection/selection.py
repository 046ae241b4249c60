"""From the classified boxes of a scene to its detections."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Hulls
from opendlign_core.evaluation.detection.choices import Rule, SelectionSpec
from opendlign_core.evaluation.detection.detections import Classified, Detections
from opendlign_core.overlap import suppress

Indices = NDArray[np.int64]


def select(found: Classified, points: NDArray[Any], spec: SelectionSpec) -> Detections:  # points [N, 3]
    """The detections of a scene, in the order of its boxes, class by class where each box has all classes.

    `points` are those that the boxes were proposed on: they tell which boxes are empty.
    """
    kept = _occupied(found, points, spec)
    kept = kept[_apart(found[kept], spec)]
    kept = np.sort(kept[found.objectness[kept] > spec.objectness])
    rows, classes, scores = _scored(found[kept], spec.rule)
    return Detections(found.boxes[kept[rows]], classes, scores, kept[rows])


def _occupied(found: Classified, points: NDArray[Any], spec: SelectionSpec) -> Indices:
    if not len(found.boxes):
        return np.zeros(0, np.int64)
    occupied = np.flatnonzero(found.boxes.contain(points).sum(1) >= spec.least_points)
    return occupied if len(occupied) else np.array([found.objectness.argmax()])


def _apart(found: Classified, spec: SelectionSpec) -> Indices:
    if spec.suppression == "none" or not len(found.boxes):
        return np.arange(len(found.boxes))
    low, high = found.boxes.hulls()
    axes = [0, 2] if spec.suppression == "birds-eye" else [0, 1, 2]
    classes = found.probabilities.argmax(1) if spec.suppression == "class-aware" else None
    return suppress(Hulls(low[:, axes], high[:, axes]), found.objectness, spec.overlap, classes, spec.measure)


def _scored(found: Classified, rule: Rule) -> tuple[Indices, Indices, NDArray[np.floating[Any]]]:
    """Which box, which class, which score, of every detection."""
    boxes, probabilities, objectness = len(found.boxes), found.probabilities, found.objectness
    if rule == "every-class":
        classes = np.arange(probabilities.shape[1])
        scores = (probabilities * objectness[:, None]).T.ravel()
        return np.tile(np.arange(boxes), len(classes)), np.repeat(classes, boxes), scores
    best = probabilities.argmax(1)
    likely = probabilities[np.arange(boxes), best]
    scores = {"best-product": likely * objectness, "best-class": likely, "objectness": objectness}[rule]
    return np.arange(boxes), best, scores
