"""Samples in memory as a source of an evaluation, and a cache of features likewise."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from opendlign_core.evaluation import DatasetSpec, EvalSample
from opendlign_core.evaluation.features import PlacedSample
from opendlign_core.evaluation.lab import ProposedSource
from opendlign_core.evaluation.pose.comparing.search import Comparable
from opendlign_core.evaluation.pose.encoders import PoseTeller
from opendlign_core.projection.recipe import RECIPES
from opendlign_core.samples import PosedPhoto

CLASSES = ("chair", "table", "lamp", "sofa", "bed", "desk")
TEXT = ("a {}.", "a depth map of a {}.")


@dataclass
class ListSource:
    """Samples in memory; counts how often they were read."""

    test: list[EvalSample]
    train: list[EvalSample] = field(default_factory=list)
    reads: list[tuple[str, str | None, str]] = field(default_factory=list)
    parted: Mapping[str | None, Sequence[PlacedSample]] = field(default_factory=dict)
    """Shapes with parts, by split."""
    photographed: Mapping[str | None, Sequence[PosedPhoto]] = field(default_factory=dict)
    """Photos with poses, by split."""
    cad_views: Mapping[str, Comparable] = field(default_factory=dict)
    """Photos beside views of their CADs, by id."""
    tellers: Mapping[str, PoseTeller] = field(default_factory=dict)
    """Networks that tell poses, by name."""

    def samples(
        self, dataset: DatasetSpec, split: str | None, projection: str, images: bool = False
    ) -> Iterable[EvalSample]:
        self.reads.append((dataset.name, split, projection))
        found = self.train if split == "train" else self.test
        return found if images else [replace(sample, images=None) for sample in found]

    def placed(self, dataset: DatasetSpec, split: str | None, projection: str) -> Iterable[PlacedSample]:
        self.reads.append((dataset.name, split, projection))
        yield from self.parted.get(split, ())

    def photos(self, dataset: DatasetSpec, split: str | None) -> Iterable[PosedPhoto]:
        self.reads.append((dataset.name, split, "photos"))
        yield from self.photographed.get(split, ())

    def comparable(self, photo: PosedPhoto) -> Comparable:
        return self.cad_views[photo.meta.object_id]

    def networks(self) -> Mapping[str, PoseTeller]:
        return self.tellers

    def identity_of_photos(self, dataset: DatasetSpec, split: str | None) -> str:
        return f"{dataset.name}/{split}/photos"

    def identity(self, dataset: DatasetSpec, split: str | None, projection: str) -> str:
        return f"{dataset.name}/{split}/{projection}/{len(self.test)}"

    def views(self) -> Mapping[str, int]:
        return {"opendlign": len(self.test[0].depth) if self.test else 10}

    def proposed(self) -> Mapping[str, Sequence[ProposedSource]]:
        return {}


class MemoryCache(dict[str, Mapping[str, NDArray[Any]]]):
    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        self[key] = arrays


class ProjectedSource(ListSource):
    """As many views as the named projection draws."""

    def views(self) -> Mapping[str, int]:
        return {name: len(projection.views) for name, projection in RECIPES.items()}

    def samples(
        self, dataset: DatasetSpec, split: str | None, projection: str, images: bool = False
    ) -> Iterable[EvalSample]:
        return [replace(sample, depth=sample.depth[: self.views()[projection]]) for sample in self.test]
