"""How well depth finds its images, and its classes, on objects that were held out."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.clip.features import object_features, unit
from opendlign_core.clip.precision import frozen_precision
from opendlign_core.loop.sources import Source
from opendlign_core.training.depth_branch.batches import CacheEntries, Objects
from opendlign_core.training.depth_branch.cache import depth_pixels, image_targets, prefix_of
from opendlign_core.training.depth_branch.model import DepthAlignedCLIP
from opendlign_core.training.depth_branch.recipe import TrainRecipe


class Validation(NamedTuple):
    """Held-out objects; their `labels` [N] (-1 unknown) into unit text embeddings `classes` [C, E], where known."""

    source: Source[CacheEntries] | Source[Objects]
    labels: NDArray[np.int64] | None = None
    classes: Tensor | None = None


class Features(NamedTuple):
    """What both branches and the frozen tower say of held-out objects."""

    base: Tensor  # [N, V, E]
    depth: Tensor  # [N, V, E]
    target: Tensor  # [N, E]


@torch.no_grad()
def validate(
    model: DepthAlignedCLIP, validation: Validation, recipe: TrainRecipe, batch: int = 64
) -> dict[str, float]:
    """Return top-1 accuracies as fractions, NaN where features are no numbers.

    `depth_to_image`, `image_to_depth`: retrieval of each object's partner among all held-out objects by view-averaged
    features, through the depth branch; `base_...` the same through the frozen tower. With labels, `zero_shot` scores
    the first half of the views with the frozen tower and the rest with the depth branch, `base_zero_shot` and
    `depth_zero_shot` all views with one of them.
    """
    features = Features(*(torch.cat(parts) for parts in zip(*_encode(model, validation, recipe, batch), strict=True)))
    metrics = {}
    for prefix, views in (("", features.depth), ("base_", features.base)):
        similarity = object_features(views) @ features.target.T
        metrics[f"{prefix}depth_to_image"] = _diagonal_share(similarity)
        metrics[f"{prefix}image_to_depth"] = _diagonal_share(similarity.T)
    return metrics | zero_shot_metrics(features, validation)


def zero_shot_scores(views: Tensor, classes: Tensor) -> Tensor:
    """Scores [N, C] of views' features [N, V, E]: softmax over classes of plain cosines, summed over views."""
    scores: Tensor = (unit(views) @ classes.T).softmax(dim=-1).sum(dim=1)
    return scores


def zero_shot_metrics(features: Features, validation: Validation) -> dict[str, float]:
    """Shares of the labelled objects whose class wins; none where labels or classes are not known."""
    if validation.labels is None or validation.classes is None:
        return {}
    classes = validation.classes.to(features.base)
    labels = torch.from_numpy(validation.labels).to(classes.device)
    known = labels >= 0
    if not known.any():
        return {}
    half = features.base.shape[1] // 2
    mixed = torch.cat([features.base[:, :half], features.depth[:, half:]], dim=1)
    ways = {"zero_shot": mixed, "base_zero_shot": features.base, "depth_zero_shot": features.depth}
    return {name: _share_of_best(zero_shot_scores(views, classes), labels, known) for name, views in ways.items()}


def _encode(
    model: DepthAlignedCLIP, validation: Validation, recipe: TrainRecipe, batch: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    count = sum(validation.source.sizes)
    for first in range(0, count, batch):
        entries = validation.source.batch(np.arange(first, min(first + batch, count)))
        if isinstance(entries, Objects):
            yield _encode_pixels(model, entries, recipe)
        else:
            entries = CacheEntries(*(tensor.to(model.device) for tensor in entries))
            prefix = prefix_of(entries)
            yield model.base_features(prefix), model.depth_features(prefix), entries.target


def _encode_pixels(model: DepthAlignedCLIP, objects: Objects, recipe: TrainRecipe) -> tuple[Tensor, Tensor, Tensor]:
    with frozen_precision(recipe.precision, model.device):
        base, depth = model.encode_both(depth_pixels(model, objects, recipe.clip))
    views = objects.depth.shape[:2]
    target = image_targets(model, objects, recipe.clip, recipe.precision)
    return base.to(model.dtype).view(*views, -1), depth.to(model.dtype).view(*views, -1), target


def _diagonal_share(similarity: Tensor) -> float:  # [N, N]
    target = torch.arange(len(similarity), device=similarity.device)
    return _share_of_best(similarity, target, torch.ones_like(target, dtype=torch.bool))


def _share_of_best(scores: Tensor, targets: Tensor, counted: Tensor) -> float:  # [N, C], [N], [N]
    """How often the target has the best score; NaN where a score is no number, which `argmax` would call the best."""
    if not torch.isfinite(scores).all():
        return math.nan
    return (scores.argmax(dim=1) == targets)[counted].double().mean().item()
