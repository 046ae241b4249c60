"""Dlign: CLIP embeddings of the depth-aligned images, kept as shards: what point-encoder projects train on."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from opendlign_core.clip import ClipSpec
from opendlign_core.samples import ImageEmbedding, Painted
from opendlign_core.training import DLIGN_STAGE_VERSION, DlignRecipe, TrainExecution
from storage.output import ShardRange
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.ports import Port
from tasks.shards import ShardBuilder, throughput_table
from tasks.showcase import Showcase
from tasks.stage import Job, ShardedStage
from tasks.train import named_clip

if TYPE_CHECKING:
    import pyarrow as pa

    from opendlign_core.clip.load import OpenClip

META = ("object_id", "source", "split", "label", "caption")


class _Ready(NamedTuple):
    reader: SampleReader
    clip: "OpenClip"


class Dlign(ShardedStage[DlignRecipe, TrainExecution]):
    name = "dlign"
    version = DLIGN_STAGE_VERSION
    recipe = DlignRecipe
    execution = TrainExecution
    about = "Embed painted images with a CLIP, for point encoders to train on."
    reads = (Port("aligned", "synthesize", "Fingerprint of the synthesize output."),)
    pool = "gpu"
    shared = True
    shows = ("throughput",)

    def spell_out(self, given: Mapping[str, Any], preset: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without a CLIP of its own it takes the one that the preset trains."""
        trained = preset.get("train") or {}
        kept = {field: trained[field] for field in ("clip", "precision") if field in trained}
        return named_clip({**kept, **given})

    @contextmanager
    def ready(self, job: Job[DlignRecipe, TrainExecution]) -> Iterator[_Ready]:
        with SampleReader(job.store, job.manifest("aligned")) as reader:
            yield _Ready(reader, _loaded(job.recipe.clip, job.execution.device))

    def build(
        self, job: Job[DlignRecipe, TrainExecution], ready: _Ready, shard: ShardRange, builder: ShardBuilder
    ) -> None:
        """Embed the painted images of a shard's objects."""
        import numpy as np
        import torch

        from opendlign_core.training import embed_images

        waiting = (Painted.read(found.key, found.fields) for found in ready.reader.read(shard.start, shard.stop))
        while chunk := list(islice(waiting, job.execution.objects_per_forward)):
            images = torch.from_numpy(np.stack([painted.pictures() for painted in chunk]))  # [B, V, H, W, 3]
            with torch.inference_mode():
                found = embed_images(ready.clip, images, job.recipe, images.shape[0] * images.shape[1])
            for painted, views, whole in zip(chunk, found.views.numpy(), found.objects.numpy(), strict=True):
                builder.add(ImageEmbedding(painted.meta.who(), views, whole))
            job.progress.advance(len(chunk))

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        ui.table("throughput", throughput_table(store, manifest), "Embedded objects and their cost")


DLIGN = Dlign()


@functools.lru_cache(maxsize=1)
def _loaded(spec: ClipSpec, device: str) -> "OpenClip":
    """The model, loaded once for all shards of this process."""
    from opendlign_core.clip import choose_device, load_clip

    return load_clip(spec, choose_device(device))


def write_parquet(store: Store, embeddings: Manifest, folder: Path) -> list[Path]:
    """Write one Parquet file per shard: an object's names, its unit embedding and that of every view."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with SampleReader(store, embeddings) as reader:
        for record in embeddings.shards:
            path = folder / f"dlign-{record.index:06d}.parquet"
            found = reader.read_shard(record, range(record.samples))
            samples = [ImageEmbedding.read(sample.key, sample.fields) for sample in found]
            if samples:
                table = _table(samples, embeddings.fingerprint)
                pq.write_table(table, path, compression="zstd", use_dictionary=list(META))
                written.append(path)
    return written


def _table(samples: list[ImageEmbedding], fingerprint: str) -> "pa.Table":
    import numpy as np
    import pyarrow as pa

    metas = [sample.meta.as_dict() for sample in samples]
    objects = np.stack([sample.whole for sample in samples])  # [N, E]
    views = np.stack([sample.views for sample in samples])  # [N, V, E]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(views.ravel()), views.shape[2])
    columns = {name: pa.array([meta[name] for meta in metas], pa.string()) for name in META}
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(objects.ravel()), objects.shape[1])
    columns["views"] = pa.FixedSizeListArray.from_arrays(flat, views.shape[1])
    return pa.table(columns).replace_schema_metadata({"dlign": fingerprint})
