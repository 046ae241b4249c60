"""The token cache, first half of training: everything frozen about each object, computed once and kept as shards."""

import functools
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from prefect import task

from opendlign_core.recipe import Recipe
from opendlign_core.training import CACHE_STAGE_VERSION, CacheRecipe, TrainExecution
from storage.fingerprint import StageIdentity
from storage.output import ShardRange, StageOutput
from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import Sample, encode_array
from storage.stores import Store
from tasks.policy import SHARD_TASK
from tasks.progress import current_progress
from tasks.shards import ShardBuilder, ShardWork, StagePlan, building, finish, follow_shards
from tasks.slots import gpu_slot

if TYPE_CHECKING:
    from opendlign_core.training import DepthAlignedCLIP
    from opendlign_core.training.sources import Objects

STAGE = "tokens"
META = ("object_id", "source", "split", "label", "caption")


class TokensRecipe(Recipe):
    """What the cache holds: the frozen tower's view of one split."""

    cache: CacheRecipe
    split: str


def identify(recipe: TokensRecipe, aligned: str) -> StageIdentity:
    return StageIdentity.of(STAGE, CACHE_STAGE_VERSION, recipe, {"synthesize": aligned})


def plan(store: Store, recipe: TokensRecipe, aligned: Manifest) -> StagePlan:
    """One shard of tokens for each aligned shard; shards without objects of the split are empty."""
    return StagePlan.look(StageOutput(store, identify(recipe, aligned.fingerprint)), follow_shards(aligned))


@task(name="tokens-shard", **SHARD_TASK)
def tokens_shard(work: ShardWork, recipe: TokensRecipe, execution: TrainExecution, aligned: Manifest) -> list[int]:
    """Run the frozen tower over the objects of each shard."""
    output = work.open()
    with SampleReader(output.store, aligned) as reader, gpu_slot(execution.device):
        model = _model(recipe.cache, execution.device)
        for shard in work.shards:
            with building(output, shard) as builder:
                _build(builder, recipe, execution, model, reader, shard)
    return [shard.index for shard in work.shards]


@functools.lru_cache(maxsize=1)
def _model(recipe: CacheRecipe, device: str) -> "DepthAlignedCLIP":
    """The frozen model, loaded once for all shards of this process."""
    from opendlign_core.clip import choose_device, load_clip
    from opendlign_core.training import DepthAlignedCLIP

    return DepthAlignedCLIP(load_clip(recipe.clip), recipe.blocks).to(choose_device(device)).eval()


def _build(
    builder: ShardBuilder,
    recipe: TokensRecipe,
    execution: TrainExecution,
    model: "DepthAlignedCLIP",
    reader: SampleReader,
    shard: ShardRange,
) -> None:
    import torch

    from opendlign_core.training.cache import build_entries, encode_entry

    wanted = of_split(reader, recipe.split, shard.start, shard.stop)
    while chunk := list(islice(wanted, execution.objects_per_forward)):
        with torch.inference_mode():
            entries = build_entries(model, stack_objects(chunk), recipe.cache, execution.objects_per_forward)
        for place, sample in enumerate(chunk):
            arrays = {name: encode_array(array) for name, array in encode_entry(entries, place).items()}
            meta = sample.json()
            builder.add(sample.key, arrays, {name: meta[name] for name in META})
        current_progress().advance(len(chunk))


def of_split(reader: SampleReader, split: str, start: int = 0, stop: int | None = None) -> Iterator[Sample]:
    """The samples of one split in a range of an output."""
    for sample in reader.read(start, stop):
        if sample.json()["split"] == split:
            yield sample
        else:
            current_progress().advance()


def stack_objects(samples: list[Sample]) -> "Objects":
    """Depth maps [B, V, H, W] and images [B, V, H, W, 3] of aligned samples."""
    import numpy as np
    import torch

    from opendlign_core.samples import decode_depth
    from opendlign_core.training.sources import Objects
    from tasks.samples import painted_views

    depth = np.stack([decode_depth(sample.fields["depth.npy"]) for sample in samples])
    images = np.stack([painted_views(sample) for sample in samples])
    return Objects(torch.from_numpy(depth), torch.from_numpy(images))


def commit(planned: StagePlan) -> Manifest:
    return finish(planned.output, planned.shards, max_rejected_share=0.0)


def entry_arrays(reader: SampleReader) -> Iterator[dict[str, Any]]:
    """The arrays of every cache entry, in order."""
    for sample in reader:
        yield {name: sample.array(name) for name in ("tokens.npy", "rows.npy", "target.npy")}
