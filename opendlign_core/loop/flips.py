"""Mirrored views, drawn by object and epoch, never by batch or process."""

import numpy as np
import torch
from torch import Tensor

from opendlign_core.loop.order import Indices


def drawn_flips(indices: Indices, seed: int, epoch: int) -> Tensor:  # [B] bool
    """Which objects, half of them, are mirrored in an epoch."""
    flips = [bool(np.random.default_rng((seed, epoch, int(index))).integers(2)) for index in indices]
    return torch.tensor(flips, dtype=torch.bool)


def flipped(pixels: Tensor, mask: Tensor, width: int) -> Tensor:
    """The chosen objects left to right; `width` is the dimension of columns."""
    return torch.where(mask.view(len(mask), *[1] * (pixels.ndim - 1)), pixels.flip(width), pixels)
