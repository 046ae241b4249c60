"""Depth maps of an output, as far as a data set and a split want them."""

from collections.abc import Iterator

from opendlign_core.evaluation import DatasetSpec
from opendlign_core.samples import DepthMaps, read_meta
from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import Sample
from storage.store import Store


def views_in(store: Store, depths: Manifest) -> int:
    """How many depth maps an object has."""
    if "views" in depths.recipe:
        return len(depths.recipe["views"])
    # Maps that were drawn elsewhere: their recipe says where they came from.
    with SampleReader(store, depths) as reader:
        return next((maps_of(sample).meta.views for sample in reader.read(0, min(1, depths.samples))), 0)


def wanted_samples(store: Store, manifest: Manifest, dataset: DatasetSpec, split: str | None) -> Iterator[Sample]:
    """The samples of a data set's split in store order."""
    with SampleReader(store, manifest) as reader:
        for sample in reader:
            meta = read_meta(sample.key, sample.fields)
            if split in (None, meta.split) and (not dataset.sources or meta.source in dataset.sources):
                yield sample


def maps_of(sample: Sample) -> DepthMaps:
    return DepthMaps.read(sample.key, sample.fields)
