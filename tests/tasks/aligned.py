"""A small aligned output in a store, with mixed splits in every shard, and what trains on it."""

from typing import Any

import numpy as np

from opendlign_core.clip import ClipSpec
from opendlign_core.samples import Painted, PaintedMeta, encode_depth, encode_image
from opendlign_core.synthesis import SynthesisRecipe
from opendlign_core.training import TrainExecution, TrainRecipe
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.records import Manifest
from storage.store import Store
from tasks.shards import building, finish

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
    plan, rng = plan_shards(objects, SHARD), np.random.default_rng(0)
    for shard in plan:
        with building(output, shard) as builder:
            for number in range(shard.start, shard.stop):
                builder.add(_painted(number, rng))
    return finish(output, plan, max_rejected_share=0.0)


def _painted(number: int, rng: np.random.Generator) -> Painted:
    depth = rng.random((VIEWS, SIZE, SIZE), dtype=np.float32)
    images = rng.integers(0, 256, (VIEWS, SIZE, SIZE, 3), dtype=np.uint8)
    label = LABELS[number % len(LABELS)]
    meta = PaintedMeta(
        object_id=f"toys/{number:03d}",
        source="toys",
        split=SPLITS[number % len(SPLITS)],
        label=label,
        caption=f"a {label}",
        views=VIEWS,
        size=SIZE,
    )
    encoded = tuple(encode_image(image, SynthesisRecipe().image) for image in images)
    return Painted(meta, encode_depth(depth), encoded, "webp")
