"""What the depth branch trains on: pixels, or what the frozen tower made of them."""

from typing import NamedTuple

from torch import Tensor


class Objects(NamedTuple):
    """Aligned pixels of objects: depth in [0, 1] [B, V, H, W] (or 3 channels last); uint8 images [B, V, H, W, 3]."""

    depth: Tensor
    images: Tensor


class CacheEntries(NamedTuple):
    """What the cached trainer keeps of objects: tokens [B, V, L, D], rows [B, V, 2, D], target [B, E].

    The first two are the `Prefix` of the depth views; the target is the unit object feature of the images.
    """

    tokens: Tensor
    rows: Tensor
    target: Tensor
