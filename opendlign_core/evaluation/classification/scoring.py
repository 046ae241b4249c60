"""From view features and class embeddings to one score per class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.features import Floats, ViewFeatures
from opendlign_core.evaluation.finite import require_finite
from opendlign_core.evaluation.specs import Aggregation, Branch, MethodSpec

_ROWS = 1024
"""Objects scored at once: 10 views x 1,156 classes of 1,024 objects are 47 MB."""


def view_features(features: ViewFeatures, method: MethodSpec, views: Sequence[int] | None = None) -> Floats:
    """The features [N, V, E] a method judges, each view from its branch; `views` keeps some of them."""
    chosen = _every_view(features, method) if views is None else list(views)
    if method.branches != "split":
        return _same_for_all(features, method, chosen)
    half = _half(features)
    parts = [features.of(_branch(view, half), [view]) for view in chosen]
    return np.concatenate(parts, axis=1)


def _same_for_all(features: ViewFeatures, method: MethodSpec, views: list[int]) -> Floats:
    if method.branches == "both":
        mixed = features.of("base", views) + features.of("depth", views)
        unit: Floats = mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)
        return unit
    return features.of("base" if method.branches == "base" else "depth", views)


def _every_view(features: ViewFeatures, method: MethodSpec) -> list[int]:
    plan = features.plan
    if method.branches == "split":
        return sorted({*plan.base, *plan.depth})
    return list(plan.base if method.branches in ("base", "both") else plan.depth)


def _half(features: ViewFeatures) -> int:
    return (max((*features.plan.base, *features.plan.depth)) + 1) // 2


def _branch(view: int, half: int) -> Branch:
    return "base" if view < half else "depth"


def aggregate(cosines: Floats, rule: Aggregation, weights: Sequence[float] | None = None) -> Floats:
    """Cosines [N, V, C] -> scores [N, C].

    `reference`: softmax over the classes of the raw cosines, without temperature, summed over views.
    `paper`: cosines summed. `pointclip-v2`: 100 times the weighted sum over the square root of the number of views.
    """
    if rule == "paper":
        summed: Floats = cosines.sum(axis=1)
        return summed
    if rule == "reference":
        exponent = np.exp(cosines - cosines.max(axis=-1, keepdims=True))
        probabilities: Floats = (exponent / exponent.sum(axis=-1, keepdims=True)).sum(axis=1)
        return probabilities
    views = cosines.shape[1]
    weight = np.ones(views, np.float32) if weights is None else np.asarray(weights, np.float32)
    scores: Floats = np.einsum("nvc,v->nc", cosines, weight) * np.float32(100 / np.sqrt(views))
    return scores


def score(features: ViewFeatures, text: Floats, method: MethodSpec, views: Sequence[int] | None = None) -> Floats:
    """Class scores [N, C] of one method; `text` holds unit class embeddings [C, E].

    Raises:
        NotFinite: an object's scores are no numbers.
    """
    judged = view_features(features, method, views)
    chosen = method.view_weights
    weights = chosen if chosen is None or views is None else [chosen[view] for view in views]
    parts = [
        aggregate(judged[start : start + _ROWS] @ text.T, method.aggregation, weights)
        for start in range(0, len(judged), _ROWS)
    ]
    scores = np.concatenate(parts)
    what = f"method {method.name!r} gives scores"
    require_finite(scores, features.object_ids, what, "look at its view weights and at the model's weights")
    return scores


def views_of_count(count: int, views: int) -> list[int]:
    """Which views stand for `count` of them: the smaller half from the frozen side, the rest from the tuned."""
    if not 1 <= count <= views:
        raise BadInput(f"{count} views asked for, the depth maps have {views}")
    half = views // 2
    frozen = min(count // 2, half)
    return [*_spread(frozen, 0, half), *_spread(count - frozen, half, views)]


def _spread(count: int, start: int, stop: int) -> list[int]:
    positions: NDArray[np.int64] = np.floor((np.arange(count) + 0.5) * (stop - start) / max(count, 1)).astype(np.int64)
    return [start + int(position) for position in positions]
