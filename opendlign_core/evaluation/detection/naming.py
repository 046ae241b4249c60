"""From the cosines of boxes with words to the probabilities of classes, and what the background leaves of a box."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from opendlign_core.evaluation.detection.choices import NamingSpec
from opendlign_core.evaluation.specs import MethodSpec

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Named:
    """What words say of K boxes."""

    probabilities: Floats  # [K, C], of the classes among themselves
    foreground: Floats  # [K], how likely any of the classes is rather than the background

    def objectness(self, proposed: Floats, spec: NamingSpec) -> Floats:  # [K] -> [K]
        """How sure it is that each box holds a thing, where its proposer is as sure as `proposed`."""
        return {"proposer": proposed, "names": self.foreground, "both": proposed * self.foreground}[spec.objectness]


def named(cosines: Floats, classes: int, spec: NamingSpec, method: MethodSpec) -> Named:  # [K, V, C + B]
    """What the views of boxes say of so many classes, whose words come before those of the background.

    >>> cosines = np.log([[[2.0, 1.0, 1.0]], [[1.0, 1.0, 2.0]]])
    >>> found = named(cosines, 2, NamingSpec(temperature=1, background=("wall",)), MethodSpec(name="plain"))
    >>> found.probabilities.round(3).tolist(), found.foreground.round(3).tolist()
    ([[0.667, 0.333], [0.5, 0.5]], [0.75, 0.5])
    """
    shares = softmax(_logits(cosines, spec.temperature, method), axis=1)
    foreground = shares[:, :classes].sum(1)
    return Named(shares[:, :classes] / np.maximum(foreground, np.finfo(np.float64).tiny)[:, None], foreground)


def _logits(cosines: Floats, temperature: float, method: MethodSpec) -> NDArray[np.float64]:  # [K, C + B]
    """The mean over the views; for PointCLIP V2 its own weighted sum over the root of their number."""
    views = cosines.astype(np.float64)
    if method.aggregation != "pointclip-v2":
        return np.asarray(temperature * views.mean(1))
    weights = np.ones(views.shape[1]) if method.view_weights is None else np.asarray(method.view_weights)
    return np.asarray(temperature * np.einsum("kvc,v->kc", views, weights) / np.sqrt(views.shape[1]))
