"""From shapes to rows: IoU by part, by shape and by category, with intervals over resampled shapes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from opendlign_core.evaluation.estimates import between, estimate, resampled
from opendlign_core.evaluation.features import PlacedSample
from opendlign_core.evaluation.findings import Estimate, Numbers, Row
from opendlign_core.evaluation.segmentation.metrics import accuracy, part_ious
from opendlign_core.evaluation.specs import BootstrapSpec

Floats = NDArray[np.float64]
Kind = Literal["answer", "baseline", "bound"]
CONSTANT, RANDOM = "best constant", "random parts"


@dataclass(frozen=True)
class ShapeScore:
    """One answer to one shape."""

    object_id: str
    category: str
    ious: tuple[float, ...]
    """By part."""
    right: float
    """Share of the points."""

    @property
    def iou(self) -> float:
        return float(np.mean(self.ious))

    @classmethod
    def of(cls, sample: PlacedSample, found: NDArray[np.int64], parts: int) -> "ShapeScore":
        """Hold an answer [N] against the truth."""
        ious = tuple(map(float, part_ious(found, sample.parts, parts)))
        return cls(sample.object_id, sample.label or "", ious, accuracy(found, sample.parts))


class CategoryResult(Numbers):
    """The shapes of one category."""

    name: str
    objects: int
    miou: Estimate
    """Mean over its shapes, as the reference reports it."""
    parts: dict[str, float]
    """Mean IoU of each part."""


class ShownShape(Numbers):
    """A shape in pictures: the true parts and the found ones."""

    object_id: str
    category: str
    iou: float
    place: Literal["best", "typical", "worst"]
    picture: str
    """As a data URI."""


class SegmentationResult(Row):
    """One answer of one method on one data set, or what it is compared with."""

    method: str
    answer: str
    kind: Kind
    objects: int
    left_out: int = 0
    """Objects whose label leads to no class."""
    instance: Estimate
    """Mean IoU over shapes."""
    category: Estimate
    """Mean over the categories' means."""
    accuracy: Estimate
    """Mean share of a shape's points that are right."""
    above: dict[str, Estimate] = Field(default_factory=dict)
    """Instance mIoU less that of the named baseline."""
    categories: tuple[CategoryResult, ...]
    searched_on_test: bool = False
    search: dict[str, Any] | None = None
    shown: tuple[ShownShape, ...] = ()

    @property
    def named(self) -> str:
        """The method, and the answer in its tokens."""
        return named_answer(self.method, self.answer)


def named_answer(method: str, answer: str) -> str:
    """What an answer in the tokens of a method goes by."""
    return f"{method}, {answer}"


def estimates(scores: Sequence[ShapeScore], names: dict[str, tuple[str, ...]], spec: BootstrapSpec) -> dict[str, Any]:
    """The numbers of a row; `names` are those of the parts of each category."""
    ious, right = (np.array([getattr(score, name) for score in scores]) for name in ("iou", "right"))
    grouped: dict[str, list[ShapeScore]] = {}
    for score in scores:
        grouped.setdefault(score.category, []).append(score)
    draws = [resampled(np.array([score.iou for score in grouped[name]]), spec) for name in sorted(grouped)]
    means = [np.mean([score.iou for score in grouped[name]]) for name in sorted(grouped)]
    return {
        "objects": len(scores),
        "instance": estimate(ious, spec),
        "category": between(float(np.mean(means)), np.mean(draws, axis=0), spec),
        "accuracy": estimate(right, spec),
        "categories": tuple(_category(name, grouped[name], names[name], spec) for name in sorted(grouped)),
    }


def _category(name: str, scores: Sequence[ShapeScore], parts: tuple[str, ...], spec: BootstrapSpec) -> CategoryResult:
    by_part = np.mean([score.ious for score in scores], axis=0)
    return CategoryResult(
        name=name,
        objects=len(scores),
        miou=estimate(np.array([score.iou for score in scores]), spec),
        parts=dict(zip(parts, map(float, by_part), strict=True)),
    )
