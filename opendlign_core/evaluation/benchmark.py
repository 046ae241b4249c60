"""Runs a recipe: every method on every data set, features shared between the methods that read the same pixels."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from opendlign_core.evaluation.features import (
    EvalSample,
    Extractor,
    FeaturePlan,
    Floats,
    ViewFeatures,
    feature_key,
    plan_for,
)
from opendlign_core.evaluation.labelled import LabelledFeatures, with_labels
from opendlign_core.evaluation.model import EvaluatedModel, text_classifier
from opendlign_core.evaluation.recipe import DatasetSpec, EvalExecution, EvalRecipe, MethodSpec, PixelNorm
from opendlign_core.evaluation.results import (
    EvaluationResults,
    Example,
    FewShotResult,
    RetrievalResult,
    ScoredObjects,
    ViewsResult,
    ZeroShotResult,
)
from opendlign_core.evaluation.zero_shot import examples_of, zero_shot_result

logger = logging.getLogger(__name__)


class EvalSource(Protocol):
    """Where samples come from; written by whoever owns the store."""

    def samples(self, dataset: DatasetSpec, split: str | None, projection: str) -> Iterable[EvalSample]:
        """Depth maps of a data set's split under a named projection, in a fixed order."""
        ...

    def identity(self, dataset: DatasetSpec, split: str | None, projection: str) -> str:
        """A text that changes whenever `samples` would; names cached features."""
        ...


class FeatureCache(Protocol):
    """Keeps arrays by name; `put` may ignore a name it holds already."""

    def get(self, key: str) -> Mapping[str, NDArray[Any]] | None:
        """The arrays stored under `key`, or None."""
        ...

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Store arrays under `key`."""
        ...


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
    _texts: dict[object, Floats] = field(default_factory=dict)

    def run(self) -> EvaluationResults:
        """Do every task on every data set."""
        zero_shot: list[ZeroShotResult] = []
        few_shot: list[FewShotResult] = []
        views: list[ViewsResult] = []
        retrieval: list[RetrievalResult] = []
        examples: list[Example] = []
        for dataset in self.recipe.datasets:
            for (projection, pixels), methods in self._by_pixels().items():
                data = self._labelled(dataset, dataset.split, projection, pixels, methods)
                for method in methods:
                    result, scored = self._zero_shot(dataset, method, data)
                    zero_shot.append(result)
                    self.scored.append(scored)
                    examples += examples_of(scored, self.recipe.examples)
        return EvaluationResults(
            model=self.model.name,
            model_fingerprint=self.model.fingerprint,
            precision=self.recipe.precision,
            interval_level=self.recipe.bootstrap.level,
            zero_shot=tuple(zero_shot),
            few_shot=tuple(few_shot),
            views=tuple(views),
            retrieval=tuple(retrieval),
            examples=tuple(examples),
            notes=tuple(self.notes),
            seconds=self.seconds,
        )

    def _by_pixels(self) -> dict[tuple[str, PixelNorm], list[MethodSpec]]:
        groups: dict[tuple[str, PixelNorm], list[MethodSpec]] = {}
        for method in self.recipe.methods:
            groups.setdefault((method.projection, method.pixels), []).append(method)
        return groups

    def _zero_shot(
        self, dataset: DatasetSpec, method: MethodSpec, data: LabelledFeatures
    ) -> tuple[ZeroShotResult, ScoredObjects]:
        text = self.text(data.classes, method)
        with self._timed("zero-shot"):
            return zero_shot_result(dataset.name, method, data, text, self.recipe.bootstrap)

    def text(self, classes: tuple[str, ...], method: MethodSpec) -> Floats:
        """Class embeddings [C, E]; encoded once for all methods and data sets that share words."""
        key = (classes, method.text)
        if key not in self._texts:
            with self._timed("texts"):
                batch = self.execution.text_batch
                self._texts[key] = text_classifier(self.model, classes, method.text, batch).numpy()
        return self._texts[key]

    def _labelled(
        self, dataset: DatasetSpec, split: str | None, projection: str, pixels: PixelNorm, methods: list[MethodSpec]
    ) -> LabelledFeatures:
        plan = FeaturePlan((), ())
        for method in methods:
            plan = plan.union(plan_for(method))
        features = self._features(dataset, split, projection, pixels, plan)
        return with_labels(features, dataset)

    def _features(
        self, dataset: DatasetSpec, split: str | None, projection: str, pixels: PixelNorm, plan: FeaturePlan
    ) -> ViewFeatures:
        extractor = Extractor(self.model, plan, pixels, self.recipe.precision, self.execution.image_batch)
        key = feature_key(self.model, self.source.identity(dataset, split, projection), extractor)
        found = self.cache.get(key) if self.cache is not None else None
        if found is not None:
            logger.info("features of %s (%s) come from the cache", dataset.name, projection)
            return ViewFeatures.from_arrays(found, plan)
        with self._timed("features"):
            features = extractor.extract(self.source.samples(dataset, split, projection))
        if self.cache is not None:
            self.cache.put(key, features.to_arrays())
        return features

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - start


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
