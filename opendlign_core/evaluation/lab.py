"""What all benchmarks of one evaluation work with: the model, the samples, and what was computed of them already."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from opendlign_core.evaluation.cached import FeatureCache, FeatureLoader, remembered
from opendlign_core.evaluation.choices import EvalChoices
from opendlign_core.evaluation.execution import EvalExecution
from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import (
    EvalSample,
    FeaturePlan,
    Floats,
    PlacedSample,
    ProposedScene,
    ViewFeatures,
)
from opendlign_core.evaluation.model import EvaluatedModel, text_classifier, text_key
from opendlign_core.evaluation.specs import DatasetSpec, MethodSpec, PixelNorm
from opendlign_core.samples import PosedPhoto
from opendlign_core.streams import prefetched

if TYPE_CHECKING:
    from opendlign_core.evaluation.pose.comparing.search import Comparable
    from opendlign_core.evaluation.pose.encoders import PoseTeller

logger = logging.getLogger(__name__)
Item = TypeVar("Item")

READ_AHEAD = 16
"""Objects whose depth maps are read before they are asked for."""


class MapSource(Protocol):
    """Where depth maps come from."""

    def samples(
        self, dataset: DatasetSpec, split: str | None, projection: str, images: bool = False
    ) -> Iterable[EvalSample]:
        """Depth maps of a data set's split under a named projection, in a fixed order; painted images if asked."""
        ...

    def identity(self, dataset: DatasetSpec, split: str | None, projection: str) -> str:
        """A text that changes whenever `samples` would; names cached features."""
        ...

    def views(self) -> Mapping[str, int]:
        """How many depth maps an object has, by the name of the projection."""
        ...


class ProposedSource(MapSource, Protocol):
    """What one draw of a proposer found in scenes; the depth maps are those of what is in its boxes."""

    def scenes(self, dataset: DatasetSpec, split: str | None) -> Iterable[ProposedScene]:
        """The scenes of a data set's split with their boxes, one at a time, in a fixed order."""
        ...


class EvalSource(MapSource, Protocol):
    """Where samples come from; written by whoever owns the store."""

    def placed(self, dataset: DatasetSpec, split: str | None, projection: str) -> Iterable[PlacedSample]:
        """Depth maps with points, their parts, and where the maps show them; one object at a time."""
        ...

    def photos(self, dataset: DatasetSpec, split: str | None) -> Iterable[PosedPhoto]:
        """Photos of things with their poses, one at a time; none where the data set has no such samples."""
        ...

    def comparable(self, photo: PosedPhoto) -> "Comparable":
        """One of `photos` that has a CAD, beside the views of it."""
        ...

    def networks(self) -> "Mapping[str, PoseTeller]":
        """Networks that were trained to tell poses, by name."""
        ...

    def identity_of_photos(self, dataset: DatasetSpec, split: str | None) -> str:
        """A text that changes whenever `photos` would."""
        ...

    def proposed(self) -> Mapping[str, Sequence[ProposedSource]]:
        """Kind of a proposer -> what it proposed in the scenes, once for each of its draws."""
        ...


@dataclass
class Lab:
    """The services of one evaluation. Texts are encoded once; features come from the cache as far as it holds them."""

    model: EvaluatedModel
    recipe: EvalChoices
    source: EvalSource
    execution: EvalExecution = field(default_factory=EvalExecution)
    cache: FeatureCache | None = None
    advance: Callable[[], None] = lambda: None
    """Called after each object that is read; what it raises ends the reading there."""
    seconds: dict[str, float] = field(default_factory=dict)
    _texts: dict[str, Floats] = field(default_factory=dict)

    def text(self, classes: tuple[str, ...], method: MethodSpec) -> Floats:
        """Class embeddings [C, E]; encoded once for all methods and data sets that share words."""
        key = text_key(self.model, classes, method.text)
        if key not in self._texts:
            self._texts[key] = self._remembered_text(key, classes, method)
        return self._texts[key]

    def _remembered_text(self, key: str, classes: tuple[str, ...], method: MethodSpec) -> Floats:
        if (found := remembered(self.cache, key)) is not None:
            known: Floats = found["text"]
            return known
        with self.timed("texts"):
            text: Floats = text_classifier(self.model, classes, method.text, self.execution.text_batch).numpy()
        if self.cache is not None:
            self.cache.put(key, {"text": text})
        return text

    def features(
        self,
        dataset: DatasetSpec,
        split: str | None,
        projection: str,
        pixels: PixelNorm,
        plan: FeaturePlan,
        images: bool = False,
        source: MapSource | None = None,
    ) -> ViewFeatures:
        """View features of a data set's split, those of the painted images included where asked for.

        They are of the lab's own source where no other is given.
        """
        read: MapSource = source or self.source
        extractor = Extractor(self.model, plan, pixels, self.recipe.precision, self.execution.image_batch)
        loader = FeatureLoader(extractor, read.identity(dataset, split, projection), self.cache)

        def samples(painted: bool) -> Iterable[EvalSample]:
            # Read and decoded while those before them pass the towers.
            ahead = prefetched(read.samples(dataset, split, projection, painted), READ_AHEAD)
            return counted(ahead, self.advance)

        started = time.perf_counter()
        features, cached = loader.load(samples, read.views()[projection], images)
        if cached:
            logger.info("features of %s (%s) come from the cache", dataset.name, projection)
        else:
            self._spent("features", time.perf_counter() - started)
        return features

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the seconds spent inside to those of `what`, less what is timed inside by itself."""
        started, before = time.perf_counter(), sum(self.seconds.values())
        yield
        inside = sum(self.seconds.values()) - before
        self._spent(what, time.perf_counter() - started - inside)

    def _spent(self, what: str, seconds: float) -> None:
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds


def counted(items: Iterable[Item], advance: Callable[[], None]) -> Iterator[Item]:
    """The items as they are; `advance` is called for each one when the next is asked for."""
    for item in items:
        yield item
        advance()
