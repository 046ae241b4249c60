"""What happens to finished maps: resizing to the encoder's size and sharpening for ControlNet."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad


def resize_aligned(images: Tensor, size: int = 224) -> Tensor:
    """Return images [..., H, W] resized bilinearly so that corner pixels fall on corner pixels: [..., size, size]."""
    flat = images.reshape(-1, 1, *images.shape[-2:])
    resized = interpolate(flat, size=(size, size), mode="bilinear", align_corners=True)
    return resized.view(*images.shape[:-2], size, size)


def median_filter(images: Tensor, window: int = 7) -> Tensor:
    """Return images [..., H, W] after a median over `window` x `window` pixels, mirrored at the borders.

    The paper sharpens its ControlNet condition so. Raises ValueError for an even window.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"a median needs an odd window, got {window}")
    flat = images.reshape(-1, 1, *images.shape[-2:])
    return torch.cat([_median(image[None], window) for image in flat]).view_as(images)


def _median(image: Tensor, window: int) -> Tensor:  # [1, 1, H, W]
    padded = pad(image, (window // 2,) * 4, mode="reflect")
    patches = padded.unfold(2, window, 1).unfold(3, window, 1).flatten(4)
    return patches.median(-1).values
