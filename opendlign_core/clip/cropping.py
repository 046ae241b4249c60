"""Cutting the empty border off maps before a CLIP sees them, as PointCLIP V2 does for parts, and where pixels go."""

import torch
from torch import Tensor

from opendlign_core.clip.pixels import resize_aligned

BORDER = 20 / 224
"""Share of a map that is cut off at every side."""


def crop_to_encoder(depth: Tensor, size: int = 224) -> Tensor:
    """Return maps [..., S, S] less their empty border, resized with aligned corners to [..., size, size].

    >>> crop_to_encoder(torch.zeros(10, 64, 64), 32).shape
    torch.Size([10, 32, 32])
    """
    border = border_of(depth.shape[-1])
    return resize_aligned(depth[..., border:-border, border:-border] if border else depth, size)


def crop_pixels(pixel: Tensor, native: int = 224, size: int = 224) -> Tensor:
    """Return where pixels [..., 2] of a map of side `native` lie after `crop_to_encoder`: int64, rounded up.

    Pixels in the border are moved to the edge.
    """
    border = border_of(native)
    ratio = torch.tensor(float(native - 2 * border), device=pixel.device)
    return ((pixel.float() - border) * size / ratio).ceil().long().clamp(0, size - 1)


def border_of(native: int) -> int:
    """How many pixels are cut off every side of a map of this side: 20 of 224, as the reference."""
    return int(native * BORDER)
