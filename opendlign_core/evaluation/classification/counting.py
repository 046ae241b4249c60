"""Zero-shot classification, counted: scores of objects become shares, averages, and the clearest hits and misses."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.classification.labelled import LabelledFeatures
from opendlign_core.evaluation.classification.metrics import (
    TOP,
    ClassCounters,
    Interval,
    Ints,
    best_classes,
    count_classes,
    f1_interval,
    share_interval,
)
from opendlign_core.evaluation.classification.scoring import score
from opendlign_core.evaluation.features import Floats
from opendlign_core.evaluation.findings import Estimate, Example, Numbers, Row, ScoredObjects
from opendlign_core.evaluation.specs import BootstrapSpec, MethodSpec


class ClassResult(Numbers):
    """One class: its objects, and fractions that are 0 where there is nothing to divide by."""

    name: str
    objects: int
    top1: float
    top3: float
    top5: float
    precision: float
    recall: float
    f1: float


class ZeroShotResult(Row):
    """One method on one data set; `searched_on_test` marks prompts or weights that were chosen on test labels."""

    method: str
    objects: int
    left_out: int = 0
    """Objects whose label leads to no class."""
    top1: Estimate
    top3: Estimate
    top5: Estimate
    macro_precision: float
    macro_recall: float
    macro_f1: Estimate
    classes: tuple[ClassResult, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Counts [true][predicted]."""
    searched_on_test: bool = False
    search: dict[str, Any] | None = None


def scored_objects(dataset: str, method: MethodSpec, data: LabelledFeatures, text: Floats) -> ScoredObjects:
    """Score every object of `data` against class embeddings [C, E]."""
    return ScoredObjects(
        dataset=dataset,
        method=method.name,
        object_ids=data.features.object_ids,
        classes=data.classes,
        labels=data.labels,
        scores=score(data.features, text, method),
    )


def summarise(scored: ScoredObjects, bootstrap: BootstrapSpec, left_out: int = 0) -> ZeroShotResult:
    """Counters and averages of scored objects."""
    counters = count_classes(scored.scores, scored.labels)
    objects, macro = len(scored.labels), counters.macro()
    shares = {k: int(counters.hits[k].sum()) / objects for k in TOP}
    tops = {f"top{k}": _share(share, objects, bootstrap) for k, share in shares.items()}
    return ZeroShotResult(
        dataset=scored.dataset,
        method=scored.method,
        objects=objects,
        left_out=left_out,
        **tops,
        macro_precision=macro.precision,
        macro_recall=macro.recall,
        macro_f1=_estimate(macro.f1, f1_interval(counters.confusion, bootstrap)),
        classes=class_results(scored.classes, counters),
        confusion=tuple(tuple(row) for row in counters.confusion.tolist()),
    )


def _share(share: float, objects: int, bootstrap: BootstrapSpec) -> Estimate:
    return _estimate(share, share_interval(share, objects, bootstrap))


def _estimate(value: float, interval: Interval | None) -> Estimate:
    return Estimate(value=value) if interval is None else Estimate(value=value, low=interval.low, high=interval.high)


def class_results(classes: tuple[str, ...], counters: ClassCounters) -> tuple[ClassResult, ...]:
    """One row per class, in label order."""
    accuracy, macro = counters.accuracy, counters.macro()
    return tuple(
        ClassResult(
            name=name,
            objects=int(counters.targets[index]),
            top1=float(accuracy[1][index]),
            top3=float(accuracy[3][index]),
            top5=float(accuracy[5][index]),
            precision=float(macro.class_precision[index]),
            recall=float(macro.class_recall[index]),
            f1=float(macro.class_f1[index]),
        )
        for index, name in enumerate(classes)
    )


def margins(scores: NDArray[np.float32], labels: Ints) -> NDArray[np.float32]:
    """Score of the true class minus the best other; positive means a hit. Where no other class is, its own score."""
    rows = np.arange(len(labels))
    if scores.shape[1] == 1:
        return scores[:, 0]
    others = scores.copy()
    others[rows, labels] = -np.inf
    gap: NDArray[np.float32] = scores[rows, labels] - others.max(axis=1)
    return gap


def examples_of(scored: ScoredObjects, count: int) -> list[Example]:
    """The `count` clearest hits and the `count` clearest misses, best first; ties by object order."""
    gaps = margins(scored.scores, scored.labels)
    order = np.argsort(-gaps, kind="stable")
    best = [row for row in order[:count] if gaps[row] > 0]
    worst = [row for row in order[::-1][:count] if gaps[row] <= 0]
    return [_example(scored, int(row), float(gaps[row])) for row in (*best, *worst)]


def _example(scored: ScoredObjects, row: int, margin: float) -> Example:
    return Example(
        dataset=scored.dataset,
        method=scored.method,
        object_id=scored.object_ids[row],
        label=scored.classes[scored.labels[row]],
        prediction=scored.classes[int(best_classes(scored.scores[[row]])[0])],
        margin=margin,
    )
