"""Average precision and recall of detections, as VoteNet and 3DETR count them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.detection.detections import Detections, Objects
from opendlign_core.overlap import iou

Floats = NDArray[np.float64]
Scene = tuple[Detections, Objects]


@dataclass(frozen=True, eq=False)
class ClassCurve:
    """The detections of one class over all scenes, from the highest score to the lowest."""

    recalls: Floats  # [M]
    precisions: Floats  # [M]

    @property
    def average_precision(self) -> float:
        """The area below the curve, after precision was made to fall from left to right."""
        recalls = np.concatenate([[0.0], self.recalls, [1.0]])
        precisions = np.concatenate([[0.0], self.precisions, [0.0]])
        falling = np.maximum.accumulate(precisions[::-1])[::-1]
        return float((np.diff(recalls) * falling[1:]).sum())

    @property
    def recall(self) -> float:
        """The share of the objects that any detection found."""
        return float(self.recalls[-1]) if len(self.recalls) else 0.0


@dataclass(frozen=True, eq=False)
class ClassRanking:
    """The detections of one class from the highest score to the lowest, before they are counted."""

    right: NDArray[np.bool_]  # [M], the first of those that stand for an object
    scenes: NDArray[np.int64]  # [M], where each is
    objects: NDArray[np.int64]  # [S], of the class in each scene

    @property
    def curve(self) -> ClassCurve:
        found = np.cumsum(self.right)
        return ClassCurve(found / max(int(self.objects.sum()), 1), found / np.arange(1, len(self.right) + 1))

    def average_precisions(self, copies: NDArray[np.int64]) -> Floats:  # [D, S] -> [D]
        """The average precision where each scene is there so many times; NaN where none has an object.

        >>> ranking = ClassRanking(np.array([True, False, True]), np.array([0, 0, 1]), np.array([1, 1]))
        >>> ranking.average_precisions(np.array([[1, 1], [1, 0], [0, 2]])).round(3).tolist()
        [0.833, 1.0, 1.0]
        """
        weights, objects = copies[:, self.scenes], copies @ self.objects
        found, counted = np.cumsum(weights * self.right, axis=1), np.cumsum(weights, axis=1)
        precisions = found / np.maximum(counted, 1)
        falling = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
        areas = (np.diff(found, axis=1, prepend=0) * falling).sum(1)
        return np.asarray(np.divide(areas, objects, out=np.full(len(copies), np.nan), where=objects > 0))


@dataclass(frozen=True, eq=False)
class DetectionScore:
    """How well the things of all scenes were found, at one overlap."""

    classes: dict[int, ClassCurve]
    """Of every class that was detected or is there, by its number."""

    @property
    def mean_average_precision(self) -> float:
        """Over those classes: one that was detected and is nowhere counts as 0. 0 where there is no class."""
        return _mean([curve.average_precision for curve in self.classes.values()])

    @property
    def mean_recall(self) -> float:
        return _mean([curve.recall for curve in self.classes.values()])


def score_detections(scenes: Sequence[Scene], overlap: float) -> DetectionScore:
    """Count detections as right where their IoU with an object of their class is above `overlap`.

    Every detection stands for the object that it overlaps most, whether or not that one is already found: an object
    counts once, for the detection of highest score (of equal ones the first).

    >>> from opendlign_core.boxes import Boxes
    >>> box, chair = Boxes.of([[0, 0, 0]], [[1, 1, 1]]), np.array([0])
    >>> right = Detections(box, chair, np.array([0.9]), np.array([0])), Objects(box, chair)
    >>> score_detections([right], 0.5).mean_average_precision
    1.0
    """
    return DetectionScore({number: ranking.curve for number, ranking in rankings(scenes, overlap).items()})


def rankings(scenes: Sequence[Scene], overlap: float) -> dict[int, ClassRanking]:
    """The detections of every class that was detected or is there, as `score_detections` counts them."""
    numbers = {int(number) for scene in scenes for part in scene for number in part.classes}
    return {number: _ranking(scenes, number, overlap) for number in sorted(numbers)}


def _ranking(scenes: Sequence[Scene], number: int, overlap: float) -> ClassRanking:
    objects = np.array([int((there.classes == number).sum()) for _, there in scenes], np.int64)
    before = np.cumsum(objects) - objects
    found = [_matches(*scene, number, overlap) for scene in scenes]
    hits = np.concatenate([np.where(hit < 0, hit, hit + start) for (hit, _), start in zip(found, before, strict=True)])
    where = np.repeat(np.arange(len(scenes)), [len(hit) for hit, _ in found])
    falling = np.argsort(-np.concatenate([scores for _, scores in found]), kind="stable")
    return ClassRanking(_first(hits[falling]), where[falling], objects)


def _matches(found: Detections, there: Objects, number: int, overlap: float) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """For every detection of a class in a scene the object that it hits, or -1, and its score."""
    detected, present = found.classes == number, there.classes == number
    scores = found.scores[detected]
    if not present.any() or not detected.any():
        return np.full(len(scores), -1), scores
    shared = iou(found.boxes[detected], there.boxes[present])
    hit = shared.argmax(1)
    return np.where(shared[np.arange(len(hit)), hit] > overlap, hit, -1), scores


def _first(hits: NDArray[np.int64]) -> NDArray[np.bool_]:  # [M]
    """Which of the hits, in falling order, is the first of its object."""
    first = np.zeros(len(hits), bool)
    first[np.unique(hits, return_index=True)[1]] = True
    return first & (hits >= 0)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
