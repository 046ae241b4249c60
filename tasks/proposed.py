"""Scenes with their proposed boxes as evaluation wants to see them: one draw of a proposer after the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from opendlign_core.boxes import Boxes
from opendlign_core.evaluation import DatasetSpec, packaged_labels
from opendlign_core.samples import CropMeta, Scene, read_meta
from storage.fingerprint import digest
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.stored_maps import maps_of, views_in, wanted_samples

if TYPE_CHECKING:
    from opendlign_core.evaluation import EvalSample
    from opendlign_core.evaluation.features import ProposedScene


@dataclass(frozen=True)
class ProposedOutputs:
    """What one proposer made of the scenes of a source, and the depth maps of it."""

    kind: str
    scenes: Manifest
    clouds: Manifest
    depths: Mapping[str, Manifest]
    """By the name of the projection that drew them."""

    def splits(self, split: str | None) -> int:
        """How many clouds a split has."""
        counts: Mapping[str, int] = self.clouds.summary.get("splits", {})
        return sum(counts.values()) if split is None else counts.get(split, 0)


class StoredProposals:
    """A `ProposedSource` over the outputs of a store."""

    def __init__(self, store: Store, outputs: ProposedOutputs) -> None:
        self._store = store
        self._outputs = outputs

    def identity(self, dataset: DatasetSpec, split: str | None, projection: str) -> str:
        """Changes with the bytes of the outputs and with what is taken of them."""
        read = (self._outputs.scenes, self._outputs.clouds, self._outputs.depths[projection])
        return digest([[one.content_digest for one in read], sorted(dataset.sources), split, projection])

    def views(self) -> Mapping[str, int]:
        return {name: views_in(self._store, depths) for name, depths in self._outputs.depths.items()}

    def samples(
        self, dataset: DatasetSpec, split: str | None, projection: str, images: bool = False
    ) -> Iterator["EvalSample"]:
        """What is in the boxes, in store order; nothing of it is painted."""
        from opendlign_core.evaluation import EvalSample

        for sample in wanted_samples(self._store, self._outputs.depths[projection], dataset, split):
            found = maps_of(sample)
            yield EvalSample(found.meta.object_id, found.meta.label or None, found.maps())

    def scenes(self, dataset: DatasetSpec, split: str | None) -> Iterator["ProposedScene"]:
        """The scenes with their boxes, in store order, one at a time."""
        for sample in wanted_samples(self._store, self._outputs.scenes, dataset, split):
            scene = Scene.read(sample.key, sample.fields)
            yield _with_boxes(scene, self._crops.get(scene.meta.object_id, ()))

    @cached_property
    def _crops(self) -> dict[str, tuple[CropMeta, ...]]:
        """What is known of the boxes of every scene."""
        with SampleReader(self._store, self._outputs.clouds) as reader:
            metas = [read_meta(sample.key, sample.fields, CropMeta) for sample in reader]
        return {name: tuple(found) for name, found in groupby(metas, key=lambda meta: meta.scene)}


_OWN_CLASSES = {len(names): names for names in map(packaged_labels, ("scannet18", "sunrgbd10"))}
"""Of published proposers, by their number: their files name none."""


def _with_boxes(scene: Scene, crops: Sequence[CropMeta]) -> "ProposedScene":
    from opendlign_core.evaluation.features import ProposedScene

    boxes = [crop.box for crop in crops]
    known = [crop.probabilities for crop in crops if crop.probabilities]
    return ProposedScene(
        scene_id=scene.meta.object_id,
        points=scene.points,
        truth=scene.boxes,
        things=scene.meta.things,
        boxes=Boxes.of([one.centre for one in boxes], [one.size for one in boxes], [one.yaw for one in boxes]),
        objectness=np.array([crop.objectness for crop in crops]),
        crops=tuple(crop.object_id for crop in crops),
        probabilities=np.array(known) if known else None,
        classes=_OWN_CLASSES.get(len(known[0]), ()) if known else (),
    )
