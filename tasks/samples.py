"""The store as evaluation wants to see it: labelled depth maps by data set, split and projection."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import DatasetSpec, EvalRecipe
from opendlign_core.samples import CadMesh, Cloud, DepthMaps, Painted, Places, PosedPhoto
from storage.fetch import Fetcher
from storage.fingerprint import digest
from storage.records import Manifest
from storage.store import Store
from tasks.catalog import CATALOG
from tasks.pictures import shard_cads
from tasks.proposed import ProposedOutputs, StoredProposals
from tasks.stored_maps import maps_of, views_in, wanted_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opendlign_core.evaluation import EvalSample
    from opendlign_core.evaluation.features import PlacedSample
    from opendlign_core.evaluation.lab import ProposedSource
    from opendlign_core.evaluation.pose.comparing.search import Comparable
    from opendlign_core.evaluation.pose.encoders import PoseTeller


@dataclass(frozen=True)
class EvaluatedOutputs:
    """The outputs of one source: clouds, depth maps and, where images were painted, aligned shards."""

    clouds: Manifest
    depths: Mapping[str, Manifest]
    """By the name of the projection that drew them."""
    aligned: Manifest | None = None

    def contents(self, projection: str) -> dict[str, str]:
        """Digests of the bytes that the samples under a projection follow from."""
        found = {"ingest": self.clouds.content_digest}
        if projection in self.depths:
            found["project"] = self.depths[projection].content_digest
        return found if self.aligned is None else {**found, "synthesize": self.aligned.content_digest}


class _Listed(NamedTuple):
    """What the catalog says of one ingested object."""

    source: str
    split: str
    object_id: str
    label: str


class StoredSamples:
    """An `EvalSource` over the outputs of a store."""

    def __init__(
        self,
        store: Store,
        sources: Iterable[EvaluatedOutputs],
        proposals: Iterable[ProposedOutputs] = (),
        networks: Mapping[str, "PoseTeller"] | None = None,
    ) -> None:
        self._store = store
        self._networks = networks or {}
        self._sources = tuple(sources)
        self._proposals = tuple(proposals)

    def identity(self, dataset: DatasetSpec, split: str | None, projection: str) -> str:
        """Changes with the bytes of the outputs and with what is taken of them."""
        taken = [source.contents(projection) for source in self._sources]
        return digest([taken, sorted(dataset.sources), split, projection])

    def views(self) -> Mapping[str, int]:
        """How many depth maps an object has, by the name of the projection."""
        return self._views

    @cached_property
    def _views(self) -> dict[str, int]:
        outputs = [source.depths for source in self._sources] + [found.depths for found in self._proposals]
        drawn = {name: depths for one in outputs for name, depths in one.items()}
        return {name: views_in(self._store, depths) for name, depths in drawn.items()}

    def samples(
        self, dataset: DatasetSpec, split: str | None, projection: str, images: bool = False
    ) -> Iterator["EvalSample"]:
        """The data set's samples in store order.

        Raises:
            BadInput: a source has objects of the data set, but no depth maps under the projection.
        """
        for index, source in enumerate(self._sources):
            if projection in source.depths:
                yield from self._stored(source, dataset, split, projection, images)
            elif objects := sum(1 for _ in self._listed_in(index, dataset, split)):
                raise BadInput(
                    f"{dataset.name}: {objects} objects have no depth maps under the projection {projection!r}; "
                    f"their source was projected by {', '.join(source.depths) or 'none'}"
                )

    def placed(self, dataset: DatasetSpec, split: str | None, projection: str) -> Iterator["PlacedSample"]:
        """The data set's samples with points, parts and places, in store order, one at a time.

        Raises:
            BadInput: an object has no parts, or its depth maps keep no places.
        """
        from opendlign_core.evaluation.features import PlacedSample

        for source in (source for source in self._sources if projection in source.depths):
            clouds = wanted_samples(self._store, source.clouds, dataset, split)
            for sample in wanted_samples(self._store, source.depths[projection], dataset, split):
                # Depth maps follow the order of the clouds and may lack some of them.
                cloud = next(Cloud.read(one.key, one.fields) for one in clouds if one.key == sample.key)
                maps = maps_of(sample)
                parts, places = _require_parts(dataset, cloud), _require_places(dataset, projection, maps)
                count = places.row.shape[1]
                yield PlacedSample(
                    cloud.meta.object_id, cloud.meta.label or None, cloud.points[:count], parts[:count],
                    cloud.meta.part_names, maps.maps(), places,
                )  # fmt: skip

    def photos(self, dataset: DatasetSpec, split: str | None) -> Iterator[PosedPhoto]:
        """The data set's photos with their poses, in store order, one at a time.

        Raises:
            BadInput: an object of the data set is no such photo.
        """
        for source in self._sources:
            for sample in wanted_samples(self._store, source.clouds, dataset, split):
                yield PosedPhoto.read(sample.key, sample.fields)

    def comparable(self, photo: PosedPhoto) -> "Comparable":
        """One of `photos` that has a CAD, beside the views of it."""
        from tasks.compared import comparable

        assert photo.meta.cad is not None
        return comparable(photo, self._cads[photo.meta.cad.digest])

    @cached_property
    def _cads(self) -> dict[str, CadMesh]:
        return {
            digest: cad for source in self._sources for digest, cad in shard_cads(self._store, source.clouds).items()
        }

    def networks(self) -> Mapping[str, "PoseTeller"]:
        """The trained networks that tell poses."""
        return self._networks

    def identity_of_photos(self, dataset: DatasetSpec, split: str | None) -> str:
        """Changes with the bytes of the outputs and with what is taken of them."""
        return digest([[one.clouds.content_digest for one in self._sources], sorted(dataset.sources), split])

    def count_photos(self, dataset: DatasetSpec, split: str | None) -> int:
        """How many photos `photos` goes through, told from the catalogs."""
        return sum(1 for index in range(len(self._sources)) for _ in self._listed_in(index, dataset, split))

    def proposed(self) -> Mapping[str, Sequence["ProposedSource"]]:
        """What was proposed in the scenes, by kind of the proposer, each of its draws by itself."""
        found: dict[str, list[ProposedSource]] = {}
        for outputs in self._proposals:
            found.setdefault(outputs.kind, []).append(StoredProposals(self._store, outputs))
        return found

    def boxes(self, split: str | None, projection: str) -> int:
        """How many boxes of all proposers have depth maps, but for those that could not be drawn."""
        return sum(outputs.splits(split) for outputs in self._proposals if projection in outputs.depths)

    def count(self, dataset: DatasetSpec, split: str | None, projection: str) -> int:
        """How many objects `samples` goes through, told from the catalogs."""
        return sum(1 for _ in self._drawn(dataset, split, projection))

    def judged(self, dataset: DatasetSpec, projection: str | None) -> str:
        """Digest of the objects of the test split with their labels, and of the classes that these are brought to.

        Without a projection of all objects, else of those that have its depth maps.
        """
        objects = sorted((row.object_id, row.label) for row in self._drawn(dataset, dataset.split, projection))
        return digest([objects, dataset.labels, dataset.aliases])

    def _drawn(self, dataset: DatasetSpec, split: str | None, projection: str | None) -> Iterator["_Listed"]:
        """The objects that have depth maps, told from the catalogs."""
        for index, source in enumerate(self._sources):
            if projection is None:
                yield from self._listed_in(index, dataset, split)
            elif projection in source.depths:
                undrawn = _undrawn(source.depths[projection])
                yield from (row for row in self._listed_in(index, dataset, split) if row.object_id not in undrawn)

    def _listed_in(self, index: int, dataset: DatasetSpec, split: str | None) -> Iterator["_Listed"]:
        for row in self._listed[index]:
            if split in (None, row.split) and (not dataset.sources or row.source in dataset.sources):
                yield row

    @cached_property
    def _listed(self) -> list[list["_Listed"]]:
        """The ingested objects, for each of the outputs."""
        with Fetcher(self._store) as fetcher:
            return [
                [
                    _Listed(row["source"], row["split"] or "", row["object_id"], row["label"] or "")
                    for row in CATALOG.read(fetcher.path(source.clouds, source.clouds.file("catalog")))
                    if row["rejected"] is None
                ]
                for source in self._sources
            ]

    def _stored(
        self, source: EvaluatedOutputs, dataset: DatasetSpec, split: str | None, projection: str, with_images: bool
    ) -> Iterator["EvalSample"]:
        from opendlign_core.evaluation import EvalSample

        painted = source.aligned if with_images else None
        aligned = wanted_samples(self._store, painted, dataset, split) if painted else iter(())
        pending = next(aligned, None)
        for sample in wanted_samples(self._store, source.depths[projection], dataset, split):
            found, images = maps_of(sample), None
            # Aligned shards follow the order of the depth maps and may lack some of them.
            if pending is not None and pending.key == sample.key:
                images, pending = Painted.read(pending.key, pending.fields).pictures(), next(aligned, None)
            yield EvalSample(found.meta.object_id, found.meta.label or None, found.maps(), images)


def _undrawn(depths: Manifest) -> frozenset[str]:
    """Ids of the objects that could not be projected."""
    return frozenset(rejected.id for record in depths.shards for rejected in record.rejected)


def _require_parts(dataset: DatasetSpec, cloud: Cloud) -> "NDArray[np.int32]":
    if cloud.parts is None:
        raise BadInput(
            f"{dataset.name}: {cloud.meta.object_id} has no parts; take a source that numbers the parts of its points "
            "and ingest it with keep_parts=true"
        )
    return cloud.parts


def _require_places(dataset: DatasetSpec, projection: str, maps: DepthMaps) -> Places:
    if maps.places is None:
        raise BadInput(
            f"{dataset.name}: the depth maps under the projection {projection!r} do not say where points fall; "
            "project with places=[corrected, faithful]"
        )
    return maps.places


def objects_to_encode(recipe: EvalRecipe, samples: StoredSamples) -> int:
    """How many objects are read where no features are remembered: once for all methods that see the same pixels.

    Benchmarks that read places go through them for each method.
    """
    reads = [
        (dataset, method, split)
        for dataset in recipe.datasets
        for method in recipe.judged
        for split in recipe.splits_read(dataset, method)
    ]
    shared = {
        (samples.identity(dataset, split, method.projection), method.pixels): (dataset, split, method.projection)
        for dataset, method, split in (reads if recipe.reads.depth else ())
    }
    alone = [(dataset, split, method.projection) for dataset, method, split in reads if recipe.reads.placed]
    photos = sum(samples.count_photos(dataset, split) for dataset, _, split in reads) if recipe.reads.photos else 0
    boxes = {(dataset.split, *method.features[:2]) for dataset, method, _ in reads if recipe.reads.proposed}
    in_boxes = sum(samples.boxes(split, projection) for split, projection, _ in boxes)
    return photos + in_boxes + sum(samples.count(*read) for read in (*shared.values(), *alone))


def judged_objects(recipe: EvalRecipe, samples: StoredSamples) -> dict[str, str]:
    """Data set -> a digest of what is judged on it; results are comparable where these are equal."""
    by_maps = recipe.reads.maps and not recipe.reads.proposed  # scenes have no maps of their own
    projection = recipe.primary.projection if by_maps else None
    return {dataset.name: samples.judged(dataset, projection) for dataset in recipe.datasets}
