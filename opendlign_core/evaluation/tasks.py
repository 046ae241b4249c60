"""The tasks over labelled features: few-shot, number of views, retrieval, and the searched PointCLIP V2 head."""

from collections.abc import Iterator

import numpy as np

from opendlign_core.evaluation.features import Floats
from opendlign_core.evaluation.few_shot import few_shot_accuracy
from opendlign_core.evaluation.labelled import LabelledFeatures
from opendlign_core.evaluation.metrics import Ints, label_ranks, top_k_accuracy
from opendlign_core.evaluation.model import EvaluatedModel, encode_texts
from opendlign_core.evaluation.pointclip import (
    SentenceSearch,
    find_library,
    fit_and_validation,
    pooled,
    read_sentences,
    search_sentences,
    search_weights,
)
from opendlign_core.evaluation.recipe import EvalExecution, FewShotSpec, MethodSpec, RetrievalSpec, SearchSpec
from opendlign_core.evaluation.results import FewShotResult, RetrievalResult, ViewsResult
from opendlign_core.evaluation.retrieval import mixed_queries, object_embeddings, retrieval_scores
from opendlign_core.evaluation.scoring import score, view_features, views_of_count


def few_shot_results(
    dataset: str, method: MethodSpec, train: LabelledFeatures, test: LabelledFeatures, spec: FewShotSpec
) -> Iterator[FewShotResult]:
    """Mean and deviation over the seeds for every number of shots."""
    seen, unseen = view_features(train.features, method), view_features(test.features, method)
    for shots in spec.shots:
        found = [few_shot_accuracy(seen, train.labels, unseen, test.labels, shots, seed, spec) for seed in spec.seeds]
        yield FewShotResult(
            dataset=dataset,
            method=method.name,
            shots=shots,
            mean=float(np.mean(found)),
            std=float(np.std(found)),
            accuracies=tuple(found),
        )


def views_results(
    dataset: str, method: MethodSpec, data: LabelledFeatures, text: Floats, counts: tuple[int, ...]
) -> Iterator[ViewsResult]:
    """Zero-shot top-1 with fewer views, as far as the projection draws so many."""
    for count in (count for count in counts if count <= method.views):
        views = views_of_count(count, method.views)
        ranks = label_ranks(score(data.features, text, method, views), data.labels)
        yield ViewsResult(
            dataset=dataset,
            method=method.name,
            views=tuple(views),
            top1=top_k_accuracy(ranks, 1),
            searched_on_test=method.sees_test_labels,
        )


def retrieval_results(
    dataset: str, method: MethodSpec, data: LabelledFeatures, text: Floats, spec: RetrievalSpec
) -> Iterator[RetrievalResult]:
    """Every kind of query that the data allows; image queries need painted images."""
    gallery = object_embeddings(view_features(data.features, method))
    own = np.arange(len(gallery))
    painted = data.features.painted
    images = object_embeddings(data.features.images[painted]) if len(painted) else None
    for kind in spec.queries:
        if kind == "text":
            classes = np.unique(data.labels)
            found = retrieval_scores(text[classes], classes, gallery, data.labels, spec.ranks)
        elif kind == "shape":
            found = retrieval_scores(gallery, data.labels, gallery, data.labels, spec.ranks, own)
        elif images is None:
            continue
        else:
            labels = data.labels[painted]
            queries = images if kind == "image" else mixed_queries(text[labels], images)
            found = retrieval_scores(queries, labels, gallery, data.labels, spec.ranks, painted)
        yield RetrievalResult(
            dataset=dataset,
            query=kind,
            queries=found.queries,
            gallery=len(gallery),
            recall=found.recall,
            mean_average_precision=found.mean_average_precision,
            searched_on_test=method.sees_test_labels,
        )


class HeadSearch:
    """Sentences and view weights of PointCLIP V2, searched on labelled features and judged on held-out ones."""

    def __init__(self, model: EvaluatedModel, spec: SearchSpec, execution: EvalExecution, library: str | None) -> None:
        """`library` is the digest of the sentences to choose from; None searches view weights alone."""
        self.model, self.spec, self.execution, self.sentence_library = model, spec, execution, library

    def run(
        self, method: MethodSpec, data: LabelledFeatures, text: Floats
    ) -> tuple[MethodSpec, Floats, dict[str, object]]:
        """The method with its weights, the class texts [C, E] and a record of what the search did.

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
        record: dict[str, object] = {
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
            return method, text, record
        return method.model_copy(update={"view_weights": weights.weights}), sentences.text, record

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
