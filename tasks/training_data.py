"""Training data as it lies in the store: whole in memory where it fits, read object by object where it does not."""

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples import Painted, TokenEntry, read_meta
from opendlign_core.training import TrainExecution, TrainRecipe
from storage.reader import SampleReader
from storage.records import Manifest, ShardRecord
from storage.shards import Sample
from storage.store import Store
from tasks.stage import Job
from tasks.tokens import TOKENS, stack_objects

if TYPE_CHECKING:
    from opendlign_core.training import CacheEntries, Objects
    from opendlign_core.training.depth_branch.run import TrainSource

# A cache larger than this share of the free memory is read as it is needed instead of held whole.
MOST_OF_MEMORY = 0.5

T = TypeVar("T")
Places = list[tuple[ShardRecord, NDArray[np.int64]]]


def training_source(job: Job[TrainRecipe, TrainExecution], split: str) -> "TrainSource | None":
    """The objects of a split as the recipe's trainer reads them; None where there are none."""
    if job.recipe.trainer == "cached":
        cache = job.optional(TOKENS.name, split)
        return _cached(job.store, cache, job.recipe) if cache is not None else None
    aligned = job.manifest("aligned")
    places = list(_places_of(SampleReader(job.store, aligned), split))
    return _streamed(job.store, aligned, job.recipe, places, _stack) if places else None


def _cached(store: Store, cache: Manifest, recipe: TrainRecipe) -> "TrainSource":
    from opendlign_core.training.depth_branch.cache import collect

    filled = [record for record in cache.shards if record.samples]
    if sum(record.shard.bytes for record in filled) < MOST_OF_MEMORY * free_memory():
        with SampleReader(store, cache) as reader:
            whole = collect((TokenEntry.read(sample.key, sample.fields) for sample in reader), cache.samples)
        return type(whole)(whole.data, [record.samples for record in filled])
    places = [(record, np.arange(record.samples)) for record in filled]
    return _streamed(store, cache, recipe, places, _decode)


def _streamed(
    store: Store, manifest: Manifest, recipe: TrainRecipe, places: Places, decode: Callable[[list[Sample]], Any]
) -> "TrainSource":
    """A uniform shuffle wants single objects, a shuffle among a few shards at a time wants those shards."""
    from opendlign_core.loop import Sharded

    if recipe.shuffle_shards is None:
        return StoredObjects(store, manifest, places, decode)
    reader = SampleReader(store, manifest)

    def load(index: int) -> Any:
        return decode(list(reader.read_shard(*places[index])))

    return Sharded(load, [len(positions) for _, positions in places], keep=recipe.shuffle_shards + 1)


class StoredObjects(Generic[T]):
    """A source that reads the wanted objects from their shards and nothing else; memory holds one batch.

    Shards of a remote store are downloaded once and stay on the local disk as long as this object lives.
    """

    def __init__(self, store: Store, manifest: Manifest, places: Places, decode: Callable[[list[Sample]], T]) -> None:
        self.sizes = tuple(len(positions) for _, positions in places)
        self._reader = SampleReader(store, manifest, keep=len(places))
        self._places = list(
            chain.from_iterable(((record, int(position)) for position in positions) for record, positions in places)
        )
        self._decode = decode

    def batch(self, indices: NDArray[np.int64]) -> T:
        """The objects at `indices`, in that order; shards are visited once each."""
        order = np.argsort(indices, kind="stable")
        samples = list(self._reader.read_places(self._places[index] for index in indices[order]))
        return self._decode([samples[position] for position in np.argsort(order, kind="stable")])


def _stack(samples: Sequence[Sample]) -> "Objects":
    return stack_objects([Painted.read(sample.key, sample.fields) for sample in samples])


def _decode(samples: Sequence[Sample]) -> "CacheEntries":
    from opendlign_core.training.depth_branch.cache import decode_entries

    return decode_entries(TokenEntry.read(sample.key, sample.fields) for sample in samples)


def _places_of(reader: SampleReader, split: str) -> Iterator[tuple[ShardRecord, NDArray[np.int64]]]:
    """Where the objects of a split lie; only shards that mix splits are looked into."""
    with reader:
        for record in reader.manifest.shards:
            count = record.summary.get("splits", {}).get(split, 0)
            if count == record.samples and count:
                yield record, np.arange(count)
            elif count:
                samples = reader.read_shard(record, range(record.samples))
                found = (read_meta(sample.key, sample.fields) for sample in samples)
                yield record, np.flatnonzero([meta.split == split for meta in found])


def free_memory() -> int:
    """Bytes that can be taken without pushing other programs out; what only caches files counts as free."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
