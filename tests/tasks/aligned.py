"""A small aligned output in a store, with mixed splits in every shard, and what trains on it."""

from typing import Any

import numpy as np

from opendlign_core.clip import ClipSpec
from opendlign_core.samples import encode_depth, encode_image
from opendlign_core.synthesis import SynthesisRecipe
from opendlign_core.training import TrainExecution, TrainRecipe
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.records import Manifest
from storage.shards import sample_key
from storage.stores import Store
from tasks import tokens
from tasks.shards import ShardWork, building, finish
from tasks.train import cached_splits

SIZE, VIEWS, SHARD = 16, 4, 6
LABELS = ("chair", "table", "mug")
SPLITS = ("train", "train", "val", "train")

CLIP = ClipSpec(
    model="tiny",
    weights="random",
    image_size=SIZE,
    architecture={
        "embed_dim": 24,
        "vision_cfg": {"image_size": SIZE, "patch_size": 8, "width": 32, "layers": 3, "head_width": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
)
CPU = TrainExecution(device="cpu", log_every=1)


def recipe(**changes: Any) -> TrainRecipe:
    return TrainRecipe(**{"clip": CLIP, "batch_size": 5, "epochs": 4, "peak_lr": 3e-3, **changes})


def write_aligned(store: Store, objects: int = 24) -> Manifest:
    """Shards of depth maps and images; every fourth object is held out."""
    output = StageOutput(store, StageIdentity.of("synthesize", 1, SynthesisRecipe(), {"project": "0" * 16}))
    plan = plan_shards(objects, SHARD)
    rng = np.random.default_rng(0)
    for shard in plan:
        with building(output, shard) as builder:
            for number in range(shard.start, shard.stop):
                depth = rng.random((VIEWS, SIZE, SIZE), dtype=np.float32)
                images = rng.integers(0, 256, (VIEWS, SIZE, SIZE, 3), dtype=np.uint8)
                fields = {"depth.npy": encode_depth(depth)}
                fields |= {
                    f"{view:02d}.webp": encode_image(images[view], SynthesisRecipe().image) for view in range(VIEWS)
                }
                builder.add(sample_key(f"toys/{number:03d}"), fields, meta(number))
    return finish(output, plan, max_rejected_share=0.0)


def meta(number: int) -> dict[str, str]:
    label = LABELS[number % len(LABELS)]
    named = {"object_id": f"toys/{number:03d}", "source": "toys", "caption": f"a {label}"}
    return {**named, "split": SPLITS[number % len(SPLITS)], "label": label}


def build_caches(store: Store, trained: TrainRecipe, aligned: Manifest) -> dict[str, Manifest]:
    """The token caches of a recipe, built as the flow builds them."""
    caches = {}
    for wanted in cached_splits(trained, aligned):
        planned = tokens.plan(store, wanted, aligned)
        tokens.tokens_shard.fn(ShardWork(store.url, planned.output.identity, planned.missing), wanted, CPU, aligned)
        caches[wanted.split] = tokens.commit(planned)
    return caches
