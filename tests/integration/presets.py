"""A chain small enough for tests: the same stages as any preset, on a handful of shapes and an untrained tiny CLIP."""

from pathlib import Path
from typing import Any

import yaml

from flows.preset import Preset, load_preset

CATEGORIES = ("chair", "table", "mug", "car", "bottle")
SHARD = 10
LONG = {"objects": 60, "shard_size": 5, "size": 128}
"""Twelve shards a stage, each of so much work that a test is quick enough to break it in its middle."""


def tiny_recipes(objects: int = 50, shard_size: int = SHARD, size: int = 64) -> dict[str, Any]:
    source = {
        "adapter": "procedural",
        "options": {"objects": str(objects), "seed": "7", "categories": ",".join(CATEGORIES)},
    }
    architecture = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    clip = {"model": "tiny", "weights": "random", "image_size": 64, "architecture": architecture}
    return {
        "ingest": {"source": source, "points": 512, "shard_size": shard_size},
        "project": {"base": "opendlign", "size": size},
        "synthesize": {"shard_size": shard_size},
        "train": {"clip": clip, "epochs": 2, "batch_size": 16},
        "evaluate": {"datasets": [{"name": "procedural"}], "methods": ["training-free", "opendlign"]},
    }


def write_preset(folder: Path, objects: int = 50, shard_size: int = SHARD, size: int = 64) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_recipes(objects, shard_size, size)), encoding="utf-8")
    return path


def load_tiny(folder: Path, objects: int = 50, shard_size: int = SHARD, size: int = 64) -> Preset:
    return load_preset(str(write_preset(folder, objects, shard_size, size)))
