"""What is counted: top-k hits, per-class counters, macro averages over all classes, bootstrap intervals."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.specs import BootstrapSpec

Ints = NDArray[np.int64]
TOP = (1, 3, 5)


def label_ranks(scores: NDArray[np.float32], labels: Ints) -> Ints:
    """Place of the true class among the scores, 0 the best; among equals the lower class index comes first.

    A score that is NaN has a place after all others, so that nothing which failed to be computed counts as a hit,
    however few classes there are.
    """
    own = scores[np.arange(len(labels)), labels][:, None]  # [N, 1]
    earlier = np.arange(scores.shape[1])[None, :] < labels[:, None]
    ranks: Ints = ((scores > own) | ((scores == own) & earlier)).sum(axis=1)
    return np.where(np.isnan(own[:, 0]), max(scores.shape[1], *TOP), ranks)


def best_classes(scores: NDArray[np.float32]) -> Ints:  # [N, C]
    """Class with the best score [N], NaN being the worst; among equals the lower index."""
    best: Ints = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=1)
    return best


def confusion_matrix(labels: Ints, predictions: Ints, classes: int) -> Ints:
    """Counts [true class, predicted class]."""
    counts: Ints = np.bincount(labels * classes + predictions, minlength=classes * classes).reshape(classes, classes)
    return counts


@dataclass(frozen=True)
class ClassCounters:
    """Per-class counts, and the averages that follow from them. Empty denominators give 0."""

    targets: Ints  # [C]
    hits: dict[int, Ints]  # top-k -> [C]
    confusion: Ints  # [C, C]

    @property
    def accuracy(self) -> dict[int, NDArray[np.float64]]:
        """Per-class top-k accuracy as a fraction; 0 for classes without objects."""
        return {k: _ratio(hits, self.targets) for k, hits in self.hits.items()}

    def macro(self) -> "MacroAverages":
        """Plain means over all classes, those without objects included as 0."""
        return macro_averages(self.confusion)


@dataclass(frozen=True)
class MacroAverages:
    """Means over all classes, and the per-class values they are taken of."""

    precision: float
    recall: float
    f1: float
    class_precision: NDArray[np.float64]  # [C]
    class_recall: NDArray[np.float64]  # [C]
    class_f1: NDArray[np.float64]  # [C]


def macro_averages(confusion: Ints) -> MacroAverages:
    """Precision, recall and F1 of every class from the argmax predictions, averaged."""
    true_positive = np.diagonal(confusion)
    precision = _ratio(true_positive, confusion.sum(axis=0))
    recall = _ratio(true_positive, confusion.sum(axis=1))
    f1 = _ratio(2 * precision * recall, precision + recall)
    return MacroAverages(float(precision.mean()), float(recall.mean()), float(f1.mean()), precision, recall, f1)


def count_classes(scores: NDArray[np.float32], labels: Ints) -> ClassCounters:
    """All counters of one scored data set."""
    classes = scores.shape[1]
    ranks = label_ranks(scores, labels)
    predictions = best_classes(scores)
    hits = {k: np.bincount(labels[ranks < k], minlength=classes) for k in TOP}
    return ClassCounters(np.bincount(labels, minlength=classes), hits, confusion_matrix(labels, predictions, classes))


def top_k_accuracy(ranks: Ints, k: int) -> float:
    """Share of objects whose class is among the k best."""
    return float((ranks < k).mean()) if len(ranks) else 0.0


@dataclass(frozen=True)
class Interval:
    """A percentile interval."""

    low: float
    high: float


def share_interval(share: float, objects: int, spec: BootstrapSpec) -> Interval | None:
    """Interval of a share of hits: resampling N zeros and ones is a binomial draw."""
    draws = np.random.default_rng(spec.seed).binomial(objects, share, spec.samples) / objects
    return percentiles(draws, spec)


def f1_interval(confusion: Ints, spec: BootstrapSpec) -> Interval | None:
    """Interval of macro F1: resampling objects is a multinomial draw over the filled cells of the confusion matrix."""
    cells = np.flatnonzero(confusion)
    objects = int(confusion.sum())
    shares = confusion.ravel()[cells] / objects
    rng = np.random.default_rng(spec.seed)
    draws = [_f1_of_cells(cells, rng.multinomial(objects, shares), len(confusion)) for _ in range(spec.samples)]
    return percentiles(np.asarray(draws), spec)


def _f1_of_cells(cells: Ints, counts: Ints, classes: int) -> float:
    """Macro F1 without building the matrix: 2 TP over (predicted + true)."""
    true, predicted = cells // classes, cells % classes
    totals = np.bincount(true, counts, classes) + np.bincount(predicted, counts, classes)
    on_diagonal = np.bincount(true, counts * (true == predicted), classes)
    return float(_ratio(2 * on_diagonal, totals).mean())


def percentiles(draws: NDArray[np.float64], spec: BootstrapSpec) -> Interval | None:
    """The interval of what resampling gave; None where nothing was resampled."""
    if not len(draws):
        return None
    low, high = np.quantile(draws, [(1 - spec.level) / 2, (1 + spec.level) / 2])
    return Interval(float(low), float(high))


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> NDArray[np.float64]:
    ratio = np.zeros(len(numerator))
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio
