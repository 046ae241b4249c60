"""A small CLIP in training from scratch."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from opendlign_core.clip.features import unit
from opendlign_core.clip.load import OpenClip
from opendlign_core.clip.tokens import embedded, last_block
from opendlign_core.loop.curves import Panel
from opendlign_core.loop.learner import TOTAL
from opendlign_core.loop.schedule import Pace, cycle_position
from opendlign_core.training.pretraining.recipe import PretrainRecipe

SLOWEST = 1e-3
"""Share of the peak below which the learning rate does not fall."""

SHARPNESS = 10.0
"""How much more a patch weighs that agrees with a sentence: e to this power for all that cosines can differ by."""


class Words(NamedTuple):
    """A batch: pixels [B, 3, S, S], token ids [B, L], and which captions are equal as numbers [B].

    `by_patches` says that the captions name what can be found in patches.
    """

    pixels: Tensor
    tokens: Tensor
    caption: Tensor
    by_patches: bool = False


class PretrainLearner:
    """Contrasts images with captions; images of a batch that share a caption count as each other's positives."""

    remedy = "lower peak_lr, or raise warmup"
    panels = (Panel("training loss", "train", (TOTAL,)), Panel("batch accuracy", "train", ("accuracy",), (0.0, 1.0)))

    def __init__(self, clip: OpenClip, recipe: PretrainRecipe) -> None:
        self.clip, self.recipe = clip.requires_grad_(True).train(), recipe
        self.optimiser = torch.optim.AdamW(
            _groups(clip, recipe), lr=recipe.peak_lr, betas=(recipe.beta1, recipe.beta2)
        )

    def pace(self, step: int, steps: int) -> Pace:
        share, rising = cycle_position(step, steps, self.recipe.warmup)
        lr = self.recipe.peak_lr * (1 - math.cos(math.pi * (share if rising else 1 - share))) / 2
        return Pace(max(lr, self.recipe.peak_lr * SLOWEST))

    def loss(self, batch: Words, size: int) -> dict[str, Tensor]:
        """Symmetric cross-entropy against the matrix of equal captions, and the share of images whose caption wins."""
        device = self.clip.logit_scale.device
        text = self.clip.encode_text(batch.tokens.to(device), normalize=True)
        caption = batch.caption.to(device)
        positive = (caption[:, None] == caption[None, :]).to(text.dtype)
        image, patches = self._image(batch.pixels.to(device), batch.by_patches)
        scale = self.clip.logit_scale.exp()
        logits = scale * image @ text.T  # [B, B]
        total = _contrast(logits, positive)
        if patches is not None:
            total = total + self.recipe.patches * _contrast(scale * best_patches(patches, text), positive)
        hits = positive.gather(1, logits.argmax(dim=1, keepdim=True))
        return {TOTAL: total, "accuracy": hits.mean()}

    def _image(self, pixels: Tensor, by_patches: bool) -> tuple[Tensor, Tensor | None]:
        """Unit features [B, E] of the images and, where batch and recipe ask for them, [B, T, E] of their patches."""
        if not (by_patches and self.recipe.patches):
            return self.clip.encode_image(pixels, normalize=True), None
        visual = self.clip.visual
        tokens, layers = embedded(visual, pixels), list(visual.transformer.resblocks)
        for block in layers[: -self.recipe.unmixed]:
            tokens = block(tokens)
        patches = tokens[:, 1:]
        for block in layers[-self.recipe.unmixed :]:
            tokens, patches = block(tokens), last_block(block, patches, "value")
        return unit(visual.ln_post(tokens[:, 0]) @ visual.proj), unit(visual.ln_post(patches) @ visual.proj)

    def split_parameters(self) -> Iterable[nn.Parameter]:
        """None: a small CLIP trains in one process."""
        return ()

    @torch.no_grad()
    def after_update(self) -> None:
        self.clip.logit_scale.clamp_(0, math.log(self.recipe.max_logit_scale))

    def tensors(self) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in self.clip.state_dict().items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.clip.load_state_dict(dict(tensors))

    def validate(self) -> None:
        """Held-out shapes are judged when the run has ended."""


def best_patches(patches: Tensor, text: Tensor) -> Tensor:  # [B, T, E], [C, E]
    """How well images agree with texts [B, C]: the mean over an image's patches, those that agree weighing more."""
    agreement = torch.einsum("bte,ce->btc", patches, text)
    return (torch.softmax(SHARPNESS * agreement, dim=1) * agreement).sum(dim=1)


def _contrast(logits: Tensor, positive: Tensor) -> Tensor:  # [B, B] each
    """Symmetric cross-entropy, each row's and column's share split evenly among its positives."""
    target = positive / positive.sum(dim=1, keepdim=True)
    return (nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.T, target)) / 2


def caption_numbers(captions: Sequence[str]) -> Tensor:
    """A number [B] for every caption; equal captions have equal numbers."""
    _, numbers = np.unique(np.asarray(captions), return_inverse=True)
    return torch.from_numpy(numbers)


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
