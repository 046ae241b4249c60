"""Runs a recipe: every method on every data set, features shared between the methods that read the same pixels."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from opendlign_core.evaluation.cached import FeatureCache, FeatureLoader
from opendlign_core.evaluation.features import EvalSample, Extractor, FeaturePlan, Floats, ViewFeatures, plan_for
from opendlign_core.evaluation.labelled import LabelledFeatures, with_labels
from opendlign_core.evaluation.model import EvaluatedModel, text_classifier, text_key
from opendlign_core.evaluation.recipe import (
    Branches,
    DatasetSpec,
    EvalExecution,
    EvalRecipe,
    MethodSpec,
    PixelNorm,
    views_of,
)
from opendlign_core.evaluation.results import EvaluationResults, ScoredObjects
from opendlign_core.evaluation.tasks import HeadSearch, few_shot_results, retrieval_results, views_results
from opendlign_core.evaluation.zero_shot import examples_of, zero_shot_result

logger = logging.getLogger(__name__)


class EvalSource(Protocol):
    """Where samples come from; written by whoever owns the store."""

    def samples(
        self, dataset: DatasetSpec, split: str | None, projection: str, images: bool = False
    ) -> Iterable[EvalSample]:
        """Depth maps of a data set's split under a named projection, in a fixed order; painted images if asked."""
        ...

    def identity(self, dataset: DatasetSpec, split: str | None, projection: str) -> str:
        """A text that changes whenever `samples` would; names cached features."""
        ...


_KINDS = ("zero_shot", "few_shot", "views", "retrieval", "examples")


@dataclass
class Benchmark:
    """One run. Results accumulate in `results()`; `scored` holds per-object scores for the table."""

    model: EvaluatedModel
    recipe: EvalRecipe
    source: EvalSource
    execution: EvalExecution = field(default_factory=EvalExecution)
    cache: FeatureCache | None = None
    scored: list[ScoredObjects] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rows: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in _KINDS})
    _texts: dict[str, Floats] = field(default_factory=dict)

    def run(self) -> EvaluationResults:
        """Do every task on every data set."""
        for dataset in self.recipe.datasets:
            for (projection, pixels), methods in self._by_pixels().items():
                self._on_pixels(dataset, projection, pixels, methods)
        return EvaluationResults(
            model=self.model.name,
            model_fingerprint=self.model.fingerprint,
            primary=self.recipe.primary.name,
            precision=self.recipe.precision,
            interval_level=self.recipe.bootstrap.level,
            notes=tuple(self.notes),
            seconds=self.seconds,
            **{name: tuple(rows) for name, rows in self.rows.items()},
        )

    def _by_pixels(self) -> dict[tuple[str, PixelNorm], list[MethodSpec]]:
        groups: dict[tuple[str, PixelNorm], list[MethodSpec]] = {}
        for method in self.recipe.methods:
            groups.setdefault((method.projection, method.pixels), []).append(method)
        return groups

    def _on_pixels(self, dataset: DatasetSpec, projection: str, pixels: PixelNorm, methods: list[MethodSpec]) -> None:
        plan = FeaturePlan((), ())
        for method in methods:
            plan = plan.union(plan_for(method))
        images = self.recipe.asks_with_images and self.recipe.primary in methods
        test = with_labels(self._features(dataset, dataset.split, projection, pixels, plan, images), dataset)
        train = None
        if self._needs_training(methods):
            seen = self._features(dataset, dataset.train_split, projection, pixels, plan)
            train = with_labels(seen, dataset, test.classes)
        judged: set[Branches] = set()
        for method in methods:
            self._judge(dataset, method, test, train, fresh=method.branches not in judged)
            judged.add(method.branches)

    def _needs_training(self, methods: list[MethodSpec]) -> bool:
        return "few-shot" in self.recipe.tasks or any(method.search == "train-split" for method in methods)

    def _judge(
        self,
        dataset: DatasetSpec,
        method: MethodSpec,
        test: LabelledFeatures,
        train: LabelledFeatures | None,
        fresh: bool,
    ) -> None:
        """All tasks of one method; few-shot depends on the features alone and is done for `fresh` branches only."""
        name, tasks, recipe = dataset.name, self.recipe.tasks, self.recipe
        text = self.text(test.classes, method)
        record = None
        if method.search != "off":
            with self._timed("search"):
                known = train if method.search == "train-split" and train is not None else test
                search = HeadSearch(self.model, recipe.search, self.execution, dataset.sentences_sha256)
                method, text, record = search.run(method, known, text)
        if "zero-shot" in tasks:
            self._zero_shot(name, method, test, text, record)
        if "views" in tasks:
            self.rows["views"] += views_results(name, method, test, text, recipe.view_counts)
        if "few-shot" in tasks and fresh and train is not None:
            with self._timed("few-shot"):
                self.rows["few_shot"] += few_shot_results(name, method, train, test, recipe.few_shot)
        if "retrieval" in tasks and method.name == recipe.primary.name:
            with self._timed("retrieval"):
                self.rows["retrieval"] += retrieval_results(name, method, test, text, recipe.retrieval)
            if recipe.asks_with_images and not len(test.features.painted):
                self.notes.append(f"{name}: no painted images, so image queries were left out of retrieval.")

    def _zero_shot(
        self, name: str, method: MethodSpec, test: LabelledFeatures, text: Floats, record: dict[str, object] | None
    ) -> None:
        with self._timed("zero-shot"):
            result, scored = zero_shot_result(name, method, test, text, self.recipe.bootstrap)
        searched = {"search": record, "searched_on_test": method.sees_test_labels}
        self.rows["zero_shot"].append(result.model_copy(update=searched))
        if method.name == self.recipe.primary.name:
            self.rows["examples"] += examples_of(scored, self.recipe.examples)
        self.scored.append(scored)

    def text(self, classes: tuple[str, ...], method: MethodSpec) -> Floats:
        """Class embeddings [C, E]; encoded once for all methods and data sets that share words."""
        key = text_key(self.model, classes, method.text)
        if key in self._texts:
            return self._texts[key]
        found = self.cache.get(key) if self.cache is not None else None
        if found is not None:
            text: Floats = found["text"]
        else:
            with self._timed("texts"):
                text = text_classifier(self.model, classes, method.text, self.execution.text_batch).numpy()
            if self.cache is not None:
                self.cache.put(key, {"text": text})
        self._texts[key] = text
        return text

    def _features(
        self,
        dataset: DatasetSpec,
        split: str | None,
        projection: str,
        pixels: PixelNorm,
        plan: FeaturePlan,
        images: bool = False,
    ) -> ViewFeatures:
        extractor = Extractor(self.model, plan, pixels, self.recipe.precision, self.execution.image_batch)
        loader = FeatureLoader(extractor, self.source.identity(dataset, split, projection), self.cache)
        views = views_of(projection)
        started = time.perf_counter()
        features, cached = loader.load(partial(self.source.samples, dataset, split, projection), views, images)
        if cached:
            logger.info("features of %s (%s) come from the cache", dataset.name, projection)
        else:
            self._spent("features", started)
        return features

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._spent(what, started)

    def _spent(self, what: str, started: float) -> None:
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - started


def evaluate(
    model: EvaluatedModel,
    recipe: EvalRecipe,
    source: EvalSource,
    execution: EvalExecution | None = None,
    cache: FeatureCache | None = None,
) -> tuple[EvaluationResults, tuple[ScoredObjects, ...]]:
    """Run the whole recipe and return the results with every object's scores (`write_results` takes both)."""
    benchmark = Benchmark(model, recipe, source, execution or EvalExecution(), cache)
    results = benchmark.run()
    return results, tuple(benchmark.scored)
