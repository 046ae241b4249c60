"""Random views for the plain trainer, drawn by object and epoch, never by batch or process."""

import numpy as np
import torch
from torch import Tensor

from opendlign_core.loop.order import Indices
from opendlign_core.training.depth_branch.batches import Objects


def flip_views(objects: Objects, indices: Indices, seed: int, epoch: int) -> Objects:
    """Mirror, in half the objects, all depth maps and images left to right; `indices` name the objects."""
    flips = [bool(np.random.default_rng((seed, epoch, int(index))).integers(2)) for index in indices]
    mask = torch.tensor(flips, dtype=torch.bool)
    return Objects(_flip(objects.depth, mask), _flip(objects.images, mask))


def _flip(pixels: Tensor, mask: Tensor) -> Tensor:
    """Reverse dimension 3, the width, of the masked objects."""
    return torch.where(mask.view(len(mask), *[1] * (pixels.ndim - 1)), pixels.flip(3), pixels)
