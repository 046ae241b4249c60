"""Few-shot classification: one logistic regression over single views, logits summed over the views of an object."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.classification.metrics import Ints
from opendlign_core.evaluation.features import Floats
from opendlign_core.evaluation.specs import FewShotSpec

_SHARED_WORK = 5e7
"""Products in one pass over the examples from which threads gain; below, they mostly wait for one another: on two
busy cores a small fit took fifty times as long with two threads as with one."""


def few_shot_accuracy(
    train: Floats, train_labels: Ints, test: Floats, test_labels: Ints, shots: int, seed: int, spec: FewShotSpec
) -> float:
    """Accuracy on `test` [M, V, E] after fitting `shots` objects per class of `train` [N, V, E].

    Classes with fewer objects give all they have. Every view of an object is one training example.
    """
    rows = draw_shots(train_labels, shots, seed)
    views = train.shape[1]
    examples = train[rows].reshape(len(rows) * views, -1) * np.float32(spec.feature_scale)
    classifier = _fit(examples, np.repeat(train_labels[rows], views), spec)
    logits = _logits(classifier, test.reshape(-1, test.shape[-1]) * np.float32(spec.feature_scale))
    summed = logits.reshape(*test.shape[:2], -1).sum(axis=1)  # [M, seen classes]
    return float((classifier.classes_[summed.argmax(axis=1)] == test_labels).mean())


def draw_shots(labels: Ints, shots: int, seed: int) -> Ints:
    """Rows of `shots` objects per class; a larger draw with the same seed contains the smaller one."""
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(labels == label))[:shots] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen))


def _fit(examples: Floats, labels: Ints, spec: FewShotSpec) -> Any:
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise BadInput("few-shot needs scikit-learn: pip install 'opendlign-pipeline[eval]'") from error
    classes = len(np.unique(labels))
    if classes < 2:
        raise BadInput("few-shot needs training objects of two classes or more; check the data set's train split")
    classifier = LogisticRegression(C=spec.inverse_regularisation, max_iter=spec.iterations)
    threads = 1 if examples.size * classes < _SHARED_WORK else None
    with warnings.catch_warnings(), threadpool_limits(threads):
        # The recipe bounds the iterations; stopping there is part of the method, not a fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return classifier.fit(examples, labels)


def _logits(classifier: Any, examples: Floats) -> NDArray[np.float64]:
    """[N, classes]; scikit-learn gives one column where there are two classes."""
    decision: NDArray[np.float64] = classifier.decision_function(examples)
    return np.stack([-decision, decision], axis=1) if decision.ndim == 1 else decision
