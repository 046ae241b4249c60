"""Pixels to CLIP input: the reference's normalisation, no resize and no crop."""

import torch
from torch import Tensor

from opendlign_core.training.recipe import ClipSpec


def images_to_input(images: Tensor, spec: ClipSpec) -> Tensor:
    """Normalise uint8 images [..., H, W, 3] to float32 [..., 3, H, W]."""
    if images.dtype != torch.uint8 or images.shape[-1] != 3:
        raise ValueError(f"images must be uint8 [..., H, W, 3], got {images.dtype} {tuple(images.shape)}")
    _check_size(images.shape[-3], images.shape[-2], spec)
    pixels = images.movedim(-1, -3).to(torch.float32) / 255
    return (pixels - _channels(spec.mean, pixels)) / _channels(spec.std, pixels)


def depth_to_input(depth: Tensor, spec: ClipSpec) -> Tensor:
    """Normalise depth maps in [0, 1] (background 1) to float32 [..., 3, H, W].

    Maps are [..., H, W], repeated over the channels, or [..., H, W, 3] as the published files hold them.
    """
    if not depth.is_floating_point():
        raise ValueError(f"depth must be floating in [0, 1], got {depth.dtype}; divide uint8 maps by 255")
    channels_last = depth if depth.shape[-1] == 3 else depth.unsqueeze(-1)
    _check_size(channels_last.shape[-3], channels_last.shape[-2], spec)
    low, high = depth.aminmax() if depth.numel() else (depth.new_zeros(()), depth.new_zeros(()))
    if not (low >= 0 and high <= 1):
        raise ValueError(f"depth must lie in [0, 1], found {float(low):g} to {float(high):g}")
    pixels = channels_last.movedim(-1, -3)
    return ((pixels - _channels(spec.mean, pixels)) / _channels(spec.std, pixels)).to(torch.float32)


def _channels(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).reshape(3, 1, 1)


def _check_size(height: int, width: int, spec: ClipSpec) -> None:
    if (height, width) != (spec.image_size, spec.image_size):
        raise ValueError(
            f"{spec.model} takes {spec.image_size} x {spec.image_size} pixels, got {height} x {width}; "
            "project or synthesize at that size"
        )
