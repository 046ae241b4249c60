"""The nearest surfaces of every pixel, one layer after the other."""

from collections.abc import Iterable

import torch
from torch import Tensor

from opendlign_core.projection.layers.fragments import Fragments
from opendlign_core.projection.layers.picking import picked, places

NOTHING = torch.iinfo(torch.int64).max
"""The key of a layer that does not exist."""


def peeled(parts: Iterable[Fragments], pixels: int, layers: int, device: torch.device) -> Tensor:  # [layers, pixels]
    """The keys of the nearest fragments of every pixel; each layer is strictly farther than the one before.

    Of fragments at the same depth the first in the key's order counts, the others vanish.
    """
    keys = torch.full((layers, pixels), NOTHING, device=device)
    for part in parts:
        keys = _peel(_with_earlier(keys, part), keys.shape)
    return keys


def _with_earlier(keys: Tensor, part: Fragments) -> Fragments:
    layer, pixel = (keys != NOTHING).nonzero(as_tuple=True)
    return Fragments(torch.cat([part.pixel, pixel]), torch.cat([part.key, keys[layer, pixel]]))


def _peel(fragments: Fragments, shape: torch.Size) -> Tensor:
    keys = torch.full(shape, NOTHING, device=fragments.key.device)
    pixel, key = fragments.pixel, fragments.key
    for layer in keys:
        layer.scatter_reduce_(0, pixel, key, "amin")
        behind = places(key >> 32 > picked(layer >> 32, pixel))
        if not len(behind):
            break
        pixel, key = picked(pixel, behind), picked(key, behind)
    return keys
