"""The token cache, first half of training: everything frozen about each object, computed once and kept as shards."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from opendlign_core.recipe import Recipe
from opendlign_core.samples import Meta, Painted
from opendlign_core.streams import prefetched
from opendlign_core.training import CACHE_STAGE_VERSION, CacheRecipe, TrainExecution
from storage.output import ShardRange
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.ports import Port
from tasks.shards import ShardBuilder
from tasks.showcase import Showcase
from tasks.stage import Job, ShardedStage

if TYPE_CHECKING:
    from opendlign_core.training import DepthAlignedCLIP, Objects


class TokensRecipe(Recipe):
    """What the cache holds: the frozen tower's view of one split."""

    cache: CacheRecipe
    split: str


class _Ready(NamedTuple):
    reader: SampleReader
    model: "DepthAlignedCLIP"


class Tokens(ShardedStage[TokensRecipe, TrainExecution]):
    """A stage that training makes for itself; it stands in no preset."""

    name = "tokens"
    version = CACHE_STAGE_VERSION
    recipe = TokensRecipe
    execution = TrainExecution
    about = "Compute what is frozen about each object, for training."
    reads = (Port("aligned", "synthesize", "Fingerprint of the synthesize output, or align/ID.", also=("align",)),)
    pool = "gpu"

    @contextmanager
    def ready(self, job: Job[TokensRecipe, TrainExecution]) -> Iterator[_Ready]:
        with SampleReader(job.store, job.manifest("aligned")) as reader:
            yield _Ready(reader, _frozen(job.recipe.cache, job.execution.device))

    def build(
        self, job: Job[TokensRecipe, TrainExecution], ready: _Ready, shard: ShardRange, builder: ShardBuilder
    ) -> None:
        """Run the frozen tower over the objects of a shard that belong to the split."""
        import torch

        from opendlign_core.training.depth_branch.cache import build_entries, encode_entry

        size, done = job.execution.objects_per_forward, 0
        wanted = of_split(ready.reader, job.recipe.split, shard.start, shard.stop)
        # Pictures are decoded while those before them pass the tower.
        with closing(prefetched(stacked(wanted, size), depth=1)) as batches:
            for metas, objects in batches:
                with torch.inference_mode():
                    entries = build_entries(ready.model, objects, job.recipe.cache, size)
                for index, meta in enumerate(metas):
                    builder.add(encode_entry(entries, index, meta))
                done += len(metas)
                job.progress.advance(len(metas))
        if others := shard.stop - shard.start - done:
            job.progress.advance(others, skipped=others)

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        """Nothing: people look at the training that it is for."""


TOKENS = Tokens()


@functools.lru_cache(maxsize=1)
def _frozen(cache: CacheRecipe, device: str) -> "DepthAlignedCLIP":
    """The frozen model, loaded once for all shards of this process."""
    from opendlign_core.clip import choose_device, load_clip
    from opendlign_core.training import DepthAlignedCLIP

    return DepthAlignedCLIP(load_clip(cache.clip), cache.blocks).to(choose_device(device)).eval()


def of_split(reader: SampleReader, split: str, start: int = 0, stop: int | None = None) -> Iterator[Painted]:
    """The painted objects of one split in a range of an output."""
    for sample in reader.read(start, stop):
        painted = Painted.read(sample.key, sample.fields)
        if painted.meta.split == split:
            yield painted


def stacked(objects: Iterable[Painted], size: int) -> Iterator[tuple[list[Meta], "Objects"]]:
    """At most `size` painted objects at a time: who they are, and their pixels."""
    waiting = iter(objects)
    while chunk := list(islice(waiting, size)):
        yield [painted.meta.who() for painted in chunk], stack_objects(chunk)


def stack_objects(chunk: Sequence[Painted]) -> "Objects":
    """Depth maps [B, V, H, W] and images [B, V, H, W, 3] of painted objects."""
    import numpy as np
    import torch

    from opendlign_core.training import Objects

    depth = np.stack([painted.maps() for painted in chunk])
    images = np.stack([painted.pictures() for painted in chunk])
    return Objects(torch.from_numpy(depth), torch.from_numpy(images))
