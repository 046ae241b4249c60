"""Cross-modal retrieval, ranked: an object of the gallery is relevant when it has the query's class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opendlign_core.clip.features import unit_array
from opendlign_core.evaluation.classification.labelled import LabelledFeatures
from opendlign_core.evaluation.classification.metrics import Ints
from opendlign_core.evaluation.classification.scoring import view_features
from opendlign_core.evaluation.features import Floats
from opendlign_core.evaluation.specs import MethodSpec, RetrievalSpec

_QUERIES = 256
"""Queries ranked at once: against 50,000 objects that is 51 MB of scores."""


@dataclass(frozen=True)
class RetrievalScores:
    """Over the queries with something relevant in the gallery; recall counts those with a hit among the first k."""

    queries: int
    recall: dict[int, float]
    mean_average_precision: float


def asked(spec: RetrievalSpec, data: LabelledFeatures, method: MethodSpec, text: Floats) -> dict[str, RetrievalScores]:
    """Scores of every kind of query that the data allows; image queries need painted images."""
    gallery = object_embeddings(view_features(data.features, method))
    own, painted = np.arange(len(gallery)), data.features.painted
    images = object_embeddings(data.features.images[painted]) if len(painted) else None
    classes, depicted = np.unique(data.labels), data.labels[painted]
    found: dict[str, RetrievalScores] = {}
    for kind in spec.queries:
        if kind == "text":
            found[kind] = retrieval_scores(text[classes], classes, gallery, data.labels, spec.ranks)
        elif kind == "shape":
            found[kind] = retrieval_scores(gallery, data.labels, gallery, data.labels, spec.ranks, own)
        elif images is not None:
            queries = images if kind == "image" else mixed_queries(text[depicted], images)
            found[kind] = retrieval_scores(queries, depicted, gallery, data.labels, spec.ranks, painted)
    return found


def object_embeddings(views: Floats) -> Floats:
    """Unit mean of unit view features: [N, V, E] -> [N, E]."""
    return unit_array(views.mean(axis=1))


def mixed_queries(text: Floats, images: Floats) -> Floats:
    """Unit mean of unit text and image embeddings [N, E]."""
    return unit_array(unit_array(text) + unit_array(images))


def retrieval_scores(
    queries: Floats,
    query_labels: Ints,
    gallery: Floats,
    gallery_labels: Ints,
    ranks: Sequence[int] = (1, 5, 10),
    own: Ints | None = None,
) -> RetrievalScores:
    """Rank the gallery [N, E] for every query [Q, E] by cosine (vectors are unit already).

    `own` [Q] names the gallery row of the query's own object, which is taken out of its ranking.
    """
    first: list[Ints] = []
    precisions: list[NDArray[np.float64]] = []
    for start in range(0, len(queries), _QUERIES):
        part = slice(start, start + _QUERIES)
        scores = queries[part] @ gallery.T
        relevant = gallery_labels[None, :] == query_labels[part, None]
        if own is not None:
            rows = np.arange(len(scores))
            scores[rows, own[part]] = -np.inf
            relevant[rows, own[part]] = False
        found, precision = _rank(scores, relevant)
        first.append(found)
        precisions.append(precision)
    positions, average = np.concatenate(first), np.concatenate(precisions)
    recall = {rank: float((positions < rank).mean()) if len(positions) else 0.0 for rank in ranks}
    return RetrievalScores(len(positions), recall, float(average.mean()) if len(average) else 0.0)


def _rank(scores: Floats, relevant: NDArray[np.bool_]) -> tuple[Ints, NDArray[np.float64]]:
    """Place of the first relevant object and average precision, for the queries that have one."""
    has_any = relevant.any(axis=1)
    order = np.argsort(-scores[has_any], axis=1, kind="stable")
    sorted_hits = np.take_along_axis(relevant[has_any], order, axis=1)
    if not len(sorted_hits):
        return np.zeros(0, np.int64), np.zeros(0)
    counts = sorted_hits.cumsum(axis=1)
    precision = counts / np.arange(1, sorted_hits.shape[1] + 1)
    average: NDArray[np.float64] = (precision * sorted_hits).sum(axis=1) / counts[:, -1]
    return sorted_hits.argmax(axis=1), average
