"""Pixels to CLIP input: one normalisation, and the two ways in which images of another size are brought to size."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from opendlign_core.clip.spec import ClipSpec
from opendlign_core.errors import BadInput

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and deviation of the three channels."""


def images_to_input(images: Tensor, spec: ClipSpec) -> Tensor:
    """Normalise uint8 images [..., H, W, 3] of the CLIP's size to float32 [..., 3, H, W]; no resize and no crop."""
    if images.dtype != torch.uint8 or images.shape[-1] != 3:
        raise BadInput(f"images must be uint8 [..., H, W, 3], got {images.dtype} {tuple(images.shape)}")
    _check_size(images.shape[-3], images.shape[-2], spec)
    return _normalised(images.movedim(-1, -3).to(torch.float32) / 255, (spec.mean, spec.std))


def depth_to_input(depth: Tensor, spec: ClipSpec) -> Tensor:
    """Normalise depth maps in [0, 1] (background 1) of the CLIP's size to float32 [..., 3, H, W].

    Maps are [..., H, W], repeated over the channels, or [..., H, W, 3] as the published files hold them.
    """
    if not depth.is_floating_point():
        raise BadInput(f"depth must be floating in [0, 1], got {depth.dtype}; divide uint8 maps by 255")
    channels_last = depth if depth.shape[-1] == 3 else depth.unsqueeze(-1)
    _check_size(channels_last.shape[-3], channels_last.shape[-2], spec)
    low, high = depth.aminmax() if depth.numel() else (depth.new_zeros(()), depth.new_zeros(()))
    if not (low >= 0 and high <= 1):
        raise BadInput(f"depth must lie in [0, 1], found {float(low):g} to {float(high):g}")
    return _normalised(channels_last.movedim(-1, -3), (spec.mean, spec.std)).to(torch.float32)


def prepare_pixels(images: Tensor, size: int, statistics: Statistics | None) -> Tensor:  # [N, 3, H, W] in [0, 1]
    """Encoder input [N, 3, size, size], normalised where statistics are given.

    Other sizes are resized bilinearly with aligned corners, as PointCLIP V2 brings its 110 pixels to 224.
    """
    sized = resize_aligned(images, size)
    return sized if statistics is None else _normalised(sized, statistics)


def resize_aligned(images: Tensor, size: int = 224) -> Tensor:  # [..., H, W]
    """Resize bilinearly so that corner pixels fall on corner pixels: [..., size, size]."""
    if images.shape[-2:] == (size, size):
        return images
    flat = images.reshape(-1, 1, *images.shape[-2:])
    resized = interpolate(flat, size=(size, size), mode="bilinear", align_corners=True)
    return resized.view(*images.shape[:-2], size, size)


def resize_pictures(images: Tensor, size: int) -> Tensor:  # uint8 [N, H, W, 3]
    """Resize as open_clip does it, bicubic with antialiasing: uint8 [N, size, size, 3]."""
    if images.shape[1:3] == (size, size):
        return images
    channels = images.movedim(-1, 1).float()
    resized = interpolate(channels, (size, size), mode="bicubic", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8).movedim(1, -1)


def _normalised(pixels: Tensor, statistics: Statistics) -> Tensor:  # [..., 1 or 3, H, W]
    mean, std = (pixels.new_tensor(values).reshape(3, 1, 1) for values in statistics)
    return (pixels - mean) / std


def _check_size(height: int, width: int, spec: ClipSpec) -> None:
    if (height, width) != (spec.image_size, spec.image_size):
        raise BadInput(
            f"{spec.model} takes {spec.image_size} x {spec.image_size} pixels, got {height} x {width}; "
            "project or synthesize at that size"
        )
