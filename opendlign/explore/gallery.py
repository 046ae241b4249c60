"""What a model's store has to look at: shapes with all that the stages made of them, and what they turned away."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from opendlign.explore.meshes import mesh_behind
from opendlign.models import OWN, Trained
from opendlign_core.ingestion import Mesh
from opendlign_core.samples import Cloud, DepthMaps, Painted, sample_key
from storage.fetch import Fetcher
from storage.lineage import lineage
from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import Sample
from storage.store import Store
from tasks.catalog import CATALOG


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape, of the store or brought by somebody, with what is known of it."""

    name: str
    points: NDArray[np.float32]  # [N, 3]
    views: NDArray[np.float32]  # [V, S, S]
    colors: NDArray[np.uint8] | None = None  # [N, 3]
    images: NDArray[np.uint8] | None = None  # [V, S, S, 3]
    label: str = ""
    caption: str = ""
    split: str = ""
    mesh: Mesh | None = None
    """Of what was brought; that of a shape of the store is asked for when it is drawn."""


class Pair(NamedTuple):
    """A depth map and the image painted on it."""

    object_id: str
    label: str
    caption: str
    depth: NDArray[np.uint8]  # [S, S]
    image: NDArray[np.uint8]  # [S, S, 3]


class TurnedAway(NamedTuple):
    stage: str
    object_id: str
    reason: str


class _Known(NamedTuple):
    label: str
    split: str


_UNKNOWN = _Known("", "")


class Output:
    """One output of the store, its samples found by the ids of their objects."""

    def __init__(self, store: Store, manifest: Manifest) -> None:
        self.manifest = manifest
        self._reader = SampleReader(store, manifest)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key: place for place, key in enumerate(self._reader.keys())}

    def find(self, object_id: str) -> Sample | None:
        """The sample of an object, or None where the output has none of it."""
        place = self._places.get(sample_key(object_id))
        return None if place is None else next(self._reader.read(place, place + 1))

    def holds(self, object_id: str) -> bool:
        return sample_key(object_id) in self._places


class Gallery:
    """The shapes that a trained model's source gave."""

    def __init__(self, trained: Trained) -> None:
        self._store, self._source, self._reading = trained.store, trained.source, trained.reading
        self._clouds = Output(trained.store, trained.outputs.clouds)
        self._depths = Output(trained.store, trained.outputs.depths[OWN])
        painted = (made for made in lineage(trained.store, trained.manifest) if made.stage == "synthesize")
        self._painted = next((Output(trained.store, made) for made in painted), None)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels of its shapes, sorted; one that is empty is none."""
        return tuple(sorted(name for name in self._clouds.manifest.summary.get("labels", {}) if name))

    def shape(self, object_id: str) -> Shape | None:
        """Everything known of one shape; None where the store has no depth maps of it."""
        read, depth = self.cloud(object_id), self._depths.find(object_id)
        if read is None or depth is None:
            return None
        pair = self._painted and self._painted.find(object_id)
        return Shape(
            name=object_id,
            points=read.points,
            views=DepthMaps.read(depth.key, depth.fields).maps(),
            colors=read.colors,
            images=Painted.read(pair.key, pair.fields).pictures() if pair else None,
            label=read.meta.label,
            caption=read.meta.caption,
            split=read.meta.split,
        )

    def mesh(self, object_id: str) -> Mesh | None:
        """The mesh that the points of a shape were taken from, y up, where that can be told."""
        cloud = self.cloud(object_id)
        return None if cloud is None else mesh_behind(cloud.meta, self._source, self._reading)

    def cloud(self, object_id: str) -> Cloud | None:
        """The points of one shape."""
        found = self._clouds.find(object_id)
        return None if found is None else Cloud.read(found.key, found.fields)

    def split(self, object_id: str) -> str:
        """The split of a shape; empty where the store does not know it."""
        return self._known.get(object_id, _UNKNOWN).split

    def painted(self, label: str = "") -> Sequence[str]:
        """Ids of the objects that images were painted of, those of one label or all."""
        if self._painted is None:
            return ()
        named = (object_id for object_id, known in self._known.items() if label in ("", known.label))
        return [object_id for object_id in named if self._painted.holds(object_id)]

    def pair(self, object_id: str, view: int) -> Pair | None:
        """One view of a painted object."""
        found = self._painted.find(object_id) if self._painted else None
        if found is None:
            return None
        painted = Painted.read(found.key, found.fields)
        view %= painted.meta.views
        grey = (painted.maps()[view] * 255).astype(np.uint8)
        return Pair(object_id, painted.meta.label, painted.meta.caption, grey, painted.picture(view))

    @cached_property
    def _known(self) -> dict[str, _Known]:
        """What was ingested, by id, in the order of the source."""
        manifest = self._clouds.manifest
        with Fetcher(self._store) as fetcher:
            rows = CATALOG.read(fetcher.path(manifest, manifest.file("catalog")))
        kept = (row for row in rows if row["rejected"] is None)
        return {row["object_id"]: _Known(row["label"] or "", row["split"] or "") for row in kept}

    def turned_away(self) -> list[TurnedAway]:
        """Every object that a stage could make nothing of, with the reason."""
        outputs = (output for output in (self._clouds, self._depths, self._painted) if output is not None)
        return [
            TurnedAway(output.manifest.stage, sample.id, sample.reason)
            for output in outputs
            for record in output.manifest.shards
            for sample in record.rejected
        ]
