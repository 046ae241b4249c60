"""A small CLIP with a depth branch for tests: the golden one with its weights, or one drawn from a seed."""

import warnings
from functools import cache
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

from opendlign_core.evaluation.features import EvalSample
from opendlign_core.evaluation.model import EvaluatedModel
from opendlign_core.training import DepthAlignedCLIP


def tiny_clip(quick_gelu: bool = False, seed: int = 0) -> Any:
    """The golden model's architecture with weights drawn from `seed`."""
    torch.manual_seed(seed)
    vision = CLIPVisionCfg(image_size=32, patch_size=8, width=64, layers=3, head_width=32, mlp_ratio=4.0)
    text = CLIPTextCfg(context_length=77, vocab_size=49408, width=64, heads=2, layers=2, mlp_ratio=4.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CLIP(embed_dim=48, vision_cfg=vision, text_cfg=text, quick_gelu=quick_gelu)


def golden_model(archive: Any) -> EvaluatedModel:
    """The golden model with the depth block its archive stores."""
    state = {name[3:]: torch.from_numpy(archive[name]) for name in archive.files if name.startswith("sd/")}
    plain, block = {}, {}
    for name, tensor in state.items():
        if "depth_control_visual.resblocks.0." in name:
            block[name.split("depth_control_visual.resblocks.0.")[1]] = tensor
        elif name.startswith("clip_model."):
            plain[name.removeprefix("clip_model.")] = tensor
    clip = tiny_clip()
    clip.load_state_dict(plain)
    aligned = DepthAlignedCLIP(clip)
    aligned.depth_blocks[0].load_state_dict(block)
    return wrap(aligned, "golden")


@cache
def seeded_model(seed: int = 0) -> EvaluatedModel:
    """A random model whose two branches differ."""
    aligned = DepthAlignedCLIP(tiny_clip(seed=seed))
    with torch.no_grad():
        for parameter in aligned.trainable().values():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return wrap(aligned, f"seeded-{seed}")


def wrap(aligned: DepthAlignedCLIP, fingerprint: str) -> EvaluatedModel:
    tokenizer = open_clip.SimpleTokenizer(context_length=77)
    return EvaluatedModel("tiny", aligned.eval(), tokenizer, 32, fingerprint)


def random_samples(count: int, labels: tuple[str, ...], seed: int = 0, images: bool = False) -> list[EvalSample]:
    """Depth maps whose pattern depends on the label, so that classes can be told apart."""
    rng = np.random.default_rng(seed)
    base = np.random.default_rng(7).random((len(labels), 10, 32, 32), dtype=np.float32)
    samples = []
    for index in range(count):
        kind = index % len(labels)
        noise = rng.random((10, 32, 32), dtype=np.float32)
        depth = 0.8 * base[kind] + 0.2 * noise
        painted = (255 * np.repeat(depth[..., None], 3, axis=-1)).astype(np.uint8) if images else None
        samples.append(EvalSample(f"set/{index:03d}", labels[kind], depth, painted))
    return samples
