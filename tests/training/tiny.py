"""A CLIP small enough for every test, and objects for it to look at."""

from typing import Any

import numpy as np
import torch

from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.training import DepthAlignedCLIP, Objects, TrainExecution, TrainRecipe

ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 3, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}
SPEC = ClipSpec(model="tiny", weights="random", architecture=ARCHITECTURE, image_size=16, seed=3)
CPU = TrainExecution(device="cpu", log_every=2)


def recipe(**changes: Any) -> TrainRecipe:
    return TrainRecipe(**{"clip": SPEC, "batch_size": 4, "epochs": 3, "peak_lr": 3e-3, **changes})


def model(blocks: int = 1) -> DepthAlignedCLIP:
    return DepthAlignedCLIP(load_clip(SPEC), blocks)


def objects(count: int = 10, views: int = 4, seed: int = 0) -> Objects:
    """Depth maps of random ramps, and images that show the same ramp in a random colour."""
    generator = np.random.default_rng(seed)
    slope = generator.uniform(-1, 1, (count, views, 2, 1, 1))
    grid = np.linspace(-0.5, 0.5, 16)
    ramp = 0.5 + 0.5 * np.sin(4 * (slope[:, :, 0] * grid[None, :] + slope[:, :, 1] * grid[:, None]))
    colour = generator.uniform(60, 255, (count, 1, 1, 1, 3))
    images = (ramp[..., None] * colour).astype(np.uint8)
    return Objects(torch.from_numpy(ramp.astype(np.float32)), torch.from_numpy(images))
