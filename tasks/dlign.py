"""CLIP embeddings of the depth-aligned images, kept as shards: what point-encoder projects train on."""

import functools
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task

from opendlign_core.clip import ClipSpec
from opendlign_core.training import DLIGN_STAGE_VERSION, DlignRecipe, TrainExecution
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
    import pyarrow as pa

    from opendlign_core.clip.load import OpenClip

STAGE = "dlign"
META = ("object_id", "source", "split", "label", "caption")


def plan(store: Store, recipe: DlignRecipe, aligned: Manifest) -> StagePlan:
    """One shard of embeddings for each aligned shard."""
    identity = StageIdentity.of(STAGE, DLIGN_STAGE_VERSION, recipe, {"synthesize": aligned.fingerprint})
    return StagePlan.look(StageOutput(store, identity), follow_shards(aligned))


@task(name="dlign-shard", **SHARD_TASK)
def dlign_shard(work: ShardWork, recipe: DlignRecipe, execution: TrainExecution, aligned: Manifest) -> list[int]:
    """Embed the painted images of each shard's objects."""
    output = work.open()
    with SampleReader(output.store, aligned) as reader, gpu_slot(execution.device):
        clip = _clip(recipe.clip, execution.device)
        for shard in work.shards:
            with building(output, shard) as builder:
                _build(builder, recipe, execution, clip, reader, shard)
    return [shard.index for shard in work.shards]


@functools.lru_cache(maxsize=1)
def _clip(spec: ClipSpec, device: str) -> "OpenClip":
    """The model, loaded once for all shards of this process."""
    from opendlign_core.clip import choose_device, load_clip

    return load_clip(spec, choose_device(device))


def _build(
    builder: ShardBuilder,
    recipe: DlignRecipe,
    execution: TrainExecution,
    clip: "OpenClip",
    reader: SampleReader,
    shard: ShardRange,
) -> None:
    import numpy as np
    import torch

    from opendlign_core.training import embed_images
    from tasks.samples import painted_views

    waiting = reader.read(shard.start, shard.stop)
    while chunk := list(islice(waiting, execution.objects_per_forward)):
        images = torch.from_numpy(np.stack([painted_views(sample) for sample in chunk]))
        with torch.inference_mode():
            found = embed_images(clip, images, recipe, images.shape[0] * images.shape[1])
        for sample, views, whole in zip(chunk, found.views.numpy(), found.objects.numpy(), strict=True):
            meta = sample.json()
            fields = {"views.npy": encode_array(views), "object.npy": encode_array(whole)}
            builder.add(sample.key, fields, {name: meta[name] for name in META})
        current_progress().advance(len(chunk))


def commit(planned: StagePlan) -> Manifest:
    return finish(planned.output, planned.shards, max_rejected_share=0.0)


def write_parquet(store: Store, embeddings: Manifest, folder: Path) -> list[Path]:
    """Write one Parquet file per shard: an object's names, its unit embedding and that of every view."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with SampleReader(store, embeddings) as reader:
        for record in embeddings.shards:
            path = folder / f"dlign-{record.index:06d}.parquet"
            samples = list(reader.read_shard(record, range(record.samples)))
            if samples:
                pq.write_table(
                    _table(samples, embeddings.fingerprint), path, compression="zstd", use_dictionary=list(META)
                )
                written.append(path)
    return written


def _table(samples: list[Sample], fingerprint: str) -> "pa.Table":
    import numpy as np
    import pyarrow as pa

    metas: list[dict[str, Any]] = [sample.json() for sample in samples]
    objects = np.stack([sample.array("object.npy") for sample in samples])  # [N, E]
    views = np.stack([sample.array("views.npy") for sample in samples])  # [N, V, E]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(views.ravel()), views.shape[2])
    columns = {name: pa.array([meta[name] for meta in metas], pa.string()) for name in META}
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(objects.ravel()), objects.shape[1])
    columns["views"] = pa.FixedSizeListArray.from_arrays(flat, views.shape[1])
    return pa.table(columns).replace_schema_metadata({"dlign": fingerprint})
