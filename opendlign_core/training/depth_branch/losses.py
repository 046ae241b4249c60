"""The alignment objective: contrast across objects, distance within each."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from opendlign_core.training.depth_branch.recipe import TrainRecipe


class Alignment(NamedTuple):
    """The loss of one batch and what is reported about it; all scalars."""

    total: Tensor
    contrastive: Tensor
    distance: Tensor
    depth_to_image: Tensor
    image_to_depth: Tensor


def contrastive_loss(logits: Tensor) -> Tensor:
    """Mean of both directions' cross-entropy for logits [B, B] whose pairs lie on the diagonal."""
    target = torch.arange(len(logits), device=logits.device)
    cross_entropy = nn.functional.cross_entropy
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


def distance_loss(depth: Tensor, image: Tensor, kind: str) -> Tensor:
    """`"mse"`: mean squared difference over all entries; `"l2"`: norm of each pair's difference, summed over pairs."""
    if kind == "mse":
        return nn.functional.mse_loss(depth, image)
    norms: Tensor = torch.linalg.vector_norm(depth - image, dim=-1)
    return norms.sum()


def alignment(depth: Tensor, image: Tensor, log_scale: Tensor, recipe: TrainRecipe) -> Alignment:
    """Loss of unit object features `depth` and `image` [B, E]; `log_scale` is CLIP's logit scale before exp."""
    logits = log_scale.exp() * depth @ image.T
    contrastive = contrastive_loss(logits)
    distance = distance_loss(depth, image, recipe.distance)
    total = recipe.contrastive_weight * contrastive + recipe.distance_weight * distance
    return Alignment(total, contrastive, distance, _diagonal_hits(logits), _diagonal_hits(logits.T))


def _diagonal_hits(logits: Tensor) -> Tensor:
    target = torch.arange(len(logits), device=logits.device)
    return (logits.argmax(dim=1) == target).to(logits.dtype).mean()
