"""From judged scenes to a row: AP and recall over draws, with intervals over resampled scenes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.detection.breakdown import Breakdown, break_down
from opendlign_core.evaluation.detection.detections import Detections, Objects
from opendlign_core.evaluation.detection.metrics import ClassRanking, Scene, rankings
from opendlign_core.evaluation.estimates import between
from opendlign_core.evaluation.findings import Estimate, Numbers, Row
from opendlign_core.evaluation.specs import BootstrapSpec

Floats = NDArray[np.float64]
OVERLAPS = (25, 50)
"""Percent of IoU above which a detection can be right."""


class ClassResult(Numbers):
    """The things of one class: AP and recall by overlap in percent, means over the draws."""

    name: str
    objects: int
    precision: dict[int, float]
    recall: dict[int, float]


class OverlapResult(Numbers):
    """All classes at one overlap."""

    precision: Estimate
    """Mean AP over the classes and the draws."""
    recall: float
    draws: tuple[float, ...]
    """Mean AP of each draw of the proposer."""
    printed: float | None = None
    """Mean AP over the classes that papers print."""
    above: Estimate | None = None
    """Mean AP less that of the frozen branch in the same boxes, paired over scenes."""

    @property
    def spread(self) -> float | None:
        """Standard deviation over the draws; None for a single one."""
        return float(np.std(self.draws, ddof=1)) if len(self.draws) > 1 else None


class Errors(Numbers):
    """What is wrong at an overlap of 25 %, told of the best name of every box of the first draw."""

    detections: dict[str, int]
    missed: int
    unseen: int
    precision: float
    mended: dict[str, float]
    """AP where one kind of error alone were mended."""

    @classmethod
    def of(cls, found: Breakdown) -> "Errors":
        return cls(
            detections={str(kind): count for kind, count in found.detections.items()},
            missed=found.missed,
            unseen=found.unseen,
            precision=found.average_precision,
            mended={str(kind): value for kind, value in found.mended.items()},
        )


class ShownScene(Numbers):
    """A scene in pictures, as data URIs."""

    scene_id: str
    found: int
    things: int
    plan: str
    slanted: str


class DetectionResult(Row):
    """The boxes of one proposer, named by one method."""

    method: str
    boxes: str
    """What proposed them."""
    scenes: int
    objects: int
    proposals: float
    """Boxes of a scene that could be named, on average."""
    left_out: int = 0
    """Things whose name leads to no class."""
    overlaps: dict[int, OverlapResult]
    """By overlap in percent."""
    classes: tuple[ClassResult, ...]
    errors: Errors
    shown: tuple[ShownScene, ...] = ()

    @property
    def named(self) -> str:
        """The method, and the boxes it names."""
        return f"{self.method}, {self.boxes}"


@dataclass(frozen=True, eq=False)
class Draw:
    """Scenes with what was found in the boxes of one draw of a proposer."""

    names: tuple[str, ...]
    scenes: tuple[Scene, ...]
    single: tuple[Detections, ...]
    """The same with the best name of every box alone."""
    proposals: int
    left_out: int
    """Things whose name leads to no class."""

    @cached_property
    def rankings(self) -> Mapping[int, Mapping[int, ClassRanking]]:
        """By overlap in percent, then by class."""
        return {percent: rankings(self.scenes, percent / 100) for percent in OVERLAPS}

    @property
    def truths(self) -> list[Objects]:
        return [there for _, there in self.scenes]

    @property
    def one_name_each(self) -> list[Scene]:
        return list(zip(self.single, self.truths, strict=True))

    def precisions(self, percent: int, copies: NDArray[np.int64]) -> Floats:  # [D, S] -> [D]
        """Mean AP where scenes are there so many times; a class without things then has its AP in all scenes."""
        each = [_or_as_it_is(ranking, copies) for ranking in self.rankings[percent].values()]
        return np.asarray(np.mean(each, axis=0)) if each else np.zeros(len(copies))


def _or_as_it_is(ranking: ClassRanking, copies: NDArray[np.int64]) -> Floats:
    drawn = ranking.average_precisions(copies)
    return np.where(np.isnan(drawn), ranking.curve.average_precision, drawn)


def copies_of(scenes: int, spec: BootstrapSpec) -> NDArray[np.int64]:  # [samples, S]
    """How many times each scene is drawn in every resampling."""
    shares = np.full(scenes, 1 / scenes)
    return np.random.default_rng(spec.seed).multinomial(scenes, shares, spec.samples)


def counted(
    draws: Sequence[Draw],
    names: Sequence[str],
    printed: Sequence[int],
    spec: BootstrapSpec,
    frozen: Sequence[Draw] = (),
) -> dict[str, Any]:
    """The numbers of a row; `names` are those of the classes, `printed` the numbers of some of them."""
    first = draws[0]
    return {
        "scenes": len(first.scenes),
        "objects": sum(len(there.classes) for there in first.truths),
        "left_out": first.left_out,
        "proposals": float(np.mean([draw.proposals for draw in draws])) / max(len(first.scenes), 1),
        "overlaps": {percent: _at(percent, draws, printed, spec, frozen) for percent in OVERLAPS},
        "classes": tuple(_class(number, name, draws) for number, name in enumerate(names)),
        "errors": Errors.of(break_down(first.one_name_each, OVERLAPS[0] / 100)),
    }


def _at(
    percent: int, draws: Sequence[Draw], printed: Sequence[int], spec: BootstrapSpec, frozen: Sequence[Draw]
) -> OverlapResult:
    copies = copies_of(len(draws[0].scenes), spec)
    each = [_mean_of(draw, percent, draw.rankings[percent]) for draw in draws]
    resampled = np.mean([draw.precisions(percent, copies) for draw in draws], axis=0)
    found = [draw.rankings[percent] for draw in draws]
    above = None
    if frozen:
        base = np.mean([draw.precisions(percent, copies) for draw in frozen], axis=0)
        level = np.mean([_mean_of(draw, percent, draw.rankings[percent]) for draw in frozen])
        above = between(float(np.mean(each) - level), resampled - base, spec)
    return OverlapResult(
        precision=between(float(np.mean(each)), resampled, spec),
        recall=float(np.mean([_mean([one.curve.recall for one in ranked.values()]) for ranked in found])),
        draws=tuple(each),
        printed=_mean([_mean_of(draw, percent, printed) for draw in draws]) if printed else None,
        above=above,
    )


def _mean_of(draw: Draw, percent: int, classes: Sequence[int] | Mapping[int, Any]) -> float:
    ranked = draw.rankings[percent]
    return _mean([ranked[number].curve.average_precision if number in ranked else 0.0 for number in classes])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def _class(number: int, name: str, draws: Sequence[Draw]) -> ClassResult:
    curves = {p: [one.rankings[p][number].curve for one in draws if number in one.rankings[p]] for p in OVERLAPS}
    return ClassResult(
        name=name,
        objects=sum(int((there.classes == number).sum()) for there in draws[0].truths),
        precision={p: sum(curve.average_precision for curve in found) / len(draws) for p, found in curves.items()},
        recall={p: sum(curve.recall for curve in found) / len(draws) for p, found in curves.items()},
    )
