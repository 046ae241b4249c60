"""What turns view features into scores: class texts and view weights, given or searched as PointCLIP V2 does."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from opendlign_core.evaluation.classification.labelled import LabelledFeatures
from opendlign_core.evaluation.classification.metrics import Ints
from opendlign_core.evaluation.classification.pointclip import (
    SentenceSearch,
    find_library,
    fit_and_validation,
    pooled,
    read_sentences,
    search_sentences,
    search_weights,
)
from opendlign_core.evaluation.classification.scoring import view_features
from opendlign_core.evaluation.execution import EvalExecution
from opendlign_core.evaluation.features import Floats
from opendlign_core.evaluation.model import EvaluatedModel, encode_texts
from opendlign_core.evaluation.specs import MethodSpec, SearchSpec


@dataclass(frozen=True)
class Head:
    """A method with its view weights, its class texts [C, E] and, where they were searched, what the search did."""

    method: MethodSpec
    text: Floats
    search: dict[str, Any] | None = None


class HeadSearch:
    """Sentences and view weights of PointCLIP V2, searched on labelled features and judged on held-out ones."""

    def __init__(self, model: EvaluatedModel, spec: SearchSpec, execution: EvalExecution, library: str | None) -> None:
        """`library` is the digest of the sentences to choose from; None searches view weights alone."""
        self.model, self.spec, self.execution, self.sentence_library = model, spec, execution, library

    def run(self, method: MethodSpec, data: LabelledFeatures, text: Floats) -> Head:
        """Search for the method, starting from its class texts [C, E].

        With `train-split` the outcome is kept only if it beats the start on the held-out part; with `test-labels`
        everything is used for the search, as the reference does.
        """
        views, labels = view_features(data.features, method), data.labels
        honest = method.search == "train-split"
        fit, held = fit_and_validation(len(labels), self.spec) if honest else (np.arange(len(labels)),) * 2
        start = method.view_weights or (1.0,) * views.shape[1]
        sentences = self._sentences(pooled(views[fit], start), labels[fit], text, data.classes)
        weights = search_weights(views[fit], labels[fit], sentences.text, start, self.spec)
        before = _accuracy(views[held], labels[held], text, start)
        after = _accuracy(views[held], labels[held], sentences.text, weights.weights)
        kept = not honest or after > before
        record: dict[str, Any] = {
            "on": method.search,
            "objects": len(fit),
            "held_out": len(held) if honest else 0,
            "accuracy_before": before,
            "accuracy_after": after,
            "kept": kept,
            "sentences": sentences.chosen if kept else (),
            "view_weights": weights.weights if kept else start,
        }
        if not kept:
            return Head(method, text, record)
        return Head(method.model_copy(update={"view_weights": weights.weights}), sentences.text, record)

    def _sentences(self, objects: Floats, labels: Ints, text: Floats, classes: tuple[str, ...]) -> SentenceSearch:
        if self.sentence_library is None:
            accuracy = float(((objects @ text.T).argmax(axis=1) == labels).mean())
            return SentenceSearch((-1,) * len(classes), text, accuracy, accuracy)
        path = find_library(self.sentence_library, self.execution.libraries)
        library = [
            encode_texts(self.model, sentences, self.execution.text_batch).numpy()
            for sentences in read_sentences(path, classes)
        ]
        return search_sentences(objects, labels, text, library, self.spec.sweeps)


def _accuracy(views: Floats, labels: Ints, text: Floats, weights: tuple[float, ...]) -> float:
    return float(((pooled(views, weights) @ text.T).argmax(axis=1) == labels).mean())
