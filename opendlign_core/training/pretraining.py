"""Training a small CLIP from scratch on (image, caption) pairs, on a CPU, in minutes."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from opendlign_core.clip.device import choose_device
from opendlign_core.clip.load import OpenClip, architecture_of, load_clip
from opendlign_core.clip.pixels import images_to_input
from opendlign_core.clip.spec import CONFIG_FILE, WEIGHTS_FILE, ClipSpec
from opendlign_core.clip.tokens import load_tokenizer
from opendlign_core.training.files import write_tensors, write_whole
from opendlign_core.training.pretraining_recipe import PretrainRecipe
from opendlign_core.training.schedule import cycle_position

Pairs = tuple[NDArray[np.uint8], Sequence[str]]
PairSource = Callable[[np.random.Generator, int], Pairs]


class PretrainStep(NamedTuple):
    """Progress of pre-training: `step` of `steps` done, its loss and the batch's image-to-text accuracy."""

    step: int
    steps: int
    loss: float
    accuracy: float
    lr: float


def array_source(images: NDArray[np.uint8], captions: Sequence[str]) -> PairSource:
    """Draw batches without repetition from images [N, H, W, 3] and their captions."""
    if len(images) != len(captions):
        raise ValueError(f"{len(images)} images but {len(captions)} captions")

    def draw(generator: np.random.Generator, count: int) -> Pairs:
        chosen = np.sort(generator.choice(len(images), size=min(count, len(images)), replace=False))
        return images[chosen], [captions[index] for index in chosen]

    return draw


def pretrain(
    source: PairSource,
    recipe: PretrainRecipe,
    folder: Path,
    *,
    device: str = "auto",
    on_progress: Callable[[PretrainStep], None] | None = None,
) -> ClipSpec:
    """Train a CLIP and save it to `folder` in open_clip's local-dir layout; returns the spec that loads it.

    `source(generator, count)` returns uint8 images [count, H, W, 3] and as many captions. It is called once per step
    with a generator seeded by (recipe seed, step), so the run depends on the recipe and the source alone.
    Images of a batch that share a caption count as each other's positives.
    """
    spec = _blank_spec(recipe, folder.name)
    target = choose_device(device)
    clip = load_clip(spec, target).requires_grad_(True).train()
    tokenizer = load_tokenizer(spec)
    optimiser = torch.optim.AdamW(_groups(clip, recipe), lr=recipe.peak_lr, betas=(recipe.beta1, recipe.beta2))
    history: list[PretrainStep] = []
    for step in range(recipe.steps):
        images, captions = source(np.random.default_rng((recipe.seed, step)), recipe.batch_size)
        pixels = images_to_input(torch.from_numpy(np.ascontiguousarray(images)).to(target), spec)
        lr = _set_lr(optimiser, step, recipe)
        loss, accuracy = _loss(clip, pixels, tokenizer(list(captions)).to(target), captions)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        with torch.no_grad():
            clip.logit_scale.clamp_(0, math.log(recipe.max_logit_scale))
        history.append(PretrainStep(step + 1, recipe.steps, loss.item(), accuracy, lr))
        if on_progress is not None:
            on_progress(history[-1])
    save_clip(clip, spec, folder, {"pretrain_recipe": recipe.model_dump(mode="json")})
    _write_log(history, folder / "pretrain.jsonl")
    return ClipSpec.from_folder(folder)


def save_clip(clip: OpenClip, spec: ClipSpec, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write a CLIP as float16 safetensors beside the configuration open_clip's `local-dir:` names expect."""
    tensors = {name: tensor.to(torch.float16) for name, tensor in clip.state_dict().items()}
    write_tensors(folder / WEIGHTS_FILE, tensors, metadata)
    pixels = {"size": spec.image_size, "mean": spec.mean, "std": spec.std}
    text = json.dumps({"model_cfg": architecture_of(spec), "preprocess_cfg": pixels}, indent=2)
    write_whole(folder / CONFIG_FILE, lambda partial: _write_text(partial, text + "\n"))


def _blank_spec(recipe: PretrainRecipe, name: str) -> ClipSpec:
    size = recipe.architecture["vision_cfg"]["image_size"]
    return ClipSpec(
        model=name,
        weights="random",
        architecture=recipe.architecture,
        image_size=size,
        mean=recipe.mean,
        std=recipe.std,
        seed=recipe.seed,
    )


def _groups(clip: OpenClip, recipe: PretrainRecipe) -> list[dict[str, object]]:
    """Weight decay for matrices; none for biases, norms, embeddings and the temperature."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in clip.named_parameters():
        (plain if parameter.ndim < 2 or "embedding" in name else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def _set_lr(optimiser: torch.optim.Optimizer, step: int, recipe: PretrainRecipe) -> float:
    share, rising = cycle_position(step, recipe.steps, recipe.warmup)
    lr = recipe.peak_lr * (1 - math.cos(math.pi * (share if rising else 1 - share))) / 2
    for group in optimiser.param_groups:
        group["lr"] = max(lr, recipe.peak_lr * 1e-3)
    return float(optimiser.param_groups[0]["lr"])


def _loss(clip: OpenClip, pixels: Tensor, tokens: Tensor, captions: Sequence[str]) -> tuple[Tensor, float]:
    """Symmetric cross-entropy against the matrix of equal captions, and the share of images whose caption wins."""
    image = clip.encode_image(pixels, normalize=True)
    text = clip.encode_text(tokens, normalize=True)
    logits = clip.logit_scale.exp() * image @ text.T  # [B, B]
    _, identity = np.unique(np.asarray(captions), return_inverse=True)
    ids = torch.from_numpy(identity).to(pixels.device)
    positive = (ids[:, None] == ids[None, :]).to(logits.dtype)
    target = positive / positive.sum(dim=1, keepdim=True)
    loss = (nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.T, target)) / 2
    hits = positive.gather(1, logits.argmax(dim=1, keepdim=True))
    return loss, hits.mean().item()


def _write_log(history: Sequence[PretrainStep], path: Path) -> None:
    lines = "".join(json.dumps(step._asdict()) + "\n" for step in history)
    write_whole(path, lambda partial: _write_text(partial, lines))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
