"""A chain small enough for tests: the same stages as any preset, on a handful of shapes and an untrained tiny CLIP."""

from pathlib import Path
from typing import Any

import yaml

from flows.preset import Preset, load_preset

CATEGORIES = ("chair", "table", "mug", "car", "bottle")
SHARD = 10


def tiny_recipes(objects: int = 50, shard_size: int = SHARD) -> dict[str, Any]:
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
        "project": {"base": "opendlign", "size": 64},
        "synthesize": {"shard_size": shard_size},
        "train": {"clip": clip, "epochs": 2, "batch_size": 16},
        "evaluate": {"datasets": [{"name": "procedural"}], "methods": ["training-free", "opendlign"]},
    }


def write_preset(folder: Path, objects: int = 50, shard_size: int = SHARD, **execution: Any) -> Path:
    """Write a tiny preset; `execution` sets its run-time knobs."""
    path = folder / "tiny.yaml"
    recipes = tiny_recipes(objects, shard_size)
    path.write_text(yaml.safe_dump({**recipes, "execution": execution} if execution else recipes), encoding="utf-8")
    return path


def load_tiny(folder: Path, objects: int = 50, shard_size: int = SHARD, **execution: Any) -> Preset:
    return load_preset(str(write_preset(folder, objects, shard_size, **execution)))
